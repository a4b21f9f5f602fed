"""Commands that read predictions: audit, report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .app import app


@app.command()
def audit(
    baseline: Annotated[Path, typer.Argument(help="Predictions of the reference arm, or a grid's folder.")],
    treated: Annotated[list[Path] | None, typer.Argument(help="Predictions of the treated arms.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write audit.json, classes.csv and report.html here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON alone.")] = False,
    fail_if: Annotated[str | None, typer.Option(help='E.g. "n_degraded > 5": exit status 3 when it holds.')] = None,
    margin: Annotated[float, typer.Option(help="Points of recall that a class may lose.")] = 0.5,
    fdr: Annotated[float, typer.Option(help="Accepted share of false calls.")] = 0.1,
    topk: Annotated[int, typer.Option(help="Right when the class is among the first k.")] = 1,
    intersect: Annotated[
        bool, typer.Option("--intersect", help="Compare on the examples that all sources hold.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the audit's own random numbers.")] = 0,
) -> None:
    """Show which classes the treated arms hurt. Takes predictions of any framework, or a grid's folder."""
    from dropmix.audit import audit_grid, audit_predictions

    options = {"margin": margin / 100, "fdr": fdr, "topk": topk, "intersect": intersect, "seed": seed}
    if not treated and baseline.is_dir():
        found, card = audit_grid(baseline, **options), _card(baseline)
    else:
        others = [str(path) for path in treated or []]
        found, card = audit_predictions(str(baseline), others or None, **options), {}
    if json:
        print(found.dumps())
    else:
        _print_audit(found)
    if out is not None:
        _write(found, out, card, quiet=json)
    if fail_if is not None:
        from dropmix.audit import fail_if as holds

        raise typer.Exit(3 if holds(found, fail_if) else 0)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A grid's folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; default FOLDER/report.")] = None,
) -> None:
    """Write the report of a grid: HTML, figures and tables."""
    write_grid_report(folder, out or folder / "report")


def write_grid_report(folder: Path, out: Path) -> None:
    """Audit a grid, print the table, and write the report."""
    from dropmix.audit import audit_grid

    found = audit_grid(folder)
    _print_audit(found)
    _write(found, out, _card(folder))


def _card(folder: Path) -> dict[str, Any]:
    from dropmix.grid.store import run_card

    return run_card(folder)


def _print_audit(found: Any) -> None:
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


def _write(found: Any, out: Path, card: dict[str, Any], quiet: bool = False) -> None:
    from dropmix.audit import verdict
    from dropmix.report import write_report

    out.mkdir(parents=True, exist_ok=True)
    found.to_json(out / "audit.json")
    found.to_csv(out / "classes.csv")
    page = write_report(found, out, card=card, verdicts=[verdict(comparison) for comparison in found.comparisons])
    if not quiet:
        print(page)
