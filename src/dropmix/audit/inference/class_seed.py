"""What a seed does to whole classes: as much in each, or to some far more than to others.

    c_m    variance over seeds of class m's recall beyond independent flips, in units of its flips

All classes together give the mean c, weighted by the inverse variances of what it averages,
(n / flip)^2 / (1 + 0.003 n)^2 for many equal classes; with a long tail the few small classes would else decide it
alone. Recalls are centred on their seed's own accuracy. That takes a share of every class along, q = n_m / N, and the
expectation allows for it:

    Var_s(r_m - sum_k q_k r_k) = (1 - 2 q_m) u_m + sum_k q_k^2 u_k,    u = flip / n + c flip

Seeds often move few classes much: pairs that are hard to tell apart trade images. With the mean c, such a class has too
small an error, and of 1000 classes some would always seem to have changed. How unequal the c_m are is read off the
classes' variances x_m, relative to what the mean c predicts, on d = sum (S - 1) degrees of freedom:

    Var(x_m) = (1 + 2 / d) (1 + cv^2 h_m^2) - 1 + k_m,    h_m = n c / (1 + n c), k_m = 1 / (n flip (1 + n c)^2)

where k_m is what counts of few flips add. A class's variance is then drawn towards the prediction, by a scaled inverse
chi-square with d0 degrees of freedom, and its tests follow Student's t with d0 + d_m. The logs of the true variances
are taken to vary by log(1 + cv^2 h_m^2), as those of a log-normal distribution do; d0 and the scale follow from them.

Source:
    Smyth 2004, doi 10.2202/1544-6115.1027 (moderated t). Differs: the spread comes from moments, as logs of observed
    variances are infinite where no prediction of a class flips.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

TYPICAL = 0.003  # c of networks seen so far; only the weights depend on it
TINY = 1e-12  # a lone class centred on itself does not vary
STEPS = 8
USUAL_SPREAD, USUAL_CLASSES = 0.08, 10.0  # cv^2 of a class's variance before any is seen, and the classes it counts for


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
