"""Write a whole report into a folder: the page, the tables, and on request the figures."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropmix.report.page.html import page
from dropmix.report.tables.paper_layout import paper_table
from dropmix.report.tables.render import to_csv, to_latex, to_markdown

if TYPE_CHECKING:
    from dropmix.audit.result import Audit
    from dropmix.report.page.lost_images import Pictures

_BESIDE = ("classes.csv", "slices.csv", "audit.json")  # written by the audit itself


def write_report(
    audit: "Audit",
    out: str | Path,
    card: Mapping[str, Any] | None = None,
    figures: bool = False,
    formats: tuple[str, ...] = ("png", "pdf", "svg"),
    downloads: Sequence[str] | None = None,
    pictures: "Pictures | None" = None,
) -> Path:
    """Write `report.html`, `table.md`, `table.tex` and `table.csv`, and on request `figures/`.

    Everything is made in a temporary folder first and renamed into place, the page last, so that an
    interrupted or failing call leaves an earlier report as it was, or complete figures beside it.

    Args:
        audit: one or more comparisons.
        out: folder; created if missing, other files in it are kept.
        card: how the runs were made (environment, spec, seeds, hashes): nested dicts of text. Its "title" heads
            the page.
        figures: write every figure of every arm as files too; the page itself holds the first arms' figures.
        formats: of the figures' files.
        downloads: files in `out` to link to; if None, `classes.csv` and `audit.json` if they are there.
        pictures: thumbnails of the images that hurt classes lost; None names the images alone.
    Returns:
        The path of `report.html`.
    Raises:
        ValueError: the audit is empty.
        OSError: the folder cannot be written to.
    """
    if not audit.comparisons:
        raise ValueError("write_report: expected an audit with comparisons, got none. Audit a treated arm.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    beside = [name for name in _BESIDE if (out / name).exists()] if downloads is None else list(downloads)
    part = Path(tempfile.mkdtemp(prefix=".report-", dir=out))
    try:
        _fill(part, audit, card, formats if figures else (), beside, pictures)
        for path in sorted(part.rglob("*"), key=lambda p: (p.name == "report.html", p)):
            target = out / path.relative_to(part)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(path, target)
    except OSError as error:  # about the folder that was asked for, not about a hidden one within it
        if error.errno is not None:  # an error of a library has words of its own, which a file name would hide
            error.filename, error.filename2 = str(out), None
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out / "report.html"


def _fill(
    part: Path,
    audit: "Audit",
    card: Mapping[str, Any] | None,
    formats: tuple[str, ...],
    beside: list[str],
    pictures: "Pictures | None",
) -> None:
    from dropmix.report.figures.catalog import plates, save

    drawn = plates(audit)
    rows = paper_table(audit)
    tables = {"table.md": to_markdown(rows), "table.tex": to_latex(rows), "table.csv": to_csv(rows)}
    for name, text in tables.items():
        (part / name).write_text(text, encoding="utf-8", errors="replace")
    html = page(audit, drawn, card, [*beside, *tables], figures="svg" in formats, pictures=pictures)
    (part / "report.html").write_text(html, encoding="utf-8", errors="replace")
    if formats:
        (part / "figures").mkdir()
        for plate in drawn:
            save(plate.draw(), part / "figures" / plate.stem, formats)
