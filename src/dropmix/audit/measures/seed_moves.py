"""What a seed does to a whole class, beyond the flips of its single predictions, for any measure that adds up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

TAIL = 0.95  # one-sided level at which what seeds move is widened
TYPICAL = 0.003  # what a seed does to a class of networks seen so far; only weights depend on it


@dataclass(frozen=True)
class SeedMoves:
    """What one seed of an arm does to a measure of K classes, (K,) each; `flip` and `seen` are NaN with one seed.

    Args:
        count: seeds.
        size: of the class, in examples.
        flip: variance over seeds if only single examples (or groups) flip.
        seen: as observed.
    """

    count: int
    size: np.ndarray
    flip: np.ndarray
    seen: np.ndarray


def beyond_flips(arms: Sequence[SeedMoves]) -> np.ndarray | float:
    """Variance of the change of two arms from what seeds do to whole classes, (K,); 0 with one seed in each.

    In units of one example's flips it is one number c for all classes: a weighted mean, with the inverse variances of
    what it averages, as in `dropmix.audit.inference.variance`; widened by a t quantile, since seeds are few.
    """
    known = [a for a in arms if a.count > 1]
    if not known:
        return 0.0
    above = below = 0.0
    for a in known:
        at = (a.flip > 0) & ~np.isnan(a.seen)
        one, n, seen = a.flip[at] * a.size[at], a.size[at], a.seen[at]
        weight = (a.count - 1) * (n / one / (1 + TYPICAL * n)) ** 2
        above += float((weight * one * (seen - one / n)).sum())
        below += float((weight * one**2).sum())
    c = max(above / below, 0.0) if below else 0.0
    widened = float(stdtrit(sum(a.count - 1 for a in arms), TAIL) / ndtri(TAIL)) ** 2
    return widened * c * sum(flips_of(a, known) * a.size / a.count for a in arms)


def flips_of(arm: SeedMoves, known: Sequence[SeedMoves]) -> np.ndarray:
    """The flips of an arm; one of one seed has the other arm's."""
    return known[0].flip if arm.count == 1 else arm.flip
