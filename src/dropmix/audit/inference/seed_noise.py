"""What seeds do beyond flips: to whole classes, and what is known of an arm that has one seed.

Whole classes: a seed moves all alike, or some far more than others.

c_m    variance over seeds of class m's recall beyond independent flips, in units of its flips

All classes together give the mean c, weighted by the inverse variances of what it averages,
(n / flip)^2 / (1 + 0.003 n)^2 for many equal classes; with a long tail the few small classes would else decide it
alone. Recalls are centred on their seed's own accuracy. That takes a share of every class along, q = n_m / N, and the
expectation allows for it:

    Var_s(r_m - sum_k q_k r_k) = (1 - 2 q_m) u_m + sum_k q_k^2 u_k,    u = flip / n + c flip

Seeds often move a few classes far: pairs that are hard to tell apart trade images. The mean c makes the error of such
a class too small, and of 1000 classes some would always seem to have changed. How unequal the c_m are is estimated
from the classes' variances x_m, relative to what the mean c predicts, with d = sum (S - 1) degrees of freedom:

    Var(x_m) = (1 + 2 / d) (1 + cv^2 h_m^2) - 1 + k_m,    h_m = n c / (1 + n c), k_m = 1 / (n flip (1 + n c)^2)

where k_m is what counts of few flips add. A class's variance is then drawn towards the prediction, by a scaled inverse
chi-square with d0 degrees of freedom, and its tests follow Student's t with d0 + d_m. The logs of the true variances
are taken to vary by log(1 + cv^2 h_m^2), as those of a log-normal distribution do; d0 and the scale follow from them.

An arm with one seed shows no flips. They are estimated from the other arm, class by class, and adjusted to the recall
that the arm would have under a supposed change d. Both arms' predictions estimate that recall (S seeds of the other,
one of its own):

    flip(d) = rho r (1 - r),   r = (S (r_other + d) + r_own) / (S + 1)        rho = flip_other / (r_other (1 - r_other))

With r_other + d alone, an arm that did well by luck would also seem to vary less, and classes would be called safe too
often.

A test supposes the tolerated loss. Each end of an interval supposes itself: it is the change that a test would just not
reject, as in Wilson's interval of a proportion.

Source:
    Smyth 2004, doi 10.2202/1544-6115.1027 (moderated t). Differs: the spread comes from moments, as logs of observed
    variances are infinite where no prediction of a class flips.
    Farrington & Manning 1990, doi 10.1002/sim.4780091208, for rates that are estimated under the tested difference.
    Wilson 1927, doi 10.1080/01621459.1927.10502953, for intervals whose ends have their own variance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

TYPICAL = 0.003  # c of networks seen so far; only the weights depend on it
TINY = 1e-12  # a lone class centred on itself does not vary
STEPS = 8
USUAL_SPREAD, USUAL_CLASSES = 0.08, 10.0  # cv^2 of a class's variance before any is seen, and the classes it counts for
NEAR = 0.01  # within a point of the other arm's recall, its flips are the arm's: by simulation at the nominal level


@dataclass(frozen=True)
class ClassSeed:
    """c_m, and the degrees of freedom behind each class's variance, (M,) each."""

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
        >>> bool(made.excess[:4].mean() > 5 * made.excess[4:].mean())
        True
    """
    share = sizes / sizes.sum()

    def centred(own: np.ndarray) -> np.ndarray:
        """Variances of recalls less the seed's accuracy, from the classes' own."""
        return (1 - 2 * share) * own + (share**2 * own).sum()

    known = [
        (f, s, r, (r - (r @ share)[:, None]).var(axis=0, ddof=1))
        for f, s, r in zip(flips, smooth, recalls)
        if f is not None
    ]
    above = below = 0.0
    for flip, f, r, observed in known:
        slope = centred(f)
        weight = (len(r) - 1) / np.maximum(centred(f / sizes * (1 + TYPICAL * sizes)), TINY) ** 2
        above += float((weight * slope * (observed - centred(flip / sizes))).sum())
        below += float((weight * slope**2).sum())
    c = max(above / below, 0.0) if below else 0.0
    d = sum(len(r) - 1 for _, _, r, _ in known)
    expected = [np.maximum(centred(f / sizes * (1 + c * sizes)), TINY) for _, f, _, _ in known]
    ratio = sum((len(r) - 1) * seen / e for (_, _, r, seen), e in zip(known, expected)) / d
    flip = sum((len(r) - 1) * f for _, f, r, _ in known) / d
    return _moderated(np.asarray(ratio), np.asarray(flip), sizes, c, d)


def _moderated(ratio: np.ndarray, flip: np.ndarray, sizes: np.ndarray, c: float, d: int) -> ClassSeed:
    moved = sizes * c / (1 + sizes * c)
    few = 1 / (sizes * flip * (1 + sizes * c) ** 2)
    noise = 2 / d + few
    spread = ((ratio - 1) ** 2 - noise) / (1 + 2 / d)
    weight = (2 / d / noise) ** 2
    prior = USUAL_CLASSES * weight.mean()
    above = float((weight * moved**2 * spread).sum()) + prior * USUAL_SPREAD
    squared = max(above / (float((weight * moved**4).sum()) + prior), 0.0)
    logs = np.log1p(np.maximum(squared * moved**2, TINY))
    half = _inverse_trigamma(logs)
    typical = np.exp(digamma(half) - np.log(half) - logs / 2)
    prior_dof, own_dof = 2 * half, 2 / noise
    scale = (prior_dof * typical + own_dof * ratio) / (prior_dof + own_dof)
    # Flips alone are no guess: a class cannot vary less.
    excess = np.maximum(scale * (1 + sizes * c) - 1, 0) / sizes
    return ClassSeed(excess, prior_dof + own_dof)


def _inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """The half degrees of freedom at which the log of a chi-square has this variance, by Newton's method on 1 / value.

    Example:
        >>> polygamma(1, _inverse_trigamma(np.array([0.01, 1.0, 3.0]))).round(6).tolist()
        [0.01, 1.0, 3.0]
    """
    found = 0.5 + 1 / value
    for _ in range(STEPS):
        there = polygamma(1, found)
        found = found + there * (1 - there / value) / polygamma(2, found)
    return found


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
