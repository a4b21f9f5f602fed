"""Scores per class, in blocks of rows: predicted class, probability of the true class, highest probability.

And scores of several labels per example, (S, N, K), against a matrix of 0 and 1, read as 2 K classes. Label k of
example i is one decision of its own, "present" or "absent"; as N K examples in 2 K classes,

    recall of "k present"   sensitivity of label k
    recall of "k absent"    specificity of label k

so that every later step takes them as it takes classes. Scores are kept for what needs no threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, first, shown
from dropmix.audit.formats import columns
from dropmix.audit.formats.archives import ROWS
from dropmix.audit.inputs.example_ids import sort_by_id
from dropmix.audit.inputs.given import Labels, Reading, find_columns
from dropmix.audit.inputs.predictions import Predictions, checked
from dropmix.audit.naming.score_columns import MOST_SLACK, slack, slack_between

SENSITIVITY, SPECIFICITY, AVERAGE_PRECISION = "sensitivity", "specificity", "average precision"
MEASURES = (SENSITIVITY, SPECIFICITY, AVERAGE_PRECISION)
USUAL = 0.5  # threshold of probabilities


class Scores(Protocol):
    """Scores of S seeds, N examples and K classes, read block by block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """S, N, K."""
        ...

    def blocks(self) -> Iterator[tuple[int, slice, np.ndarray]]:
        """Seed, rows and scores (rows, K)."""
        ...


@dataclass
class Array3:
    """Scores in memory, (S, N, K)."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """S, N, K."""
        return self.array.shape

    def blocks(self) -> Iterator[tuple[int, slice, np.ndarray]]:
        """Seed, rows and scores (rows, K)."""
        for s in range(self.array.shape[0]):
            for start in range(0, self.array.shape[1], ROWS):
                rows = slice(start, min(start + ROWS, self.array.shape[1]))
                yield s, rows, self.array[s, rows]


def reduce_scores(scores: Scores, labels: np.ndarray, kind: str, where: str) -> dict[str, np.ndarray]:
    """Predictions and confidences from scores.

    Args:
        scores: (S, N, K), probabilities or logits.
        labels: true classes, (N,), below K.
        kind: "probs" (rows must sum to 1, or to 100), "logits" (softmax is applied), or "auto" (probabilities if all
            rows sum to 1 or to 100, logits if some value is outside [0, 1]).
    Returns:
        pred (S, N) int32; p_true and p_max (S, N) float32.
    Raises:
        AuditError: NaN or infinity, values in [0, 1] whose rows do not sum to 1, or logits instead of probabilities.

    Example:
        >>> reduced = reduce_scores(Array3(np.array([[[0.2, 0.8], [0.9, 0.1]]])), np.array([1, 1]), "probs", "x")
        >>> reduced["pred"].tolist(), reduced["p_true"].round(3).tolist()
        ([[1, 0]], [[0.800000011920929, 0.10000000149011612]])
    """
    seeds, count, k = scores.shape
    if k < 2:
        raise AuditError(f"{where}: expected scores of at least 2 classes, got {k}. Save a column per class.")
    if count != len(labels):
        raise AuditError(
            f"{where}: expected scores of shape (S, N, K) with N = {len(labels)}, got {scores.shape}. "
            "Save all examples."
        )
    if len(labels) and int(labels.max()) >= k:
        from_one = labels.min() == 1 and labels.max() == k
        hint = "They seem to be numbered from 1: subtract 1." if from_one else "Save a column of scores per class."
        raise AuditError(f"{where}: expected labels below K = {k}, got {labels.max()}. {hint}")
    pred = np.zeros((seeds, count), np.int32)
    made = {("probs", key): np.zeros((seeds, count), np.float32) for key in ("p_true", "p_max")}
    made |= {("logits", key): np.zeros((seeds, count), np.float32) for key in ("p_true", "p_max")}
    low, high, missing, infinite, worst, percent = np.inf, -np.inf, 0, 0, 0.0, 0.0
    for s, rows, raw in scores.blocks():
        block = raw.astype(np.float32, copy=False)
        missing += int(np.isnan(block).any(axis=1).sum())
        # A single logit of -inf says that a class cannot be.
        wrong = (
            np.isinf(block) if kind == "probs" else (block == np.inf) | (block == -np.inf).all(axis=1, keepdims=True)
        )
        infinite += int(wrong.any(axis=1).sum())
        if missing or infinite:
            continue
        pred[s, rows] = block.argmax(axis=1)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        sums = block.sum(axis=1, dtype=np.float64)
        worst, percent = max(worst, float(abs(sums - 1).max())), max(percent, float(abs(sums - 100).max()))
        true = labels[rows].astype(np.intp)[:, None]
        made["probs", "p_true"][s, rows] = np.take_along_axis(block, true, axis=1)[:, 0]
        made["probs", "p_max"][s, rows] = block.max(axis=1)
        if kind != "probs":
            top = block.max(axis=1, keepdims=True)
            with np.errstate(invalid="ignore", over="ignore"):
                total = np.exp(block - top).sum(axis=1)
                made["logits", "p_max"][s, rows] = 1 / total
                made["logits", "p_true"][s, rows] = np.exp(np.take_along_axis(block, true, axis=1) - top)[:, 0] / total
    if missing:
        raise AuditError(f"{where}: expected finite scores, got NaN in {missing} rows. Leave these examples out.")
    if infinite:
        raise AuditError(
            f"{where}: expected finite scores, got infinite ones in {infinite} rows. Leave these examples out, or save "
            "logits in float32."
        )
    if (
        low >= 0 and high > 1.002 and percent <= 100 * slack_between(scores, percent / 100, 100) and kind != "logits"
    ):  # per cent
        made |= {("probs", key): made["probs", key] / 100 for key in ("p_true", "p_max")}
        low, high, worst = low / 100, high / 100, percent / 100
    inside = low >= 0 and high <= 1.002
    use = kind if kind != "auto" else ("probs" if inside else "logits")
    if use == "probs" and not inside:
        wrong = low if low < 0 else high
        raise AuditError(f"{where}: expected probs in [0, 1], got {wrong:g}. Apply softmax first, or name them logits.")
    if use == "probs" and worst > slack_between(scores, worst, 100 if percent <= 100 * MOST_SLACK else 1):
        raise AuditError(
            f"{where}: expected probabilities that sum to 1 in every row, got sums off by up to {worst:.3g}, as of "
            "sigmoid scores. If an example may have several labels, give the true ones as labels (--labels FILE), one "
            "column of 0 and 1 per label; if it has one, save pred, or name them logits."
        )
    return {"pred": pred, "p_true": made[use, "p_true"], "p_max": made[use, "p_max"]}


@dataclass(frozen=True)
class Matrix:
    """Numbers with one column per label.

    Attributes:
        values: (N, K) or (S, N, K).
        names: of the columns; None where they have none.
        ids: of the examples, (N,), int64 or object (str); None where only the order says which is which.
        where: the source, for errors.
        seeds: (S,); None where they have no numbers.
    """

    values: np.ndarray
    names: tuple[str, ...] | None
    ids: np.ndarray | None
    where: str
    seeds: np.ndarray | None = None


@dataclass(frozen=True)
class LabelMatrix:
    """True labels, (N, K), bool, with K names; `beside`: other columns of their source."""

    values: np.ndarray
    names: tuple[str, ...]
    ids: np.ndarray | None
    where: str
    beside: Mapping[str, Labels] = field(default_factory=dict)


def matrix_of_table(table: pa.Table, names: Sequence[str], where: str, typed: bool) -> Matrix:
    """Columns of numbers as a matrix, with the ids of the rows where the table has them.

    Args:
        names: of the columns.
        typed: False for text that has to be read as what it looks like.
    Raises:
        AuditError: no numbers.
    """
    parts = [columns.floats(table[name], name, where) for name in names]
    if not parts or any(part is None for part in parts):
        raise AuditError(f"{where}: expected one column of numbers per label, got {shown(names)}. Fill them.")
    key = find_columns(table.column_names, Reading(), where).get("example_id")
    ids = None if key is None else columns.keys(table[key], key, where, guess=not typed)
    return Matrix(np.stack([part for part in parts if part is not None], axis=1), tuple(names), ids, where)


def is_label_matrix(values: np.ndarray) -> bool:
    """Whether an array is (N, K) of zeros and ones, with two columns or more."""
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "biuf":
        return False
    return bool(np.isin(values, (0, 1)).all())


def is_one_hot(values: np.ndarray) -> bool:
    """Whether an array is (N, K) with one 1 per row and zeros, of two classes or more."""
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "biuf":
        return False
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def label_matrix(matrix: Matrix, names: Sequence[str] | None = None) -> LabelMatrix:
    """True labels from a matrix; `names` replace its own.

    Raises:
        AuditError: another number of names than columns, or one that occurs twice.
    """
    k = matrix.values.shape[1]
    names = tuple(names) if names is not None else matrix.names or tuple(str(i) for i in range(k))
    if len(names) != k or len(set(names)) != k:
        raise AuditError(f"{matrix.where}: expected {k} different names, got {first(list(names))}. Name every label.")
    return LabelMatrix(matrix.values.astype(bool), names, matrix.ids, matrix.where)


def binary(
    scores: Matrix, truth: LabelMatrix, arm: str, about: Mapping[str, Any], more: Mapping[str, Labels]
) -> Predictions:
    """Scores as predictions of 2 K classes, at the usual threshold.

    Args:
        scores: (N, K) or (S, N, K).
        truth: of these examples, and possibly of others.
        arm: its name.
        about: further fields of the record.
        more: `group` and `by` of the examples, where they are known.
    Raises:
        AuditError: shapes, names or ids that do not fit, or NaN.

    Example:
        >>> truth = LabelMatrix(np.array([[1, 0], [0, 1]], bool), ("AF", "ST"), None, "truth")
        >>> scores = Matrix(np.array([[0.9, 0.2], [0.6, 0.7]]), None, None, "scores")
        >>> p = binary(scores, truth, "a", {}, {})
        >>> p.class_names, p.correct().tolist()
        (('AF sensitivity', 'AF specificity', 'ST sensitivity', 'ST specificity'), [[True, True, False, True]])
    """
    where, values = scores.where, scores.values
    values = values[None] if values.ndim == 2 else values
    k = len(truth.names)
    if values.ndim != 3 or values.shape[2] != k or values.dtype.kind not in "fiu":
        raise AuditError(
            f"{where}: expected scores (N, {k}) or (S, N, {k}) for the labels of {truth.where}, got "
            f"{scores.values.shape}. Save one column per label."
        )
    if scores.names is not None and set(scores.names) != set(truth.names):
        other = [n for n in scores.names if n not in set(truth.names)]
        raise AuditError(
            f"{where}: expected columns named as in {truth.where} ({first(truth.names)}), got {first(other)}. "
            "Rename them."
        )
    if scores.names is not None:
        values = values[:, :, [scores.names.index(name) for name in truth.names]]
    if missing := int(np.isnan(values).any(axis=(0, 2)).sum()):
        raise AuditError(f"{where}: expected scores without NaN, got some in {missing} rows. Leave these examples out.")
    if bool((truth.values.sum(axis=1) == 1).all()) and bool((abs(values.sum(axis=2) - 1) < slack(values, k)).all()):
        raise AuditError(
            f"{truth.where}: expected several labels per example, got one each, and scores that sum to 1: one class "
            "per example. Give class numbers, labels.argmax(axis=1), or a column label."
        )
    seeds, count, _ = values.shape
    rows = Labels(np.arange(len(truth.values)), truth.ids, truth.where).of(scores.ids, count, where)
    known = scores.ids is not None and truth.ids is not None
    present = truth.values[rows]
    labels = (2 * np.arange(k) + ~present).reshape(-1)
    score = np.ascontiguousarray(values.reshape(seeds, -1), dtype=np.float32)
    made: dict[str, Any] = {}
    if score.min() >= 0 and score.max() <= 1:
        made = {"p_true": np.where(present.reshape(-1), score, 1 - score), "p_max": np.maximum(score, 1 - score)}
    for key, column in more.items():
        made[key] = np.repeat(column.of(scores.ids, count, where), k)
    record = Predictions(
        arm=arm,
        labels=labels,
        pred=decided(score, np.full(k, USUAL)),
        score=score,
        seeds=np.arange(seeds) if scores.seeds is None else scores.seeds,
        example_id=(rows[:, None] * k + np.arange(k)).reshape(-1) if known else None,
        class_names=tuple(f"{name} {measure}" for name in truth.names for measure in (SENSITIVITY, SPECIFICITY)),
        **{"seeds_given": scores.seeds is not None, **about, **made},
    )
    return sort_by_id(checked(record, where), where)


def labels_of(p: Predictions) -> tuple[str, ...]:
    """Names of the K labels of predictions that `binary` made."""
    return tuple(name.removesuffix(f" {SENSITIVITY}") for name in (p.class_names or ())[::2])


def decided(score: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Classes of `binary` from scores (S, N K): a label is present where its score is at least its threshold, (K,)."""
    k = len(levels)
    absent = score.reshape(len(score), -1, k) < levels
    return (2 * np.arange(k) + absent).reshape(len(score), -1).astype(np.int32)
