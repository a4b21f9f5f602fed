"""Reports of an audit: tables in the paper's layout, figures, one offline HTML page.

Read in this order: `write` (all files of a report), `decision` (what all of them show first), `page` (HTML), `tables`,
`figures`, `summary` and `junit` (for continuous integration), `flows` (which mistakes grow), `display_names`.

    >>> from dropmix.report import write_report
    >>> write_report(audit, "out")                              # doctest: +SKIP
    PosixPath('out/report.html')

Fractions come in, percent and percentage points go out. Nothing here imports torch, and matplotlib
is imported on first use only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "Measures": "tables.paper_layout",
    "Row": "tables.paper_layout",
    "paper_table": "tables.paper_layout",
    "to_csv": "tables.render",
    "to_latex": "tables.render",
    "to_markdown": "tables.render",
    "to_terminal": "tables.render",
    "write_report": "write",
}
__all__ = [
    "Measures",
    "Row",
    "paper_table",
    "to_csv",
    "to_latex",
    "to_markdown",
    "to_terminal",
    "write_report",
]

if TYPE_CHECKING:
    from dropmix.report.tables.paper_layout import Measures, Row, paper_table
    from dropmix.report.tables.render import to_csv, to_latex, to_markdown, to_terminal
    from dropmix.report.write import write_report


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"dropmix.report.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'dropmix.report' has no attribute {name!r}")
