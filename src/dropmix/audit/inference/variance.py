"""How much a class's recall change would vary: over seeds, and over seeds and examples.

A seed moves single examples, whole classes, and all classes alike. With n_m examples of class m and S_a seeds of arm a:

    flip_am      one prediction's variance over seeds, mean over the class: mean_i p_ai (1 - p_ai) S_a / (S_a - 1),
                 where p_ai is the share of seeds that get example i right; drawn towards what the recall predicts
    c_am         what a seed does to the whole class, in units of flip: `seed_noise`
    V_fixed      sum_a flip_am / S_a (1 / n_m + c_am) - 2 Cov              new seeds, these examples
    V_population V_fixed + max(Var_i(p_1i - p_0i) / n_m - sum_a flip_am / (n_m S_a), 0)     new examples too;
                 drawn towards the pooled excess. The class counts as if one more example had changed, as much as
                 changed ones do: near recall 1, a few examples lose much, and a test set may by luck hold none of them
    common       variance of the gain over seeds beyond what sum_m (n_m / N)^2 V_m explains: it moves all classes alike

`common` rests on S_0 + S_1 - 2 degrees of freedom; `common_scaled` is widened so that normal quantiles of the sum hold.

With groups (patient, clip, camera) the unit that flips is the group: sums over a group take the place of examples.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from dropmix.audit.inference.seed_noise import BothArms, LoneArm, class_seed, lone_arm

PRIOR = 10.0  # units' worth of what the recall predicts of a class's flips
TAIL = 0.95  # one-sided level at which the common part is widened
TINY = 1e-12  # a lone class centred on itself does not vary
MOST_WIDENED = 4.0  # of its standard deviation; with fewer seeds than that takes, nothing can be decided anyway


@dataclass(frozen=True)
class Variances:
    """Variances of the recall change of M classes.

    Args:
        flip: (M,), from independent flips.
        one_flip: variance of one prediction over seeds, mean over the class and both arms, (M,).
        seed: (M,), as observed over seeds; NaN with one seed in each arm.
        fixed: (M,), for new seeds on these examples, without the common part.
        population: (M,), for new seeds and new examples, without the common part.
        baseline: (M,), the baseline's part of `fixed`.
        common: variance of what moves all classes alike.
        common_scaled: the same, widened for the few seeds that it is known from.
        accuracy_dof: degrees of freedom behind it, S_0 + S_1 - 2 where both arms have seeds; 0 with one in each.
        ratio: sum of `seed` over sum of `flip`; NaN with one seed in each arm.
        covariance: pooled covariance of the arms' class recalls over shared seeds; 0 when unpaired.
        shared: number of shared seeds.
        dof: degrees of freedom behind the pooled class variance, 0 with one seed in each arm.
        one_seed: whether both arms have one seed only: `fixed` is then an upper guess, from examples alone.
        tail: degrees of freedom behind each class's own variance, (M,); infinite with one seed in each arm.
        lone: the arm with one seed where the other has more; None otherwise.
        both: the arms where both have several seeds; None otherwise.
    """

    flip: np.ndarray
    one_flip: np.ndarray
    seed: np.ndarray
    fixed: np.ndarray
    population: np.ndarray
    baseline: np.ndarray
    common: float
    common_scaled: float
    accuracy_dof: int
    ratio: float
    covariance: float
    shared: int
    dof: int
    one_seed: bool
    tail: np.ndarray
    lone: LoneArm | None = None
    both: BothArms | None = None


def variances(
    position: np.ndarray,
    correct0: np.ndarray,
    correct1: np.ndarray,
    shared: tuple[np.ndarray, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
) -> Variances:
    """Every variance of the recall changes.

    Args:
        position: class of each example, (N,), in [0, M).
        correct0, correct1: whether each seed gets each example right, (S0, N) and (S1, N), bool.
        shared: rows of correct0 and of correct1 that have one seed number; None when the arms are unpaired.
        groups: number of the group of each example, (N,), from 0; None where examples are independent.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> right = rng.random((2, 5, 200)) < 0.7
        >>> v = variances(np.repeat(np.arange(4), 50), *right)
        >>> bool((v.population >= v.fixed).all())
        True
    """
    m = int(position.max()) + 1
    sizes = np.bincount(position, minlength=m)
    seeds = len(correct0), len(correct1)
    units = _Units(position, sizes, groups)
    spread, one_more = units.example_variance(correct1.mean(axis=0) - correct0.mean(axis=0))
    if max(seeds) == 1:
        return _one_seed(spread + one_more, sizes, seeds)
    recalls = [units.recalls(c) for c in (correct0, correct1)]
    flips = [units.flip(c) if len(c) > 1 else None for c in (correct0, correct1)]
    smooth = _moderated(flips, recalls, sizes, units.counts)
    by_class = class_seed(flips, smooth, recalls, sizes)
    c = by_class.excess
    v_flip = smooth[0] / (sizes * seeds[0]) + smooth[1] / (sizes * seeds[1])
    parts = [f / s * (1 / sizes + x) for f, s, x in zip(smooth, seeds, c)]
    total = parts[0] + parts[1]
    covariance, fixed, count = 0.0, total, 0
    if shared is not None and len(shared[0]) > 1:
        count = len(shared[0])
        together = units.together(correct0[shared[0]], correct1[shared[1]])
        covariance, of_class = _covariance(recalls, shared, together, smooth, sizes, units.counts, c)
        # Cov of two means over S0 and S1 seeds with `count` in common. At least a tenth stays, at most double.
        fixed = np.clip(total - 2 * of_class * count / (seeds[0] * seeds[1]), total / 10, 2 * total)
    extra = _example_excess(spread, one_more, v_flip, units.counts)
    over_seeds = [r.var(axis=0, ddof=1) for r in recalls if len(r) > 1]
    # An arm of one seed has the other arm's variance.
    v_seed = over_seeds[0] / seeds[0] + over_seeds[-1] / seeds[1]
    common, scaled = _common(recalls, sizes, shared, fixed)
    lone, both = None, None
    if min(seeds) > 1:
        means = np.stack([r.mean(axis=0) for r in recalls])
        both = BothArms(means, np.outer(seeds, sizes), np.stack(parts), fixed)
    for known, flip in enumerate(flips):
        if flip is not None and min(seeds) == 1:
            own = recalls[1 - known][0]
            asked = (flip, smooth[known], recalls[known], own, sizes, units.counts, c[1 - known], PRIOR)
            lone = lone_arm(*asked, treated=known == 0)
    return Variances(
        flip=v_flip,
        one_flip=(smooth[0] + smooth[1]) / 2,
        seed=v_seed,
        fixed=fixed,
        population=fixed + extra,
        baseline=parts[0] * fixed / total,
        common=common,
        common_scaled=scaled,
        accuracy_dof=sum(seeds) - 2,
        ratio=float(np.sum(v_seed) / np.sum(v_flip)),
        covariance=covariance,
        shared=count,
        dof=max(m - 1, 1) * (sum(seeds) - 2 if min(seeds) > 1 else max(seeds) - 1),
        one_seed=False,
        tail=by_class.dof if lone is None else by_class.dof / 2,
        lone=lone,
        both=both,
    )


class _Units:
    """What flips on its own: examples, or groups of examples within a class."""

    def __init__(self, position: np.ndarray, sizes: np.ndarray, groups: np.ndarray | None) -> None:
        self.position, self.sizes = position, sizes
        self.unit, self.counts = None, sizes
        if groups is not None:
            pairs = position.astype(np.int64) * (int(groups.max()) + 1) + groups
            unique, self.unit = np.unique(pairs, return_inverse=True)
            self.home = unique // (int(groups.max()) + 1)
            self.counts = np.bincount(self.home, minlength=len(sizes))

    def recalls(self, correct: np.ndarray) -> np.ndarray:
        """Recall of each seed and class, (S, M)."""
        m = len(self.sizes)
        return np.stack([np.bincount(self.position[c], minlength=m) for c in correct]) / self.sizes

    def flip(self, correct: np.ndarray) -> np.ndarray:
        """Variance over seeds of one prediction, mean over the class, (M,): of sums over units, per example."""
        return self.together(correct, correct)

    def together(self, correct0: np.ndarray, correct1: np.ndarray) -> np.ndarray:
        """Covariance of two arms' predictions of one example over the same seeds, mean over the class, (M,)."""
        seeds, m = len(correct0), len(self.sizes)
        if self.unit is None:
            both = (correct0 & correct1).mean(axis=0) - correct0.mean(axis=0) * correct1.mean(axis=0)
            return np.bincount(self.position, weights=both * seeds / (seeds - 1), minlength=m) / self.sizes
        sums = [
            np.stack([np.bincount(self.unit, weights=c, minlength=len(self.home)) for c in correct])
            for correct in (correct0, correct1)
        ]
        apart = [x - x.mean(axis=0) for x in sums]
        return np.bincount(self.home, weights=(apart[0] * apart[1]).sum(axis=0) / (seeds - 1), minlength=m) / self.sizes

    def example_variance(self, difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variance of the class mean of a difference over new units, (M,), and what one more changed unit would add.

        Changed units have the square sum(d^4) / sum(d^2): a mean of squares in which those that changed much count.
        """
        mean = np.bincount(self.position, weights=difference, minlength=len(self.sizes)) / self.sizes
        parts, home = difference - mean[self.position], self.position
        if self.unit is not None:
            parts, home = np.bincount(self.unit, weights=parts, minlength=len(self.home)), self.home
        square = parts**2
        of_class = np.bincount(home, weights=square, minlength=len(self.sizes))
        changed = float(square @ square) / max(float(square.sum()), TINY)
        scale = self.counts / np.maximum(self.counts - 1, 1) / self.sizes**2
        return of_class * scale, changed * scale


def _moderated(flips, recalls, sizes: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Flips drawn towards what the class's recall predicts: no class of few examples is certain by luck.

    An arm of one seed shows no flips. It has the other arm's, or more where its recall predicts more.
    """
    known = [a for a, flip in enumerate(flips) if flip is not None]
    trials = [sizes * len(r) for r in recalls]
    right = [(r.mean(axis=0) * t + 0.5) / (t + 1) for r, t in zip(recalls, trials)]
    possible = [r * (1 - r) for r in right]
    seen = sum(float((flips[a] * sizes).sum()) for a in known)
    could = sum(float((possible[a] * sizes).sum()) for a in known)
    # One flip among all predictions, where none was ever seen.
    ratio = max(seen, 1 / max(len(recalls[a]) for a in known)) / could
    smooth = {a: (counts * flips[a] + PRIOR * ratio * possible[a]) / (counts + PRIOR) for a in known}
    other = smooth[known[0]]
    return [smooth[a] if a in smooth else np.maximum(other, ratio * possible[a]) for a in (0, 1)]


def _covariance(recalls, shared, together, smooth, sizes, counts, c) -> tuple[float, np.ndarray]:
    """Covariance of the arms' recalls over shared seeds: pooled as observed, and of each class, (M,).

    What flips together is known by class, from its examples. What whole classes do together is one correlation for all.
    """
    a, b = recalls[0][shared[0]], recalls[1][shared[1]]
    observed = ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum(axis=0) / (len(a) - 1)
    scale = np.sqrt(smooth[0] * smooth[1])
    usual = float((together * sizes).sum() / (scale * sizes).sum())
    flips = (counts * together + PRIOR * usual * scale) / (counts + PRIOR) / sizes
    whole = np.sqrt(c[0] * c[1]) * scale
    correlation = float((observed - together / sizes).sum() / max(float(whole.sum()), TINY))
    return float(observed.mean()), flips + float(np.clip(correlation, -1, 1)) * whole


def _common(recalls, sizes: np.ndarray, shared, fixed: np.ndarray) -> tuple[float, float]:
    """Variance of the gain beyond the classes' own, and the same widened by a t quantile."""
    share = sizes / sizes.sum()
    accuracy = [r @ share for r in recalls]
    several = [a for a in accuracy if len(a) > 1]
    if len(several) == 1:
        gain = float(several[0].var(ddof=1)) * sum(1 / len(a) for a in accuracy)
    else:
        gain = sum(float(a.var(ddof=1)) / len(a) for a in accuracy)
        if shared is not None and len(shared[0]) > 1:
            together = np.cov(accuracy[0][shared[0]], accuracy[1][shared[1]])[0, 1]
            gain -= 2 * float(together) * len(shared[0]) / (len(accuracy[0]) * len(accuracy[1]))
    common = max(gain - float((share**2 * fixed).sum()), 0.0)
    dof = sum(len(a) - 1 for a in accuracy)
    widened = min(float(stdtrit(dof, TAIL) / ndtri(TAIL)), MOST_WIDENED)
    return common, common * widened**2


def _example_excess(spread, one_more, v_flip: np.ndarray, counts: np.ndarray) -> np.ndarray:
    pooled = max(float((spread - v_flip).sum() / v_flip.sum()), 0.0)
    own = np.maximum(spread + one_more - v_flip, 0)
    return (counts * own + PRIOR * pooled * v_flip) / (counts + PRIOR)


def _one_seed(spread: np.ndarray, sizes: np.ndarray, seeds: tuple[int, int]) -> Variances:
    """One seed shows no seed variance: examples paired over the arms bound the flips, whole-class moves stay unseen."""
    floor = (1 / seeds[0] + 1 / seeds[1]) / sizes**2
    both = np.maximum(spread, floor)
    return Variances(
        flip=both,
        one_flip=np.minimum(both * sizes / 2, 0.25),
        seed=np.full(len(sizes), np.nan),
        fixed=both,
        population=both,
        baseline=both / 2,
        common=0.0,
        common_scaled=0.0,
        accuracy_dof=0,
        ratio=float("nan"),
        covariance=0.0,
        shared=0,
        dof=0,
        one_seed=True,
        tail=np.full(len(sizes), np.inf),
    )
