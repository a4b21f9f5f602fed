"""The quantities behind the paper's claims, each with a 95 % interval.

Source:
    Q profile: Viechtbauer 2007, doi 10.1002/sim.2514.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, stdtrit

from dropmix.audit.inference.halves import half
from dropmix.audit.inference.streams import stream
from dropmix.audit.measures.confidence import welch_half_width
from dropmix.audit.measures.degraded import signs
from dropmix.audit.result import Comparison

LEVEL = 0.95
SPLITS = 50


@dataclass(frozen=True)
class ClaimEstimate:
    """A number with its 95 % interval; NaN where it is unknown."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval lies on one side of 0, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


NOTHING = ClaimEstimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Seen:
    """What the claims need about an arm.

    Args:
        comparison: of the arm with vanilla.
        confidence: of each seed and class under vanilla and under the arm, (S0, M) and (S1, M); or None.
    """

    comparison: Comparison
    confidence: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def change(self) -> np.ndarray:
        """Recall changes, (M,)."""
        return np.asarray(self.comparison.classes["recall_change"], dtype=float)

    @property
    def variance(self) -> np.ndarray:
        """Seed noise of the recall changes, (M,)."""
        return np.asarray(self.comparison.classes["se_fixed_test"], dtype=float) ** 2

    @property
    def drop(self) -> float:
        """Mean change of the degraded classes beyond what equal gains would show; NaN if there are none."""
        summary = self.comparison.summary
        mean, floor = summary["mean_degraded_change"], summary["floor_mean_degraded_change"]
        return float("nan") if mean is None else mean - (floor or 0.0)


def unevenness(change: np.ndarray, variance: np.ndarray) -> ClaimEstimate:
    """Sd of the true changes by moments, with its Q-profile interval.

    Args:
        change, variance: observed changes and their noise, (M,).
    Example:
        >>> rng = np.random.default_rng(0)
        >>> e = unevenness(rng.normal(0, 0.05, 100), np.full(100, 0.03**2))
        >>> 0.03 < e.low < 0.04 < e.high < 0.06
        True
    """
    m = len(change)
    if m < 3:
        return NOTHING

    def q(tau2: float) -> float:
        w = 1 / (variance + tau2)
        mean = (w * change).sum() / w.sum()
        return float((w * (change - mean) ** 2).sum())

    def at(target: float) -> float:
        most = 10 * float(np.var(change)) * m + 1e-12
        if q(0.0) <= target:
            return 0.0
        return float(np.sqrt(brentq(lambda t: q(t) - target, 0.0, most)))  # pyright: ignore

    tail = (1 - LEVEL) / 2
    low, high = chdtri(m - 1, np.array([tail, 1 - tail])).tolist()
    return ClaimEstimate(at(m - 1), at(low), at(high))


def variance_difference(a: Seen, b: Seen) -> ClaimEstimate:
    """Variance of the true changes under `a` minus that under `b`, noise removed; a shared vanilla does no harm."""
    each = [(x.change - x.change.mean()) ** 2 * len(x.change) / (len(x.change) - 1) - x.variance for x in (a, b)]
    return _mean(each[0] - each[1])


def drop_difference(a: Seen, b: Seen) -> ClaimEstimate:
    """Mean drop beyond the floor, `b` minus `a`: above 0 if the degraded classes of `b` fall less."""
    if not np.isfinite(a.drop + b.drop):
        return NOTHING
    influence = np.zeros(len(a.change))
    for sign, x in ((1, b), (-1, a)):
        down = np.asarray(x.comparison.classes["status"]) == "degraded"
        influence += sign * np.where(down, x.change - x.change[down].mean(), 0.0) / down.sum()
    free = min(int((np.asarray(x.comparison.classes["status"]) == "degraded").sum()) for x in (a, b)) - 1
    return _around(b.drop - a.drop, float(np.sqrt((influence**2).sum())), free)


def rescued(plain: Comparison, mended: Comparison, seed: int) -> ClaimEstimate:
    """What DropMix adds to the recall of classes hurt on other seeds, minus what it adds to the rest."""
    base, hurt, after = plain.recalls_baseline, plain.recalls_treated, mended.recalls_treated.mean(axis=0)
    return _contrast(base, hurt, plain.classes["n"], seed, lambda rest: after - hurt[rest[1]].mean(axis=0))


def confidence_gap(a: Seen, seed: int) -> ClaimEstimate:
    """Confidence change of classes degraded on other seeds, minus that of the improved."""
    if a.confidence is None:
        return NOTHING
    before, after = a.confidence
    c = a.comparison
    return _contrast(
        c.recalls_baseline,
        c.recalls_treated,
        c.classes["n"],
        seed,
        lambda rest: after[rest[1]].mean(axis=0) - before[rest[0]].mean(axis=0),
    )


def _contrast(base: np.ndarray, treated: np.ndarray, sizes: np.ndarray, seed: int, value) -> ClaimEstimate:
    """Mean value of classes that look degraded minus that of classes that look improved, chosen and measured on halves.

    With weights w_m = share of the halves that chose class m, and y_m the mean of w times value, each side is the ratio
    sum y / sum w; its error follows from (y - ratio w) over classes.
    """
    if min(len(base), len(treated)) < 2:
        return NOTHING
    rng = stream(seed, "claims")
    counts = [np.rint(x * sizes).astype(np.int64) for x in (base, treated)]
    m = base.shape[1]
    weight, total = np.zeros((2, m)), np.zeros((2, m))
    for _ in range(SPLITS):
        picks = [half(len(x), rng) for x in (base, treated)]
        total0, total1 = (c[h].sum(axis=0) for c, h in zip(counts, picks))
        sign = signs(total0, int(picks[0].sum()), total1, int(picks[1].sum()))
        measured = value([~h for h in picks])
        for side, chosen in enumerate((sign < 0, sign > 0)):
            weight[side] += chosen
            total[side] += chosen * measured
    if weight.sum(axis=1).min() < 2 * SPLITS:
        return NOTHING
    ratio = total.sum(axis=1) / weight.sum(axis=1)
    influence = (total - ratio[:, None] * weight) / weight.sum(axis=1)[:, None]
    error = float(np.sqrt(((influence[0] - influence[1]) ** 2).sum()))
    return _around(float(ratio[0] - ratio[1]), error, int(weight.sum(axis=1).min() / SPLITS) - 1)


def _mean(values: np.ndarray) -> ClaimEstimate:
    return _around(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1)


def _around(value: float, error: float, free: int) -> ClaimEstimate:
    if free < 1:
        return NOTHING
    half = float(stdtrit(free, (1 + LEVEL) / 2)) * error
    return ClaimEstimate(value, value - half, value + half)


def gain_gap(a: Comparison, b: Comparison) -> ClaimEstimate:
    """Accuracy of `a` minus that of `b`, with Welch's interval over seeds."""
    x, y = a.accuracies_treated, b.accuracies_treated
    if min(len(x), len(y)) < 2:
        return NOTHING
    half = welch_half_width(x.var(ddof=1), len(x), y.var(ddof=1), len(y), LEVEL)
    gap = float(x.mean() - y.mean())
    return ClaimEstimate(gap, gap - half, gap + half)
