"""Empirical Bayes: the classes' changes without their noise, by a model of all classes.

    d_m ~ N(theta_m, V_m)                           observed and true change of class m
    theta_m ~ sum_k pi_k N(mu + c_mk, sigma_mk^2)   prior, one of four shapes

The shapes, each of which contains the ones before it:

1. `scales`: c = 0, sigma on a grid with steps of sqrt(2) that includes 0;
2. `relative`: also sigma proportional to sqrt(V_m): where seeds move a class much, an augmentation may, too;
3. `located`: also c on a grid in units of sqrt(V_m), for truths with two humps or a long tail to one side;
4. `spike`: also a component at exactly no change, wherever mu is, for truths in which most classes stay as they were.

pi and mu are fitted by EM to the marginal likelihood, with no extra weight on any component. The shapes are
averaged with weights exp(log-likelihood - penalty): half of log M for the one degree of freedom of shape 2 (BIC), and
for shapes 3 and 4 the larger of log M and sqrt(M) / 2, set by simulation so that truths of shapes 1 and 2 seldom
choose them.

mu is not known exactly. Its uncertainty s^2 is integrated out, so that a class in the component sigma = 0 is not called
only because the common change lies slightly below zero:

    theta_m | d, k ~ N(mu + c + b (d - mu - c), b V_m + (1 - b)^2 s^2),   b = sigma_mk^2 / (sigma_mk^2 + V_m)

Source:
    Stephens 2017, "False discovery rates: a new deal", doi 10.1093/biostatistics/kxw041, for mixtures of normals
    fitted to estimates of known variance. Differs: the centre is fitted, shapes are averaged, a margin replaces
    the sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from dropmix.audit.inference.prior_shapes import Shape, shapes

NO_WEIGHT = 1e-12  # of a component, below which it moves no posterior
BLOCK = 200_000  # numbers in one block of the EM: bounds memory, and fits a cache


@dataclass(frozen=True)
class Prior:
    """Fitted prior of one shape for B data sets: mu (B,), its variance (B,), weights (B, K), log-likelihood (B,)."""

    shape: Shape
    mu: np.ndarray
    mu_variance: np.ndarray
    weight: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Losses:
    """P(theta < -margin) and E[theta; theta < -margin], on that event and not given it, (B, M), mean over shapes."""

    below: np.ndarray
    change_below: np.ndarray

    @property
    def number(self) -> np.ndarray:
        """Estimated number of degraded classes, (B,)."""
        return self.below.sum(axis=1)

    @property
    def mean_change(self) -> np.ndarray:
        """Estimated mean true change of the degraded classes, (B,)."""
        return self.change_below.sum(axis=1) / np.maximum(self.number, 1e-12)


@dataclass(frozen=True)
class Posterior(Losses):
    """The posterior of each class's true change, for B data sets: also P(theta > margin), mean and sd, (B, M) each."""

    above: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def fit(
    change: np.ndarray,
    variance: np.ndarray,
    among: Sequence[Shape] | None = None,
    start: Sequence[Prior] | None = None,
    rounds: int = 60,
    inner: int = 10,
) -> list[Prior]:
    """Fit every shape of prior to B data sets at once.

    Args:
        change: (B, M) or (M,).
        variance: (M,), known, > 0.
        among: shapes; those of the first data set if None.
        start: priors of one data set to start from; equal weights and the weighted mean if None.
        rounds: most updates of mu; each follows `inner` updates of the weights.

    Example:
        >>> d = np.random.default_rng(0).normal(0.01, 0.02, 200)
        >>> scales, *_ = fit(d, np.full(200, 0.02**2))
        >>> bool(abs(scales.mu[0] - 0.01) < 0.005)
        True
    """
    change = np.atleast_2d(change)
    among = shapes(change[0], variance) if among is None else among
    starts = [None] * len(among) if start is None else start
    return [_fit_blocks(change, variance, s, p, rounds, inner) for s, p in zip(among, starts)]


def _fit_blocks(change, variance, shape: Shape, start: Prior | None, rounds: int, inner: int) -> Prior:
    size = max(1, BLOCK // shape.sigma.size)
    parts = [_fit(change[i : i + size], variance, shape, start, rounds, inner) for i in range(0, len(change), size)]
    join = lambda key: np.concatenate([getattr(p, key) for p in parts])  # noqa: E731
    return Prior(shape, join("mu"), join("mu_variance"), join("weight"), join("value"))


def _fit(change, variance, shape: Shape, start: Prior | None, rounds: int, inner: int) -> Prior:
    total = (variance[:, None] + shape.sigma**2).T  # (K, M): sums over components then run along classes
    least = total.min()
    centre = shape.centre.T if shape.centre.any() or not shape.moving.all() else None
    kernel = _Kernel(total, shape.moving, centre, least)
    b, (k, m) = len(change), total.shape
    if start is None:
        mu = (change / variance).sum(axis=1) / (1 / variance).sum()
        weight = np.full((b, k), 1 / k)
    else:
        # A weight of zero would stay zero.
        mu, weight = np.repeat(start.mu, b), np.repeat(0.9 * start.weight + 0.1 / k, b, axis=0)
    last, information, value = np.full(b, -np.inf), np.ones(b), np.zeros(b)
    at, used = np.arange(b), np.arange(k)  # data sets that are not done, components that have weight in any of them
    for _ in range(rounds):
        likelihood, gap, top = kernel(change[at], mu[at])
        own, mixed = _weights(likelihood, weight[np.ix_(at, used)], inner)
        weight[np.ix_(at, used)] = own
        value[at] = (np.log(mixed) + top).sum(axis=1, dtype=np.float64) - 0.5 * m * np.log(least)
        likelihood *= kernel.inverse
        narrow = own.astype(np.float32)[:, None, :]
        curve = (narrow @ likelihood)[:, 0] / mixed
        information[at] = np.maximum(curve.sum(axis=1, dtype=np.float64), 1e-6)
        if gap.shape[1] == 1:  # one gap for all components
            push = curve * gap[:, 0]
        else:
            likelihood *= gap
            push = (narrow @ likelihood)[:, 0] / mixed
        mu[at] += push.sum(axis=1, dtype=np.float64) / information[at]
        left = np.abs(value[at] - last[at]) >= 1e-3
        if not left.any():
            break
        at, own = at[left], own[left]
        last[at] = value[at]
        kept = own.max(axis=0) > NO_WEIGHT
        if not kept.all():
            weight[np.ix_(at, used[~kept])] = 0
            used, kernel = used[kept], kernel.of(kept)
    return Prior(shape, mu, least / information, weight, value)


class _Kernel:
    """Likelihood of every class under every component, relative to its best one, so that no class underflows.

    `total` holds variances of observed changes, (K, M), and `centre` (K, M) is None if all components are at mu.
    """

    def __init__(self, total: np.ndarray, moving: np.ndarray, centre: np.ndarray | None, least: float) -> None:
        self.given = total, moving, centre, least
        self.half = (-0.5 / total).astype(np.float32)
        self.best = self.half.max(axis=0)
        self.behind = self.half - self.best
        self.scale = np.sqrt(least / total).astype(np.float32)
        self.inverse = (least / total * moving[:, None]).astype(np.float32)
        self.still = np.flatnonzero(moving == 0)
        self.centre = None if centre is None else centre.astype(np.float32)

    def of(self, kept: np.ndarray) -> "_Kernel":
        """The kernel of some components, (K,) bool."""
        total, moving, centre, least = self.given
        return _Kernel(total[kept], moving[kept], None if centre is None else centre[kept], least)

    def __call__(self, change: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Likelihoods (B, K, M), gaps to the centres (B, K or 1, M), and log of the best component's, (B, M)."""
        gap = (change - mu[:, None]).astype(np.float32)[:, None, :]
        if self.centre is None:  # one gap for all components: the widest is the best
            square = gap * gap
            exponent = self.behind * square
            top = (self.best * square)[:, 0]
        else:
            gap = gap - self.centre
            if len(self.still):
                gap[:, self.still] = change.astype(np.float32)[:, None, :] - self.centre[self.still]
            exponent = self.half * gap
            exponent *= gap
            top = exponent.max(axis=1)
            exponent -= top[:, None, :]
        np.exp(exponent, out=exponent)
        exponent *= self.scale
        return exponent, gap, top


def _weights(likelihood: np.ndarray, weight: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """EM updates of the weights alone, over-relaxed (any power below 2 converges; 1 is plain EM)."""
    m = likelihood.shape[2]
    for _ in range(steps):
        mixed = (weight.astype(np.float32)[:, None, :] @ likelihood)[:, 0]
        gradient = (likelihood @ (1 / mixed)[:, :, None])[:, :, 0].astype(np.float64) / m
        weight = weight * gradient**1.7
        weight /= weight.sum(axis=1, keepdims=True)
    return weight, (weight.astype(np.float32)[:, None, :] @ likelihood)[:, 0]


def shape_weights(priors: Sequence[Prior]) -> np.ndarray:
    """Weight of each shape in the average, (B, number of shapes)."""
    score = np.stack([p.value - p.shape.penalty for p in priors], axis=1)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def posterior(
    priors: Sequence[Prior], change: np.ndarray, variance: np.ndarray, margin: float, common: float = 0.0
) -> Posterior:
    """Posterior of every class's true change, averaged over shapes.

    Args:
        priors: one per shape, of B data sets.
        change: (B, M) or (M,).
        variance: (M,).
        margin: classes below -margin count as degraded; fraction, >= 0.
        common: variance of what moves all observed changes together; no data can tell it from a true common change.
    """
    below, change_below, above, mean, square = _averaged(priors, change, variance, margin, common, 5)
    return Posterior(below, change_below, above, mean, np.sqrt(np.maximum(square - mean**2, 0)))


def losses(
    priors: Sequence[Prior], change: np.ndarray, variance: np.ndarray, margin: float, common: float = 0.0
) -> Losses:
    """The part of `posterior` that is about losses, in less time."""
    return Losses(*_averaged(priors, change, variance, margin, common, 2))


def _averaged(
    priors: Sequence[Prior], change: np.ndarray, variance: np.ndarray, margin: float, common: float, kinds: int
) -> np.ndarray:
    """The first of P and E below the margin, P above it, the mean and the mean square, (kinds, B, M)."""
    change = np.atleast_2d(change)
    mixing = shape_weights(priors)
    parts = np.zeros((kinds, *change.shape))
    for prior, share in zip(priors, mixing.T):
        # Skip a shape without weight.
        rows = np.flatnonzero(share > 1e-6)
        size = max(1, BLOCK // 8 // prior.shape.sigma.size)  # for many arrays in double precision
        for i in range(0, len(rows), size):
            at = rows[i : i + size]
            parts[:, at] += share[at, None] * _moments(prior, at, change[at], variance, margin, common, kinds)
    return parts


def _moments(
    prior: Prior, rows: np.ndarray, change: np.ndarray, variance: np.ndarray, margin: float, common: float, kinds: int
) -> np.ndarray:
    # Components along the middle axis, so that sums run along classes. Those that no data set uses are left out.
    used = (prior.weight[rows] > NO_WEIGHT).any(axis=0)
    sigma2, place = (prior.shape.sigma.T[used]) ** 2, prior.shape.centre.T[used]  # (K, M)
    moving = prior.shape.moving[used, None]
    total = sigma2 + variance
    pull = sigma2 / total
    mu = prior.mu[rows, None, None] * moving + place
    gap = change[:, None, :] - mu
    weight = np.maximum(prior.weight[rows][:, used], 1e-300)
    log = -0.5 * gap**2 / total - 0.5 * np.log(total) + np.log(weight)[:, :, None]
    share = np.exp(log - log.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    centre = mu + pull * gap
    spread = np.sqrt(pull * variance + (1 - pull) ** 2 * moving * prior.mu_variance[rows, None, None] + common * moving)
    spread = np.maximum(spread, 1e-12)  # the spike has no spread
    z = (-margin - centre) / spread
    below = ndtr(z)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    asked = [below, centre * below - spread * density]
    if kinds > 2:
        asked += [ndtr((centre - margin) / spread), centre, spread**2 + centre**2]
    return np.stack([(share * kind).sum(axis=1) for kind in asked])


def draw(priors: Sequence[Prior], count: int, rng: np.random.Generator) -> np.ndarray:
    """True changes from the averaged prior of the first data set, (count, M)."""
    m = len(priors[0].shape.sigma)
    chosen = rng.choice(len(priors), size=count, p=shape_weights(priors)[0])
    made = np.empty((count, m))
    for i, which in enumerate(chosen):
        prior = priors[which]
        k = rng.choice(prior.weight.shape[1], size=m, p=prior.weight[0])
        at = np.arange(m), k
        made[i] = (
            prior.mu[0] * prior.shape.moving[k]
            + prior.shape.centre[at]
            + prior.shape.sigma[at] * rng.standard_normal(m)
        )
    return made
