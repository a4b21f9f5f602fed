"""A table of the paper, printed and ours, for the terminal and as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropmix.audit.spreadsheet import guarded, write_whole
from dropmix.paper.side_by_side import Side
from dropmix.report.tables.paper_layout import Row
from dropmix.report.tables.render import Cell, escape_latex, escape_markdown, to_latex, to_markdown, to_terminal

RULE = (
    "Diff.: ours - printed. Range: where the number of a second study like ours, with 5 seeds per arm, would fall in "
    "95 % of cases by seed noise alone; a printed number inside it is within seed noise."
)
HEAD = ["arm", "what", "printed", "ours", "diff.", "range", "noise"]


@dataclass(frozen=True)
class Sheet:
    """What `render` shows of a table.

    Args:
        name: "table1".
        title: what it shows.
        printed: the paper's rows; empty for Table 3, which has another layout.
        ours: (heading, rows) of each panel.
        sides: printed beside ours.
        missing: what the runs lack.
        notes: the paper's inconsistencies, and other remarks.
    """

    name: str
    title: str
    printed: list[Row] = field(default_factory=list)
    ours: list[tuple[str, list[Row]]] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def by_panel(self) -> dict[str, list[Side]]:
        """Sides by the heading of their panel."""
        by_heading: dict[str, list[Side]] = {}
        for side in self.sides:
            by_heading.setdefault(side.panel, []).append(side)
        return by_heading

    def terminal(self, width: int) -> RenderableType:
        """Tables and notes for a terminal of `width` characters."""
        parts: list[RenderableType] = [Text(f"{self.name}: {self.title}", "bold")]
        for heading, rows in self.ours:
            parts.append(to_terminal(rows, f"Ours: {heading}", width))
        for heading, sides in self.by_panel().items():
            parts.append(Text(f"Printed beside ours: {heading}", "italic"))
            table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
            for name in HEAD:
                side = "left" if name in HEAD[:2] else "right"
                table.add_column(Text(name), justify=side, no_wrap=name != "arm", min_width=10 if name == "arm" else 4)
            for cells in side_cells(sides):
                table.add_row(*map(Text, cells))
            parts.append(table)
        parts += [Text(RULE, "dim")] if self.sides else []
        return Group(*parts, *(Text(line) for line in self._after()))

    def _after(self) -> list[str]:
        lines = [f"Missing: {text}" for text in self.missing]
        return lines + [f"[{i}] {note}" for i, note in enumerate(self.notes, 1)]

    def markdown(self) -> str:
        """The page as Markdown."""
        parts = [f"# {self.name}: {self.title}\n"]
        if self.printed:
            parts.append(f"## Printed\n\n{to_markdown(self.printed)}")
        parts += [f"## Ours: {heading}\n\n{to_markdown(rows)}" for heading, rows in self.ours]
        for heading, sides in self.by_panel().items():
            lines = [HEAD, [":--", ":--", *["--:"] * 5]]
            lines += [[escape_markdown(Cell(c)) for c in cells] for cells in side_cells(sides)]
            body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
            parts.append(f"## Printed beside ours: {heading}\n\n{body}\n{RULE}\n")
        if self.missing:
            parts.append("## Missing\n\n" + "".join(f"- {text}\n" for text in self.missing))
        if self.notes:
            parts.append("## Notes\n\n" + "".join(f"{i}. {note}\n" for i, note in enumerate(self.notes, 1)))
        return "\n".join(parts)

    def latex(self) -> str:
        """`tabular`s with the rules of booktabs; headings as comments, missing runs and notes as text below."""
        parts = []
        for heading, rows in [("Printed", self.printed), *((f"Ours: {h}", rows) for h, rows in self.ours)]:
            parts += [f"% {heading}\n{to_latex(rows)}"] if rows else []
        for heading, sides in self.by_panel().items():
            lines = [rf"% Printed beside ours: {heading}", r"\begin{tabular}{llrrrrr}", r"\toprule"]
            lines += [" & ".join(HEAD) + r" \\", r"\midrule"]
            lines += [" & ".join(_latex(cell) for cell in cells) + r" \\" for cells in side_cells(sides)]
            parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]))
        below = ([RULE] if self.sides else []) + self._after()
        return "\n".join([*parts, *(rf"\par {_latex(line)}" for line in below), ""])

    def csv(self) -> str:
        """One line per number; what is missing has a line without a number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            "table,ours,network,arm,measure,printed,printed_sd,value,value_sd,difference,low,high,seed_noise".split(",")
        )
        for s in self.sides:
            numbers = (s.printed, s.printed_sd, s.ours, s.ours_sd, s.difference, s.range.low, s.range.high)
            cells = ["" if v is None or v != v else f"{v:.{s.digits}f}" for v in numbers]
            writer.writerow([self.name, *map(guarded, (s.panel, s.network, s.arm, s.measure)), *cells, s.verdict])
        for text in self.missing:
            writer.writerow([self.name, guarded(text), *[""] * 10, "missing"])
        return out.getvalue()

    def write(self, folder: Path) -> list[Path]:
        """Write the three files, named after the table; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for ending, text in (("md", self.markdown()), ("tex", self.latex()), ("csv", self.csv())):
            written.append(folder / f"{self.name}.{ending}")
            write_whole(written[-1], partial(Path.write_text, data=text, encoding="utf-8"))
        return written


def side_cells(sides: Sequence[Side]) -> list[list[str]]:
    """One line per number, with the cells of `HEAD`; each arm is named once."""
    lines, before = [], ""
    for s in sides:
        around = "-" if s.range.low != s.range.low else f"{s.range.low:.{s.digits}f} … {s.range.high:.{s.digits}f}"
        gap = "-" if s.difference is None else f"{s.difference:+.{s.digits}f}"
        values = [_value(s.printed, s.printed_sd, s.digits), _value(s.ours, s.ours_sd, s.digits)]
        lines.append(["" if s.arm == before else s.arm, s.measure, *values, gap, around, s.verdict])
        before = s.arm
    return lines


def _value(value: float | None, spread: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if spread is None else f"({spread:.{digits}f})")


def _latex(text: str) -> str:
    names = {"N_DC": r"$N_{DC}$", "ΔR_DC": r"$\overline{\Delta R_{DC}}$"}
    return names.get(text) or escape_latex(Cell(text))
