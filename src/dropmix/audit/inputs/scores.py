"""From scores per class to predicted classes and confidences, in blocks of rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dropmix.audit.errors import AuditError, clip, first

SLACK = 0.02  # float16 softmax outputs over thousands of classes sum to 1 up to about this
ROWS = 4096


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
        kind: "probs" (rows must sum to 1), "logits" (softmax is applied), or "auto" (probabilities if all rows sum to
            1, logits if some value is outside [0, 1]).
    Returns:
        pred (S, N) int32; p_true and p_max (S, N) float32.
    Raises:
        AuditError: NaN, values in [0, 1] whose rows do not sum to 1, or logits instead of probabilities.

    Example:
        >>> found = reduce_scores(Array3(np.array([[[0.2, 0.8], [0.9, 0.1]]])), np.array([1, 1]), "probs", "x")
        >>> found["pred"].tolist(), found["p_true"].round(3).tolist()
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
    low, high, missing, worst = np.inf, -np.inf, 0, 0.0
    for s, rows, raw in scores.blocks():
        block = raw.astype(np.float32, copy=False)
        missing += (
            int((~np.isfinite(block)).any(axis=1).sum()) if kind == "probs" else int(np.isnan(block).any(axis=1).sum())
        )
        if missing:
            continue
        pred[s, rows] = block.argmax(axis=1)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        worst = max(worst, float(np.abs(block.sum(axis=1, dtype=np.float64) - 1).max()))
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
    inside = low >= 0 and high <= 1.002
    use = kind if kind != "auto" else ("probs" if inside else "logits")
    if use == "probs" and not inside:
        wrong = low if low < 0 else high
        raise AuditError(f"{where}: expected probs in [0, 1], got {wrong:g}. Apply softmax first, or name them logits.")
    if use == "probs" and worst > SLACK:
        raise AuditError(
            f"{where}: expected probabilities that sum to 1 in every row, got sums off by up to {worst:.3g}, as of "
            "sigmoid scores. If an example may have several classes, read them with read_multilabel; if it has one, "
            "save pred, or name them logits."
        )
    return {"pred": pred, "p_true": made[use, "p_true"], "p_max": made[use, "p_max"]}


@dataclass(frozen=True)
class MultiLabel:
    """Scores of S seeds for K labels, of which an example may have any number.

    Attributes:
        labels: (N, K), bool.
        scores: (S, N, K), float32.
        names: K names.
        seeds: (S,), int64.
        thresholds: (K,), float32: a label is predicted if its score is at least this.
    """

    labels: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...]
    seeds: np.ndarray
    thresholds: np.ndarray

    def binary(self, label: int | str) -> tuple[np.ndarray, np.ndarray]:
        """One label as a two-class problem: truth (N,) and predictions (S, N), 0 or 1, int32."""
        at = self.names.index(label) if isinstance(label, str) else label
        return self.labels[:, at].astype(np.int32), (self.scores[:, :, at] >= self.thresholds[at]).astype(np.int32)


def multilabel(
    labels: np.ndarray,
    scores: np.ndarray,
    names: tuple[str, ...] | None = None,
    seeds: np.ndarray | None = None,
    thresholds: float | np.ndarray = 0.5,
    where: str = "multi-label",
) -> MultiLabel:
    """Checked multi-label predictions.

    Args:
        labels: (N, K), 0 or 1.
        scores: (N, K) or (S, N, K), any scale.
        names: of the labels; numbers if None.
        seeds: (S,).
        thresholds: one for all labels, or (K,).
    Raises:
        AuditError: shapes that do not fit, labels that are not 0 and 1, or NaN.

    Example:
        >>> m = multilabel(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.2], [0.6, 0.7]]), ("AF", "ST"))
        >>> m.binary("AF")[1].tolist()
        [[1, 1]]
    """
    scores = scores[None] if scores.ndim == 2 else scores
    if labels.ndim != 2 or scores.ndim != 3 or scores.shape[1:] != labels.shape:
        raise AuditError(
            f"{where}: expected labels (N, K) and scores (S, N, K), got {labels.shape} and {scores.shape}. "
            "Save one column per label in both."
        )
    if not np.isin(labels, (0, 1)).all():
        raise AuditError(
            f"{where}: expected labels of 0 and 1, got {first(np.unique(labels))}. Save one column per label."
        )
    if np.isnan(scores).any():
        raise AuditError(f"{where}: expected scores without NaN, got {int(np.isnan(scores).sum())}. Fill them.")
    k = labels.shape[1]
    names = names or tuple(str(i) for i in range(k))
    if len(names) != k:
        raise AuditError(f"{where}: expected {k} names, got {len(names)}: {clip(', '.join(names))}. Name every label.")
    levels = np.broadcast_to(np.asarray(thresholds, dtype=np.float32), (k,)).copy()
    number = np.arange(len(scores), dtype=np.int64) if seeds is None else np.asarray(seeds, dtype=np.int64)
    return MultiLabel(labels.astype(bool), scores.astype(np.float32), names, number, levels)


def best_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The threshold of each label with the highest F1 on a validation set.

    Args:
        labels: (N, K), bool.
        scores: (N, K) or (S, N, K); seeds are pooled.
    Returns:
        (K,), float32; inf for a label without any positive example.

    Example:
        >>> best_thresholds(np.array([[0], [1], [1]], bool), np.array([[0.1], [0.4], [0.8]])).round(2).tolist()
        [0.4000000059604645]
    """
    pooled = scores[None] if scores.ndim == 2 else scores
    made = np.full(labels.shape[1], np.inf, np.float32)
    for at in range(labels.shape[1]):
        score = pooled[:, :, at].reshape(-1)
        truth = np.tile(labels[:, at].astype(bool), len(pooled))
        if not truth.any():
            continue
        order = np.argsort(-score, kind="stable")
        hits = np.cumsum(truth[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
        last = np.flatnonzero(
            np.append(score[order][1:] != score[order][:-1], True)
        )  # one threshold per distinct score
        made[at] = score[order][last[int(f1[last].argmax())]]
    return made
