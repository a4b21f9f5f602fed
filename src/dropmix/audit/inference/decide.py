"""Is a class hurt, safe, or undecided: one-sided tests of each class against the loss that is tolerated.

    hurt       rejects "the change is at least -tolerance"
    safe       rejects "the change is at most -tolerance"
    undecided  neither

Classes named beforehand (protected) are each tested alone at 5 %: every one is a question of its own. All others are
corrected together, over classes and arms, by Benjamini & Hochberg at the accepted rate of false calls; none of them is
called by less evidence than a protected class needs. What is guaranteed on the number of hurt classes helps:

    rate       of N classes, at least L are hurt with 95 %: at most N - L can be called falsely, and the accepted rate
               becomes N / (N - L) times as large; for safe classes likewise
    tails      long tails matter to few calls among many unhurt classes. Where L >= 1 in an arm, p-values of 0.005 and
               more are taken from the normal distribution in the correction

Where nothing changed, L >= 1 in at most 5 %, and the correction is as before.

Variances are pooled over classes, but seeds move some classes more than others, and errors pile up on one side near
recall 0 and 1: standardised changes have longer tails than a normal distribution. Tests and intervals therefore follow
Student's t, with degrees of freedom set on real seeds (`tail_dof`).

A class that can hardly show anything is set apart as "too few examples": fewer than 10 of them, or a power below 0.2
against a fall of 10 points.

Source:
    Benjamini & Hochberg 1995. Two one-sided tests of one bound: Schuirmann 1987, doi 10.1007/BF01068419.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

if TYPE_CHECKING:
    from dropmix.audit.inference.guaranteed import Guarantee

ALONE = 0.05  # level of a protected class's own tests
HALVINGS = 40  # of an interval's end: to less than a billionth
# Degrees of freedom by the seeds of the smaller arm. On real seeds of one arm, p < 0.001 then is about that rare.
TAILS, USUAL_TAIL = {1: 8, 2: 10}, 30
LONG_BELOW = 0.005  # smaller p-values keep their long tails: the fewer classes are called, the more a false call weighs
FEW_EXAMPLES, WEAK, FALL, USUAL = 10, 0.2, 0.1, 0.01
HURT, SAFE, UNDECIDED, TOO_FEW = "hurt", "safe", "undecided", "too few examples"


@dataclass(frozen=True)
class ClassTests:
    """One-sided tests of M classes against the tolerated loss.

    Args:
        p_hurt: small where the class lost more than is tolerated, (M,).
        p_safe: small where it lost less, (M,).
        low, high: two-sided interval of the change, not shrunken, (M,), fractions.
        too_few: (M,), bool.
        dof: of the t distribution that the p-values come from, (M,); infinite for a normal one.
    """

    p_hurt: np.ndarray
    p_safe: np.ndarray
    low: np.ndarray
    high: np.ndarray
    too_few: np.ndarray
    dof: np.ndarray


def tail_dof(seeds: tuple[int, int]) -> float:
    """Degrees of freedom of the t distribution that standardised changes follow; infinite for one seed in each arm.

    Two trained models differ by their examples alone, and nothing is averaged over seeds.

    Args:
        seeds: S0, S1.

    Example:
        >>> tail_dof((3, 3)), tail_dof((5, 1)), tail_dof((1, 1))
        (30, 8, inf)
    """
    return np.inf if max(seeds) == 1 else TAILS.get(min(seeds), USUAL_TAIL)


def below(z: np.ndarray, dof: float | np.ndarray) -> np.ndarray:
    """Share of the t distribution below z; of the normal one where dof is infinite."""
    return np.where(np.isinf(dof), ndtr(z), stdtr(dof, z))


def quantile(share: float | np.ndarray, dof: float | np.ndarray) -> np.ndarray:
    """The inverse of `below`."""
    return np.where(np.isinf(dof), ndtri(share), stdtrit(dof, share))


def class_tests(
    change: np.ndarray,
    variance: np.ndarray,
    tolerance: np.ndarray | float,
    counts: np.ndarray,
    level: float = 0.9,
    supposed: Callable[[np.ndarray], np.ndarray] | None = None,
    dof: float | np.ndarray = np.inf,
) -> ClassTests:
    """Test every class of one comparison.

    Args:
        change: recall change, (M,), fractions.
        variance: its variance, including the part common to all classes, (M,), > 0.
        tolerance: loss that is tolerated, a fraction >= 0; one, or (M,).
        counts: independent examples (or groups) of each class, (M,).
        level: coverage of the interval, in (0, 1).
        supposed: variance by the change that is supposed to be true, (M,) -> (M,), where it depends on that.
        dof: of the t distribution, one or (M,), at most what `tail_dof` gives; infinite for a normal one.

    Example:
        >>> t = class_tests(np.array([-0.1, 0.02]), np.full(2, 1e-4), 0.01, np.full(2, 100))
        >>> t.p_hurt.round(3).tolist(), t.p_safe.round(3).tolist()
        ([0.0, 0.999], [1.0, 0.001])
    """
    if supposed is not None:
        variance = supposed(np.broadcast_to(-np.asarray(tolerance, dtype=float), change.shape))
    error = np.sqrt(variance)
    z = (change + tolerance) / error
    most = quantile((1 + level) / 2, dof)
    half = most * error
    low, high = (change - half, change + half) if supposed is None else _ends(change, supposed, most)
    # A class whose tolerance is large is not hard to judge for that: the fall counts from the usual tolerance.
    weak = power(np.maximum(FALL, tolerance + FALL - USUAL), variance, tolerance, dof=dof) < WEAK
    too_few = weak | (counts < FEW_EXAMPLES)
    ends = np.maximum(low, -1), np.minimum(high, 1)
    return ClassTests(below(z, dof), below(-z, dof), *ends, too_few, np.broadcast_to(dof, change.shape))


def _ends(change: np.ndarray, supposed: Callable[[np.ndarray], np.ndarray], most: np.ndarray) -> list[np.ndarray]:
    """The changes, below and above the observed ones, that a test with their own variance would just not reject."""
    ends = []
    for away in (-1, 1):
        kept, lost = change, change + away * 2.0  # no change is farther away
        for _ in range(HALVINGS):
            middle = (kept + lost) / 2
            stands = np.abs(change - middle) <= most * np.sqrt(supposed(middle))
            kept, lost = np.where(stands, middle, kept), np.where(stands, lost, middle)
        ends.append(kept)
    return ends


def power(
    fall: float | np.ndarray,
    variance: np.ndarray,
    tolerance: np.ndarray | float,
    level: float = ALONE,
    dof: float | np.ndarray = np.inf,
) -> np.ndarray:
    """Chance that a class which falls by `fall` is found hurt when it is tested alone, (M,).

    Args:
        fall: a fraction, > 0.
        variance: of the recall change, (M,).
        tolerance: as in `class_tests`.
        level: of the one-sided test.
        dof: as in `class_tests`.

    Example:
        >>> power(0.1, np.array([0.03**2]), 0.01).round(2).tolist()
        [0.91]
    """
    return ndtr((fall - tolerance) / np.sqrt(variance) + quantile(level, dof))


def rejected(p: np.ndarray, rate: float, most: float = 1.0) -> np.ndarray:
    """Benjamini & Hochberg: the largest set of smallest p-values with an expected share `rate` of false ones, bool.

    Args:
        p: p-values, (N,).
        rate: accepted share of false ones, in (0, 1).
        most: no larger p-value is rejected. Smaller limits of a step-up procedure keep its rate.

    Example:
        >>> rejected(np.array([0.001, 0.04, 0.03, 0.9]), 0.1).tolist()
        [True, True, True, False]
    """
    called = np.zeros(len(p), dtype=bool)
    if not len(p):
        return called
    order = np.argsort(p, kind="stable")
    within = np.flatnonzero(p[order] <= np.minimum(rate * np.arange(1, len(p) + 1) / len(p), most))
    if len(within):
        called[order[: within[-1] + 1]] = True
    return called


def decide(
    tests: list[ClassTests],
    protected: list[np.ndarray],
    rate: float = 0.1,
    alone: float = ALONE,
    guarantees: "Sequence[Guarantee] | None" = None,
) -> list[np.ndarray]:
    """The decision on every class of every arm, one array of words per arm.

    Args:
        tests: one per arm that is compared.
        protected: which classes were named beforehand, per arm, (M,), bool.
        rate: accepted share of false calls among the classes that were not.
        alone: level of each protected class's own tests, and the largest p-value that any class is called by.
        guarantees: on the number of hurt classes, one per arm; nothing is known of it if None.

    Example:
        >>> t = class_tests(np.array([-0.1, 0.03, 0.0]), np.full(3, 1e-4), 0.01, np.full(3, 100))
        >>> decide([t], [np.zeros(3, bool)])[0].tolist()
        ['hurt', 'safe', 'undecided']
    """
    corrected = [~named & ~t.too_few for t, named in zip(tests, protected)]
    words = [np.full(len(t.p_hurt), UNDECIDED, dtype=object) for t in tests]
    for word, key, side in ((SAFE, "p_safe", "hurt"), (HURT, "p_hurt", "unhurt")):
        surely = [0] * len(tests)
        if guarantees is not None:
            surely = [getattr(g, side).discoveries(c, g.level / len(tests)) for g, c in zip(guarantees, corrected)]
        p = [getattr(t, key) for t in tests]
        eased = [_eased(x, t.dof) if least else x for x, t, least in zip(p, tests, surely)]
        family = np.concatenate([np.where(x <= alone, e, 1.0)[c] for x, e, c in zip(p, eased, corrected)])
        left = rate * len(family) / max(len(family) - sum(surely), 1)
        calls = np.split(rejected(family, left, alone), np.cumsum([c.sum() for c in corrected])[:-1])
        for made, x, c, named, some in zip(words, p, corrected, protected, calls):
            made[np.flatnonzero(c)[some]] = word
            made[named & (x <= alone)] = word
    for made, t, named in zip(words, tests, protected):
        made[t.too_few & ~named] = TOO_FEW
        made[t.too_few & named & (made == UNDECIDED)] = TOO_FEW
    return words


def _eased(p: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """The p-values of a normal distribution where these are at least `LONG_BELOW`, never larger than p."""
    normal = ndtr(quantile(p, dof))
    return np.minimum(p, np.maximum(normal, LONG_BELOW))


def overall(words: np.ndarray, protected: np.ndarray, guesses: bool = False, elsewhere: bool = False) -> str:
    """ "ship", "do not ship" or "undecided" for one arm.

    Ship: every protected class is safe and no class is hurt. Do not ship: a class is hurt. With nothing protected,
    every class that can be judged has to be safe: silence about a class is no evidence for it. Nor is a baseline that
    guesses, or never finds a protected class: what it has not learned cannot be lost.

    Args:
        words: decisions on the classes, (M,).
        protected: which were named beforehand, (M,), bool.
        guesses: whether the baseline may be guessing, or hardly finds a protected class.
        elsewhere: whether something else was named beforehand, such as a slice, and is judged apart.
    Example:
        >>> overall(np.array(["safe", "undecided"]), np.array([True, False]))
        'ship'
        >>> overall(np.array(["undecided", "safe"]), np.array([True, False]))
        'undecided'
    """
    if (words == HURT).any():
        return "do not ship"
    named = protected.any() or elsewhere
    asked = words[protected] if named else words[words != TOO_FEW]
    return "ship" if (named or len(asked)) and (asked == SAFE).all() and not guesses else "undecided"
