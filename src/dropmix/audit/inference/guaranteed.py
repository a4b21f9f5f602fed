"""How many classes of a set are hurt, guaranteed: bounds that hold for all sets at once, even if picked afterwards.

Closed testing: a set of k classes counts as k unhurt ones unless a local test rejects every set that contains it. With
p-values p_i of "class i is not hurt" and m classes, the two local tests of a set I of size i are

    Simes     some j has p_(j) <= j a / i                     p_(j): the j-th smallest of I
    Fisher    -2 sum of log p over I >= chi-square quantile (1 - a, 2 i degrees of freedom)

Both have shortcuts, so that no set is ever enumerated. Simes finds more if few classes are hurt badly, Fisher if many
are hurt a little: each is used at half the level, and the larger bound counts.

Fisher's test needs independent p-values. What moves all classes together (the seeds' common part) is therefore taken
out of them; instead, all changes are shifted by its largest plausible value, toward caution.

Source:
    Goeman & Solari 2011, doi 10.1214/11-STS356; Goeman, Meijer, Krebs & Solari 2019, doi 10.1093/biomet/asz041 (Simes
    shortcut); Tian, Chen, Katsevich, Goeman & Ramdas 2023, doi 10.1111/sjos.12614 (sums).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtri, stdtrit

from dropmix.audit.inference.decide import below

LEAST = 1e-300  # a p-value of 0 would make every sum infinite
ALLOWANCE = 0.2  # share of the level spent on the largest plausible value of the common part, if there is one


@dataclass(frozen=True)
class Evidence:
    """One-sided p-values of M classes for one question, such as "is not hurt".

    Args:
        simes: (M,), in [0, 1], that may share a common part (positive dependence).
        fisher: (M,), independent given the common part, which they allow for; the same array without a common part.
        share: share of the level left to Fisher's test, in (0, 0.5]; the rest of its half is spent on that allowance.
    """

    simes: np.ndarray
    fisher: np.ndarray
    share: float = 0.5

    def discoveries(self, chosen: np.ndarray, level: float) -> int:
        """The smallest number of the chosen classes for which the answer must be no.

        Args:
            chosen: indices or mask over the M classes.
            level: chance that any bound, for any set, is too high; in (0, 1).
        """
        return max(
            simes_discoveries(self.simes, chosen, level / 2),
            fisher_discoveries(self.fisher, chosen, level * self.share),
        )


@dataclass(frozen=True)
class Guarantee:
    """Bounds on the number of hurt classes in any set.

    Args:
        unhurt: evidence against "is not hurt": small where a class is hurt.
        hurt: evidence against "is hurt": small where a class is not.
        level: chance that any bound of either side is wrong, in (0, 1).

    Example:
        >>> p = np.array([1e-6, 0.4, 0.9, 1 - 1e-6])
        >>> Guarantee(Evidence(p, p), Evidence(1 - p, 1 - p), 0.1).hurt_among(np.arange(4))
        (1, 3)
    """

    unhurt: Evidence
    hurt: Evidence
    level: float = 0.05

    def hurt_among(self, chosen: np.ndarray) -> tuple[int, int]:
        """The smallest and the largest number of hurt classes among the chosen; each bound holds at `level`.

        Args:
            chosen: indices or mask over the M classes.
        """
        count = len(np.arange(len(self.hurt.simes))[chosen])
        return self.unhurt.discoveries(chosen, self.level), count - self.hurt.discoveries(chosen, self.level)


def guarantee(
    change: np.ndarray,
    variance: np.ndarray,
    common: float,
    dof: int,
    tolerance: np.ndarray | float,
    judged: np.ndarray,
    level: float = 0.05,
    tail: float | np.ndarray = np.inf,
) -> Guarantee:
    """Bounds for one comparison.

    Args:
        change: recall changes, (M,).
        variance: (M,), without what moves all classes together.
        common: variance of what moves all classes together.
        dof: degrees of freedom behind `common`.
        tolerance: a class is hurt when its recall falls by more than this; fractions.
        judged: classes with enough examples, (M,), bool; the others give no evidence.
        level: chance that the bound of one side is wrong.
        tail: degrees of freedom of the t distribution that standardised changes follow, one or (M,).

    Example:
        >>> g = guarantee(np.array([-0.2, 0.1, 0.0]), np.full(3, 1e-4), 0.0, 8, 0.01, np.ones(3, bool))
        >>> g.hurt_among(np.arange(3))
        (1, 2)
    """
    widened = stdtrit(dof, 1 - ALLOWANCE * level) * np.sqrt(common) if common else 0.0
    factor = (stdtrit(dof, 1 - level) / ndtri(1 - level)) ** 2 if common else 0.0
    beyond, error = change + tolerance, np.sqrt(variance)
    both = np.sqrt(variance + factor * common)
    share = 0.5 - ALLOWANCE if common else 0.5
    evidence = []
    for sign in (1, -1):
        simes, fisher = below(sign * beyond / both, tail), below((sign * beyond + widened) / error, tail)
        evidence.append(Evidence(np.where(judged, simes, 1.0), np.where(judged, fisher, 1.0), share))
    return Guarantee(evidence[0], evidence[1], level)


def simes_discoveries(p: np.ndarray, chosen: np.ndarray, level: float) -> int:
    """Fewest false hypotheses among the chosen, by closed testing with Simes' test.

    Args:
        p: p-values of all hypotheses, (M,).
        chosen: indices or mask.
        level: in (0, 1).

    Example:
        >>> simes_discoveries(np.array([0.001, 0.01, 0.5]), np.array([0, 1, 2]), 0.05)
        2
    """
    picked = np.sort(p[chosen])
    if not len(picked):
        return 0
    h = hommel(np.sort(p), level)
    # Chosen p-values that are significant at rank u, for every u at once.
    ranks = np.arange(1, len(picked) + 1)
    significant = np.searchsorted(h * picked, ranks * level, side="right")
    return int(max((1 - ranks + significant).max(), 0))


def hommel(ordered: np.ndarray, level: float) -> int:
    """Size of the largest set that Simes' test does not reject: Hommel's h.

    Args:
        ordered: p-values, ascending, (M,).
        level: in (0, 1).

    Example:
        >>> hommel(np.array([0.001, 0.01, 0.5]), 0.05), hommel(np.array([0.2, 0.9]), 0.05)
        (1, 2)
    """
    m = len(ordered)
    low, high = 0, m
    # A larger set of largest p-values is rejected whenever a smaller one is, so that halving finds the border.
    while low < high:
        size = (low + high + 1) // 2
        kept = size * ordered[m - size :] > np.arange(1, size + 1) * level
        low, high = (size, high) if kept.all() else (low, size - 1)
    return low


def fisher_discoveries(p: np.ndarray, chosen: np.ndarray, level: float) -> int:
    """Fewest false hypotheses among the chosen, by closed testing with Fisher's sum.

    Args:
        p: independent p-values of all hypotheses, (M,).
        chosen: indices or mask.
        level: in (0, 1).

    Example:
        >>> fisher_discoveries(np.full(10, 0.1), np.arange(10), 0.05)
        8
    """
    inside = np.zeros(len(p), dtype=bool)
    inside[chosen] = True
    score = -2 * np.log(np.maximum(p, LEAST))
    picked, others = np.sort(score[inside]), np.sort(score[~inside])
    limit = np.concatenate([[0.0], chdtri(2 * np.arange(1, len(p) + 1), level)])
    within = np.concatenate([[0.0], np.cumsum(picked)])

    def stands(size: int) -> bool:
        """Whether the `size` least significant of the chosen lie in a set that is not rejected."""
        rest = np.sort(np.concatenate([picked[size:], others]))
        total = within[size] + np.concatenate([[0.0], np.cumsum(rest)])
        return bool((total < limit[size:]).any())

    # What stands with more of them stands with fewer.
    low, high = 0, len(picked)
    while low < high:
        size = (low + high + 1) // 2
        low, high = (size, high) if stands(size) else (low, size - 1)
    return len(picked) - low
