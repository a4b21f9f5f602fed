"""What seeds do beyond flips, to whole classes, and how much a class would vary under a supposed change.

Whole classes: a seed moves all alike, or some far more than others, and those most that are often taken for others:

c_am   variance over seeds of arm a's recall of class m beyond independent flips, in units of its flips; it grows with
       the square root of the possible flips, c_am = c sqrt(r_am (1 - r_am) / 0.1)

A shift of all scores of a class does little near recall 1. On real networks c grew with the possible flips to the power
0.35 to 0.6 where recalls differed, with simulated shifts to the power 1.

All classes together give c, by the ratio of what is seen beyond flips to the flips, weighted by the inverse variances
of what it averages. The weights rest on recalls: a class that moved little by luck also flipped little, so weights by
flips would find too small a c. Recalls are centred on their seed's own accuracy. That takes a share of every class
along, q = n_m / N, and the expectation allows for it:

    Var_s(r_m - sum_k q_k r_k) = (1 - 2 q_m) u_m + sum_k q_k^2 u_k,    u = flip / n + c flip

Seeds often move a few classes far: pairs that are hard to tell apart trade images. The mean c makes the error of such
a class too small, and of 1000 classes some would always seem to have changed. How unequal the c_m are is estimated
from the classes' variances x_m, relative to what the mean c predicts, with d = sum (S - 1) degrees of freedom:

    Var(x_m) = (1 + 2 / d) (1 + cv^2 h_m^2) - 1 + k_m,    h_m = n c / (1 + n c), k_m = 1 / (n flip (1 + n c)^2)

where k_m is what counts of few flips add. A class's variance is then drawn towards the prediction, by a scaled inverse
chi-square with d0 degrees of freedom, and its tests follow Student's t with d0 + d_m. The logs of the true variances
are taken to vary by log(1 + cv^2 h_m^2), as those of a log-normal distribution do; d0 and the scale follow from them.
Moments fit the scale, but rest on the few largest and with few seeds miss how long the tail is. d0 is therefore that of
the likelihood's median cv^2 (the F distribution of the x_m, with a weak prior) where it is smaller.

An arm with one seed shows no flips. They are estimated from the other arm, class by class, and adjusted to the recall
that the arm would have under a supposed change d. Both arms' predictions estimate that recall (S seeds of the other,
one of its own):

    flip(d) = rho r (1 - r),   r = (S (r_other + d) + r_own) / (S + 1)        rho = flip_other / (r_other (1 - r_other))

With r_other + d alone, an arm that did well by luck would also seem to vary less, and classes would be called safe too
often.
Nothing is averaged over its seeds, so its changes have longer tails: half the degrees of freedom.

With several seeds of both arms, each arm's variance is carried from its recall to that which the supposed change gives
it, where the difference between seen and supposed change is shared out by the arms' variances. It stays at least half
of what was seen.

A test supposes the tolerated loss. Each end of an interval supposes itself: it is the change that a test would just not
reject, as in Wilson's interval of a proportion.

Source:
    Smyth 2004, doi 10.2202/1544-6115.1027 (moderated t). Differs: the spread comes from moments and the likelihood, as
    logs of observed variances are infinite where no prediction of a class flips.
    Farrington & Manning 1990, doi 10.1002/sim.4780091208, for rates that are estimated under the tested difference.
    Wilson 1927, doi 10.1080/01621459.1927.10502953, for intervals whose ends have their own variance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, polygamma

TYPICAL = 0.003  # c of networks seen so far; only the weights depend on it
TINY = 1e-12  # a lone class centred on itself does not vary
STEPS = 2
USUAL_SPREAD, USUAL_CLASSES = 0.08, 10.0  # cv^2 of a class's variance before any is seen, and the classes it counts for
STEEP = 0.1  # possible flips at which c is stated
HALVES = np.geomspace(1e-3, 1e4, 600)  # half degrees of freedom, and below the variance of the log at each
LOG_VARIANCES = polygamma(1, HALVES)
SPREADS = np.geomspace(0.01, 100, 41)  # cv^2 that are tried
LIKELY, WIDE = np.log(0.3), 1.2  # weak prior of log cv^2: mean and sd
LEAST = 0.5  # of the seen variance: by luck, recalls near 1 would seem certain
NEAR = 0.01  # within a point of the other arm's recall, its flips are the arm's: by simulation at the nominal level


@dataclass(frozen=True)
class ClassSeed:
    """c_am of both arms, (2, M), and the degrees of freedom behind each class's variance, (M,)."""

    excess: np.ndarray
    dof: np.ndarray


def class_seed(
    flips: list[np.ndarray | None], smooth: list[np.ndarray], recalls: list[np.ndarray], sizes: np.ndarray
) -> ClassSeed:
    """What a seed does to each class.

    Args:
        flips: variance of one prediction over seeds, per arm, (M,); None for an arm of one seed.
        smooth: the same, drawn towards what the recall predicts.
        recalls: per arm, (S, M).
        sizes: examples of each class, (M,).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> moved = rng.normal(0, 0.02, (2, 5, 40)) * np.where(np.arange(40) < 4, 6, 1)
        >>> made = class_seed([np.full(40, 0.05)] * 2, [np.full(40, 0.05)] * 2, list(0.8 + moved), np.full(40, 100))
        >>> bool(made.excess[:, :4].mean() > 5 * made.excess[:, 4:].mean())
        True
    """
    share = sizes / sizes.sum()

    def centred(own: np.ndarray) -> np.ndarray:
        """Variances of recalls less the seed's accuracy, from the classes' own."""
        return (1 - 2 * share) * own + (share**2 * own).sum()

    possible = [_possible(r, sizes) for r in recalls]
    steep = [np.sqrt(p / STEEP) for p in possible]
    known = [
        (len(r) - 1, f, s, (r - (r @ share)[:, None]).var(axis=0, ddof=1), p, k)
        for f, s, r, p, k in zip(flips, smooth, recalls, possible, steep)
        if f is not None
    ]
    above = below = 0.0
    for free, flip, f, observed, p, k in known:
        weight = free * p * k / np.maximum(centred(p / sizes * (1 + TYPICAL * sizes * k)), TINY) ** 2
        above += float((weight * (observed - centred(flip / sizes))).sum())
        below += float((weight * centred(f * k)).sum())
    c = max(above / below, 0.0) if below else 0.0
    d = sum(free for free, *_ in known)
    ratio, flip, mean = (np.zeros(len(sizes)) for _ in range(3))
    for free, _, f, observed, _, k in known:
        ratio += free / d * observed / np.maximum(centred(f / sizes * (1 + c * k * sizes)), TINY)
        flip += free / d * f
        mean += free / d * f * k
    mean = mean / flip
    excess, dof = _moderated(ratio, flip, sizes, c * mean, d)
    return ClassSeed(np.stack([excess * k / mean for k in steep]), dof)


def _possible(recalls: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """r (1 - r) of the mean recall, (M,), never 0."""
    trials = sizes * len(recalls)
    right = (recalls.mean(axis=0) * trials + 0.5) / (trials + 1)
    return right * (1 - right)


def _moderated(
    ratio: np.ndarray, flip: np.ndarray, sizes: np.ndarray, c: np.ndarray, d: int
) -> tuple[np.ndarray, np.ndarray]:
    """c of each class from its own variance and the others', and its degrees of freedom, (M,) each."""
    moved = sizes * c / (1 + sizes * c)
    few = 1 / (sizes * flip * (1 + sizes * c) ** 2)
    noise = 2 / d + few
    spread = ((ratio - 1) ** 2 - noise) / (1 + 2 / d)
    weight = (2 / d / noise) ** 2
    prior = USUAL_CLASSES * weight.mean()
    above = float((weight * moved**2 * spread).sum()) + prior * USUAL_SPREAD
    squared = max(above / (float((weight * moved**4).sum()) + prior), 0.0)
    half, typical = _prior(squared, moved)
    own_dof = 2 / noise
    prior_dof = 2 * np.minimum(half, _prior(_likely_spread(ratio, moved, own_dof), moved)[0])
    scale = (prior_dof * typical + own_dof * ratio) / (prior_dof + own_dof)
    # Flips alone are no guess: a class cannot vary less.
    excess = np.maximum(scale * (1 + sizes * c) - 1, 0) / sizes
    return excess, prior_dof + own_dof


def _prior(squared: float, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the degrees of freedom, and the scale, of the inverse chi-square with this cv^2, (M,) each."""
    logs = np.log1p(np.maximum(squared * moved**2, TINY))
    half = _inverse_trigamma(logs)
    return half, np.exp(digamma(half) - np.log(half) - logs / 2)


def _likely_spread(ratio: np.ndarray, moved: np.ndarray, own_dof: np.ndarray) -> float:
    """The median of cv^2, given that each ratio follows an F distribution."""
    height = []
    for squared in SPREADS:
        half, scale = _prior(squared, moved)
        both, whole = half + own_dof / 2, 2 * half * scale
        each = gammaln(both) - gammaln(half) + half * np.log(whole) - both * np.log(whole + own_dof * ratio)
        height.append(float(each.sum()) - ((np.log(squared) - LIKELY) / WIDE) ** 2 / 2)
    share = np.cumsum(np.exp(np.array(height) - max(height)))
    return float(np.interp(0.5, share / share[-1], SPREADS))


def _inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """The half degrees of freedom at which the log of a chi-square has this variance.

    From a table, then by Newton's method on 1 / value.

    Example:
        >>> value = np.array([1e-9, 0.01, 1.0, 3.0, 1e4])
        >>> bool(np.allclose(polygamma(1, _inverse_trigamma(value)), value, rtol=1e-13))
        True
    """
    half_dof = np.exp(np.interp(-np.log(value), -np.log(LOG_VARIANCES), np.log(HALVES)))
    half_dof = np.where(value < LOG_VARIANCES[-1], 0.5 + 1 / value, half_dof)
    for _ in range(STEPS):
        there = polygamma(1, half_dof)
        half_dof = half_dof + there * (1 - there / value) / polygamma(2, half_dof)
    return half_dof


@dataclass(frozen=True)
class LoneArm:
    """The arm with one seed, of M classes.

    Args:
        recall: of the other arm, (M,), fractions.
        own: recall of the arm with one seed, (M,), fractions.
        seeds: S, of the other arm.
        trials: predictions behind `recall`, (M,).
        treated: whether the treated arm is the one with one seed.
        rho: flips per possible flip, r (1 - r), (M,).
        other: variance of the other arm's recall over seeds, (M,).
        per_flip: variance of one seed's recall per flip, 1 / n_m + c, (M,).
    """

    recall: np.ndarray
    own: np.ndarray
    seeds: int
    trials: np.ndarray
    treated: bool
    rho: np.ndarray
    other: np.ndarray
    per_flip: np.ndarray

    def variance(self, change: np.ndarray) -> np.ndarray:
        """Variance over seeds of the change of recall, if the true change is `change`, (M,), fractions."""
        moved = np.sign(change) * np.maximum(np.abs(change) - NEAR, 0)
        supposed = self.recall + (moved if self.treated else -moved)
        recall = np.clip((self.seeds * supposed + self.own) / (self.seeds + 1), 0, 1)
        recall = (recall * self.trials + 0.5) / (self.trials + 1)
        return self.other + self.rho * recall * (1 - recall) * self.per_flip


@dataclass(frozen=True)
class BothArms:
    """Two arms with several seeds each, of M classes.

    Args:
        recalls: of each arm, (2, M), fractions.
        trials: predictions behind them, (2, M).
        parts: variance over seeds of each, (2, M), > 0.
        seen: variance over seeds of their difference, (M,).
    """

    recalls: np.ndarray
    trials: np.ndarray
    parts: np.ndarray
    seen: np.ndarray

    def variance(self, change: np.ndarray) -> np.ndarray:
        """Variance over seeds of the change of recall, if the true change is `change`, (M,), fractions.

        Example:
            >>> recalls, trials = np.array([[0.98], [0.99]]), np.full((2, 1), 300)
            >>> arms = BothArms(recalls, trials, np.full((2, 1), 1e-4), np.array([2e-4]))
            >>> bool(arms.variance(np.array([-0.1])) > 2 * arms.variance(np.array([0.01])))
            True
        """
        share = self.parts / self.parts.sum(axis=0)
        off = self.recalls[1] - self.recalls[0] - change
        supposed = np.clip(self.recalls + share * off * np.array([[1], [-1]]), 0, 1)
        now, then = ((r * self.trials + 0.5) / (self.trials + 1) for r in (self.recalls, supposed))
        times = then * (1 - then) / (now * (1 - now))
        return self.seen * np.maximum((share * times).sum(axis=0), LEAST)


def lone_arm(
    flip: np.ndarray,
    moderated: np.ndarray,
    recalls: np.ndarray,
    own: np.ndarray,
    sizes: np.ndarray,
    counts: np.ndarray,
    excess: np.ndarray | float,
    prior: float,
    treated: bool,
) -> LoneArm:
    """The arm with one seed, from the other arm's seeds.

    Args:
        flip: of the other arm, (M,).
        moderated: the same, drawn towards what the recall predicts, (M,).
        recalls: of the other arm's S seeds, (S, M), S > 1.
        own: recall of the arm with one seed, (M,).
        sizes, counts: examples, and what flips on its own (examples or groups), (M,).
        excess: c, what a seed does to a whole class in units of flip; one or (M,).
        prior: units' worth of what the recall predicts, > 0.
        treated: whether the treated arm is the one with one seed.

    Example:
        >>> n, flip, own = np.full(2, 100), np.array([0.08, 0.01]), np.array([0.8, 0.98])
        >>> arm = lone_arm(flip, flip, np.array([[0.8, 0.98], [0.8, 0.98]]), own, n, n, 0.0, 10.0, True)
        >>> (arm.variance(np.array([-0.2, -0.2])) > arm.variance(np.zeros(2))).tolist()
        [True, True]
    """
    trials = sizes * len(recalls)
    recall = recalls.mean(axis=0)
    smooth = (recall * trials + 0.5) / (trials + 1)
    possible = smooth * (1 - smooth)
    ratio = max(float((flip * sizes).sum()), 1 / len(recalls)) / float((possible * sizes).sum())
    # In units of possible flips: a class whose every prediction was right says nothing of how it would flip.
    weight = prior * float(np.average(possible, weights=sizes))
    rho = (counts * flip + weight * ratio) / (counts * possible + weight)
    per_flip = 1 / sizes + excess
    return LoneArm(recall, own, len(recalls), trials, treated, rho, moderated / len(recalls) * per_flip, per_flip)
