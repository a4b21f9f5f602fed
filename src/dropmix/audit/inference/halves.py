"""Random halves of seeds, and the split-seed check: choose the degraded classes on one half, score on the other.

Classes chosen because they look worst look better on new seeds; the difference is what the choice owed to luck.
"""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.measures.degraded import changes, signs


def half(count: int, rng: np.random.Generator) -> np.ndarray:
    """A random half of the seeds, (count,) bool; the smaller half of an odd number.

    Example:
        >>> int(half(5, np.random.default_rng(0)).sum())
        2
    """
    return rng.permutation(count) < count // 2


@dataclass(frozen=True)
class SplitCheck:
    """Averages over random splits; NaN if no class was ever chosen.

    Args:
        number: classes that look degraded on the choosing seeds.
        chosen_change: their mean change on the choosing seeds, fraction.
        other_change: their mean change on the other seeds.
        still_degraded: share of them that look degraded on the other seeds too.
    """

    number: float
    chosen_change: float
    other_change: float
    still_degraded: float


def split_check(
    counts0: np.ndarray, counts1: np.ndarray, sizes: np.ndarray, rng: np.random.Generator, splits: int = 50
) -> SplitCheck | None:
    """Choose on half of each arm's seeds, score on the rest; None with fewer than two seeds in an arm.

    Args:
        counts0, counts1: correct predictions of each seed, (S0, M) and (S1, M).
        sizes: (M,).
        rng: draws the halves.
        splits: number of random splits.

    Example:
        >>> c = np.array([[5, 5], [5, 5]]), np.array([[3, 6], [4, 7]])
        >>> s = split_check(*c, np.array([10, 10]), np.random.default_rng(0))
        >>> s.number, round(s.chosen_change, 6), s.still_degraded
        (1.0, -0.16, 1.0)
    """
    if min(len(counts0), len(counts1)) < 2:
        return None
    # Sorted by sums over classes, so that the order in which seeds and classes are given does not matter.
    powers = lambda c: [(c.astype(float) ** e).sum(axis=1) for e in (3, 2, 1)]  # noqa: E731
    counts0, counts1 = (c[np.lexsort(powers(c))] for c in (counts0, counts1))
    rows = [_score(counts0, counts1, sizes, rng) for _ in range(splits)]
    number = float(np.mean([r[0] for r in rows]))
    some = np.array([r[1:] for r in rows if r[0]])
    means = some.mean(axis=0) if len(some) else np.full(3, np.nan)
    return SplitCheck(number, *(float(v) for v in means))


def _score(counts0: np.ndarray, counts1: np.ndarray, sizes: np.ndarray, rng: np.random.Generator):
    halves = [half(len(c), rng) for c in (counts0, counts1)]

    def measured(pick0: np.ndarray, pick1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = counts0[pick0].sum(axis=0), int(pick0.sum()), counts1[pick1].sum(axis=0), int(pick1.sum())
        return signs(*total), changes(*total, sizes)

    (sign, change), (other_sign, other_change) = measured(*halves), measured(~halves[0], ~halves[1])
    chosen = sign < 0
    if not chosen.any():
        return 0, np.nan, np.nan, np.nan
    return chosen.sum(), change[chosen].mean(), other_change[chosen].mean(), (other_sign[chosen] < 0).mean()
