"""Several acceptable labels per example: predictions read again, and what the lost ones are mistaken for.

Many pictures show more than one class. With the set of acceptable labels of each example,

    right      the prediction is in the set
    class      the example's own label, if it is in the set; else the only other acceptable label; an example with an
               empty set, or with several acceptable labels but not its own, is left out and counted

Right predictions are rewritten to the example's class, so that every later step counts them as right. What the
labels alone say stands beside it (`AsLabelled`), with the kinds of class that each class's lost predictions went to.

Source:
    Beyer et al. 2020, arXiv 2006.07159 (label sets of ImageNet); Kirichenko et al. 2023, arXiv 2401.01764, for kinds of
    confusion under augmentation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.predictions import Predictions, superclass_numbers

KINDS = ("another acceptable label", "same superclass", "label that shares pictures", "unrelated")
COLUMNS = ("lost_to_acceptable", "lost_to_superclass", "lost_to_shared", "lost_to_unrelated")
SHARES = 0.05  # two classes share pictures if this share of one's label sets holds the other


@dataclass(frozen=True)
class AcceptedReading:
    """Predictions with acceptable labels.

    Args:
        predictions: on the examples that have a class, right ones rewritten to it.
        kept: their rows among the original examples, (N',).
        moved: examples that went to their only other acceptable label.
        empty: examples left out because no label is acceptable.
        unclear: examples left out because several other labels are acceptable, and their own is not.
    """

    predictions: Predictions
    kept: np.ndarray
    moved: int
    empty: int
    unclear: int

    @property
    def note(self) -> str:
        """What was done, for people."""
        parts = [f"{self.moved} examples went to their only acceptable label"] if self.moved else []
        parts += [f"{self.empty} with no acceptable label are left out"] if self.empty else []
        parts += (
            [f"{self.unclear} with several acceptable labels, but not their own, are left out"] if self.unclear else []
        )
        return f"With acceptable labels: {', '.join(parts)}." if parts else ""


def with_acceptable_labels(p: Predictions) -> AcceptedReading:
    """Read predictions again with their label sets.

    Args:
        p: with `accept`, (N, A), padded with -1.
    Raises:
        AuditError: no label sets, or no example left.

    Example:
        >>> p = Predictions("a", np.array([0, 0, 1]), np.array([[2, 1, 1]]), np.array([0]))
        >>> accept = np.array([[0, 2], [1, -1], [-1, -1]])
        >>> reading = with_acceptable_labels(replace(p, accept=accept))
        >>> reading.predictions.labels.tolist(), reading.predictions.pred.tolist(), reading.empty
        ([0, 1], [[0, 1]], 1)
    """
    if p.accept is None:
        raise AuditError(f"{p.arm}: expected acceptable labels, got none. Give accept.")
    accept = p.accept
    own = (accept == p.labels[:, None]).any(axis=1)
    count = _distinct(accept)
    only = ~own & (count == 1)
    kept = np.flatnonzero(own | only)
    if not len(kept):
        raise AuditError(f"{p.arm}: expected an example with an acceptable label, got none. Check accept.")
    labels = np.where(only, accept.max(axis=1), p.labels).astype(p.labels.dtype)
    right = acceptable(p.pred, accept)
    read = replace(p, labels=labels, pred=np.where(right, labels, p.pred).astype(p.pred.dtype), topk=None)
    return AcceptedReading(
        read.take(kept),
        kept,
        moved=int(only.sum()),
        empty=int((count == 0).sum()),
        unclear=int((~own & (count > 1)).sum()),
    )


def acceptable(pred: np.ndarray, accept: np.ndarray) -> np.ndarray:
    """Whether each prediction is in its example's set, (S, N), bool.

    Args:
        pred: (S, N).
        accept: (N, A), filled up with -1.
    """
    right = np.zeros(pred.shape, dtype=bool)
    for column in accept.T:  # one column at a time: (S, N, A) may not fit
        right |= (pred == column) & (column >= 0)
    return right


def _distinct(accept: np.ndarray) -> np.ndarray:
    """Different labels of each set, (N,)."""
    ordered = np.sort(accept, axis=1)
    new = np.ones(ordered.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return (new & (ordered >= 0)).sum(axis=1)


def shares_pictures(accept: np.ndarray, k: int) -> np.ndarray:
    """Pairs of classes of which the first's label sets often hold the second, as codes first * k + second, ascending.

    Args:
        accept: (N, A), filled up with -1.
        k: number of classes.

    Example:
        >>> shares_pictures(np.array([[0, 1], [0, -1]]), 3).tolist()
        [1, 3]
    """
    from scipy import sparse

    rows, columns = np.nonzero(accept >= 0)
    ones = np.ones(len(rows))
    membership = sparse.csr_matrix((ones, (rows, accept[rows, columns])), shape=(len(accept), k)).minimum(1)
    together = (membership.T @ membership).tocoo()  # only pairs that occur: (K, K) may not fit
    often = together.data >= SHARES * np.asarray(membership.sum(axis=0)).reshape(-1)[together.row]
    apart = together.row != together.col
    return np.unique((together.row.astype(np.int64) * k + together.col)[often & apart])


def kinds_of_confusion(
    labels: np.ndarray, pred: np.ndarray, accept: np.ndarray, superclasses: np.ndarray | None, k: int
) -> np.ndarray:
    """Share of each class's examples that are taken for each kind of other class, mean over seeds, (K, 4).

    The columns are `KINDS`; a wrong prediction counts once, as the first kind that fits. Rows add up to one minus the
    recall as labelled; NaN for a class without examples. The difference of two arms says what the lost ones became.

    Args:
        labels: as given, (N,).
        pred: (S, N).
        accept: (N, A), filled up with -1.
        superclasses: number of each class's superclass, (K,); None where there are none.
        k: number of classes.

    Example:
        >>> accept = np.array([[0, 1], [0, -1], [0, -1]])
        >>> kinds = kinds_of_confusion(np.zeros(3, int), np.array([[1, 2, 0]]), accept, None, 3)
        >>> kinds[0].round(2).tolist()
        [0.33, 0.0, 0.0, 0.33]
    """
    seeds = len(pred)
    wrong = pred != labels
    other = wrong & acceptable(pred, accept)
    sibling = np.zeros_like(wrong) if superclasses is None else superclasses[pred] == superclasses[labels]
    shared = np.isin(labels.astype(np.int64) * k + pred, shares_pictures(accept, k))
    kind = np.select([other, sibling, shared], [0, 1, 2], default=3)
    code = np.broadcast_to(labels, pred.shape)[wrong] * 4 + kind[wrong]
    counts = np.bincount(code, minlength=4 * k).reshape(k, 4) / seeds
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts / np.bincount(labels, minlength=k)[:, None]


def kinds_of_loss(arms: Sequence[Predictions], accept: np.ndarray, k: int) -> list[np.ndarray]:
    """What each treated arm's lost predictions became: shares of each class's examples, (K, 4), one array per arm.

    The columns are `KINDS`, treated minus baseline; rows add up to minus the change of recall as labelled. NaN in the
    second column for a class without a superclass.

    Args:
        arms: aligned, the baseline first.
        accept: (N, A), filled up with -1.
        k: number of classes.
    """
    groups = next((arm.superclasses for arm in arms if arm.superclasses is not None), None)
    numbers = None if groups is None else superclass_numbers(groups)
    before, *after = (kinds_of_confusion(arms[0].labels, arm.pred, accept, numbers, k) for arm in arms)
    lost = [kinds - before for kinds in after]
    unknown = [i for i in range(k) if groups is None or groups[i] is None]
    for kinds in lost:
        kinds[unknown, 1] = np.nan
    return lost


@dataclass(frozen=True)
class AsLabelled:
    """What the labels alone say of one arm, to stand beside the reading with acceptable labels.

    Args:
        names: of all classes, K.
        summary, classes: of the comparison by the labels alone.
        lost: what lost predictions became, (K, 4), as `kinds_of_loss` gives it.
    """

    names: Sequence[str]
    summary: Mapping[str, Any]
    classes: Mapping[str, Any]
    lost: np.ndarray

    @property
    def numbers(self) -> dict[str, Any]:
        """For the summary."""
        keys = ("decision", "n_hurt", "n_safe", "accuracy_baseline", "accuracy_treated", "gain")
        return {f"{key}_as_labelled": self.summary[key] for key in keys}

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """For the classes `names`; empty or NaN for one that has no examples of its own label."""
        place = {name: i for i, name in enumerate(self.classes["class"])}
        at = [place.get(name, -1) for name in names]
        change = np.append(np.asarray(self.classes["recall_change"], dtype=float), np.nan)[at]
        home = {name: i for i, name in enumerate(self.names)}
        lost = self.lost[[home[name] for name in names]]
        return {
            "decision_as_labelled": [self.classes["decision"][i] if i >= 0 else "" for i in at],
            "recall_change_as_labelled": change,
            **dict(zip(COLUMNS, lost.T)),
        }
