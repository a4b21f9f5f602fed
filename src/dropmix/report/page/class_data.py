"""The class table and the evidence behind the guaranteed counts, as the page's script reads them."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dropmix.audit.quantities.words import PLURAL, noun, units
from dropmix.report.decision import protected, worst_first
from dropmix.report.display_names import clean, comparison_title, plain_arms

if TYPE_CHECKING:
    from dropmix.audit import Audit, Comparison

ROWS = 8_000  # over all arms, about 1 MB
LEAST_ROWS = 50  # per arm
FULL_ROWS = 3_000  # over all arms: with more, the folded columns are left to classes.csv


def class_data(audit: "Audit") -> dict[str, Any]:
    """The class table of every arm for the page's script.

    Args:
        audit: all comparisons.
    Returns:
        `first`: the arm to open on. `rows`: "classes" or "measures". `pool`: distinct columns. `arms`: the title, and
        for each column name its place in the pool; `total`, the number of classes, of which the columns hold only the
        protected, the hurt and those with the largest losses if there are too many; `evidence`, the places of what
        `hurt_among` needs, if all classes are held. Recalls, changes and confidences are in percent and points,
        rounded; NaN is null. An empty column is left out, and so is `n` if all classes have `each` examples.
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
    room = max(ROWS // len(audit.comparisons), LEAST_ROWS)
    for c, plain in zip(audit.comparisons, plain_arms(audit)):
        total = len(c.classes["class"])
        rows = _rows(c, room)
        columns = _columns(c, plain, rows)
        if len(rows) * len(audit.comparisons) <= FULL_ROWS:
            columns |= _folded(c, rows)
        columns = {name: values for name, values in columns.items() if any(v not in (None, "") for v in values)}
        each = columns.pop("n")[0] if len(set(columns["n"])) == 1 else None
        arms.append(
            {
                "title": comparison_title(c),
                "baseline": clean(c.baseline),
                "plain": None if plain is None else comparison_title(plain),
                "each": each,
                "total": total,
                "columns": {name: place(values) for name, values in columns.items()},
                "evidence": None if len(rows) < total else _evidence(c, place),
            }
        )
    rows = PLURAL[noun(audit.comparisons[0].classes)]
    return {"pool": pool, "arms": arms, "first": worst_first(audit.comparisons)[0], "rows": rows}


def _rows(c: "Comparison", room: int) -> np.ndarray:
    """Positions of the classes on the page, ascending: all of them, or those that matter most."""
    change = np.asarray(c.classes["recall_change"], dtype=float)
    if len(change) <= room:
        return np.arange(len(change))
    hurt = np.asarray(_column(c, "decision", ""), dtype=object) == "hurt"
    order = np.lexsort([change, ~hurt, ~protected(c)])
    return np.sort(order[:room])


def _columns(c: "Comparison", plain: "Comparison | None", rows: np.ndarray) -> dict:
    change = np.asarray(c.classes["recall_change"], dtype=float)
    rank = np.empty(len(change), dtype=int)
    rank[np.argsort(-change, kind="stable")] = np.arange(len(change))
    before, after = (_scaled(c, f"confidence_{side}", rows) for side in ("baseline", "treated"))
    moved = [None if a is None or b is None else round(b - a, 2) for a, b in zip(before, after)]
    names = [c.classes["class"][i] for i in rows]
    without = {} if plain is None else dict(zip(plain.classes["class"], plain.classes["recall_treated"]))
    named, size = protected(c)[rows], np.asarray(c.classes["n"], dtype=int)
    count = np.asarray(units(c.classes), dtype=int)
    group, train = _column(c, "superclass", None), np.asarray(_column(c, "n_train", np.nan), dtype=float)
    decision, partner = _column(c, "decision", ""), _column(c, "partner", "")
    one_seed = len(c.recalls_baseline) == len(c.recalls_treated) == 1  # both intervals are one
    ends = {"low": "low", "high": "high", "low_new": "low_population", "high_new": "high_population"}
    ends = {key: end for key, end in ends.items() if not one_seed or key.endswith("_new")}
    return {
        "class": [clean(name) for name in names],
        "decision": [decision[i] for i in rows],
        "protected": named.astype(int).tolist() if named.any() else [],
        "n": size[rows].tolist(),
        "groups": [] if (count == size)[rows].all() else count[rows].tolist(),
        "superclass": [clean(group[i] or "") or None for i in rows],
        "train": [None if train[i] != train[i] else int(train[i]) for i in rows],
        "base": _scaled(c, "recall_baseline", rows),
        "plain": [round(100 * float(without[name]), 2) if name in without else None for name in names],
        "treated": _scaled(c, "recall_treated", rows),
        "change": _scaled(c, "recall_change", rows),
        **{key: _scaled(c, f"recall_change_{end}", rows) for key, end in ends.items()},
        "rank": rank[rows].tolist(),
        "confidence": after,
        "confidence_change": moved,
        "partner": [clean(partner[i] or "") or None for i in rows],
    }


def _folded(c: "Comparison", rows: np.ndarray) -> dict:
    """What the page shows of each class beside its recall when it is asked to."""
    made = {}
    for key in ("precision", "f1"):
        made |= {key: _scaled(c, f"{key}_treated", rows), f"{key}_change": _scaled(c, f"{key}_change", rows)}
        made |= {f"{key}_{end}": _scaled(c, f"{key}_change_{end}", rows) for end in ("low", "high")}
    return made | {
        "broken": _scaled(c, "negative_flips", rows),
        "broken_again": _scaled(c, "negative_flips_by_seed", rows),
    }


def _column(c: "Comparison", key: str, absent: Any) -> Any:
    return c.classes.get(key, [absent] * len(c.classes["class"]))


def _scaled(c: "Comparison", key: str, rows: np.ndarray) -> list[float | None]:
    values = 100 * np.asarray(_column(c, key, np.nan), dtype=float)[rows]
    return [None if v != v else round(v, 2) for v in values.tolist()]  # as format rounds; NumPy's differs at ties


def _evidence(c: "Comparison", place: Any) -> dict[str, Any] | None:
    """The evidence on the number of hurt classes: p-values of both sides and both tests, and Fisher's limits."""
    from scipy.special import chdtri

    guarantee = getattr(c, "guarantee", None)
    if guarantee is None:
        return None
    limits = chdtri(
        2 * np.arange(1, len(guarantee.hurt.simes) + 1), guarantee.level * getattr(guarantee.hurt, "share", 0.5)
    )
    sides = (guarantee.unhurt.simes, guarantee.unhurt.fisher, guarantee.hurt.simes, guarantee.hurt.fisher)
    return {
        "level": guarantee.level,
        "sides": [place([float(f"{p:.6g}") for p in side]) for side in sides],
        "limits": place([float(f"{limit:.8g}") for limit in limits]),
    }
