"""The decisions of several arms side by side, for a terminal."""

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from dropmix.audit.quantities.words import signed_points
from dropmix.report.decision import standing
from dropmix.report.display_names import comparison_title, number
from dropmix.report.tables.classes import ascii_text

if TYPE_CHECKING:
    from dropmix.audit import Audit

NARROW, TINY = 78, 32  # columns of a terminal
COLOURS = {"do not ship": "bold red", "ship": "green"}


def overview(audit: "Audit", width: int = 80, ascii_only: bool = False) -> Table:
    """One row per arm: its decision, accuracy and gain, and how many classes are hurt, safe and undecided.

    Args:
        audit: comparisons that hold decisions.
        width: characters per line; a narrow terminal gets fewer columns.
        ascii_only: no box-drawing lines, and escapes for other letters.
    """
    macro = any(number(c.summary, "gain_macro") is not None for c in audit.comparisons)
    few = any(standing(c).n_too_few for c in audit.comparisons)
    heads = ["accuracy, %", "gain", *["mean over classes"] * macro, "hurt", "safe", "undecided", *["too few"] * few]
    heads = heads[1:] if macro and few else heads  # all would not fit into 80 columns
    shown = heads if width >= NARROW else ["gain", "hurt"] if width >= TINY else []
    look = box.ASCII if ascii_only else box.SIMPLE_HEAD
    table = Table(title=Text("All arms"), title_justify="left", box=look, padding=(0, 1, 0, 0))
    table.add_column("arm", overflow="fold")
    table.add_column("decision", min_width=len("do not ship"))
    for head in shown:
        table.add_column(head, justify="right", min_width=max(map(len, head.split())))
    for c in audit.comparisons:
        s = standing(c)
        title = ascii_text(comparison_title(c)) if ascii_only else comparison_title(c)
        mean = number(c.summary, "gain_macro")
        cells = {
            "accuracy, %": f"{100 * c.summary['accuracy_treated']:.1f}",
            "gain": signed_points(c.summary["gain"]),
            # Where classes are of one size, the mean over classes is the accuracy.
            "mean over classes": signed_points(c.summary["gain"] if mean is None else mean),
            "hurt": str(len(s.hurt)),
            "safe": str(s.n_safe),
            "undecided": str(s.n_undecided),
            "too few": str(s.n_too_few),
        }
        word = Text(s.decision, COLOURS.get(s.decision, ""))
        table.add_row(Text(title), word, *(Text(cells[head]) for head in shown))
    return table
