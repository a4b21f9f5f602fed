"""An audit as the commands audit, report, demo and select print and write it."""

from pathlib import Path
from typing import Any


def write_grid_report(folder: Path, out: Path) -> None:
    """Audit a grid, print the table, and write the report."""
    from dropmix.audit import audit_grid
    from dropmix.grid.store import run_card

    found = audit_grid(folder)
    print_audit(found)
    write_audit(found, out, run_card(folder))


def print_audit(found: Any) -> None:
    from rich.console import Console
    from rich.text import Text

    from dropmix.audit import verdict
    from dropmix.report import paper_table, to_terminal

    console = Console()
    console.print(to_terminal(paper_table(found), width=console.width))
    console.print("Acc in %, the rest in points of recall; N_DC: degraded classes; in parentheses the sd.", style="dim")
    for comparison in found.comparisons:
        console.print(Text(verdict(comparison)))
    for note in dict.fromkeys([*found.notes, *(note for c in found.comparisons for note in c.notes)]):
        console.print(Text(f"Note: {note}"))


def write_audit(found: Any, out: Path, card: dict[str, Any], quiet: bool = False) -> None:
    from dropmix.audit import verdict
    from dropmix.report import write_report

    out.mkdir(parents=True, exist_ok=True)
    found.to_json(out / "audit.json")
    found.to_csv(out / "classes.csv")
    page = write_report(found, out, card=card, verdicts=[verdict(comparison) for comparison in found.comparisons])
    if not quiet:
        print(page)
