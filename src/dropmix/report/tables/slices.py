"""The slices of an arm as tables: for a terminal, for Markdown and for the page."""

from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from dropmix.audit.quantities.words import signed_points, size
from dropmix.report.display_names import clean, comparison_title
from dropmix.report.tables.classes import NARROW, WIDE, ascii_text, listed, size_cell, size_head

if TYPE_CHECKING:
    from dropmix.audit import Comparison

MOST = 30  # slices that are shown; slices.csv holds all
PRINTED = 12  # of them in a terminal
HEAD = ("slice", "n", "accuracy, %", "change, points", "decision", "classes hurt")


def slice_rows(comparison: "Comparison", most: int = MOST) -> list[dict[str, Any]]:
    """What is shown of each slice, largest loss first: hurt ones, then protected ones, then the others.

    Returns:
        dicts with name, n, accuracy, change, low, high, low_new, high_new (fractions), decision, protected, n_hurt,
        n_safe, n_undecided, n_too_few, and `hurt`: the classes within it that are hurt, as name and change.
    """
    s, cells = comparison.slices, comparison.slice_classes
    if not s:
        return []
    change = np.asarray(s["recall_change"], dtype=float)
    hurt = np.array([word == "hurt" for word in s["decision"]])
    named = np.array([word == "yes" for word in s["protected"]])
    ends = {"low": "low", "high": "high", "low_new": "low_population", "high_new": "high_population"}
    inside: dict[str, list[tuple[str, float]]] = {}
    for name, label, word, moved in zip(cells["slice"], cells["class"], cells["decision"], cells["recall_change"]):
        if word == "hurt":
            inside.setdefault(name, []).append((clean(label), float(moved)))
    return [
        {
            "name": clean(s["slice"][i]),
            "n": size(s, i),
            "accuracy": float(s["recall_treated"][i]),
            "change": float(change[i]),
            **{key: float(s[f"recall_change_{end}"][i]) for key, end in ends.items()},
            "decision": s["decision"][i],
            "protected": bool(named[i]),
            **{key: int(s[key][i]) for key in ("n_classes", "n_hurt", "n_safe", "n_undecided", "n_too_few")},
            "hurt": sorted(inside.get(s["slice"][i], []), key=lambda pair: pair[1]),
        }
        for i in np.lexsort([change, ~named, ~hurt])[:most].tolist()
    ]


def slice_table(comparison: "Comparison", width: int = 80, ascii_only: bool = False) -> Table:
    """The slices of an arm for a terminal; protected ones have a star.

    Args:
        comparison: one arm, with slices.
        width: characters per line; a narrow terminal gets one slice after the other.
        ascii_only: no box-drawing lines, and escapes for other letters.
    """
    spelled = ascii_text if ascii_only else str
    rows = [row | {"name": spelled(row["name"])} for row in slice_rows(comparison, PRINTED)]
    title = spelled(f"Slices: {comparison_title(comparison)}")
    table = listed(rows, title) if width < NARROW else _columns(rows, title, ascii_only, width >= WIDE)
    more = len(comparison.slices["slice"]) - PRINTED
    if more > 0:
        table.caption = f"And {more} more: slices.csv, which --out writes, holds all of them."
    return table


def _columns(rows: list[dict[str, Any]], title: str, ascii_only: bool, wide: bool) -> Table:
    look = box.ASCII if ascii_only else box.SIMPLE_HEAD
    table = Table(title=Text(title), title_justify="left", box=look)
    shown = [i for i, head in enumerate(HEAD) if wide or head not in ("accuracy, %", "classes hurt")]
    for head in (HEAD[i] for i in shown):
        whole = head in ("change, points", "decision")
        table.add_column(
            size_head(rows) if head == "n" else head,
            justify="left" if head in ("slice", "decision") else "right",
            no_wrap=whole,
            overflow="fold",
        )
    for row in rows:
        change, low, high = (signed_points(row[key]) for key in ("change", "low", "high"))
        span = f"{change} ({low} to {high})"
        name = ("* " if row["protected"] else "") + row["name"]
        cells = (
            name,
            size_cell(row),
            f"{100 * (row['accuracy'] - row['change']):.1f} to {100 * row['accuracy']:.1f}",
            span,
            row["decision"],
            f"{row['n_hurt']}",
        )
        table.add_row(*(Text(cells[i]) for i in shown))
    return table
