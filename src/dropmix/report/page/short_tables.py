"""The short tables above the class table: protected and hurt classes, what DropMix gives back, both readings."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dropmix.audit.measures.accept import COLUMNS
from dropmix.audit.quantities.words import size
from dropmix.report.decision import standing
from dropmix.report.display_names import clean

if TYPE_CHECKING:
    from dropmix.audit import Comparison


def given_back(comparison: "Comparison", plain: "Comparison") -> list[dict[str, Any]]:
    """The classes that the method hurts without DropMix, largest loss first, with their recalls under all arms."""
    place = {name: i for i, name in enumerate(comparison.classes["class"])}
    rows = []
    for j in standing(plain).hurt:
        i = place.get(plain.classes["class"][j])
        if i is not None:
            rows.append(
                {
                    "name": clean(comparison.classes["class"][i]),
                    "base": float(comparison.classes["recall_baseline"][i]),
                    "plain": float(plain.classes["recall_treated"][j]),
                    "treated": float(comparison.classes["recall_treated"][i]),
                    "decision": comparison.classes["decision"][i],
                }
            )
    return rows


def line(comparison: "Comparison", i: int) -> dict[str, Any]:
    """A class as a row of the short tables."""
    classes = comparison.classes
    ends = {"low": "low", "high": "high", "low_new": "low_population", "high_new": "high_population"}
    return {
        "name": clean(classes["class"][i]),
        "superclass": clean(classes["superclass"][i] or "") if "superclass" in classes else "",
        "decision": classes["decision"][i],
        "n": size(classes, i),
        "change": float(classes["recall_change"][i]),
        **{key: float(classes[f"recall_change_{end}"][i]) for key, end in ends.items()},
    }


def rows_without_script(comparison: "Comparison", room: int) -> list[int]:
    """Classes of the table without script, worst first: all, or both ends if there are too many."""
    order = np.argsort(np.asarray(comparison.classes["recall_change"], dtype=float), kind="stable").tolist()
    ends = max(min(room // 2, 20), 5)
    return order if len(order) <= room else order[:ends] + order[-ends:]


def readings(comparison: "Comparison", most: int) -> dict[str, Any]:
    """Classes that are hurt as labelled or with acceptable labels, and what their lost predictions became.

    Args:
        most: rows at most.
    Returns:
        `rows`, largest loss as labelled first; `more`, the number of further ones; no rows without acceptable labels.
    """
    classes = comparison.classes
    if "decision_as_labelled" not in classes:
        return {"rows": [], "more": 0}
    words = list(zip(classes["decision"], classes["decision_as_labelled"]))
    change = np.asarray(classes["recall_change_as_labelled"], dtype=float)
    either = [i for i in np.argsort(change, kind="stable").tolist() if "hurt" in words[i]]
    rows = [
        {
            "name": clean(classes["class"][i]),
            "labelled": words[i][1] or "–",
            "accepted": words[i][0],
            "change_labelled": float(change[i]),
            "change": float(classes["recall_change"][i]),
            "lost": [float(classes[key][i]) for key in COLUMNS],
        }
        for i in either
    ]
    return {"rows": rows[:most], "more": len(rows[most:])}
