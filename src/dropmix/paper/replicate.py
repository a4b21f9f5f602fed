"""What a second study of the same truth would print: the yardstick for a printed number.

Two studies of S seeds that measure the same networks differ by seed noise in both. A printed value lies within it
when it falls into the 95 % range of a second study with the printed number of seeds:

    accuracy     ours +- t sqrt(s1^2 / S1 + s2^2 / S2),  Welch's degrees of freedom; printed sds have ddof 0
    N_DC, mean   ours + the difference of a second study; both are simulated, true changes from the audit's posterior
    confidence   ours +- t times the jackknife error over seeds, of both studies

The range covers seed noise only, not another data order, hardware or library version.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from dropmix.audit.inference.streams import stream
from dropmix.audit.measures.confidence import welch_half_width
from dropmix.audit.measures.degraded import signs
from dropmix.audit.result import Comparison

LEVEL = 0.95


@dataclass(frozen=True)
class Range:
    """Where a second study's number falls in 95 % of cases; NaN if unknown."""

    low: float
    high: float

    def holds(self, value: float | None) -> bool | None:
        """Whether a value lies inside; None where the range or the value is unknown."""
        if value is None or math.isnan(self.low) or math.isnan(value):
            return None
        return self.low <= value <= self.high


UNKNOWN = Range(math.nan, math.nan)


def accuracy_range(mean: float, sd: float | None, seeds: int, their_sd: float | None, their_seeds: int = 5) -> Range:
    """Where a second study's mean accuracy falls.

    Args:
        mean: ours, any unit.
        sd: ours over seeds (ddof 0); if None, or with one seed, theirs is used for both.
        seeds: ours.
        their_sd: printed (ddof 0); if None, ours is used for both.
        their_seeds: of the printed study.
    Example:
        >>> r = accuracy_range(75.0, 0.2, 5, 0.2, 5)
        >>> round(r.low, 2), round(r.high, 2), r.holds(75.2)
        (74.67, 75.33, True)
    """
    ours = None if sd is None or seeds < 2 else sd**2 * seeds / (seeds - 1)
    theirs = None if their_sd is None or their_seeds < 2 else their_sd**2 * their_seeds / (their_seeds - 1)
    if ours is None and theirs is None:
        return UNKNOWN
    if ours is None or theirs is None:
        one, free = (theirs, their_seeds - 1) if ours is None else (ours, seeds - 1)
        error = math.sqrt(one * (1 / seeds + 1 / their_seeds))  # pyright: ignore[reportOptionalOperand]
        half = float(stdtrit(free, (1 + LEVEL) / 2)) * error
    else:
        half = welch_half_width(ours, seeds, theirs, their_seeds, LEVEL)
    return Range(mean - half, mean + half)


def degraded_ranges(
    comparison: Comparison, their_seeds: int = 5, level: float = 0.9, draws: int = 2000, seed: int = 0
) -> tuple[Range, Range]:
    """Where a second study's number of degraded classes, and the mean of their changes, fall.

    Args:
        comparison: ours, with the audit's inference.
        their_seeds: seeds of both arms of the second study.
        level: of the audit's intervals, from which the posterior's sd is read.
        draws: simulated second studies.
        seed: of the simulation.
    Returns:
        Ranges of the number and of the mean change (a fraction; unknown if no class is ever degraded).
    """
    classes, summary = comparison.classes, comparison.summary
    centre = np.asarray(classes["recall_change_estimate"], dtype=float)
    noise = np.asarray(classes["se_fixed_test"], dtype=float) ** 2
    own = summary["seeds_baseline"], summary["seeds_treated"]
    if summary["procedure"] == "empirical Bayes":
        half = centre - np.asarray(classes["recall_change_estimate_low"], dtype=float)
        known = (half / ndtri((1 + level) / 2)) ** 2
    else:
        known = noise
    rng = stream(seed, "second study")
    true = centre + np.sqrt(known) * rng.standard_normal((draws, len(centre)))
    sizes = np.asarray(classes["n"])
    second = noise * (2 / their_seeds) / (1 / own[0] + 1 / own[1])
    ours = _drawn(true, noise, _common(comparison, own, noise), sizes * math.lcm(*own), rng)
    theirs = _drawn(true, second, _common(comparison, (their_seeds, their_seeds), second), sizes * their_seeds, rng)
    measured = summary["n_degraded"], summary["mean_degraded_change"]
    number, mean = (_shifted(value, b - a) for value, a, b in zip(measured, ours, theirs))
    return Range(max(number.low, 0.0), min(number.high, float(len(centre)))), Range(mean.low, min(mean.high, 0.0))


def _drawn(true: np.ndarray, noise: np.ndarray, common: float, steps: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """Number of degraded classes and their mean change in simulated studies, (draws,); NaN if there is none."""
    draws = len(true)
    change = (
        true + math.sqrt(common) * rng.standard_normal((draws, 1)) + np.sqrt(noise) * rng.standard_normal(true.shape)
    )
    down = np.rint(change * steps) < 0
    number = down.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return number, (change * down).sum(axis=1) / number


def _shifted(value: float | None, differences: np.ndarray) -> Range:
    known = differences[np.isfinite(differences)]
    if value is None or not len(known):
        return UNKNOWN
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Range(value + low, value + high)


def _common(c: Comparison, seeds: tuple[int, int], noise: np.ndarray) -> float:
    """Variance of what moves all classes of a study together: that of its gain beyond the classes' own noise."""
    total = 0.0
    for values, count in zip((c.accuracies_baseline, c.accuracies_treated), seeds):
        if len(values) > 1:
            total += float(np.var(values, ddof=1)) / count
    return max(total - float(noise.sum()) / len(noise) ** 2, 0.0)


def confidence_ranges(
    counts: tuple[np.ndarray, np.ndarray], confidence: tuple[np.ndarray, np.ndarray], their_seeds: int = 5
) -> tuple[Range, Range]:
    """Where a second study's confidence change of improved and of degraded classes falls.

    Args:
        counts: correct predictions of each seed and class under baseline and arm, (S0, M) and (S1, M).
        confidence: mean confidence of each seed and class, likewise.
        their_seeds: seeds of both arms of the second study.
    Returns:
        Ranges for improved and for degraded classes; unknown with one seed, or if either kind is missing.
    """
    if min(len(c) for c in counts) < 2:
        return UNKNOWN, UNKNOWN
    whole = _confidence_changes(counts, confidence)
    variance = np.zeros(2)
    for arm in (0, 1):
        left = []
        for i in range(len(counts[arm])):
            some = [np.delete(c, i, axis=0) if a == arm else c for a, c in enumerate(counts)]
            sure = [np.delete(c, i, axis=0) if a == arm else c for a, c in enumerate(confidence)]
            left.append(_confidence_changes(some, sure))
        own, values = len(left), np.array(left)
        variance += (own - 1) / own * ((values - values.mean(axis=0)) ** 2).sum(axis=0) * (1 + own / their_seeds)
    half = stdtrit(sum(map(len, counts)) - 2, (1 + LEVEL) / 2) * np.sqrt(variance)
    improved, degraded = (
        Range(float(v - h), float(v + h)) if np.isfinite(v + h) else UNKNOWN for v, h in zip(whole, half)
    )
    return improved, degraded


def _confidence_changes(counts, confidence) -> np.ndarray:
    sign = signs(counts[0].sum(axis=0), len(counts[0]), counts[1].sum(axis=0), len(counts[1]))
    change = confidence[1].mean(axis=0) - confidence[0].mean(axis=0)
    return np.array([change[sign == s].mean() if (sign == s).any() else np.nan for s in (1, -1)])
