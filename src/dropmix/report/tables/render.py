"""Print the rows of `paper_table` for a terminal, as Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from dropmix.audit.spreadsheet import guarded
from dropmix.report.display_names import clean, method_title
from dropmix.report.tables.paper_layout import Measures, Row

_CSV = (
    "network,method,without_acc,without_acc_sd,without_n_dc,without_ddc,without_ddc_sd,"
    "rate,with_acc,with_acc_sd,with_n_dc,with_ddc,with_ddc_sd"
).split(",")
_CSV_MACRO = ["without_macro_acc", "with_macro_acc"]
_CSV_FLOOR = ["without_n_dc_floor", "with_n_dc_floor"]
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: "\\" + c for c in "&%$#_"},
}


@dataclass(frozen=True)
class Cell:
    """One printed cell; `spread` is the standard deviation in parentheses, "" for none."""

    text: str
    spread: str = ""
    bold: bool = False

    def __str__(self) -> str:
        return self.text + self.spread


@dataclass(frozen=True)
class TableLayout:
    """A table ready to print.

    Attributes:
        head: column headings; the columns of one arm come twice.
        spans: (heading, number of columns) of the line above `head`; all headings are "" if no rate was run.
        lines: cells, one list per row.
        starts: True where a row opens a new group (network).
    """

    head: list[str]
    spans: list[tuple[str, int]]
    lines: list[list[Cell]]
    starts: list[bool]


def layout(rows: Sequence[Row]) -> TableLayout:
    """Cells in the paper's order: method, arm without DropMix, rate, arm with DropMix.

    The network's column is left out if no row names one, the floors' if none is known, the mean over
    classes if it equals the accuracy, and the right half if no rate was run. The best accuracy and the
    best mean change among a method's arms are bold, unless they tie as printed.
    """
    grouped = any(row.group for row in rows)
    floors = any(m is not None and m.floor is not None for row in rows for m in (row.without, row.dropmix))
    macros = _macros(rows)
    rated = any(row.rate is not None for row in rows)
    arm = ["Acc ↑", *(["Macro ↑"] if macros else []), "N_DC ↓", *(["floor"] if floors else []), "ΔR_DC ↑"]
    best = _best(rows)
    lines, starts = [], []
    for i, row in enumerate(rows):
        opens = i == 0 or row.group != rows[i - 1].group
        again = not opens and row.method == rows[i - 1].method
        line = [Cell(clean(row.group) if opens else "")] if grouped else []
        line.append(Cell("" if again else clean(method_title(row.method))))
        line += _arm_cells(row.without, floors, macros, best, blank="" if again else "-")
        if rated:
            line.append(Cell("-" if row.rate is None else f"{row.rate:g}"))
            line += _arm_cells(row.dropmix, floors, macros, best)
        lines.append(line)
        starts.append(opens)
    lead = 2 if grouped else 1
    spans = [("", lead), ("without DropMix" if rated else "", len(arm))]
    spans += [("with DropMix", len(arm) + 1)] if rated else []
    head = [*(["Network"] if grouped else []), "Method", *arm, *(["r", *arm] if rated else [])]
    return TableLayout(head, spans, lines, starts)


def stacked(rows: Sequence[Row]) -> TableLayout:
    """The same cells with the arms of a method one below the other, for narrow terminals."""
    wide = layout(rows)
    lead = wide.spans[0][1]
    arm = wide.spans[1][1]
    lines, starts = [], []
    for row, line, opens in zip(rows, wide.lines, wide.starts, strict=True):
        names, plain, rated = line[:lead], line[lead : lead + arm], line[lead + arm :]
        if row.without is not None:
            lines.append([*names, Cell("-" if row.without.n_degraded is None else "0"), *plain])
            starts.append(opens)
        if row.dropmix is not None:
            below = [Cell("")] * lead if row.without is not None else names
            lines.append([*below, *rated])
            starts.append(opens and row.without is None)
    head = [*wide.head[:lead], "r", *wide.head[lead : lead + arm]]
    return TableLayout(head, [("", len(head))], lines, starts)


def _best(rows: Sequence[Row]) -> set[tuple[int, str]]:
    """(id of the measures, field) to print bold: the strict best among a method's arms."""
    methods: dict[tuple[str, str], list[Measures]] = {}
    for row in rows:
        members = methods.setdefault((row.group, row.method), [])
        members += [m for m in (row.without, row.dropmix) if m is not None]
    best: set[tuple[int, str]] = set()
    for members in methods.values():
        for field in ("accuracy", "mean_change"):
            known = [(round(getattr(m, field), 2), m) for m in members if getattr(m, field) is not None]
            top = max((value for value, _ in known), default=None)
            winners = [m for value, m in known if value == top]
            if len(known) > 1 and len(winners) == 1:
                best.add((id(winners[0]), field))
    return best


def _macros(rows: Sequence[Row]) -> bool:
    return any(m is not None and m.macro is not None for row in rows for m in (row.without, row.dropmix))


def _arm_cells(
    measures: Measures | None, floors: bool, macros: bool, best: set[tuple[int, str]], blank: str = "-"
) -> list[Cell]:
    if measures is None:
        return [Cell(blank)] * (3 + floors + macros)
    key = id(measures)
    accuracy = _with_spread(measures.accuracy, measures.accuracy_sd, (key, "accuracy") in best)
    change = _with_spread(measures.mean_change, measures.mean_change_sd, (key, "mean_change") in best)
    count = Cell("-" if measures.n_degraded is None else str(measures.n_degraded))
    macro = [_with_spread(measures.macro, None)] if macros else []
    return [accuracy, *macro, count, *([Cell(_floor(measures))] if floors else []), change]


def _with_spread(value: float | None, spread: float | None, bold: bool = False) -> Cell:
    if value is None:
        return Cell("-")
    return Cell(f"{value:.2f}", "" if spread is None else f"({spread:.2f})", bold)


def _floor(measures: Measures) -> str:
    if measures.floor is None:
        return "-"
    if measures.floor_low is None or measures.floor_high is None:
        return f"{measures.floor:.0f}"
    return f"{measures.floor:.0f} [{measures.floor_low:.0f}, {measures.floor_high:.0f}]"


def to_terminal(
    rows: Sequence[Row], title: str | None = None, width: int | None = None, ascii_only: bool = False
) -> Table:
    """A rich table; names are shown as they are, never read as markup.

    Args:
        rows: as `paper_table` gives them.
        title: a line above.
        width: characters per line; if the paper's layout needs more, the arms are stacked, and if that does not fit
            either, each arm becomes a few lines of text.
        ascii_only: no arrows, Greek letters or box-drawing lines.
    """
    plan = layout(rows)
    if width is not None and _width(plan) > width:
        plan = stacked(rows)
        if _width(plan) > width:
            return _listed(plan, ascii_only)
    look = box.ASCII if ascii_only else box.HEAVY_HEAD
    table = Table(title=Text(title) if title else None, title_justify="left", box=look)
    headings = [name for name, width in plan.spans for _ in range(width)]
    texts = {"Network", "Method"}
    for name, above in zip(plan.head, headings, strict=True):
        short = above.replace(" DropMix", "") if name not in texts else ""
        name_shown = _plain(name) if ascii_only else name
        heading = Text(f"{short}\n{name_shown}" if any(headings) else name_shown)
        table.add_column(heading, justify="left" if name in texts else "right", no_wrap=name not in texts)
    for i, line in enumerate(plan.lines):
        if i and plan.starts[i]:
            table.add_section()
        table.add_row(*(Text.assemble((c.text, "bold" if c.bold else ""), c.spread) for c in line))
    return table


def _listed(plan: TableLayout, ascii_only: bool) -> Table:
    """One arm after the other, name first, for very narrow terminals."""
    table = Table.grid()
    table.add_column(overflow="fold")
    names = plan.head.index("r")
    method = [""] * names
    for line in plan.lines:
        method = [str(cell) or before for cell, before in zip(line[:names], method)]
        rate = str(line[names])
        table.add_row(Text(" ".join(filter(None, method)) + (f" r={rate}" if rate not in ("-", "0") else ""), "bold"))
        for head, cell in zip(plan.head[names + 1 :], line[names + 1 :]):
            table.add_row(Text(f"  {_plain(head) if ascii_only else head} {cell}"))
    return table


def _plain(heading: str) -> str:
    """A heading in ASCII."""
    return heading.replace(" ↑", "").replace(" ↓", "").replace("Δ", "d")


def _width(plan: TableLayout) -> int:
    columns = zip(plan.head, *plan.lines, strict=True)
    return sum(max(len(str(cell)) for cell in column) + 3 for column in columns) + 1


def to_markdown(rows: Sequence[Row]) -> str:
    """A pipe table with one heading line, as Markdown allows; `|` in names is escaped."""
    plan = layout(rows)
    above = [name for name, width in plan.spans for _ in range(width)]
    heads = [f"{n} ({a})" if a and n != "r" else n for n, a in zip(plan.head, above, strict=True)]
    rule = [":--" if n in ("Network", "Method") else "--:" for n in plan.head]
    lines = [[escape_markdown(cell) for cell in line] for line in plan.lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, rule, *lines])


def escape_markdown(cell: Cell) -> str:
    text = "".join("\\" + c if c in "\\|*_<>`[]$~" else c for c in cell.text)
    return (f"**{text}**" if cell.bold else text) + cell.spread


def to_latex(rows: Sequence[Row]) -> str:
    """A `tabular` with the rules of the booktabs package, headings in mathematics."""
    plan = layout(rows)
    symbols = {
        "Acc ↑": r"Acc $\uparrow$",
        "Macro ↑": r"Macro $\uparrow$",
        "N_DC ↓": r"$N_{DC} \downarrow$",
        "ΔR_DC ↑": r"$\overline{\Delta R_{DC}} \uparrow$",
        "r": "$r$",
    }
    columns = "".join("l" if n in ("Network", "Method") else "r" for n in plan.head)
    spans = " & ".join(rf"\multicolumn{{{w}}}{{c}}{{{n}}}" for n, w in plan.spans)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [rf"{spans} \\"] if any(name for name, _ in plan.spans) else []
    lines += [" & ".join(symbols.get(n, n) for n in plan.head) + r" \\"]
    for starts, line in zip(plan.starts, plan.lines, strict=True):
        lines += [r"\midrule"] if starts else []
        first, *rest = map(escape_latex, line)
        # After a row's end, LaTeX reads text in brackets as a length.
        lines.append(" & ".join([f"{{}}{first}" if first.startswith("[") else first, *rest]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape_latex(cell: Cell) -> str:
    text = "".join(_LATEX.get(c, c) for c in cell.text)
    if text.startswith("-") and len(text) > 1:  # a minus sign, not a hyphen
        text = rf"$\mathbf{{{text}}}$" if cell.bold else f"${text}$"
    elif cell.bold:
        text = rf"\textbf{{{text}}}"
    return text + cell.spread


def to_csv(rows: Sequence[Row]) -> str:
    """Percent and points with two decimals, the columns of the paper's tables as stored here.

    Columns with the means over classes follow if these are not the accuracies, then columns with the floors if
    one is known.
    """
    macros = _macros(rows)
    floors = any(m is not None and m.floor is not None for row in rows for m in (row.without, row.dropmix))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV + (_CSV_MACRO if macros else []) + (_CSV_FLOOR if floors else []))
    for row in rows:
        rate = "" if row.rate is None else f"{row.rate:g}"
        line = [guarded(row.group), guarded(row.method), *_csv_arm(row.without), rate, *_csv_arm(row.dropmix)]
        for key, wanted in (("macro", macros), ("floor", floors)):
            line += [_fixed(getattr(m, key) if m else None) for m in (row.without, row.dropmix)] if wanted else []
        writer.writerow(line)
    return out.getvalue()


def _csv_arm(m: Measures | None) -> list[str]:
    if m is None:
        return [""] * 5
    count = "" if m.n_degraded is None else str(m.n_degraded)
    numbers = [_fixed(v) for v in (m.accuracy, m.accuracy_sd, m.mean_change, m.mean_change_sd)]
    return [*numbers[:2], count, *numbers[2:]]


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
