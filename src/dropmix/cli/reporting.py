"""What the commands audit, report, demo and select share: options that name classes, and writing and printing an audit.

Files are written first, then the terminal is used.
"""

import re
import sys
from pathlib import Path
from typing import Any

from dropmix.cli.streams import say

ARMS = 6  # with more arms, classes are shown on the page only
CLASSES = 12  # classes printed over all arms, besides the protected ones
# An item of a list: a name in double quotes, if it holds a comma, and everything else up to the next comma.
ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"(?=\s*(?:=|,|$)))?([^,]*)(?:,|$)')


def write_grid_report(
    folder: Path, out: Path, figures: bool = False, data: str | None = None, images: bool = True, **options: Any
) -> Any:
    """Audit a grid, write the report, print the table and return the audit.

    `data` and `images` as for `lost_pictures`, `options` as `audit_grid` takes them.
    """
    from dropmix.audit import audit_grid
    from dropmix.cli.pictures import lost_pictures
    from dropmix.grid.store import run_card

    result = audit_grid(folder, **options)
    pictures = lost_pictures(result, folder, data) if images else None
    page = write_audit(result, out, run_card(folder), figures, pictures)
    print_audit(result)
    say(page)
    return result


def misses_a_protected_class(audit: Any) -> bool:
    """Whether the decision on any arm is not "ship"."""
    return any(comparison.summary["decision"] != "ship" for comparison in audit.comparisons)


def print_audit(audit: Any) -> None:
    """Print the decision on each arm and class, all arms side by side if there are several, and the notes."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from dropmix.audit.several_arms import answer
    from dropmix.audit.wording import verdict_parts
    from dropmix.report import paper_table, to_terminal
    from dropmix.report.display_names import all_notes, comparison_title, visible
    from dropmix.report.tables.classes import ascii_text, class_legend, class_table
    from dropmix.report.tables.overview import overview
    from dropmix.report.tables.slices import slice_table

    console = Console()
    plain = not _draws("\u2191\u0394\u2500")
    spelled = ascii_text if plain else str
    arms = audit.comparisons
    shown = arms if len(arms) <= ARMS and all("decision" in c.classes for c in arms) else []
    for comparison in arms:
        lead, *rest = (spelled(visible(part)) for part in verdict_parts(comparison))
        word, colon, why = lead.partition(": ") if "decision" in comparison.summary else ("", "", lead)
        title = f"{spelled(comparison_title(comparison))}: " if len(arms) > 1 else ""
        console.print(Text.assemble((f"{title}{word}{colon}", "bold"), why))
        for part in rest:
            console.print(Padding(Text(part), (0, 0, 0, 2), expand=False))
        if shown:
            console.print(class_table(comparison, console.width, CLASSES // len(arms), plain))
        if comparison.slices:
            console.print(slice_table(comparison, console.width, plain))
    if shown:
        console.print(class_legend(shown, audit.settings.get("level", 0.9)), style="dim", highlight=False)
    if len(arms) > 1 and all("decision" in c.summary for c in arms):
        console.print(overview(audit, console.width, plain))
        if told := answer(arms):
            console.print(Text(spelled(visible(told)), "bold"))
    elif len(arms) != 1:
        console.print(to_terminal(paper_table(audit), width=console.width, ascii_only=plain))
        macro = " (Macro: mean over classes)" if any(c.summary["gain_macro"] is not None for c in arms) else ""
        console.print(
            f"Acc in %{macro}, changes in points of recall; N_DC: classes with a lower mean recall; "
            "floor: how many would have one if all changed equally; sd in parentheses.",
            style="dim",
        )
    for note in all_notes(audit):
        console.print(Text(spelled(f"Note: {visible(note)}")))


def write_audit(audit: Any, out: Path, card: dict[str, Any], figures: bool = False, pictures: Any = None) -> Path:
    """Write audit.json, classes.csv and the report; returns the page's path."""
    from dropmix.report import write_report

    out.mkdir(parents=True, exist_ok=True)
    audit.to_json(out / "audit.json")
    audit.to_csv(out / "classes.csv")
    audit.slices_to_csv(out / "slices.csv")
    return write_report(audit, out, card=card, figures=figures, pictures=pictures)


def write_for_ci(audit: Any, summary: Path | None, junit: Path | None) -> None:
    """Write the decision as Markdown and as JUnit XML if asked to; each file is written whole or not at all."""
    from dropmix.audit.spreadsheet import write_whole

    if summary is not None:
        from dropmix.report.summary import to_summary

        text = to_summary(audit)
        write_whole(summary, lambda part: part.write_text(text, encoding="utf-8"))
    if junit is not None:
        from dropmix.report.junit import to_junit

        xml = to_junit(audit)
        write_whole(junit, lambda part: part.write_text(xml, encoding="utf-8"))


def _draws(letters: str) -> bool:
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def names_of(text: str | None) -> tuple[str, ...]:
    """Names of a list such as "fox, lynx"; none where nothing was given.

    Raises:
        ValueError: a list without a name, which would protect nothing.

    Example:
        >>> names_of('fox, "tench, Tinca tinca"')
        ('fox', 'tench, Tinca tinca')
    """
    names = () if text is None else tuple(name + rest for name, rest in _items(text))
    if text is not None and not names:
        raise ValueError(f"--protect: expected names of classes such as fox,lynx, got {text[:20]!r}. Name them.")
    return names


def tolerances_of(text: str) -> float | dict[str, float]:
    """Fractions from points: "1", or "fox=1,lynx=0.5"; names with commas in double quotes.

    Raises:
        ValueError: something else, or a class twice.
    """
    made: dict[str, float] = {}
    for quoted, rest in _items(text) if "=" in text else [("", text)]:
        name, _, points = rest.rpartition("=")
        name = (quoted + name).rstrip() if name else quoted
        try:
            value = float(points) / 100
        except ValueError:
            raise ValueError(f"--tolerance: expected points such as 1 or fox=1,lynx=0.5, got {text!r}.") from None
        if not 0 <= value < 1:
            raise ValueError(f"--tolerance: expected points from 0 to below 100, got {points.strip()}. 1 is usual.")
        if name in made:
            raise ValueError(f"--tolerance: expected each class once, got {name!r} twice. Give it one tolerance.")
        made[name] = value
        remark_fraction("--tolerance", 100 * value, 0.05)
    return made if "=" in text else made[""]


def remark_fraction(option: str, value: float, below: float) -> None:
    """Say on standard error that a number so small is read as points or percent, if it may be meant as a fraction."""
    if 0 < abs(value) < below:
        print(
            f"note: {option} is in points or percent, so that {value:g} is very little; if the fraction {value:g} was "
            f"meant, give {100 * value:g}",
            file=sys.stderr,
        )


def _items(text: str) -> list[tuple[str, str]]:
    """Items between commas: the quoted text at the start of each, "" if there is none, and the rest."""
    parts = [(match[1], match[2].strip()) for match in ITEM.finditer(text)]
    return [((quoted or "").replace('""', '"'), rest) for quoted, rest in parts if quoted or rest]
