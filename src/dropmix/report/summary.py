"""The decision in about twenty lines of Markdown, for a pull request."""

from typing import TYPE_CHECKING

from dropmix.audit.quantities.words import PLURAL, counted, noun, percent, signed_points, size
from dropmix.audit.rows.to_decide import one_seed_each
from dropmix.audit.several_arms import answer
from dropmix.audit.wording import verdict
from dropmix.report.decision import Standing, standing, worst_first
from dropmix.report.display_names import all_notes, clean, number
from dropmix.report.tables.render import Cell, escape_markdown
from dropmix.report.tables.slices import slice_rows

if TYPE_CHECKING:
    from dropmix.audit import Audit, Comparison

CLASSES = 8  # named in each list
NOTES = 4
ROWS = 20  # of the table of arms
ARMS = 3  # described in full; others are rows of a table


def to_summary(audit: "Audit") -> str:
    """Decision, protected classes, hurt classes, and what would decide the rest, as Markdown.

    Args:
        audit: one or more comparisons; of many, those that should not ship are described first.
    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 50 + [1] * 50
        >>> audit = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 35 + [0] * 15))
        >>> "treated" in to_summary(audit).splitlines()[0]
        True
    """
    pairs = [(c, standing(c)) for c in audit.comparisons]
    worst = [pairs[i] for i in worst_first(audit.comparisons)] if len(pairs) > ARMS else pairs
    # A table that is cut begins with the arms that should not ship: none of them may be hidden.
    first = answer(audit.comparisons)
    parts = [f"**{_text(first)}**\n"] if first else []
    parts += [_table(worst if len(pairs) > ROWS else pairs)] if len(pairs) > 1 else []
    parts += [_arm(c, s, audit.settings.get("level", 0.9)) for c, s in worst[:ARMS]]
    if len(pairs) > ARMS:
        parts.append(f"{len(pairs) - ARMS} more arms are in the table.\n")
    if notes := all_notes(audit):
        more = [f"- {len(notes) - NOTES} more notes: see the report."] if len(notes) > NOTES else []
        parts.append("\n".join(["Notes:", "", *(f"- {_text(note)}" for note in notes[:NOTES]), *more, ""]))
    return "\n".join(parts)


def _table(pairs: "list[tuple[Comparison, Standing]]") -> str:
    macros = any(number(c.summary, "gain_macro") is not None for c, _ in pairs)
    head, rule = ("| mean over classes, % ", "|--:") if macros else ("", "")
    lines = [f"| arm | decision | accuracy, % {head}| hurt | safe | undecided |", f"|:--|:--|--:{rule}|--:|--:|--:|"]
    for c, s in pairs[:ROWS]:
        accuracy = f"{percent(c.summary['accuracy_treated'])} ({signed_points(c.summary['gain'])})"
        accuracy += f" | {_macro(c)}" if macros else ""
        counts = f"{len(s.hurt)} | {s.n_safe} | {s.n_undecided}"
        lines.append(f"| {_text(s.title)} | {s.mark} {s.decision} | {accuracy} | {counts} |")
    more = [f"\n{len(pairs) - ROWS} more arms: see the report."] if len(pairs) > ROWS else []
    return "\n".join([*lines, *more, ""])


def _macro(c: "Comparison") -> str:
    if number(c.summary, "gain_macro") is None:
        return "as accuracy"
    return f"{percent(c.summary['accuracy_treated_macro'])} ({signed_points(c.summary['gain_macro'])})"


def _arm(c: "Comparison", s: Standing, level: float) -> str:
    if not s.decision:
        return "\n".join([f"### {_text(s.title)}", "", _text(verdict(c)), ""])
    lines = [f"### {s.mark} {_text(s.title)}: {s.decision}", "", _text(verdict(c)), ""]
    if s.protected:
        lines += [f"| protected {noun(c.classes)} | decision | change, points | examples |", "|:--|:--|--:|--:|"]
        for i in s.protected[:CLASSES]:
            lines.append(f"| {_name(c, i)} | {c.classes['decision'][i]} | {_change(c, i)} | {size(c.classes, i)} |")
        if len(s.protected) > CLASSES:
            lines.append(f"\n{len(s.protected) - CLASSES} more protected {PLURAL[noun(c.classes)]}: see the report.")
        lines.append("")
    if others := [i for i in s.hurt if i not in s.protected]:
        named = ", ".join(f"{_name(c, i)} {_change(c, i)}" for i in others[:CLASSES])
        more = f", and {len(others) - CLASSES} more" if len(others) > CLASSES else ""
        what = f"Other hurt {PLURAL[noun(c.classes)]}" if s.protected else "Hurt"
        lines += [f"**{what}** (change in points, with its interval): {named}{more}.", ""]
    few = f", {s.n_too_few} with too few examples" if s.n_too_few else ""
    asked = "new examples of the same kind" if one_seed_each(c.summary) else "these test examples"
    lines.append(
        f"Of {counted(int(c.summary['n_classes']), noun(c.classes))} {len(s.hurt)} hurt, {s.n_safe} safe, "
        f"{s.n_undecided} undecided{few}; tolerated: {s.tolerance}. "
        f"Decisions and intervals ({100 * level:g} %) are for {asked}."
    )
    if slices := slice_rows(c, CLASSES):
        lines += ["", "| slice | decision | change, points | examples | classes hurt |", "|:--|:--|--:|--:|--:|"]
        for row in slices:
            span = _span(row["change"], row["low"], row["high"])
            lines.append(f"| {_text(row['name'])} | {row['decision']} | {span} | {row['n']} | {row['n_hurt']} |")
        if len(c.slices["slice"]) > CLASSES:
            lines.append(f"\n{len(c.slices['slice']) - CLASSES} more slices: see the report.")
    if (broken := number(c.summary, "negative_flips")) is not None:
        again = number(c.summary, "negative_flips_by_seed")
        same = "" if again is None else f" (between two seeds of the baseline: {100 * again:.1f} %)"
        lines += ["", f"Right before and wrong now: {100 * broken:.1f} % of the examples{same}."]
    return "\n".join([*lines, ""])


def _name(c: "Comparison", i: int) -> str:
    return _text(clean(c.classes["class"][i]))


def _change(c: "Comparison", i: int) -> str:
    return _span(*(float(c.classes[f"recall_change{end}"][i]) for end in ("", "_low", "_high")))


def _span(change: float, low: float, high: float) -> str:
    return f"{signed_points(change)} ({signed_points(low)} to {signed_points(high)})"


def _text(text: str) -> str:
    """Text that Markdown shows as it is, without mentions of people."""
    shown = escape_markdown(Cell(clean(text))).replace("#", "\\#")
    return shown.replace("@", "@\u200b")
