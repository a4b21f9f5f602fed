"""Intervals for the estimated number of degraded classes and for their mean change.

Parametric bootstrap: draw true changes from the fitted prior, observed ones from N(theta, V), fit again from a warm
start, and see how far the new estimates are from the new truths. With e = estimate - truth over the refits, an
interval is [estimate - q_high(e), estimate - q_low(e)], widened to the quantiles of the refitted estimates where
those reach further, and to the estimate that each shape of prior alone would give. Approximate: the refits take the
fitted prior for the true one, which loses coverage; the quantiles therefore leave half the stated error on each side,
which in simulations roughly makes up for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropmix.audit.inference.shrinkage import Losses, Prior, draw, fit, losses, shape_weights

ROOM = 50_000  # classes of all refits together; many classes need fewer refits, as their errors average out
LEAST = 50


@dataclass(frozen=True)
class Intervals:
    """Bounds of the number of degraded classes and of their mean change (NaN if there are none)."""

    number_low: float
    number_high: float
    change_low: float
    change_high: float


def intervals(
    priors: Sequence[Prior],
    together: Losses,
    change: np.ndarray,
    variance: np.ndarray,
    margin: float,
    level: float,
    refits: int,
    rng: np.random.Generator,
    common: float = 0.0,
) -> Intervals:
    """Approximate intervals from `refits` refits.

    Args:
        priors: fitted to one data set.
        together: its posterior.
        change: that data set, (M,).
        variance: (M,).
        margin: as in `posterior`.
        level: intended coverage, in (0, 1).
        refits: most refits, >= 2; less with more than 250 classes.
        rng: the only source of randomness.
        common: variance of what moves all observed changes together.
    """
    alone = [losses([p], change, variance, margin, common) for p in priors]
    # A shape without weight in the data would get none in data drawn from the other shapes either.
    priors = [p for p, share in zip(priors, shape_weights(priors)[0]) if share > 0.02]
    refits = min(refits, max(LEAST, ROOM // len(change)))
    truth = draw(priors, refits, rng)
    alike = np.sqrt(common) * rng.standard_normal((refits, 1))
    observed = truth + alike + np.sqrt(variance) * rng.standard_normal(truth.shape)
    shapes = [p.shape for p in priors]
    again = losses(fit(observed, variance, shapes, priors, rounds=15), observed, variance, margin, common)
    degraded = truth < -margin
    number = degraded.sum(axis=1)
    low, high = _bounds([float(p.number[0]) for p in (together, *alone)], again.number, number, level)
    some = number > 0
    m = len(variance)
    bounds = Intervals(max(low, 0.0), min(high, float(m)), np.nan, np.nan)
    if some.sum() < refits / 2:
        return bounds
    mean = (truth * degraded).sum(axis=1)[some] / number[some]
    estimates = [float(p.mean_change[0]) for p in (together, *alone)]
    low, high = _bounds(estimates, again.mean_change[some], mean, level)
    return Intervals(bounds.number_low, bounds.number_high, low, min(high, -margin))


def _bounds(estimates: list[float], refitted: np.ndarray, truth: np.ndarray, level: float) -> tuple[float, float]:
    tails = [(1 - level) / 4, (3 + level) / 4]
    error = np.quantile(refitted - truth, tails)
    plain = np.quantile(refitted, tails)
    low = min(estimates[0] - error[1], plain[0], *estimates)
    return low, max(estimates[0] - error[0], plain[1], *estimates)
