import io
from importlib.resources import files

import pytest
from rich.console import Console

from dropmix.paper.printed import printed_table
from dropmix.report.tables.paper_layout import Measures, Row, paper_table
from dropmix.report.tables.render import layout, to_csv, to_latex, to_markdown, to_terminal

# Table 1 as printed, its bold included, line by line.
TABLE_1 = """\
| WRN28-2 | Vanilla | 74.38(0.17) | - | - | - | - | - | - |
|  | Mixup | 75.22(0.15) | 32 | -3.98(5.76) | 0.4 | **76.01**(0.33) | 21 | **-1.58**(1.00) |
|  | CutMix | 75.44(0.10) | 21 | -7.38(10.18) | 0.5 | **76.72**(0.27) | 12 | **-2.55**(2.69) |
|  | PuzzleMix | 76.86(0.11) | 11 | -4.67(5.34) | 0.2 | **77.24**(0.43) | 9 | **-2.29**(3.04) |
| PreActRN18 | Vanilla | 76.92(0.22) | - | - | - | - | - | - |
|  | Mixup | 78.24(0.10) | 28 | -1.66(1.60) | 0.3 | **78.33**(0.15) | 24 | **-1.54**(1.00) |
|  | CutMix | 79.44(0.20) | 17 | -1.52(1.46) | 0.3 | **79.59**(0.24) | 12 | **-0.85**(0.68) |
|  | PuzzleMix | **80.12**(0.15) | 9 | **-1.13**(0.87) | 0.1 | 79.74(0.25) | 8 | -1.48(1.03) |
| PreActRN34 | Vanilla | 78.06(0.20) | - | - | - | - | - | - |
|  | Mixup | 79.54(0.26) | 29 | -2.17(1.52) | 0.4 | **79.67**(0.34) | 21 | **-1.36**(0.99) |
|  | CutMix | 80.82(0.20) | 12 | -1.18(1.35) | 0.4 | **81.18**(0.24) | 6 | **-0.83**(0.45) |
|  | PuzzleMix | 81.56(0.24) | 5 | -1.28(0.75) | 0.1 | **81.70**(0.22) | 6 | **-1.03**(0.63) |
| PreActRN50 | Vanilla | 78.89(0.12) | - | - | - | - | - | - |
|  | Mixup | 80.38(0.24) | 24 | -2.22(1.54) | 0.4 | **80.71**(0.13) | 18 | **-1.52**(0.97) |
|  | CutMix | 81.91(0.29) | 13 | -0.75(0.70) | 0.4 | **82.32**(0.14) | 6 | **-0.70**(0.56) |
|  | PuzzleMix | **82.92**(0.14) | 6 | -1.73(1.19) | 0.2 | 82.72(0.11) | 4 | **-1.00**(0.79) |
"""


def test_table_1_is_laid_out_as_printed():
    head, rule, *lines = to_markdown(printed_table(1)).splitlines(keepends=True)
    assert "".join(lines) == TABLE_1
    assert head.count("|") == rule.count("|") == TABLE_1.splitlines()[0].count("|")
    assert layout(printed_table(1)).spans == [("", 2), ("without DropMix", 3), ("with DropMix", 4)]


@pytest.mark.parametrize(("table", "name"), [(1, "table1_cifar100"), (2, "table2_imagenet")])
def test_csv_returns_the_printed_file(table, name):
    stored = files("dropmix.paper").joinpath(f"tables/{name}.csv").read_text()
    assert to_csv(printed_table(table)) == stored


def test_a_table_without_spreads_and_without_losses():
    lines = to_markdown(printed_table(4)).splitlines()[2:]
    assert lines[1] == "|  | Mixup | 96.01 | 1 | -1.40 | 0.1 | **96.13** | 1 | **-0.70** |"
    assert lines[2] == "|  | CutMix | 96.45 | 0 | - | 0.2 | **96.56** | 0 | - |"


def test_ties_as_printed_are_not_bold():
    row = Row("", "mixup", Measures(75.001, 0.1, 3, -1.0, 0.1), 0.4, Measures(75.004, 0.1, 2, -1.001, 0.1))
    assert "**" not in to_markdown([row])


def test_columns_appear_only_when_they_say_something(make_audit):
    plain = layout(paper_table(make_audit(3, ("mixup",), confusion=False)))
    assert plain.head == ["Method", "Acc ↑", "N_DC ↓", "ΔR_DC ↑"]
    full = layout(paper_table(make_audit(3, ("mixup", "mixup r=0.4"), floor=True, groups=("a",))))
    assert full.head[:5] == ["Network", "Method", "Acc ↑", "N_DC ↓", "floor"]
    assert full.lines[1][4].text == "1 [1, 1]"
    for plan in (plain, full):
        assert {len(line) for line in plan.lines} == {len(plan.head)} == {sum(w for _, w in plan.spans)}


def test_floors_are_in_the_csv_when_known(make_audit):
    audit = make_audit(100, ("mixup", "mixup r=0.4"), floor=True, confusion=False)
    head, _, line = to_csv(paper_table(audit)).splitlines()
    assert head.endswith("with_ddc_sd,without_n_dc_floor,with_n_dc_floor")
    assert line.endswith(",29.00,29.00")


def test_a_second_rate_repeats_nothing(make_audit):
    lines = layout(paper_table(make_audit(3, ("mixup", "mixup r=0.2", "mixup r=0.4"), confusion=False))).lines
    assert [str(cell) for cell in lines[2][:5]] == ["", "", "", "", "0.4"]


def test_latex_escapes_names_and_sets_signs():
    row = Row("a_b & c", "50%_{x}", Measures(75, 0.1, 3, -2.0, 0.1), 0.4, Measures(76, 0.1, 2, -1.0, 0.1))
    lines = to_latex([row]).splitlines()
    assert lines[0] == r"\begin{tabular}{llrrrrrrr}"
    assert lines[5] == (
        r"a\_b \& c & 50\%\_\{x\} & 75.00(0.10) & 3 & $-2.00$(0.10) & 0.4 & "
        r"\textbf{76.00}(0.10) & 2 & $\mathbf{-1.00}$(0.10) \\"
    )


def test_latex_takes_any_name_as_text():
    names = ("[2em] x", "\\\\ & % _ $ # ~ ^ {")
    lines = to_latex([Row("", name, None) for name in names]).splitlines()
    first, second = (line for line in lines if line.startswith(("{}[2em]", r"\textbackslash")))
    assert first.startswith("{}[2em] x & ")  # a bracket after the end of a row would be a length
    back = r"\textbackslash{}"
    assert second.startswith(back + back + r" \& \% \_ \$ \# \textasciitilde{} \textasciicircum{} \{ & ")
    assert first.count(" & ") == second.replace(r"\&", "").count(" & ")


def test_the_terminal_shows_names_as_they_are():
    row = Row("", "[red]mixup[/red]", Measures(75, 0.1, 3, -2.0, 0.1))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(to_terminal([row], "title [b]"))
    text = console.export_text()
    assert "[red]mixup[/red]" in text
    assert "title [b]" in text
    assert "75.00(0.10)" in text
    console.file.close()


def test_markdown_escapes_pipes_and_markup():
    line = to_markdown([Row("", "a|b*c<d>", None)]).splitlines()[2]
    assert line.startswith(r"| a\|b\*c\<d\> |")
    line = to_markdown([Row("", "$x^2$ `a` <script>~", None)]).splitlines()[2]
    assert line.startswith(r"| \$x^2\$ \`a\` \<script\>\~ |")


def test_a_narrow_terminal_gets_the_arms_below_each_other():
    rows = [
        Row("", "vanilla", Measures(70.0, 0.1)),
        Row(
            "",
            "mixup",
            Measures(71.0, 0.2, 12, -1.5, 0.5, 9.0, 5.0, 14.0),
            0.4,
            Measures(72.0, 0.3, 7, -1.1, 0.4, 6.0, 3.0, 9.0),
        ),
        Row("", "mixup", None, 0.6, Measures(71.5, 0.3, 8, -1.2, 0.4, 6.0, 3.0, 9.0)),
    ]
    shown = {}
    for width in (80, 140):
        console = Console(width=width, file=io.StringIO())
        console.print(to_terminal(rows, width=width))
        shown[width] = console.file.getvalue()
    assert all("…" not in text for text in shown.values())
    lines = [line for line in shown[80].splitlines() if "7" in line and "%" not in line]
    assert [[cell.strip() for cell in line.strip("│").split("│")] for line in lines] == [
        ["Vanilla", "-", "70.00(0.10)", "-", "-", "-"],
        ["Mixup", "0", "71.00(0.20)", "12", "9 [5, 14]", "-1.50(0.50)"],
        ["", "0.4", "72.00(0.30)", "7", "6 [3, 9]", "-1.10(0.40)"],
        ["", "0.6", "71.50(0.30)", "8", "6 [3, 9]", "-1.20(0.40)"],
    ]
    # One row fewer, and a line above the headings.
    assert len(shown[140].splitlines()) == len(shown[80].splitlines())
