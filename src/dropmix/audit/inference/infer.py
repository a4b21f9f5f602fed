"""What the observed changes say of the true ones: number, size and calls, for one estimand."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dropmix.audit.inference.bootstrap import Intervals, intervals
from dropmix.audit.inference.calls import calls
from dropmix.audit.inference.few_classes import FEW, few_classes
from dropmix.audit.inference.floor import Floor, equal_gain_floor
from dropmix.audit.inference.heterogeneity import Heterogeneity, heterogeneity
from dropmix.audit.inference.shrinkage import fit, posterior
from dropmix.audit.settings import Settings


@dataclass(frozen=True)
class Inference:
    """Results for one estimand (new seeds on these examples, or new examples too).

    Args:
        p_degraded: P(true change < -margin), (M,).
        p_improved: P(true change > margin), (M,).
        called: classes called degraded, (M,), bool.
        called_improved: (M,), bool.
        estimate: estimate of each true change, (M,): shrunken, or as observed with few classes.
        half_width: of an approximate interval around it, (M,).
        number: estimated number of truly degraded classes.
        mean_change: estimated mean of their true changes; NaN where there are none to speak of.
        bounds: intervals of both; NaN where not asked for.
        floor: what equal changes would show.
        floor_change: what they would show at each class's place among the changes, 2.5 % quantile, mean and 97.5 %
            quantile, (3, M).
        heterogeneity: whether classes differ at all.
        few: whether the procedure for few classes was used.
    """

    p_degraded: np.ndarray
    p_improved: np.ndarray
    called: np.ndarray
    called_improved: np.ndarray
    estimate: np.ndarray
    half_width: np.ndarray
    number: float
    mean_change: float
    bounds: Intervals
    floor: Floor
    floor_change: np.ndarray
    heterogeneity: Heterogeneity
    few: bool


def infer(
    change: np.ndarray,
    variance: np.ndarray,
    sizes: np.ndarray,
    seeds: tuple[int, int],
    dof: int,
    settings: Settings,
    stream: int = 0,
) -> Inference:
    """Infer the true changes of one comparison.

    Args:
        change: observed, (M,).
        variance: of the estimand in question, (M,), > 0.
        sizes: (M,).
        seeds: S0, S1.
        dof: degrees of freedom behind the variances; used with few classes.
        settings: margin, fdr, level, refits and seed are used.
        stream: number of the random stream, so that estimands draw independently.

    Example:
        >>> change = np.array([-0.08, 0.01, 0.02])
        >>> infer(change, np.full(3, 1e-4), np.full(3, 100), (5, 5), 24, Settings()).called.tolist()
        [True, False, False]
    """
    # One order of classes for every numbering of them, so that random draws do not depend on it.
    order = np.lexsort((sizes, variance, change))
    back = np.argsort(order, kind="stable")
    change, variance, sizes = change[order], variance[order], sizes[order]
    rng = np.random.default_rng([settings.seed, stream])
    floor = equal_gain_floor(float(change.mean()), variance, sizes, seeds, rng)
    few = len(change) < FEW
    parts = _few(change, variance, dof, settings) if few else _many(change, variance, settings, rng)
    columns = ("p_degraded", "p_improved", "called", "called_improved", "estimate", "half_width")
    for key in columns:
        parts[key] = parts[key][back]
    spread = heterogeneity(change, variance)
    return Inference(**parts, floor=floor, floor_change=floor.by_rank[:, back], heterogeneity=spread, few=few)


def _many(change: np.ndarray, variance: np.ndarray, settings: Settings, rng: np.random.Generator) -> dict:
    priors = fit(change, variance)
    found = posterior(priors, change, variance, settings.margin)
    bounds = Intervals(np.nan, np.nan, np.nan, np.nan)
    if settings.refits > 1:
        bounds = intervals(priors, found, change, variance, settings.margin, settings.level, settings.refits, rng)
    number = float(found.number[0])
    return {
        "p_degraded": found.below[0],
        "p_improved": found.above[0],
        # Where nearly all classes lose, one that looks better may still be likely to lose: no call to show anyone.
        "called": calls(found.below[0], settings.fdr) & (change < 0),
        "called_improved": calls(found.above[0], settings.fdr) & (change > 0),
        "estimate": found.mean[0],
        "half_width": ndtri((1 + settings.level) / 2) * found.sd[0],
        "number": number,
        "mean_change": float(found.mean_change[0]) if number >= 0.5 else np.nan,
        "bounds": bounds,
    }


def _few(change: np.ndarray, variance: np.ndarray, dof: int, settings: Settings) -> dict:
    few = few_classes(change, variance, max(dof, 1), settings.margin, settings.fdr, settings.level)
    count = int(few.called.sum())
    mean = float(change[few.called].mean()) if count else np.nan
    half = float(np.sqrt((few.half_width[few.called] ** 2).sum()) / count) if count else np.nan
    return {
        "p_degraded": few.p_degraded,
        "p_improved": few.p_improved,
        "called": few.called,
        "called_improved": few.called_improved,
        "estimate": change,
        "half_width": few.half_width,
        "number": float(count),
        "mean_change": mean,
        "bounds": Intervals(float(few.number_low), float(few.number_high), mean - half, mean + half),
    }
