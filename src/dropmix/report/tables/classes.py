"""The classes of an arm as a table for a terminal: protected ones first, then hurt ones, then the largest losses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from dropmix.audit.quantities.words import PLURAL, noun, signed_points, size
from dropmix.audit.rows.to_decide import one_seed_each
from dropmix.report.decision import protected, stricter
from dropmix.report.display_names import arm_title, clean, comparison_title

if TYPE_CHECKING:
    from dropmix.audit import Comparison

MOST = 12  # classes that are shown beside the protected ones; classes.csv holds all
WIDE, NARROW, TINY = 96, 60, 44  # columns of a terminal


def class_rows(comparison: "Comparison", most: int = MOST) -> list[dict[str, Any]]:
    """What is shown of each class.

    Args:
        comparison: one arm; without tests of its classes there are no rows.
        most: classes to show beside the protected ones.
    Returns:
        dicts with name, n (test examples, and their groups), before, after, change, low, high (fractions; the interval
        is for these examples), decision, new (the decision for new examples), protected.
    """
    classes = comparison.classes
    if "decision" not in classes:
        return []
    change = np.asarray(classes["recall_change"], dtype=float)
    hurt = np.array([word == "hurt" for word in classes["decision"]])
    few = np.array([word == "too few examples" for word in classes["decision"]])
    named = protected(comparison)
    keys = {"before": "recall_baseline", "after": "recall_treated", "change": "recall_change"}
    keys |= {"low": "recall_change_low", "high": "recall_change_high"}
    return [
        {
            "name": clean(classes["class"][i]),
            "n": size(classes, i),
            **{name: float(classes[key][i]) for name, key in keys.items()},
            "decision": classes["decision"][i],
            "new": classes["decision_population"][i],
            "protected": bool(named[i]),
        }
        for i in np.lexsort([change, few, ~hurt, ~named])[: most + int(named.sum())].tolist()
    ]


def class_table(comparison: "Comparison", width: int = 80, most: int = MOST, ascii_only: bool = False) -> Table:
    """The classes of an arm for a terminal; `class_legend` explains the columns.

    Args:
        comparison: one arm.
        width: characters per line; a narrow terminal gets fewer columns.
        most: classes to show beside the protected ones.
        ascii_only: no box-drawing lines, and escapes for other letters.
    """
    rows, total = class_rows(comparison, most), len(comparison.classes["class"])
    if ascii_only:  # before lines are broken: escapes are longer
        for row in rows:
            row["name"] = ascii_text(row["name"])
    some = f", {len(rows)} of {total} {PLURAL[noun(comparison.classes)]}" if len(rows) < total else ""
    title = comparison_title(comparison).removesuffix(against := f" against {arm_title(comparison.baseline)}")
    title = f"{title}{against}{some}"
    title = ascii_text(title) if ascii_only else title
    if width < TINY:
        return listed(rows, title)
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.ASCII if ascii_only else box.SIMPLE_HEAD,
    )
    table.add_column(noun(comparison.classes), overflow="fold")
    if width >= NARROW:
        table.add_column(size_head(rows), justify="right")
    if width >= WIDE:
        table.add_column("recall, %", justify="right")
    table.add_column("change, points", justify="right", no_wrap=width >= NARROW)
    table.add_column("decision")
    new = width >= NARROW and not one_seed_each(comparison.summary)  # one seed per arm: both questions are one
    if new:
        table.add_column("new examples")
    for row in rows:
        change, low, high = (signed_points(row[key]) for key in ("change", "low", "high"))
        span = f"{change} ({low} to {high})"
        cells = [Text(("* " if row["protected"] else "") + row["name"]), Text(size_cell(row))][: 1 + (width >= NARROW)]
        cells += [Text(f"{100 * row['before']:.1f} to {100 * row['after']:.1f}")] if width >= WIDE else []
        cells += [Text(span), *map(_decision, (row["decision"], row["new"])[: 1 + new])]
        table.add_row(*cells)
    return table


def size_head(rows: Sequence[dict[str, Any]]) -> str:
    """Over the column of sizes, where `size_cell` leaves out the word."""
    return "n in groups" if any("group" in row["n"] for row in rows) else "n"


def size_cell(row: dict[str, Any]) -> str:
    """A size without the word that stands over its column."""
    return row["n"].split(" group")[0]


def ascii_text(text: str) -> str:
    """A text for a terminal without other letters: escapes in their place, as Python prints them."""
    return text.encode("ascii", "backslashreplace").decode()


def listed(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """One class after the other, name first, for very narrow terminals: no word of a decision is cut."""
    table = Table(title=Text(title), title_justify="left", box=None, show_header=False, padding=0)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(Text(("* " if row["protected"] else "") + row["name"], "bold"))
        change, low, high = (signed_points(row[key]) for key in ("change", "low", "high"))
        table.add_row(Text(f"  {change} points"))
        table.add_row(Text(f"  ({low} to {high})"))
        table.add_row(Text("  ").append_text(_decision(row["decision"])))
    return table


def class_legend(comparisons: "Sequence[Comparison]", level: float) -> str:
    """What the columns of `class_table` hold.

    Args:
        comparisons: the arms that are shown.
        level: coverage of the intervals, a fraction.
    """
    starred = any(protected(comparison).any() for comparison in comparisons)
    rows = PLURAL[noun(comparisons[0].classes)]
    what = "Change" if rows == "measures" else "Change in recall"
    models = {one_seed_each(comparison.summary) for comparison in comparisons}
    for_whom = (
        "for new examples of the same kind; what other seeds would do is not known from one"
        if models == {True}
        else "for these test examples; last, the decision for new examples of the same kind"
    )
    if len(models) > 1:
        for_whom += " (arms with one seed each have one decision, for new examples)"
    return (
        f"{what} with its {100 * level:g} % interval, and decision, {for_whom}. {stricter(rows)}"
        f"{' *: protected.' if starred else ''}"
    )


def _decision(word: str) -> Text:
    return Text(word, {"hurt": "bold red", "safe": "green"}.get(word, ""))
