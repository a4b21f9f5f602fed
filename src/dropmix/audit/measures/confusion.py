"""Where the lost examples go: partner classes and superclasses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

DENSE = 2000  # with more classes, the confusion counts stay sparse and are not returned


@dataclass(frozen=True)
class Diagnosis:
    """What happened to each of K classes; counts are means over the seeds of each arm.

    Args:
        false_negatives_change, false_positives_change: examples, treated minus baseline, (K,).
        partner: class that gained most of this class's examples, (K,); -1 if none gained.
        partner_share: its share of all examples that moved to other classes, (K,), in [0, 1]; NaN if none moved.
        partner_change: examples that moved to the partner as a fraction of the class, (K,).
        partner_back: the same seen from the partner, (K,): above 0 the partner's own examples also move here (the
            two are confused more), below 0 the partner takes and gives nothing back.
        change: treated minus baseline confusion counts, (K, K), rows = true class; None above 2000 classes.
    """

    false_negatives_change: np.ndarray
    false_positives_change: np.ndarray
    partner: np.ndarray
    partner_share: np.ndarray
    partner_change: np.ndarray
    partner_back: np.ndarray
    change: np.ndarray | None


def confusion(labels: np.ndarray, pred: np.ndarray, k: int) -> Any:
    """Confusion counts, mean over seeds, scipy CSR matrix (K, K), rows = true class.

    Args:
        labels: (N,).
        pred: (S, N).
        k: number of classes.

    Example:
        >>> confusion(np.array([0, 1]), np.array([[0, 0], [0, 1]]), 2).toarray().tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    seeds = len(pred)
    if k <= DENSE:
        code = labels.astype(np.int64) * k + pred
        counts = np.bincount(code.reshape(-1), minlength=k * k).reshape(k, k)
        return sparse.csr_matrix(counts / seeds)
    rows = np.tile(labels, seeds)
    weight = np.full(rows.shape, 1 / seeds)
    return sparse.coo_matrix((weight, (rows, pred.reshape(-1))), shape=(k, k)).tocsr()


def diagnose(labels: np.ndarray, pred0: np.ndarray, pred1: np.ndarray, k: int) -> Diagnosis:
    """Compare the confusions of two arms.

    Args:
        labels: (N,).
        pred0, pred1: (S0, N) and (S1, N).
        k: number of classes.

    Example:
        >>> d = diagnose(np.array([0, 0, 1]), np.array([[0, 0, 1]]), np.array([[0, 1, 1]]), 2)
        >>> d.partner.tolist(), d.false_negatives_change.tolist()
        ([1, -1], [1.0, 0.0])
    """
    before, after = confusion(labels, pred0, k), confusion(labels, pred1, k)
    change: Any = (after - before).tocsr()
    sizes = np.bincount(labels, minlength=k)
    own = change.diagonal()
    off = (change - sparse.diags(own)).tocsr()
    gained = off.maximum(0)
    partner = np.asarray(gained.argmax(axis=1)).reshape(-1)
    most = gained.max(axis=1).toarray().reshape(-1)
    moved = np.asarray(gained.sum(axis=1)).reshape(-1)
    none = most <= 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.asarray(off[partner, np.arange(k)]).reshape(-1) / sizes[partner]
        return Diagnosis(
            false_negatives_change=0 - own,
            false_positives_change=np.asarray(change.sum(axis=0)).reshape(-1) - own,
            partner=np.where(none, -1, partner),
            partner_share=np.where(none, np.nan, most / moved),
            partner_change=np.where(none, np.nan, most / sizes),
            partner_back=np.where(none, np.nan, back),
            change=change.toarray() if k <= DENSE else None,
        )


def superclass_changes(
    labels: np.ndarray, pred0: np.ndarray, pred1: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Change in the share of each class's examples that go to a wrong class of its superclass, and beyond it.

    Args:
        labels: (N,).
        pred0, pred1: (S0, N) and (S1, N).
        groups: superclass number of each class, (K,).
    Returns:
        within (K,) and across (K,), fractions; their sum is minus the recall change; NaN for absent classes.

    Example:
        >>> within, across = superclass_changes(
        ...     np.array([0, 0]), np.array([[0, 0]]), np.array([[1, 2]]), np.array([0, 0, 1])
        ... )
        >>> within.tolist()[:1], across.tolist()[:1]
        ([0.5], [0.5])
    """
    k = len(groups)
    sizes = np.bincount(labels, minlength=k)

    def shares(pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wrong = pred != labels
        same = groups[pred] == groups[labels]
        count = lambda where: np.bincount(labels, weights=where.mean(axis=0), minlength=k)  # noqa: E731
        with np.errstate(divide="ignore", invalid="ignore"):
            return count(wrong & same) / sizes, count(wrong & ~same) / sizes

    (within0, across0), (within1, across1) = shares(pred0), shares(pred1)
    return within1 - within0, across1 - across0
