"""In words, what would decide the protected classes that are open: at their tolerance, or at which wider one."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dropmix.audit.inference.decide import HURT, SAFE, TOO_FEW
from dropmix.audit.inference.planner import MOST_IMAGES, MOST_SEEDS, POWER
from dropmix.audit.measures.chance import at_chance, nothing_to_lose
from dropmix.audit.quantities.table import TWIN
from dropmix.audit.quantities.words import NAMED, listed, named, signed_points
from dropmix.audit.rows.to_decide import ToDecide, one_seed_each, to_decide

ONE_SEED = (
    "One seed per arm compares two trained models: what other seeds would do is unknown. To judge the way of training, "
    "train at least two more seeds per arm first."
)
ENOUGH_SEEDS = 3  # of each arm
MANY = 100  # classes; of 300 that seeds swing, one was called hurt in 0.23 of simulated studies where nothing changed
TWO_SEEDS = (
    "With fewer than three seeds in an arm, one of so many classes may look hurt only because a seed swings it: train "
    "a third seed before you act on a single class."
)
SEEDS_FIRST = "Train until both arms have three seeds, then ask again: with fewer, the noise is hardly known."


def out_of_reach(rows: Iterable[ToDecide], summary: Mapping[str, Any], power: float = POWER) -> str:
    """A sentence on classes that hardly anything decides at their tolerance, and on the wider ones that are decided.

    Args:
        rows: from `to_decide`.
        summary: of the same comparison.
        power: wished chance of the decision.
    """
    rows, models, parts = list(rows), one_seed_each(summary), []
    shut = [row for row in rows if row.open and not row.way and not row.alone]
    hard = [row for row in rows if (row in shut or row.far) and row.wider < 1]
    more, stands = [row for row in hard if row.wider_seeds], [row for row in hard if not row.wider_seeds]
    if shut:
        most = f"{MOST_IMAGES} times the {shut[0].unit.removeprefix('test ')}s"
        most = most if models else f"{MOST_SEEDS} seeds per arm with {most}"
        at = f"a tolerance of {_points(shut[0].tolerance)}" if len(shut) == 1 else "their tolerances"
        parts = [f"not even {most} would be likely to decide {listed([named(row.name) for row in shut])} at {at}"]
    if more:
        needs = [_what(row, models) for row in more]
        shared = f" {needs[0]}" if len(set(needs)) == 1 else ""
        ways = [f"{named(r.name)} at {_points(r.wider)}{'' if shared else f' {n}'}" for r, n in zip(more, needs)]
        parts.append(f"with a wider tolerance, you could decide {listed(ways)}{shared} (chance {100 * power:g} %)")
    if len(stands) == 1:
        parts.append(
            f"at a tolerance of {_points(stands[0].wider)}, {named(stands[0].name)} would be safe as it stands"
        )
    elif stands:
        ways = [f"{named(row.name)} at {_points(row.wider)}" for row in stands]
        parts.append(f"as they stand, these would be safe: {listed(ways)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def decided_alone(rows: Iterable[ToDecide]) -> str:
    """A sentence on open classes that would be decided as they are if they were protected; "" if there are none.

    Args:
        rows: from `to_decide`.
    """
    names = [f"{named(row.name)} ({row.alone})" for row in rows if row.alone]
    if not names:
        return ""
    them = "it" if len(names) == 1 else "them"
    return (
        f"Undecided only because all classes are judged together: {listed(names)}. If you protect {them}, do so in an "
        "audit of other seeds or images: of many classes, some look clear by luck."
    )


def _what(row: ToDecide, models: bool) -> str:
    """What decides a class at the wider tolerance."""
    images = f"{row.wider_images} {row.unit}s" if models or row.decision == TOO_FEW else ""
    if models:
        return f"with {images}"
    return " and ".join(part for part in (f"with {row.wider_seeds} seeds per arm", images) if part)


def _points(value: float) -> str:
    """A tolerance in points.

    Example:
        >>> _points(0.01), _points(0.025)
        ('1 point', '2.5 points')
    """
    text = f"{100 * value:.10g}"
    return f"{text} point{'' if text == '1' else 's'}"


def what_would_decide(summary: Mapping[str, Any], classes: Mapping[str, Any]) -> str:
    """Sentences on what would decide the protected classes that are neither safe nor hurt; "" if there are none.

    If all are decided on these examples, the sentences are on those that are safe here and not for new ones.

    Args:
        summary, classes: of a comparison.
    """
    lost = hardly_found(classes)
    keys = "class", "decision", f"decision{TWIN}", "protected"
    asked = [(str(n), here, new) for n, here, new, own in zip(*(classes[k] for k in keys)) if own == "yes"]
    if left := [name for name, here, _ in asked if here not in (HURT, SAFE) and name not in lost]:
        return _ways(summary, classes, left, False)
    left = [name for name, here, new in asked if here == SAFE and new not in (HURT, SAFE) and name not in lost]
    text = _ways(summary, classes, left, True) if left else ""
    return f"For new examples: {text[0].lower()}{text[1:]}" if text else ""


def _ways(summary: Mapping[str, Any], classes: Mapping[str, Any], left: list[str], new_images: bool) -> str:
    """What would decide the open classes `left`."""
    ways = to_decide(summary, classes, left[:NAMED], new_images)
    said = [row for row in ways if row.way]
    whom = "them" if len(left) <= NAMED else f"the first {NAMED} of them"
    text, chance = "", f"with a chance of {100 * POWER:g} %"
    if one_seed_each(summary):
        text, chance = f"{ONE_SEED} ", f"between these two models {chance}"
    elif few_seeds(summary) and any(row.open for row in ways):
        text = f"{SEEDS_FIRST} "
    if len(said) == 1:
        text += f"{said[0].text[0].upper()}{said[0].text[1:]} would decide {named(said[0].name)} {chance}, "
        text += f"unless its true change lies between {' and '.join(map(signed_points, said[0].near))} points."
    elif said:
        text += f"{chance[0].upper()}{chance[1:]}, this would decide {whom}, unless a true change lies in its brackets "
        text += f"(points): {', '.join(f'{named(r.name)} ({r.text}; {near(r)})' for r in said)}."
    shut = out_of_reach(ways, summary)
    return " ".join(part for part in (text.strip(), shut, _ruled_out(classes, left[:NAMED], len(left) > 1)) if part)


def may_be_swung(summary: Mapping[str, Any]) -> bool:
    """Whether a hurt class is one of so many that a seed may have swung it, and the seeds are too few to show that."""
    return bool(summary["n_hurt"]) and summary["n_classes"] >= MANY and few_seeds(summary)


def near(row: ToDecide) -> str:
    """The true changes, in points, for which what is named takes more."""
    return f"[{', '.join(map(signed_points, row.near))}]"


def guesses(classes: Mapping[str, Any]) -> bool:
    """Whether the baseline may be guessing; of several labels per example, that cannot be said.

    Example:
        >>> guesses({"recall_baseline": [0.5, 0.5], "n": [40, 40]})
        True
    """
    recall, n = (np.asarray(classes[key], dtype=float) for key in ("recall_baseline", "n"))
    return "measure" not in classes and at_chance(recall, n)


def hardly_found(classes: Mapping[str, Any]) -> dict[str, float]:
    """The baseline's recall of each class that it hardly finds, and so cannot lose: nothing decides these.

    Example:
        >>> hardly_found({"class": ["fox", "lynx"], "recall_baseline": [0.8, 0.0], "tolerance": [0.01, 0.01]})
        {'lynx': 0.0}
    """
    lost = nothing_to_lose(*(np.asarray(classes[key], dtype=float) for key in ("recall_baseline", "tolerance")))
    rows = zip(classes["class"], classes["recall_baseline"], lost)
    return {str(name): recall for name, recall, nothing in rows if nothing}


def few_seeds(summary: Mapping[str, Any]) -> bool:
    """Whether an arm has too few seeds for the noise to be known."""
    return min(summary["seeds_baseline"], summary["seeds_treated"]) < ENOUGH_SEEDS


def _ruled_out(classes: Mapping[str, Any], left: list[str], several: bool) -> str:
    """The loss that the wider interval excludes already: an answer even where the tolerance is out of reach."""
    rows = zip(classes["class"], classes[f"recall_change_low{TWIN}"], classes["decision"])
    losses = [
        f"{max(-100 * end, 0):.1f} points{f' ({named(name)})' if several else ''}"
        for name, end, word in rows
        if name in left and word != TOO_FEW
    ]
    if not losses:
        return ""
    return f"So far, the interval for new examples rules out losses of more than {listed(losses)}."
