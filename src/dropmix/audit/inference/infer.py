"""What the observed changes say about the true ones, for one estimand.

First come the tests of each class, which assume nothing about the other classes, then the model of all classes
(shrunken estimates, the estimated number). A class with too few examples gets its own interval and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from dropmix.audit.inference.bootstrap import Intervals, intervals
from dropmix.audit.inference.decide import ALONE, ClassTests, class_tests, quantile, rejected, tail_dof
from dropmix.audit.inference.few_classes import FEW, few_classes
from dropmix.audit.inference.floor import Floor, equal_change_floor
from dropmix.audit.inference.guaranteed import Guarantee, guarantee
from dropmix.audit.inference.heterogeneity import Heterogeneity, heterogeneity
from dropmix.audit.inference.shrinkage import fit, posterior
from dropmix.audit.inference.streams import stream
from dropmix.audit.inference.variance import Variances
from dropmix.audit.settings import Settings

LOST_PASSES = 0.5  # of an example that is lost; 0.41 to 0.72 in 12 comparisons of real networks, recall 0.95 and more
NO_BOUNDS = Intervals(np.nan, np.nan, np.nan, np.nan)
NO_FLOOR = Floor(np.nan, np.nan, np.nan, np.nan, np.empty((3, 0)), np.empty((0, 0)), np.empty(0))


@dataclass(frozen=True)
class Observed:
    """What inference looks at: the M classes of one comparison.

    Args:
        change: recall change, (M,), fractions.
        recall0, recall1: mean recall under baseline and arm, (M,).
        sizes: examples, (M,).
        counts: independent examples, or groups where examples come in groups, (M,).
        seeds: S0, S1.
        noise: variances of the change.
        tolerance: loss that is tolerated, (M,), fractions.
        same: whether both arms predict the same throughout.
    """

    change: np.ndarray
    recall0: np.ndarray
    recall1: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    seeds: tuple[int, int]
    noise: Variances
    tolerance: np.ndarray
    same: bool = False


@dataclass(frozen=True)
class Inference:
    """Results for one estimand (new seeds on these examples, or new examples too).

    Args:
        error: standard error of each change, including what moves all classes together, (M,).
        tests: of each class against the tolerated loss.
        guarantee: bounds on the number of hurt classes in any set.
        p_degraded: P(true change < -margin) under the model, (M,); NaN for too few examples, as the next three.
        p_improved: P(true change > margin), (M,).
        estimate: estimate of each true change, (M,): shrunken, or as observed with few classes.
        half_width: of an approximate interval around it, (M,).
        called: classes called degraded at the false discovery rate, (M,), bool.
        called_improved: (M,), bool.
        number: estimated number of classes that changed by less than -margin; NaN if nothing changed.
        mean_change: estimated mean of their true changes; NaN if there are less than half a class.
        bounds: intervals of both; NaN if not asked for.
        floor: what equal changes would show.
        floor_change: what they would show at each class's place among the changes, 2.5 % quantile, mean and 97.5 %
            quantile, (3, M).
        heterogeneity: whether classes differ at all.
        few: whether the procedure for few classes was used.
    """

    error: np.ndarray
    tests: ClassTests
    guarantee: Guarantee
    p_degraded: np.ndarray
    p_improved: np.ndarray
    estimate: np.ndarray
    half_width: np.ndarray
    called: np.ndarray
    called_improved: np.ndarray
    number: float
    mean_change: float
    bounds: Intervals
    floor: Floor
    floor_change: np.ndarray
    heterogeneity: Heterogeneity
    few: bool


def tests_and_bounds(seen: Observed, settings: Settings, population: bool) -> tuple[ClassTests, Guarantee]:
    """The tests of each class, and the bounds on the number of hurt ones.

    Args:
        seen: the classes.
        settings: `level` is used.
        population: for new examples too.
    """
    v = seen.noise
    variance = _variance(seen, population)
    supposed = _supposed(seen, variance, population)
    alone = variance if supposed is None else supposed(-seen.tolerance) - v.common_scaled
    total = variance + v.common_scaled
    tail = np.minimum(v.tail, tail_dof(seen.seeds))
    tests = class_tests(seen.change, total, seen.tolerance, seen.counts, settings.level, supposed, tail)
    judged = ~tests.too_few
    return tests, guarantee(seen.change, alone, v.common, v.accuracy_dof, seen.tolerance, judged, tail=tail)


def _variance(seen: Observed, population: bool) -> np.ndarray:
    """Variance of each change, without what moves all classes together, (M,).

    A class without a single error in either arm shows no variance. For new examples it is as uncertain as its number of
    examples says: a loss of more than 1 - 0.05^(1 / n) would have shown with 95 %.
    """
    v = seen.noise
    if not population or v.one_seed:
        return v.population if population else v.fixed
    perfect = (seen.recall0 == 1) & (seen.recall1 == 1)
    unseen = (1 - ALONE ** (1 / seen.counts)) / quantile(1 - ALONE, np.minimum(v.tail, tail_dof(seen.seeds)))
    return np.where(perfect, np.maximum(v.population, unseen**2), v.population)


def _supposed(seen: Observed, variance: np.ndarray, population: bool) -> Callable[[np.ndarray], np.ndarray] | None:
    """The variance by the change that is supposed to be true; None with one seed in each arm."""
    v = seen.noise
    arms = v.lone or v.both
    if arms is None:
        return None

    def of(change: np.ndarray) -> np.ndarray:
        examples = np.maximum(variance - v.fixed, unseen_losses(change) / seen.counts) if population else 0.0
        return arms.variance(change) + examples + v.common_scaled

    return of


def unseen_losses(change: np.ndarray) -> np.ndarray:
    """Least variance over examples of a class that truly changes so much, (M,), for one example.

    A change of the whole class is made of examples that lose or gain about half of their passes: few of them, of which
    a test set near recall 1 may hold none, so that what is seen varies too little.

    Example:
        >>> unseen_losses(np.array([-0.02])).round(4).tolist()
        [0.0098]
    """
    size = np.abs(change)
    return LOST_PASSES * size * (1 - size)


def infer(seen: Observed, settings: Settings, population: bool = False) -> Inference:
    """Infer the true changes of one comparison.

    Args:
        seen: the classes.
        settings: margin, fdr, level, refits and seed are used.
        population: whether for new examples too, instead of new seeds on these examples.
    """
    v = seen.noise
    variance = _variance(seen, population)
    total = variance + v.common_scaled
    tests, bounds = tests_and_bounds(seen, settings, population)
    m, judged = len(seen.change), np.flatnonzero(~tests.too_few)
    # Sort the classes the same way however they are numbered, so that random draws do not depend on the numbering.
    at = judged[np.lexsort((seen.sizes[judged], variance[judged], seen.change[judged]))]
    rng = stream(settings.seed, "population" if population else "fixed test")
    floor, floor_change, spread = NO_FLOOR, np.full((3, m), np.nan), Heterogeneity(np.nan, np.nan, np.nan)
    parts, few = _nothing(m), len(at) < FEW
    if len(at):
        recalls = seen.recall0[at], seen.recall1[at]
        floor = equal_change_floor(*recalls, variance[at], v.one_flip[at], seen.sizes[at], seen.seeds, rng)
        floor_change[:, at] = floor.by_rank
        spread = heterogeneity(seen.change[at], variance[at], floor.expected, floor.changes)
        floor = replace(floor, changes=np.empty((0, 0)))  # of every draw: most of the memory, and not needed again
        change = seen.change[at]
        made = _few(change, total[at], seen, settings) if few else _many(change, variance[at], v, settings, rng)
        for key, values in made.items():
            if isinstance(values, np.ndarray):
                parts[key][at] = values
            else:
                parts[key] = values
    if seen.same:
        parts |= {"number": np.nan, "mean_change": np.nan, "bounds": NO_BOUNDS}
    return Inference(
        **parts,
        error=np.sqrt(total),
        tests=tests,
        guarantee=bounds,
        floor=floor,
        floor_change=floor_change,
        heterogeneity=spread,
        few=few,
    )


def _nothing(m: int) -> dict:
    numbers = dict.fromkeys(("p_degraded", "p_improved", "estimate", "half_width"))
    parts: dict = {key: np.full(m, np.nan) for key in numbers}
    parts |= {key: np.zeros(m, dtype=bool) for key in ("called", "called_improved")}
    return parts | {"number": np.nan, "mean_change": np.nan, "bounds": NO_BOUNDS}


def _many(change: np.ndarray, variance: np.ndarray, v: Variances, settings: Settings, rng) -> dict:
    priors = fit(change, variance)
    model = posterior(priors, change, variance, settings.margin, v.common_scaled)
    bounds = NO_BOUNDS
    if settings.refits > 1:
        asked = settings.margin, settings.level, settings.refits
        bounds = intervals(priors, model, change, variance, *asked, rng, v.common_scaled)
    number = float(model.number[0])
    error = np.sqrt(variance + v.common_scaled)
    return {
        "p_degraded": model.below[0],
        "p_improved": model.above[0],
        # By tests, not by the model: a prior that does not fit the truth calls classes to which nothing happened.
        "called": rejected(ndtr((change + settings.margin) / error), settings.fdr),
        "called_improved": rejected(ndtr((settings.margin - change) / error), settings.fdr),
        "estimate": model.mean[0],
        "half_width": ndtri((1 + settings.level) / 2) * model.sd[0],
        "number": number,
        "mean_change": float(model.mean_change[0]) if number >= 0.5 else np.nan,
        "bounds": bounds,
    }


def _few(change: np.ndarray, variance: np.ndarray, seen: Observed, settings: Settings) -> dict:
    dof = int((seen.sizes - 1).sum()) if seen.noise.one_seed else seen.noise.dof
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
