"""How fast mixing removes a class's label for a trained network: confidence against mixing strength."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from dropmix.audit.spreadsheet import guarded, write_table

BATCH = 256

Predict = Callable[[Tensor], Tensor]
Batch = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LabelInformation:
    """Confidence in the own class of x_s = (1 - s) x + s x', x' an image of another class.

    Args:
        strengths: s, (L,), from 0 to 1.
        own: own class of each pair, (P,).
        partner: partner's class of each pair, (P,).
        confidence: softmax probability of the own class, (P, L).
        classes: K names.
    """

    strengths: np.ndarray
    own: np.ndarray
    partner: np.ndarray
    confidence: np.ndarray
    classes: list[str]

    def curves(self) -> np.ndarray:
        """Mean over a class's pairs, (K, L); NaN for a class without any."""
        count = np.bincount(self.own, minlength=len(self.classes))
        total = np.zeros((len(self.classes), len(self.strengths)))
        np.add.at(total, self.own, self.confidence)
        with np.errstate(invalid="ignore"):
            return total / count[:, None]

    def area(self) -> np.ndarray:
        """Area under each class's curve over s in [0, 1], (K,): the mean label information, in [0, 1]."""
        return np.trapezoid(self.curves(), self.strengths, axis=1)

    def kept(self) -> np.ndarray:
        """Area over the confidence at s = 0, (K,): the share of its label that a class keeps on average."""
        curves = self.curves()
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.area() / curves[:, 0]

    def save(self, path: Path) -> None:
        """Write one row per class, partner class and strength: means over their pairs, as CSV."""
        pairs, which = np.unique(np.stack([self.own, self.partner]), axis=1, return_inverse=True)
        count = np.bincount(which.reshape(-1))
        total = np.zeros((len(count), len(self.strengths)))
        np.add.at(total, which.reshape(-1), self.confidence)
        names = [guarded(name) for name in self.classes]
        rows: list[tuple] = [("class", "partner", "strength", "confidence", "pairs")]
        for (own, partner), n, row in zip(pairs.T, count, total):
            for s, value in zip(self.strengths, row / n):
                rows.append((names[own], names[partner], f"{s:.4g}", f"{value:.6g}", n))
        write_table(path, rows)


def label_information(
    batch: Batch,
    labels: np.ndarray,
    predict: Predict,
    classes: list[str],
    *,
    strengths: np.ndarray | None = None,
    partners: int = 4,
    per_class: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LabelInformation:
    """Mix each image with images of other classes at rising strength, and record a network's confidence in its class.

    Args:
        batch: rows (n,), int64 -> normalised images (n, C, H, W).
        labels: class of each row, (N,), int64.
        predict: images -> logits (n, K), in eval mode.
        classes: K names.
        strengths: s, rising from 0 to 1; None takes 11 evenly spaced ones.
        partners: number of images of other classes per image, drawn evenly among all of them.
        per_class: images per class, drawn at random; None uses all.
        seed: of the draws.
        progress: called as progress(pairs done, all pairs).
    Returns:
        LabelInformation.
    Raises:
        ValueError: fewer than two classes, or strengths that do not rise from 0 to 1.
    Source:
        Figs. 4 and 15 of arXiv 2307.09136, with the mean over many pairs in place of chosen ones.
    Example:
        >>> x, y = torch.eye(4)[:, :, None, None], np.arange(4)
        >>> info = label_information(lambda rows: x[rows], y, lambda x: 9 * x.flatten(1), list("abcd"), partners=2)
        >>> info.curves().shape, bool((np.diff(info.curves(), axis=1) < 0).all())
        ((4, 11), True)
    """
    s = np.linspace(0, 1, 11) if strengths is None else np.asarray(strengths, float)
    if len(s) < 2 or s[0] != 0 or s[-1] != 1 or (np.diff(s) <= 0).any():
        raise ValueError(f"label_information: expected strengths that rise from 0 to 1, got {s}. Give e.g. 0, 0.5, 1.")
    if len(np.unique(labels)) < 2:
        raise ValueError("label_information: expected images of two classes or more, got one. Add others.")
    rng = np.random.default_rng(seed)
    rows, others = _pairs(labels, partners, per_class, rng)
    confidence = np.empty((len(rows), len(s)), np.float32)
    step = max(BATCH // len(s), 1)
    grid = torch.tensor(s, dtype=torch.float32)
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        confidence[part] = _confidence(batch, predict, rows[part], others[part], labels, grid)
        progress(part.stop, len(rows))
    return LabelInformation(s, labels[rows], labels[others], confidence, classes)


def _pairs(
    labels: np.ndarray, partners: int, per_class: int | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of images and of their partners, (P,) each, by image."""
    shuffled = rng.permutation(len(labels))
    if per_class is not None:
        place = np.empty(len(labels), np.int64)
        for label in np.unique(labels):
            mine = shuffled[labels[shuffled] == label]
            place[mine] = np.arange(len(mine))
        shuffled = shuffled[place[shuffled] < per_class]
    chosen = np.sort(shuffled)
    rows = np.repeat(chosen, partners)
    others = rng.integers(len(labels), size=len(rows))
    while (same := labels[others] == labels[rows]).any():
        others[same] = rng.integers(len(labels), size=same.sum())
    return rows, others


@torch.no_grad()
def _confidence(batch: Batch, predict: Predict, rows, others, labels, grid: Tensor) -> np.ndarray:
    # Mixing commutes with normalisation: it is affine, and the weights add up to 1.
    x, partner = batch(torch.from_numpy(rows)), batch(torch.from_numpy(others))
    s = grid.to(x.device)[None, :, None, None, None]
    mixed = (1 - s) * x[:, None] + s * partner[:, None]
    shares = predict(mixed.flatten(0, 1)).float().softmax(1).reshape(len(rows), len(grid), -1)
    own = torch.from_numpy(labels[rows]).to(shares.device)
    return shares.gather(2, own[:, None, None].expand(-1, len(grid), 1))[:, :, 0].cpu().numpy()


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over classes, with a bootstrap interval (90 %) over classes."""

    value: float
    low: float
    high: float
    classes: int


def rank_correlation(a: np.ndarray, b: np.ndarray, refits: int = 2000, seed: int = 0) -> Correlation:
    """Spearman's rho of two columns, over the classes that have both.

    Args:
        a, b: (K,), NaN if unknown.
        refits: bootstrap samples of classes.
        seed: of the bootstrap.
    Raises:
        ValueError: fewer than four classes have both.
    Example:
        >>> rank_correlation(np.arange(9.0), np.arange(9.0) ** 3).value
        1.0
    """
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 4:
        raise ValueError(f"rank_correlation: expected 4 classes or more with both numbers, got {len(a)}.")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(a), size=(refits, len(a)))
    values = _spearman(a[drawn], b[drawn])
    low, high = np.nanquantile(values, [0.05, 0.95])
    return Correlation(float(_spearman(a[None], b[None])[0]), float(low), float(high), len(a))


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    ranks = [rankdata(v, axis=1) - (v.shape[1] + 1) / 2 for v in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (ranks[0] * ranks[1]).sum(1) / np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
