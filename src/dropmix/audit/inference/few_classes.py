"""Few classes: one test per class, corrected for their number.

    z_m = (d_m + margin) / sqrt(V_m),  Student t with the pooled degrees of freedom, one-sided

Holm's procedure calls classes degraded. At the stated level, the number of degraded classes lies between the number
shown to be degraded and all but those shown not to be: two families of Holm tests, half the error each.

Source:
    Holm 1979, "A simple sequentially rejective multiple test procedure".
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, stdtr, stdtrit

FEW = 20  # with fewer classes than this, a prior cannot be fitted


@dataclass(frozen=True)
class Few:
    """Results for few classes.

    Args:
        p_degraded: probability of a change below -margin under a flat prior, (M,): one minus the one-sided p value.
        p_improved: of a change above +margin, (M,).
        called, called_improved: (M,), bool.
        number_low, number_high: bounds of the number of degraded classes.
        half_width: of an interval of each class's change, (M,).
    """

    p_degraded: np.ndarray
    p_improved: np.ndarray
    called: np.ndarray
    called_improved: np.ndarray
    number_low: int
    number_high: int
    half_width: np.ndarray


def few_classes(change: np.ndarray, variance: np.ndarray, dof: int, margin: float, error: float, level: float) -> Few:
    """Test every class on its own.

    Args:
        change, variance: (M,).
        dof: degrees of freedom behind the variances, >= 1.
        margin: fraction.
        error: family-wise error rate of the calls.
        level: coverage of the bounds.

    Example:
        >>> few = few_classes(np.array([-0.1, 0.02]), np.full(2, 1e-4), 16, 0.005, 0.1, 0.9)
        >>> few.called.tolist(), (few.number_low, few.number_high)
        ([True, False], (1, 1))
    """
    se = np.sqrt(variance)
    not_degraded = stdtr(dof, (change + margin) / se)  # small where the change is below -margin
    not_improved = stdtr(dof, (margin - change) / se)
    half = (1 - level) / 2
    return Few(
        p_degraded=1 - not_degraded,
        p_improved=1 - not_improved,
        called=holm(not_degraded, error),
        called_improved=holm(not_improved, error),
        number_low=int(holm(not_degraded, half).sum()),
        number_high=len(change) - int(holm(1 - not_degraded, half).sum()),
        half_width=stdtrit(dof, (1 + level) / 2) * se,
    )


def holm(p: np.ndarray, error: float) -> np.ndarray:
    """Which hypotheses Holm's step-down procedure rejects, (M,), bool.

    Args:
        p: p values, (M,).
        error: family-wise error rate.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03]), 0.05).tolist()
        [True, False, False]
    """
    order = np.argsort(p, kind="stable")
    passes = p[order] <= error / (len(p) - np.arange(len(p)))
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order[: int(np.cumprod(passes).sum())]] = True
    return rejected


def mcnemar(lost: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Exact two-sided McNemar test of each class, (M,): p values.

    Args:
        lost: examples that only the baseline gets right, (M,).
        won: examples that only the treated arm gets right, (M,).

    Example:
        >>> mcnemar(np.array([8]), np.array([1])).round(4).tolist()
        [0.0391]
    """
    fewer, total = np.minimum(lost, won), lost + won
    return np.minimum(1.0, 2 * bdtr(fewer, np.maximum(total, 1), 0.5))
