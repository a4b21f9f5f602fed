"""Several arms: what a shared baseline does to their likeness, and which classes a second arm rescues.

Two changes measured against one baseline share its noise. With no effect at all their correlation is

    sum_m V_0m / sqrt(sum_m V_1m  sum_m V_2m)         V_0 the baseline's part of V_1 and of V_2

which is about a half. "The same classes suffer under both" therefore needs separate baseline seeds: here the
baseline's seeds are split in random halves, one for each arm, and the correlation is averaged over the splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dropmix.audit.arm_names import arm_title
from dropmix.audit.measures.counts import Pair
from dropmix.audit.result import Comparison

SPLITS = 50


def likeness(pairs: Sequence[Pair], comparisons: Sequence[Comparison], seed: int) -> list[dict]:
    """Correlation of the changes of every two arms that were compared with one baseline.

    Args:
        pairs: one a comparison.
        comparisons: of one group, with one baseline.
        seed: of the random halves.
    Returns:
        dicts with group, baseline, arms, `correlation` (as observed), `correlation_by_chance` (what the shared
        baseline gives with no effect at all) and `correlation_separate_seeds` (None with one baseline seed).
    """
    found = []
    for (p, a), (q, b) in combinations(zip(pairs, comparisons), 2):
        if len(p.audited) < 3 or not np.array_equal(p.sizes, q.sizes) or not np.array_equal(p.audited, q.audited):
            continue
        noise = [(c.classes["se_fixed_test"] ** 2, c.classes["baseline_noise_share"]) for c in (a, b)]
        shared = sum(float((v * share).sum()) for v, share in noise) / 2
        found.append(
            {
                "group": a.group,
                "baseline": a.baseline,
                "arms": [a.arm, b.arm],
                "correlation": _correlation(a.classes["recall_change"], b.classes["recall_change"]),
                "correlation_by_chance": shared / float(np.sqrt(noise[0][0].sum() * noise[1][0].sum())),
                "correlation_separate_seeds": _separate(p, q, seed),
            }
        )
    return found


def likeness_note(found: Sequence[dict], most: int = 3) -> list[str]:
    """One warning for people where several arms share a baseline, with the pairs of arms that are most alike.

    Args:
        found: as `likeness` gives it.
        most: pairs named.

    Example:
        >>> pair = {"baseline": "vanilla", "arms": ["cutmix", "mixup"], "correlation_by_chance": 0.53}
        >>> print(*likeness_note([pair | {"correlation_separate_seeds": 0.31}]))
        Arms compared with the same vanilla seeds share their noise: with no effect at all, their changes would still
        correlate by about 0.53. Measured against different vanilla seeds for each arm, the correlation is 0.31 (CutMix
        and Mixup).
    """
    if not found:
        return []
    base = found[0]["baseline"]
    chance = float(np.mean([f["correlation_by_chance"] for f in found]))
    text = (
        f"Arms compared with the same {base} seeds share their noise: with no effect at all, their changes would still "
        f"correlate by about {chance:.2f}."
    )
    key = "correlation_separate_seeds"
    held = sorted((f for f in found if f[key] is not None), key=lambda f: -f[key])
    if not held:
        return [f"{text} Whether the same classes suffer takes more seeds of {base} to say."]
    named = ", ".join(f"{f[key]:.2f} ({' and '.join(map(arm_title, f['arms']))})" for f in held[:most])
    more = f"; {len(held) - most} more pairs are less alike" if len(held) > most else ""
    return [f"{text} Measured against different {base} seeds for each arm, the correlation is {named}{more}."]


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    if np.std(a) == 0 or np.std(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _separate(p: Pair, q: Pair, seed: int) -> float | None:
    count = len(p.counts0)
    if count < 2:
        return None
    rng = np.random.default_rng([seed, 3])
    mean = lambda c: c.mean(axis=0) / p.sizes  # noqa: E731
    one, other = mean(p.counts1), mean(q.counts1)
    values = []
    for _ in range(SPLITS):
        half = rng.permutation(count) < count // 2
        values.append(_correlation(one - mean(p.counts0[half]), other - mean(p.counts0[~half])))
    held = [v for v in values if v is not None]
    return float(np.mean(held)) if held else None


@dataclass(frozen=True)
class Rescue:
    """Of the classes that an arm degrades, what a second arm gives back; fractions; NaN where none was chosen.

    Args:
        number: classes that look degraded on the choosing seeds, mean over splits.
        lost: their mean change under the first arm, on seeds that did not choose them.
        given_back: their mean change from the first arm to the second, on seeds that did not choose them.
        others: the same for the classes not chosen.
    """

    number: float
    lost: float
    given_back: float
    others: float


def rescue(reference: np.ndarray, plain: np.ndarray, second: np.ndarray, sizes: np.ndarray, seed: int) -> Rescue | None:
    """Choose the classes that `plain` degrades on half the seeds; measure what `second` gives back on the others.

    Choosing and measuring on one set of seeds would credit the second arm with the first one's bad luck.

    Args:
        reference, plain, second: correct predictions of each seed, (S, M) each.
        sizes: (M,).
        seed: of the random halves.
    Returns:
        None with fewer than two seeds of the first two arms.

    Example:
        >>> r = rescue(np.full((2, 2), 8), np.array([[4, 9], [4, 9]]), np.full((2, 2), 7), np.full(2, 10), 0)
        >>> round(r.lost, 6), round(r.given_back, 6), round(r.others, 6)
        (-0.4, 0.3, -0.2)
    """
    if min(len(reference), len(plain)) < 2:
        return None
    rng = np.random.default_rng([seed, 4])
    rows = []
    for _ in range(SPLITS):
        halves = [rng.permutation(len(c)) < len(c) // 2 for c in (reference, plain)]
        first, rest = (
            [c[h].mean(axis=0) / sizes for c, h in zip((reference, plain), pick)]
            for pick in (halves, [~h for h in halves])
        )
        chosen = first[1] - first[0] < -1e-12
        back = second.mean(axis=0) / sizes - rest[1]
        lost = rest[1] - rest[0]
        if chosen.any():
            others = back[~chosen].mean() if not chosen.all() else np.nan
            rows.append((lost[chosen].mean(), back[chosen].mean(), others, chosen.sum()))
    if not rows:
        return Rescue(0.0, np.nan, np.nan, np.nan)
    values = np.array(rows)
    others = values[:, 2][~np.isnan(values[:, 2])]
    number = float(values[:, 3].sum() / SPLITS)
    lost, back = values[:, :2].mean(axis=0).tolist()
    return Rescue(number, lost, back, float(others.mean()) if len(others) else np.nan)
