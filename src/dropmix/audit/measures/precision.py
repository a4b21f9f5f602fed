"""Precision and F1 of each class and how they change, with errors; and flips between two versions of a model.

    precision_k = TP_k / P_k        F1_k = 2 TP_k / (n_k + P_k)         TP right, P predicted, n true

The error of a change is that of new examples and new seeds. Each example i moves a measure by its influence u_i, which
for seed s is (y = k) - precision, over P_k, where s predicts k; and 2 (right) - F1 (y = k) - F1 (predicted k), over
n_k + P_k. With the mean of the influences over seeds, in both arms,

    V = sum over examples of (u_1i - u_0i)^2 + what seeds move beyond single predictions

Groups (patient, clip, camera) stay whole: influences are added up within each first. What seeds move beyond single
predictions is one share for all classes, pooled as in `dropmix.audit.inference.variance`, and widened by a t quantile:
a seed may move all classes alike, and seeds are few.

Differs from a bootstrap over examples and seeds: it is the bootstrap's limit, at a thousandth of the cost.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtri, stdtrit

TAIL = 0.95  # one-sided level at which what seeds move is widened


@dataclass(frozen=True)
class Measured:
    """One measure of K classes under two arms; means over seeds, fractions; NaN where it is not defined.

    Args:
        baseline, treated: (K,).
        change: (K,).
        error: standard error of the change, for new seeds and new examples, (K,).
    """

    baseline: np.ndarray
    treated: np.ndarray
    change: np.ndarray
    error: np.ndarray


def precision_and_f1(
    labels: np.ndarray, pred0: np.ndarray, pred1: np.ndarray, k: int, groups: np.ndarray | None = None
) -> tuple[Measured, Measured]:
    """Precision and F1 of every class under two arms.

    A class that some seed never predicts has no precision under that seed; its mean is over the other seeds. F1 is 0
    there.

    Args:
        labels: (N,).
        pred0, pred1: (S0, N) and (S1, N).
        k: number of classes.
        groups: number of each example's group, (N,); None where examples are independent.

    Example:
        >>> labels, pred = np.array([0, 0, 1, 1]), np.array([[0, 1, 1, 1]])
        >>> precision, f1 = precision_and_f1(labels, pred, np.array([labels]), 2)
        >>> precision.baseline.round(2).tolist(), f1.change.round(2).tolist()
        ([1.0, 0.67], [0.33, 0.2])
    """
    home = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    arms = [_arm(labels, pred, k, home) for pred in (pred0, pred1)]
    units = int(home.max()) + 1
    precision, f1 = (_changed(a, b, units) for a, b in zip(*arms))
    return precision, f1


@dataclass(frozen=True)
class _Arm:
    """One measure of one arm: by seed (S, K), influences (units, K), and the variances over seeds, (K,)."""

    values: np.ndarray
    influence: sparse.csr_matrix
    flips: np.ndarray


def _arm(labels: np.ndarray, pred: np.ndarray, k: int, home: np.ndarray) -> list[_Arm]:
    sizes = np.bincount(labels, minlength=k)
    made: tuple[list, list] = ([], [])
    for row in pred:
        right = row == labels
        hit = np.bincount(labels[right], minlength=k)
        taken = np.bincount(row, minlength=k)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(taken > 0, hit / taken, np.nan)
            f1 = np.where(sizes + taken > 0, 2 * hit / (sizes + taken), np.nan)
            of_precision = (right - precision[row]) / taken[row]
            as_taken = (right - f1[row]) / (sizes + taken)[row]
            as_true = (right - f1[labels]) / (sizes + taken)[labels]
        shape = (int(home.max()) + 1, k)
        one = sparse.csr_matrix((of_precision, (home, row)), shape=shape)
        other = sparse.csr_matrix((as_taken, (home, row)), shape=shape)
        other = other + sparse.csr_matrix((as_true, (home, labels)), shape=shape)
        made[0].append((precision, one))
        made[1].append((f1, other))
    return [_gathered(parts) for parts in made]


def _gathered(parts: list) -> _Arm:
    values = np.stack([value for value, _ in parts])
    seeds = len(parts)
    total = parts[0][1]
    squares = parts[0][1].power(2)
    for _, influence in parts[1:]:
        total = total + influence
        squares = squares + influence.power(2)
    mean = total / seeds
    flips = np.zeros(values.shape[1])
    if seeds > 1:
        within = _columns(squares) / seeds - _columns(mean.power(2))
        flips = np.maximum(within, 0) / (seeds - 1)
    return _Arm(values, mean.tocsr(), flips)


def _changed(a: _Arm, b: _Arm, units: int) -> Measured:
    before, after = (_mean(x.values) for x in (a, b))
    examples = _columns((b.influence - a.influence).power(2)) * units / max(units - 1, 1)
    over_seeds, flips = np.zeros(len(before)), np.zeros(len(before))
    for arm in (a, b):
        known = arm.values[:, ~np.isnan(arm.values).any(axis=0)]
        if len(arm.values) > 1 and known.size:
            at = ~np.isnan(arm.values).any(axis=0)
            over_seeds[at] += known.var(axis=0, ddof=1) / len(arm.values)
            flips += arm.flips
    beyond = max(float(over_seeds.sum() / flips.sum()) - 1, 0.0) if flips.sum() > 0 else 0.0
    free = sum(len(arm.values) - 1 for arm in (a, b))
    widened = float(stdtrit(free, TAIL) / ndtri(TAIL)) ** 2 if free else 1.0
    error = np.sqrt(examples + widened * beyond * flips)
    change = after - before
    return Measured(before, after, change, np.where(np.isnan(change), np.nan, error))


def _columns(matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0)).reshape(-1)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over seeds that have a value, (K,); NaN where none has."""
    held = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(held, values, 0).sum(axis=0) / held.sum(axis=0)


@dataclass(frozen=True)
class Flips:
    """Examples that one model gets right and another wrong, as fractions of each of M classes; means over seed pairs.

    Args:
        negative: right under the baseline, wrong under the treated arm, (M,).
        positive: wrong under the baseline, right under the treated arm, (M,).
        by_seed: right under one seed of the baseline, wrong under another, (M,): what a retrained baseline would show;
            NaN with one seed.
    """

    negative: np.ndarray
    positive: np.ndarray
    by_seed: np.ndarray


def flips(position: np.ndarray, correct0: np.ndarray, correct1: np.ndarray) -> Flips:
    """Negative and positive flips of each class, over every pair of a baseline's and a treated seed.

    Args:
        position: class of each example, (N,), in [0, M).
        correct0, correct1: (S0, N) and (S1, N), bool.

    Example:
        >>> f = flips(np.array([0, 0]), np.array([[True, True]]), np.array([[True, False]]))
        >>> f.negative.tolist(), f.positive.tolist()
        ([0.5], [0.0])
    """
    sizes = np.bincount(position)
    share0, share1 = correct0.mean(axis=0), correct1.mean(axis=0)
    seeds = len(correct0)
    mean = lambda values: np.bincount(position, weights=values) / sizes  # noqa: E731
    own = np.full(len(sizes), np.nan) if seeds < 2 else mean(share0 * (1 - share0)) * seeds / (seeds - 1)
    return Flips(mean(share0 * (1 - share1)), mean((1 - share0) * share1), own)
