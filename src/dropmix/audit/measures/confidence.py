"""Confidence of each class, and how it changes for degraded and improved classes (the paper's Table 3).

The paper does not define confidence. Here it is the probability of the true class, averaged over the class's
examples and the arm's seeds; or, on request, the highest probability. Results say which.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


def class_confidence(labels: np.ndarray, probability: np.ndarray | None, k: int) -> np.ndarray:
    """Mean confidence of each class over its examples and the seeds, (K,), in [0, 1]; NaN where unknown.

    Args:
        labels: (N,), in [0, k).
        probability: (S, N), or None.
        k: number of classes.

    Example:
        >>> class_confidence(np.array([0, 0, 1]), np.array([[0.2, 0.4, 0.9]]), 3).round(3).tolist()
        [0.3, 0.9, nan]
    """
    if probability is None:
        return np.full(k, np.nan)
    mean = probability.mean(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(labels, weights=mean, minlength=k) / np.bincount(labels, minlength=k)


@dataclass(frozen=True)
class ConfidenceChange:
    """Mean confidence change of improved and of degraded classes, and degraded minus improved.

    `low` and `high` bound the difference: Welch's t interval over classes. NaN where a group is too small.
    """

    improved: float
    degraded: float
    difference: float
    low: float
    high: float


def confidence_change(sign: np.ndarray, before: np.ndarray, after: np.ndarray, level: float = 0.9) -> ConfidenceChange:
    """Compare the confidence change of degraded classes with that of improved ones.

    Args:
        sign: sign of the recall change, (M,).
        before: confidence under the baseline, (M,).
        after: confidence under the treated arm, (M,).
        level: coverage of the interval.

    Example:
        >>> c = confidence_change(np.array([-1, 1]), np.array([0.9, 0.8]), np.array([0.5, 0.7]))
        >>> round(c.degraded, 3), round(c.improved, 3), round(c.difference, 3), c.low
        (-0.4, -0.1, -0.3, nan)
    """
    change = after - before
    down, up = change[sign < 0], change[sign > 0]
    degraded = float(down.mean()) if len(down) else np.nan
    improved = float(up.mean()) if len(up) else np.nan
    half = np.nan
    if len(down) > 1 and len(up) > 1 and (spread := (down.var(ddof=1), up.var(ddof=1))) != (0, 0):
        half = welch_half_width(spread[0], len(down), spread[1], len(up), level)
    gap = degraded - improved
    return ConfidenceChange(improved, degraded, gap, float(gap - half), float(gap + half))


def welch_half_width(variance0: float, n0: int, variance1: float, n1: int, level: float) -> float:
    """Half of Welch's t interval for a difference of two means.

    Args:
        variance0, variance1: of each sample (ddof 1); 0 in both gives 0.
        n0, n1: sizes, >= 2.
        level: coverage.
    Example:
        >>> round(welch_half_width(1.0, 10, 1.0, 10, 0.95), 2)  # t of 18 degrees of freedom times sqrt(0.2)
        0.94
    """
    a, b = variance0 / n0, variance1 / n1
    if a + b == 0:
        return 0.0
    free = (a + b) ** 2 / (a**2 / (n0 - 1) + b**2 / (n1 - 1))
    return float(stdtrit(free, (1 + level) / 2) * np.sqrt(a + b))
