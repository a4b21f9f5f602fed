"""The class table as the page's script reads it."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dropmix.report.names import clean, comparison_title

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison


def class_data(audit: "Audit") -> dict[str, Any]:
    """The class table of every arm for the page's script.

    Returns:
        `pool`: distinct columns; `arms`: title and, a column name each, its place in the pool.
        Recalls, changes and confidences in percent and points, rounded; NaN is null. A column that
        holds nothing is left out, and so is `n` where all classes have `each` examples.
    """
    pool: list[list] = []
    places: dict[str, int] = {}

    def place(values: list) -> int:
        key = json.dumps(values)
        if key not in places:
            places[key] = len(pool)
            pool.append(values)
        return places[key]

    arms = []
    for c in audit.comparisons:
        columns = {name: values for name, values in _columns(c).items() if any(v not in (None, "") for v in values)}
        each = columns.pop("n")[0] if len(set(columns["n"])) == 1 else None
        arms.append(
            {
                "title": comparison_title(c),
                "baseline": clean(c.baseline),
                "each": each,
                "columns": {name: place(values) for name, values in columns.items()},
            }
        )
    return {"pool": pool, "arms": arms}


def _columns(c: "Comparison") -> dict[str, list]:
    change = np.asarray(c.classes["recall_change"], dtype=float)
    rank = np.empty(len(change), dtype=int)
    rank[np.argsort(-change, kind="stable")] = np.arange(len(change))
    before, after = (_scaled(c, f"confidence_{side}") for side in ("baseline", "treated"))
    moved = [None if a is None or b is None else round(b - a, 2) for a, b in zip(before, after)]
    return {
        "class": [clean(name) for name in c.classes["class"]],
        "n": [int(n) for n in c.classes["n"]],
        "base": _scaled(c, "recall_baseline"),
        "treated": _scaled(c, "recall_treated"),
        "change": _scaled(c, "recall_change"),
        "rank": rank.tolist(),
        "status": list(c.classes["status"]),
        "se": _scaled(c, "se_fixed_test"),
        "p": _scaled(c, "p_degraded", 1.0, 3),
        "call": [clean(v) if v else None for v in c.classes.get("call", [])],
        "confidence": after,
        "confidence_change": moved,
        "partner": [clean(v) if v else None for v in c.classes.get("partner", [])],
    }


def _scaled(c: "Comparison", key: str, scale: float = 100.0, digits: int = 2) -> list[float | None]:
    values = c.classes.get(key)
    if values is None:
        return [None] * len(c.classes["class"])
    return [None if v is None or v != v else round(scale * float(v), digits) for v in values]
