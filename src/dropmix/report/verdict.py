"""A sentence an arm, from the exact measures alone."""

from typing import TYPE_CHECKING

import numpy as np

from dropmix.report.names import comparison_title, number, plain_arm, shorten

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison


def factual_verdicts(audit: "Audit") -> list[str]:
    """What was measured, one text a comparison, in the audit's order. No inference is added.

    Example:
        >>> from types import SimpleNamespace as Record
        >>> summary = {"accuracy_baseline": 0.7, "accuracy_treated": 0.72, "gain": 0.02, "n_classes": 10,
        ...            "n_degraded": 0}
        >>> arm = Record(group="", baseline="vanilla", arm="mixup", summary=summary, classes={})
        >>> factual_verdicts(Record(comparisons=[arm]))
        ['Mixup raises accuracy by 2.00 points (70.00 to 72.00 %), and no class of 10 loses recall.']
    """
    return [_verdict(c, plain_arm(audit, c)) for c in audit.comparisons]


def _verdict(comparison: "Comparison", plain: "Comparison | None") -> str:
    summary = comparison.summary
    count = int(number(summary, "n_degraded") or 0)
    m = int(number(summary, "n_classes") or 0)
    first = f"{comparison_title(comparison)} {_accuracy(summary)}"
    if not count:
        return f"{first}, and no class of {m} loses recall."
    change = 100 * (number(summary, "mean_degraded_change") or 0.0)
    text = f"{first}, and recall falls in {count} of {m} classes, by {-change:.2f} points on average"
    return f"{text}{_worst(comparison)}.{_floor(summary)}{_without(plain)}"


def _accuracy(summary: dict) -> str:
    before, after = (100 * (number(summary, f"accuracy_{s}") or 0.0) for s in ("baseline", "treated"))
    gain = 100 * (number(summary, "gain") or 0.0)
    levels = f"({before:.2f} to {after:.2f} %)"
    if f"{abs(gain):.2f}" == "0.00":
        return f"leaves accuracy where it was {levels}"
    return f"{'raises' if gain > 0 else 'lowers'} accuracy by {abs(gain):.2f} points {levels}"


def _worst(comparison: "Comparison") -> str:
    change = np.asarray(comparison.classes["recall_change"], dtype=float)
    i = int(np.argmin(change))
    name = shorten(comparison.classes["class"][i], 40)
    return f"; the largest fall is {-100 * change[i]:.2f} points, in “{name}”"


def _floor(summary: dict) -> str:
    floor = number(summary, "floor_n_degraded")
    if floor is None:
        return ""
    return f" If all classes changed alike, about {floor:.0f} would look degraded."


def _without(plain: "Comparison | None") -> str:
    if plain is None:
        return ""
    count = int(number(plain.summary, "n_degraded") or 0)
    change = number(plain.summary, "mean_degraded_change")
    size = "" if change is None else f", by {-100 * change:.2f} points on average"
    return f" Without DropMix it falls in {count}{size}."
