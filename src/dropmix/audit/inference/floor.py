"""What equal changes would show: noise makes some classes look worse and others better.

Equal means the same shift on the logit scale of each example's pass rate. So a class at recall 0.99 gains little, and a
class that cannot fall does not fall. Counts are drawn, not normal changes: of n examples a share rho passes now and
then, at the class's recall r, and the others always or never do,

    T_a ~ S (n - k) r + Binomial(S k, r_a) + S n sqrt(c flip / S) N(0, 1),    k = rho n,  rho = flip / (r (1 - r))

with r_0 and r_1 one shift apart. The shift is the one whose changes agree with the observed ones, weighted by their
precision.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

GROUPED = 1.2  # flip / (recall (1 - recall)) from which examples cannot be independent


@dataclass(frozen=True)
class Floor:
    """What a study of equal changes shows.

    Args:
        number: expected number of classes that look degraded.
        low, high: its 95 % band.
        mean_change: their mean change; NaN if no class ever does.
        by_rank: 2.5 % quantile, mean and 97.5 % quantile of the changes at each place of the order, smallest change
            first, (3, M). The spread at one place is far smaller than that of a class.
        changes: the simulated changes, (draws, M), in the order of the classes.
        expected: change of each class without noise, (M,).
    """

    number: float
    low: float
    high: float
    mean_change: float
    by_rank: np.ndarray
    changes: np.ndarray
    expected: np.ndarray


def equal_change_floor(
    recall0: np.ndarray,
    recall1: np.ndarray,
    variance: np.ndarray,
    flip: np.ndarray,
    sizes: np.ndarray,
    seeds: tuple[int, int],
    rng: np.random.Generator,
    draws: int | None = None,
) -> Floor:
    """Simulate equal changes with the noise that was fitted.

    Args:
        recall0, recall1: mean recall of each class under baseline and arm, (M,).
        variance: V_m of the change, without what moves all classes together, (M,).
        flip: variance of one prediction over seeds, mean over the class, (M,).
        sizes: n_m, (M,).
        seeds: S0, S1.
        rng: the only source of randomness.
        draws: simulated studies; 2000 by default, fewer with many classes.

    Example:
        >>> r, rng = np.full(100, 0.8), np.random.default_rng(0)
        >>> f = equal_change_floor(r, r, np.full(100, 1e-4), np.full(100, 0.025), np.full(100, 100), (5, 5), rng)
        >>> 42 < f.number < 50, f.low < f.number < f.high
        (True, True)
    """
    m = len(sizes)
    draws = draws or max(400, min(2000, 400_000 // m))
    middle = (recall0 * seeds[0] + recall1 * seeds[1]) / sum(seeds)
    middle = (middle * sizes * sum(seeds) + 0.5) / (sizes * sum(seeds) + 1)
    possible = middle * (1 - middle)
    # What flips moves on the logit scale: the share of examples that pass now and then, at the class's recall.
    rho = np.minimum(flip / possible, 1.0)
    shift = _shift(middle, rho, recall1 - recall0, variance)
    rates = expit(logit(middle) - shift / 2), expit(logit(middle) + shift / 2)
    # Groups that flip as one vary far more than independent examples, which are all that the counts below model.
    shown = np.where(flip > GROUPED * possible, possible, flip)
    excess = np.maximum(variance - shown * (1 / seeds[0] + 1 / seeds[1]) / sizes, 0)
    # In place from here on: with many classes, a few arrays of all draws are most of an audit's memory.
    other = _counts(rates[0], middle, rho, sizes, seeds[0], rng, draws)
    net = _counts(rates[1], middle, rho, sizes, seeds[1], rng, draws) * float(seeds[0])
    other *= seeds[1]
    net -= other
    del other
    steps = sizes * seeds[0] * seeds[1]
    if excess.any():
        noise = rng.standard_normal((draws, m))
        noise *= np.sqrt(excess) * steps
        net += np.rint(noise, out=noise)
        del noise
    degraded = net < 0
    change = np.clip(net / steps, -1, 1, out=net)
    number = degraded.sum(axis=1)
    low, high = np.quantile(number, [0.025, 0.975])
    some = number > 0
    mean = float(((change * degraded).sum(axis=1)[some] / number[some]).mean()) if some.any() else math.nan
    ordered = np.sort(change, axis=1)
    by_mean = ordered.mean(axis=0)
    ends = np.quantile(ordered, [0.025, 0.975], axis=0, overwrite_input=True)
    by_rank = np.stack([ends[0], by_mean, ends[1]])
    expected = rho * (rates[1] - rates[0])
    return Floor(float(number.mean()), float(low), float(high), mean, by_rank, change, expected)


def _shift(middle: np.ndarray, rho: np.ndarray, change: np.ndarray, variance: np.ndarray) -> float:
    """Common shift in logits whose changes agree best with the observed ones, by Newton's steps."""
    shift, weight = 0.0, 1 / variance
    for _ in range(20):
        up, down = expit(logit(middle) + shift / 2), expit(logit(middle) - shift / 2)
        slope = rho * (up * (1 - up) + down * (1 - down)) / 2
        gap = change - rho * (up - down)
        step = float((weight * slope * gap).sum() / max(float((weight * slope**2).sum()), 1e-12))
        shift = float(np.clip(shift + np.clip(step, -2, 2), -12, 12))
        if abs(step) < 1e-9:
            break
    return shift


def _counts(rate, middle, rho, sizes, seeds: int, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Correct predictions of all seeds, (draws, M), int64."""
    trials = np.rint(rho * sizes * seeds).astype(np.int64)
    # The same in every seed; the smallest part of a prediction is the rounding's.
    sure = np.rint((sizes * seeds - trials) * middle).astype(np.int64)
    correct = rng.binomial(trials, rate, (draws, len(sizes)))
    correct += sure
    return correct
