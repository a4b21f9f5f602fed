"""Candidate predictors of the classes that an augmentation hurts: one number per class and seed, or per class."""

from collections import Counter
from pathlib import Path

import numpy as np

from dropmix.audit.inputs.predictions import Predictions
from dropmix.data import Dataset
from dropmix.data.records import Texts
from dropmix.grid.data import load_data
from dropmix.grid.store import scan
from dropmix.text import is_text
from dropmix.train.config import RunSpec

Table = dict[str, np.ndarray]


def from_runs(arm: Predictions, k: int) -> Table:
    """Predictors from the baseline's own runs, (S, K) each, which carry the noise of those runs.

    Args:
        arm: the baseline.
        k: number of classes.
    Returns:
        "baseline recall", "baseline confidence" (mean probability of the true class, if given), "entropy of confusions"
        (nats, over the wrong classes; 0 for a class without errors) and, if superclasses are given, "errors inside the
        superclass" (share of errors; the mean over classes for a class without errors).
    """
    sizes = np.maximum(np.bincount(arm.labels, minlength=k), 1)
    confusions = np.stack(
        [np.bincount(arm.labels.astype(np.int64) * k + pred, minlength=k * k).reshape(k, k) for pred in arm.pred]
    )
    right = np.diagonal(confusions, axis1=1, axis2=2)
    wrong = confusions * (1 - np.eye(k, dtype=np.int64))
    errors = wrong.sum(2)
    share = wrong / np.maximum(errors, 1)[..., None]
    predictors: Table = {
        "baseline recall": right / sizes,
        "entropy of confusions": -(share * np.log(np.where(share > 0, share, 1))).sum(2),
    }
    if arm.p_true is not None:
        sums = np.stack([np.bincount(arm.labels, row, minlength=k) for row in arm.p_true])
        predictors["baseline confidence"] = sums / sizes
    if arm.superclasses is not None:
        coarse = np.array(arm.superclasses)
        inside = (wrong * (coarse[:, None] == coarse[None])).sum(2)
        ratio = np.where(errors > 0, inside / np.maximum(errors, 1), np.nan)
        predictors["errors inside the superclass"] = np.where(np.isnan(ratio), np.nanmean(ratio), ratio)
    return predictors


def from_labels(arm: Predictions, k: int) -> Table:
    """Predictors from the labels alone, (K,) each: they owe nothing to any run.

    Args:
        arm: any arm.
        k: number of classes.
    Returns:
        "test examples"; "training examples" where the runs tell them of every class; "label ambiguity" (share of the
        class's test examples for which another class is acceptable too) where acceptable classes are given.
    """
    sizes = np.bincount(arm.labels, minlength=k)
    predictors: Table = {"test examples": sizes.astype(float)}
    if arm.train_counts is not None and None not in arm.train_counts:
        predictors["training examples"] = np.array(arm.train_counts, dtype=float)
    if arm.accept is not None:
        more = ((arm.accept >= 0) & (arm.accept != arm.labels[:, None])).any(1)
        predictors["label ambiguity"] = np.bincount(arm.labels, more, k) / np.maximum(sizes, 1)
    return predictors


def from_texts(dataset: Dataset) -> Table:
    """Predictors from the training texts, (K,) each, independent of all runs.

    Args:
        dataset: texts, as `dropmix.text.load_texts` returns them.
    Returns:
        "training examples", "mean length" (tokens), "vocabulary overlap" (with the nearest other class: cosine of
        word counts, without words that most classes share).
    """
    train, k = dataset.train, len(dataset.classes)
    assert isinstance(train, Texts)
    number = np.bincount(train.labels, minlength=k)
    lengths = (train.tokens > 0).sum(1)
    counts = np.zeros((k, int(train.tokens.max()) + 1))
    np.add.at(counts, (np.repeat(train.labels, train.tokens.shape[1]), train.tokens.ravel()), 1)
    counts[:, :2] = 0  # padding and the unknown word
    weighted = np.log1p(counts) * np.log(k / np.maximum((counts > 0).sum(0), 1))
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)
    overlap = weighted @ weighted.T
    np.fill_diagonal(overlap, -np.inf)
    return {
        "training examples": number.astype(float),
        "mean length": np.bincount(train.labels, lengths, minlength=k) / number,
        "vocabulary overlap": overlap.max(1),
    }


def on_texts(folder: Path) -> bool:
    """Whether the runs of a grid are on texts."""
    specs = [run.spec for run in scan(folder) if isinstance(run.spec, RunSpec)]
    return bool(specs) and is_text(specs[0].data.name)


def of_texts(folder: Path, data: Path) -> Table:
    """Predictors from the training texts of a grid's runs.

    Args:
        folder: of the grid.
        data: the training texts of its runs.
    Raises:
        ValueError: runs that are not on texts, or on other texts.
    """
    spec = next((run.spec for run in scan(folder) if isinstance(run.spec, RunSpec)), None)
    if spec is None or not is_text(spec.data.name):
        raise ValueError(f"{folder}: expected runs on texts for --data, got none. Leave out --data.")
    dataset = load_data(spec, str(data))
    if dataset.fingerprint != spec.data.fingerprint:
        raise ValueError(f"{data}: expected the texts that {folder} was trained on, got others. Check the path.")
    return from_texts(dataset)


def constant(values: np.ndarray) -> bool:
    """Whether most classes share one value, so that ranks are meaningless."""
    return Counter(np.round(values, 12).tolist()).most_common(1)[0][1] > 0.9 * len(values)
