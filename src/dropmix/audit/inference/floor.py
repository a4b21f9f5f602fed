"""What equal changes would show: every class changes alike, and noise makes some look worse and others better."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Floor:
    """What a study of equal changes shows.

    Args:
        number: expected number of classes that look degraded.
        low, high: its 95 % band.
        mean_change: their mean change; NaN if none ever do.
        by_rank: 2.5 % quantile, mean and 97.5 % quantile of the changes at each place of the order, smallest change
            first, (3, M). The spread at one place is far smaller than that of one class.
    """

    number: float
    low: float
    high: float
    mean_change: float
    by_rank: np.ndarray


def equal_gain_floor(
    gain: float,
    variance: np.ndarray,
    sizes: np.ndarray,
    seeds: tuple[int, int],
    rng: np.random.Generator,
    draws: int | None = None,
) -> Floor:
    """Simulate equal gains with the noise that was fitted.

        d_m = gain + N(0, V_m) within [-1, 1], rounded to what the counts allow: a multiple of 1 / (n_m lcm(S0, S1))

    Args:
        gain: added to every class's recall, fraction.
        variance: V_m, (M,).
        sizes: n_m, (M,).
        seeds: S0, S1.
        rng: the only source of randomness.
        draws: simulated audits; by default 2000, fewer for many classes.

    Example:
        >>> f = equal_gain_floor(0.0, np.full(100, 1e-4), np.full(100, 100), (5, 5), np.random.default_rng(0))
        >>> 42 < f.number < 50, f.low < f.number < f.high
        (True, True)
        >>> f.by_rank[1, [0, 50, 99]].round(3).tolist()  # no class changed, and this is what is seen
        [-0.025, 0.0, 0.025]
    """
    m = len(variance)
    draws = draws or max(400, min(2000, 400_000 // m))
    change = gain + np.sqrt(variance) * rng.standard_normal((draws, m))
    np.clip(change, -1, 1, out=change)  # no recall falls by more than all of it
    steps = sizes * math.lcm(*seeds)
    degraded = np.rint(change * steps) < 0
    number = degraded.sum(axis=1)
    low, high = np.quantile(number, [0.025, 0.975])
    some = number > 0
    mean = float(((change * degraded).sum(axis=1)[some] / number[some]).mean()) if some.any() else math.nan
    change.sort(axis=1)
    ends = np.quantile(change, [0.025, 0.975], axis=0)
    by_rank = np.stack([ends[0], change.mean(axis=0), ends[1]])
    return Floor(float(number.mean()), float(low), float(high), mean, by_rank)
