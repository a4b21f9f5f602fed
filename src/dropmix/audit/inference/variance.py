"""How much a class's recall change would vary: over seeds, and over seeds and examples.

With p_ai the share of arm a's S_a seeds that get example i right, n_m examples of class m:

    flip_am      = mean_i[p_ai (1 - p_ai)] S_a / (S_a - 1)          one prediction's variance over seeds
    v_flip       = sum_a flip_am / (n_m S_a)                        if examples flipped independently
    v_seed       = sum_a Var_s(R_as) / S_a                          as observed (ddof 1)
    tau_am^2     = c flip_am,  c >= 0 pooled over classes           what a seed does to a whole class
    V_fixed      = v_flip + sum_a tau_am^2 / S_a - 2 Cov            new seeds, these examples
    V_population = V_fixed + max(Var_i(p_1i - p_0i) / n_m - v_flip, 0)     new seeds, new examples

flip is at least 1 / (n S), one flipped prediction, so that a recall of 0 or 1 gives no infinite z. The last term
is shrunk half-way to its pooled ratio to v_flip: Var_i of a rarely flipping class is itself noisy.

The excess tau^2 is taken as proportional to flip, not as one number: a seed moves a class of recall 0.6 more
than one of 0.98. c is the pooled excess variance over the pooled flip variance.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Variances:
    """Variances of the recall change of M classes.

    Args:
        flip: (M,), from independent flips.
        seed: (M,), as observed over seeds; NaN with one seed.
        fixed: (M,), for new seeds on these examples.
        population: (M,), for new seeds and new examples.
        baseline: (M,), the baseline's part of `fixed`.
        ratio: sum of `seed` over sum of `flip`; NaN with one seed.
        covariance: pooled covariance of the arms' class recalls over shared seeds; 0 when unpaired.
        shared: number of shared seeds.
        dof: degrees of freedom behind the pooled seed variance, 0 with one seed.
        one_seed: whether an arm has one seed only: `fixed` is then an upper guess, from examples alone.
    """

    flip: np.ndarray
    seed: np.ndarray
    fixed: np.ndarray
    population: np.ndarray
    baseline: np.ndarray
    ratio: float
    covariance: float
    shared: int
    dof: int
    one_seed: bool


def variances(
    position: np.ndarray,
    share0: np.ndarray,
    share1: np.ndarray,
    recalls0: np.ndarray,
    recalls1: np.ndarray,
    shared: tuple[np.ndarray, np.ndarray] | None = None,
) -> Variances:
    """Every variance of the recall changes.

    Args:
        position: class of each example, (N,), in [0, M).
        share0, share1: share of the arm's seeds that get each example right, (N,).
        recalls0, recalls1: recall of each seed, (S0, M) and (S1, M).
        shared: rows of recalls0 and of recalls1 that have one seed number; None when the arms are unpaired.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> right = rng.random((2, 5, 4, 50)) < 0.7
        >>> v = variances(np.repeat(np.arange(4), 50), *right.mean(1).reshape(2, -1), *right.mean(3))
        >>> bool((v.population >= v.fixed).all())
        True
    """
    m = recalls0.shape[1]
    sizes = np.bincount(position, minlength=m)
    seeds = len(recalls0), len(recalls1)
    spread = _example_variance(position, share1 - share0, sizes)
    if min(seeds) == 1:
        return _one_seed(spread, sizes, seeds, m)
    flips = [_flip(position, p, s, sizes) for p, s in zip((share0, share1), seeds)]
    v_flip = flips[0] / (sizes * seeds[0]) + flips[1] / (sizes * seeds[1])
    over_seeds = [r.var(axis=0, ddof=1) for r in (recalls0, recalls1)]
    v_seed = over_seeds[0] / seeds[0] + over_seeds[1] / seeds[1]
    c = _excess(flips, over_seeds, sizes, seeds)
    parts = [f / s * (1 / sizes + c) for f, s in zip(flips, seeds)]
    total = parts[0] + parts[1]
    covariance, kept, count = _covariance(recalls0, recalls1, shared, total)
    fixed = total * kept
    extra = _example_excess(spread, v_flip)
    return Variances(
        flip=v_flip,
        seed=v_seed,
        fixed=fixed,
        population=fixed + extra,
        baseline=parts[0] * kept,
        ratio=float(np.sum(v_seed) / np.sum(v_flip)),
        covariance=covariance,
        shared=count,
        dof=m * (sum(seeds) - 2),
        one_seed=False,
    )


def _flip(position: np.ndarray, share: np.ndarray, seeds: int, sizes: np.ndarray) -> np.ndarray:
    mean = np.bincount(position, weights=share * (1 - share), minlength=len(sizes)) / sizes
    return np.maximum(mean * seeds / (seeds - 1), 1 / (sizes * seeds))


def _excess(flips, over_seeds, sizes: np.ndarray, seeds: tuple[int, int]) -> float:
    """Pooled seed x class variance in units of flip variance; arms weigh by their degrees of freedom."""
    dof = np.array(seeds) - 1
    over = sum(d * np.sum(v - f / sizes) for d, v, f in zip(dof, over_seeds, flips))
    return max(float(over / sum(d * np.sum(f) for d, f in zip(dof, flips))), 0.0)


def _covariance(recalls0, recalls1, shared, total: np.ndarray) -> tuple[float, float, int]:
    """Pooled covariance over shared seeds, the share of the variance that it leaves, and how many seeds share."""
    if shared is None or len(shared[0]) < 2:
        return 0.0, 1.0, 0
    a, b = recalls0[shared[0]], recalls1[shared[1]]
    count = len(a)
    pooled = float(((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum(axis=0).mean() / (count - 1))
    saved = 2 * pooled * count / (len(recalls0) * len(recalls1))
    # Cov of two means over S0 and S1 seeds with `count` in common. At least a tenth stays, at most double.
    return pooled, float(np.clip(1 - saved / total.mean(), 0.1, 2.0)), count


def _example_variance(position: np.ndarray, difference: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Variance of the mean of a class's example differences, (M,): Var_i / n, ddof 1."""
    total = np.bincount(position, weights=difference, minlength=len(sizes))
    square = np.bincount(position, weights=difference**2, minlength=len(sizes))
    centred = np.maximum(square - total**2 / sizes, 0)
    return centred / (np.maximum(sizes - 1, 1) * sizes)


def _example_excess(spread: np.ndarray, v_flip: np.ndarray) -> np.ndarray:
    pooled = max(float((spread - v_flip).sum() / v_flip.sum()), 0.0)
    return 0.5 * np.maximum(spread - v_flip, 0) + 0.5 * pooled * v_flip


def _one_seed(spread: np.ndarray, sizes: np.ndarray, seeds: tuple[int, int], m: int) -> Variances:
    """One seed shows no seed variance: examples paired over the arms bound the flips, whole-class moves stay unseen."""
    floor = (1 / seeds[0] + 1 / seeds[1]) / sizes**2
    both = np.maximum(spread, floor)
    nan = np.full(m, np.nan)
    return Variances(both, nan, both, both, both / 2, float("nan"), 0.0, 0, 0, True)
