"""Several arms: what to do, how a shared baseline makes them look alike, and which classes a second arm rescues.

Two changes measured against one baseline share its noise. With no effect at all their correlation is

    sum_m V_0m / sqrt(sum_m V_1m  sum_m V_2m)         V_0 the baseline's part of V_1 and of V_2

which is about a half. "The same classes suffer under both" therefore needs separate baseline seeds: here the
baseline's seeds are split in random halves, one for each arm, and the correlation is averaged over the splits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from dropmix.audit.arm_names import arm_title
from dropmix.audit.inference.halves import half
from dropmix.audit.inference.streams import stream
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.degraded import signs
from dropmix.audit.measures.recall import accuracies
from dropmix.audit.measures.seeds import outlying
from dropmix.audit.quantities.words import MACRO, PLURAL, listed, noun
from dropmix.audit.result import Comparison
from dropmix.audit.rows.would_decide import guesses

SPLITS = 50
PAIRS = 1000  # of arms, at most, in the result


def answer(comparisons: Sequence[Comparison]) -> str:
    """What to do, given several arms that were compared with one baseline; "" where there is no such choice.

    A baseline that may be guessing is nothing to keep: what each arm's verdict then says stands alone.
    """
    if len(comparisons) < 2 or len({(c.group, c.baseline) for c in comparisons}) > 1:
        return ""
    if any("decision" not in c.summary or guesses(c.classes) for c in comparisons):
        return ""
    count, keep = len(comparisons), f"Keep {arm_title(comparisons[0].baseline)}"
    none = "neither arm" if count == 2 else f"none of the {count} arms"
    ship, open_ = ([c for c in comparisons if c.summary["decision"] == word] for word in ("ship", "undecided"))
    if len(ship) == 1:
        return f"Of the {count} arms, only {arm_title(ship[0].arm)} may be shipped."
    if ship:
        macro = all(c.summary["gain_macro"] is not None for c in ship)
        key, what = ("gain_macro", MACRO[noun(ship[0].classes)]) if macro else ("gain", "accuracy")
        best, second, *_ = sorted(ship, key=lambda c: -c.summary[key])
        lead = f" {arm_title(best.arm)} has the highest {what} of these, perhaps by chance."
        return (
            f"Of the {count} arms, {listed([arm_title(c.arm) for c in ship])} may be shipped."
            f"{lead if best.summary[key] > second.summary[key] else ''}"
        )
    if open_:
        undecided = f" Undecided: {listed([arm_title(c.arm) for c in open_])}." if len(open_) < count else ""
        return f"{keep} for now: {none} may be shipped yet.{undecided}"
    fewest, second, *_ = sorted(comparisons, key=lambda c: c.summary["n_hurt"])
    least = fewest.summary["n_hurt"]
    hint = f" Fewest {PLURAL[noun(fewest.classes)]} are hurt under {arm_title(fewest.arm)} ({least})."
    return f"{keep}: {none} should be shipped.{hint if least < second.summary['n_hurt'] else ''}"


def likeness(pairs: Sequence[Pair], comparisons: Sequence[Comparison], seed: int) -> list[dict]:
    """Correlation of the changes of every two arms that were compared with one baseline.

    Args:
        pairs: one per comparison.
        comparisons: of one group, with the same baseline.
        seed: of the random halves.
    Returns:
        dicts with group, baseline, arms, `correlation` (as observed), `correlation_by_chance` (what the shared
        baseline gives with no effect at all) and `correlation_separate_seeds` (None with one baseline seed). Of
        very many arms, only the 1000 most similar pairs.
    """
    rows = []
    for members in _comparable(pairs):
        changes = np.array([comparisons[i].classes["recall_change"] for i in members])
        observed, separate = _correlations(changes, changes), _separate([pairs[i] for i in members], seed)
        variance = np.array([comparisons[i].classes["se_fixed_test"] ** 2 for i in members])
        share = np.array([comparisons[i].classes["baseline_noise_share"] for i in members])
        shared, total = (variance * share).sum(axis=1), variance.sum(axis=1)
        noise = np.sqrt(np.outer(total, total))
        by_chance = np.divide(np.add.outer(shared, shared) / 2, noise, out=np.full_like(noise, np.nan), where=noise > 0)
        for a, b in combinations(range(len(members)), 2):
            first, second = comparisons[members[a]], comparisons[members[b]]
            rows.append(
                {
                    "group": first.group,
                    "baseline": first.baseline,
                    "arms": [first.arm, second.arm],
                    **_with_reasons(observed[a, b], by_chance[a, b], separate[a, b], len(pairs[members[a]].counts0)),
                }
            )
    if len(rows) <= PAIRS:
        return rows
    # The number of pairs grows with the square of the arms: only the most similar are kept, in their order.
    keys = ("correlation_separate_seeds", "correlation")
    size = [abs(next((f[key] for key in keys if f[key] is not None), 0.0)) for f in rows]
    return [rows[i] for i in sorted(np.argsort(-np.array(size), kind="stable")[:PAIRS].tolist())]


def _comparable(pairs: Sequence[Pair]) -> list[list[int]]:
    """Positions of the pairs with the same classes of the same sizes, at least three."""
    alike: dict[tuple[bytes, bytes, bytes], list[int]] = {}
    for i, p in enumerate(pairs):
        if len(p.audited) >= 3:
            alike.setdefault((p.audited.tobytes(), p.sizes.tobytes(), p.counts0.tobytes()), []).append(i)
    return [members for members in alike.values() if len(members) > 1]


def likeness_note(rows: Sequence[dict]) -> list[str]:
    """A warning for people if several arms share a baseline.

    Args:
        rows: from `likeness`.

    Example:
        >>> print(*likeness_note([{"baseline": "vanilla", "arms": ["cutmix", "mixup"]}]))
        That two arms agree on a class confirms little: both are compared with the same seeds of vanilla, whose luck is
        in both changes.
    """
    if not rows:
        return []
    return [
        "That two arms agree on a class confirms little: both are compared with the same seeds of "
        f"{rows[0]['baseline']}, whose luck is in both changes."
    ]


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of every row of `a` with every row of `b`, (A, B); NaN where a row does not vary."""

    def standard(rows: np.ndarray) -> np.ndarray:
        centred = rows - rows.mean(axis=1, keepdims=True)
        length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
        varies = rows.std(axis=1, keepdims=True) > 0
        return np.divide(centred, length, out=np.full_like(centred, np.nan), where=varies)

    return standard(a) @ standard(b).T


def _with_reasons(observed: float, by_chance: float, separate: float, seeds: int) -> dict[str, Any]:
    """The three correlations of two arms, None where there is none, and the reason for each None."""
    alike = "an arm changed all classes alike"
    why = {
        "correlation": (observed, alike),
        "correlation_by_chance": (by_chance, "an arm's changes have no noise"),
        "correlation_separate_seeds": (separate, alike if seeds > 1 else "the baseline has one seed"),
    }
    values = {key: None if np.isnan(value) else float(value) for key, (value, _) in why.items()}
    return values | {"reasons": {key: reason for key, (value, reason) in why.items() if np.isnan(value)}}


def _separate(pairs: Sequence[Pair], seed: int) -> np.ndarray:
    """Correlations of changes measured against different halves of the baseline's seeds, mean over splits, (A, A)."""
    counts, sizes = pairs[0].counts0, pairs[0].sizes
    total = np.zeros((len(pairs), len(pairs)))
    times = np.zeros_like(total)
    if len(counts) < 2:
        return total * np.nan
    rng = stream(seed, "likeness")
    treated = np.array([p.counts1.mean(axis=0) for p in pairs]) / sizes
    for _ in range(SPLITS):
        some = half(len(counts), rng)
        one, other = (treated - counts[kept].mean(axis=0) / sizes for kept in (some, ~some))
        value = _correlations(one, other)
        times += ~np.isnan(value)
        total += np.nan_to_num(value)
    return np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)


@dataclass(frozen=True)
class Rescue:
    """What a second arm gives back to the classes that a first one degrades; fractions; NaN if none was chosen.

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

    Choosing and measuring on the same seeds would credit the second arm with the first one's bad luck.

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
    rng = stream(seed, "rescue")
    rows = []
    for _ in range(SPLITS):
        picks = [half(len(c), rng) for c in (reference, plain)]
        total = [(c[h].sum(axis=0), int(h.sum())) for c, h in zip((reference, plain), picks)]
        chosen = signs(*total[0], *total[1]) < 0
        rest = [c[~h].mean(axis=0) / sizes for c, h in zip((reference, plain), picks)]
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


def far_off(pairs: Sequence[Pair], comparisons: Iterable[Comparison]) -> list[str]:
    """Notes on seeds of any arm whose accuracy is far from the others'; each comparison gets those of its two arms.

    Args:
        pairs: with one baseline.
        comparisons: of these arms.
    """
    if not pairs:
        return []
    lead = pairs[0]
    arms = [lead.baseline, *(p.treated for p in pairs)]
    counts = [(lead.counts0, lead.sizes), *((p.counts1, p.sizes) for p in pairs)]
    said = outlying(arms, [accuracies(*c) for c in counts])
    for c in comparisons:
        c.notes.extend(note for note in said if note.startswith((f"{c.baseline}, seed ", f"{c.arm}, seed ")))
    return said
