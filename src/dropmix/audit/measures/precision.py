"""Precision and F1 of each class and how they change, with intervals; and flips between two versions of a model.

    precision_k = TP_k / P_k        F1_k = 2 TP_k / (n_k + P_k)         TP right, P predicted, n true; sums over seeds

Both change by what each example adds: for seed s, example i moves the measure of class k by

    u_isk = a_k [right, k true] + b_k [wrong, k true] - c_k [wrong, k predicted]
    precision    a = (1 - p) / P        b = 0               c = p / P             P, n per seed
    F1           a = 2 (1 - f) / (n + P)   b = -f / (n + P)    c = f / (n + P)

so that, with the mean ubar of each arm over its seeds, the variance of the change over new examples and new seeds is

    V = sum over examples of (ubar_1i - ubar_0i)^2 + what seeds move beyond single predictions

Groups (patient, clip, camera) stay whole: what their examples add is summed first. Classes of few examples are drawn
towards what their counts predict, as in `dropmix.audit.inference.variance`: none is certain by luck. What seeds move
beyond single predictions is one share for all classes, widened by a t quantile, since seeds are few.

Differs from a bootstrap over examples and seeds: it is the bootstrap's limit, from counts of the wrong predictions
alone, at a thousandth of the cost.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dropmix.audit.measures.seed_moves import SeedMoves, beyond_flips

PRIOR = 10.0  # examples' worth of what the counts predict of a class's variance

# From right, missed and wrongly predicted examples of each class, (K,) each, to the measure, (K,), and what one example
# of each of the three adds to it, (3, K).
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Measured:
    """One measure of K classes under two arms, pooled over seeds; fractions; NaN where it is not defined.

    Args:
        baseline, treated: (K,).
        change: (K,).
        error: standard error of the change, for new seeds and new examples, (K,).
    """

    baseline: np.ndarray
    treated: np.ndarray
    change: np.ndarray
    error: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the two-sided interval of the change, (K,) each, within [-1, 1].

        Args:
            level: coverage, in (0, 1).
        """
        half = ndtri((1 + level) / 2) * self.error
        return np.maximum(self.change - half, -1), np.minimum(self.change + half, 1)


@dataclass(frozen=True)
class _Arm:
    """One arm, counted; K classes, C cells: every pair of a unit and a class that something is added to.

    Args:
        right, missed, wrong: per seed and class, the right, the missed and the wrongly predicted, (S, K) each.
        cells: the same per cell, means over seeds, three of (C,).
        products: sums over cells of the products of every two of the three, mean over seeds, (3, 3, K).
    """

    right: np.ndarray
    missed: np.ndarray
    wrong: np.ndarray
    cells: tuple[np.ndarray, np.ndarray, np.ndarray]
    products: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Per class, means over seeds, (3, K)."""
        return np.stack([x.mean(axis=0) for x in (self.right, self.missed, self.wrong)])


def precision_and_f1(
    labels: np.ndarray, pred0: np.ndarray, pred1: np.ndarray, k: int, groups: np.ndarray | None = None
) -> tuple[Measured, Measured]:
    """Precision and F1 of every class under two arms.

    Seeds are pooled: precision is the share of right ones among all predictions of the class by any seed, as
    scikit-learn gives it for the predictions of all seeds one after the other.

    Args:
        labels: (N,), in [0, k).
        pred0, pred1: (S0, N) and (S1, N), in [0, k).
        k: number of classes.
        groups: number of each example's group, (N,); None where examples are independent.

    Example:
        >>> labels, pred = np.array([0, 0, 1, 1]), np.array([[0, 1, 1, 1]])
        >>> precision, f1 = precision_and_f1(labels, pred, np.array([labels]), 2)
        >>> precision.baseline.round(2).tolist(), f1.change.round(2).tolist()
        ([1.0, 0.67], [0.33, 0.2])
    """
    home = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    mistakes = [np.nonzero(pred != labels) for pred in (pred0, pred1)]
    taken = [pred[at] for pred, at in zip((pred0, pred1), mistakes)]
    codes = [home * k + labels, *(home[at[1]] * k + to for at, to in zip(mistakes, taken))]
    distinct, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    own, *other = np.split(inverse, np.cumsum([len(code) for code in codes])[:-1])
    of_class, units = distinct % k, int(home.max()) + 1
    arms = [
        _arm(labels, pred, k, own, at[0], place, of_class, groups is not None)
        for pred, at, place in zip((pred0, pred1), mistakes, other)
    ]
    return _measured(arms, _precision, of_class, units), _measured(arms, _f1, of_class, units)


def _arm(labels, pred, k: int, own, seed, other, of_class, grouped: bool) -> _Arm:
    """Count one arm.

    Args:
        own: cell of each example in its own class, (N,).
        seed, other: seed of each wrong prediction, and its cell.
        of_class: class of each cell, (C,).
    """
    seeds, cells = len(pred), len(of_class)
    right = np.stack([np.bincount(labels[row == labels], minlength=k) for row in pred])
    missed = np.bincount(labels, minlength=k) - right
    wrong = np.bincount(seed * k + of_class[other], minlength=seeds * k).reshape(seeds, k)
    share = (pred == labels).mean(axis=0)
    mean = (
        np.bincount(own, weights=share, minlength=cells),
        np.bincount(own, weights=1 - share, minlength=cells),
        np.bincount(other, minlength=cells) / seeds,
    )
    products = np.zeros((3, 3, k))
    if grouped:
        for s, row in enumerate(pred):
            hit = row == labels
            parts = np.stack([np.bincount(at, minlength=cells) for at in (own[hit], own[~hit], other[seed == s])])
            for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
                products[i, j] += np.bincount(of_class, weights=parts[i] * parts[j], minlength=k) / seeds
                products[j, i] = products[i, j]
    else:  # an example adds one of the three to a class, once
        for i, counts in enumerate((right, missed, wrong)):
            products[i, i] = counts.mean(axis=0)
    return _Arm(right, missed, wrong, mean, products)


def _precision(right: np.ndarray, missed: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        p = right / (right + wrong)
        return p, np.stack([(1 - p), 0 * p, -p]) / (right + wrong)


def _f1(right: np.ndarray, missed: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        f = 2 * right / (2 * right + missed + wrong)
        return f, np.stack([2 - 2 * f, -f, -f]) / (2 * right + missed + wrong)


def _measured(arms: list[_Arm], measure: Measure, of_class: np.ndarray, units: int) -> Measured:
    k = arms[0].right.shape[1]
    values, weights = zip(*(measure(*a.counts) for a in arms))
    added = [_added(w, a, of_class) for w, a in zip(weights, arms)]
    examples = np.bincount(of_class, weights=(added[1] - added[0]) ** 2, minlength=k) * units / max(units - 1, 1)
    parts = [_over_seeds(a, w, mean, of_class) for a, w, mean in zip(arms, weights, added)]
    variance = _moderated(examples, arms, measure) + beyond_flips(parts)
    return Measured(values[0], values[1], values[1] - values[0], np.sqrt(variance))


def _added(weights: np.ndarray, a: _Arm, of_class: np.ndarray) -> np.ndarray:
    right, missed, wrong = (w[of_class] * cells for w, cells in zip(weights, a.cells))
    return right + missed + wrong


def _over_seeds(a: _Arm, weights: np.ndarray, added: np.ndarray, of_class: np.ndarray) -> SeedMoves:
    right, missed, wrong = a.counts
    size, seeds = right + (missed + wrong) / 2, len(a.right)
    if seeds == 1:
        return SeedMoves(1, size, np.full(len(size), np.nan), np.full(len(size), np.nan))
    squares = np.einsum("ik,jk,ijk->k", weights, weights, a.products)
    within = squares - np.bincount(of_class, weights=added**2, minlength=len(size))
    each = weights[0] * a.right + weights[1] * a.missed + weights[2] * a.wrong
    return SeedMoves(seeds, size, np.maximum(within, 0) * seeds / (seeds - 1), each.var(axis=0, ddof=1))


def _moderated(examples: np.ndarray, arms: list[_Arm], measure: Measure) -> np.ndarray:
    """Variances from examples, drawn towards what the counts predict; the counts as if a little more was seen."""
    predicted = np.zeros_like(examples)
    for a in arms:
        right, missed, wrong = a.counts
        counts = right + 0.5, missed + 0.25, wrong + 0.25
        predicted = predicted + (measure(*counts)[1] ** 2 * np.stack(counts)).sum(axis=0)
    size = np.minimum(*(a.counts.sum(axis=0) for a in arms))
    at = ~np.isnan(examples) & (size > 0)
    ratio = float((size * examples)[at].sum() / (size * predicted)[at].sum()) if at.any() else 1.0
    return (size * examples + PRIOR * ratio * predicted) / (size + PRIOR)
