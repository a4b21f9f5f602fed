"""The paper's printed numbers and ours side by side, and whether they differ by more than seed noise.

The rule is that of `dropmix.paper.replicate`: a printed number is within seed noise when it lies in the 95 % range of
what a second study, of five seeds per arm and the same networks as ours, would print.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dropmix.audit.result import Comparison
from dropmix.paper.panel import Panel
from dropmix.paper.printed import printed_records, printed_table
from dropmix.paper.replicate import UNKNOWN, Range, accuracy_range, degraded_ranges
from dropmix.report.display_names import method_title, number
from dropmix.report.tables.paper_layout import Measures, Row, arm_measures

PAPER_SEEDS = 5


@dataclass(frozen=True)
class Side:
    """One printed number and ours, in percent, points or classes; confidences are fractions, as printed.

    Args:
        panel: heading of ours.
        network, arm, measure: what is compared.
        printed, printed_sd: of the paper; None if it prints none.
        ours, ours_sd: None without a degraded class, or with one seed.
        range: where a second study's number would fall.
        digits: after the point.
    """

    panel: str
    network: str
    arm: str
    measure: str
    printed: float | None
    printed_sd: float | None
    ours: float | None
    ours_sd: float | None
    range: Range
    digits: int = 2

    @property
    def difference(self) -> float | None:
        """Ours minus printed."""
        return None if self.ours is None or self.printed is None else self.ours - self.printed

    @property
    def verdict(self) -> str:
        """Whether the two differ by more than seed noise: "within", "outside" or "unknown"."""
        inside = None if self.difference is None else self.range.holds(self.printed)
        return "unknown" if inside is None else "within" if inside else "outside"


def accuracy_sides(panels: Sequence[Panel], table: int) -> list[Side]:
    """Every number of Table 1, 2 or 4 for which we have a counterpart.

    Args:
        panels: ours.
        table: 1, 2 or 4.
    """
    printed = [(row, panel) for panel in panels for row in printed_table(table) if row.group == panel.network]
    sides: list[Side] = []
    for row, panel in printed:
        if row.method == "vanilla":
            sides += _vanilla(panel, row)
            continue
        for rate, values in ((0.0, row.without), (row.rate, row.dropmix)):
            comparison = None if rate is None else _ours(panel, row.method, rate)
            if comparison is not None and values is not None:
                sides += _arm(panel, row, rate or 0.0, values, comparison)
    return sides


def _ours(panel: Panel, method: str, rate: float) -> Comparison | None:
    return panel.dropmix(method, rate) if rate else panel.plain(method)


def _vanilla(panel: Panel, row: Row) -> list[Side]:
    first = panel.audit.comparisons[0]
    return [_accuracy(panel, row.group, "Vanilla", row.without, arm_measures(first, "baseline"), first, "baseline")]


def _arm(panel: Panel, row: Row, rate: float, values: Measures, comparison: Comparison) -> list[Side]:
    ours = arm_measures(comparison, "treated")
    name = method_title(row.method) + (f" r={rate:g}" if rate else "")
    had = comparison.rate
    name += f", ours {had:g}" if had != rate else ""
    counts, means = degraded_ranges(comparison, PAPER_SEEDS)
    scaled = Range(100 * means.low, 100 * means.high)
    count = None if ours.n_degraded is None else float(ours.n_degraded)
    theirs = None if values.n_degraded is None else float(values.n_degraded)
    change = (values.mean_change, values.mean_change_sd, ours.mean_change, ours.mean_change_sd)
    return [
        _accuracy(panel, row.group, name, values, ours, comparison, "treated"),
        Side(panel.heading, row.group, name, "N_DC", theirs, None, count, None, counts, 0),
        Side(panel.heading, row.group, name, "ΔR_DC", *change, scaled),
    ]


def _accuracy(
    panel: Panel, network: str, name: str, printed: Measures | None, ours: Measures, c: Comparison, side: str
) -> Side:
    theirs = printed or Measures(None)
    seeds = int(number(c.summary, f"seeds_{side}") or 1)
    around = UNKNOWN
    if ours.accuracy is not None:
        around = accuracy_range(ours.accuracy, ours.accuracy_sd, seeds, theirs.accuracy_sd)
    values = (theirs.accuracy, theirs.accuracy_sd, ours.accuracy, ours.accuracy_sd)
    return Side(panel.heading, network, name, "Acc", *values, around)


def confidence_sides(panels: Sequence[Panel]) -> list[Side]:
    """Table 3: confidence changes of improved (IC) and degraded (DC) classes, fractions."""
    sides: list[Side] = []
    for panel in panels:
        for record in printed_records(3):
            comparison = panel.plain(record["method"]) if record["network"] == panel.network else None
            if comparison is None:
                continue
            ranges = panel.confidence.get(comparison.arm, (UNKNOWN, UNKNOWN))
            for kind, key, around in zip(("IC", "DC"), ("improved", "degraded"), ranges):
                ours = number(comparison.summary, f"confidence_change_{key}")
                title = method_title(record["method"])
                printed = float(record[kind.lower()])
                sides.append(Side(panel.heading, panel.network, title, kind, printed, None, ours, None, around, 3))
    return sides


def our_rows(panel: Panel, table: int) -> list[Row]:
    """Ours in the layout of Table 1, 2 or 4; only what exists, and a network's name only if it is the paper's.

    Args:
        panel: ours.
        table: 1, 2 or 4.
    """
    group = panel.network if panel.exact else ""
    rows = [Row(group, "vanilla", arm_measures(panel.audit.comparisons[0], "baseline"))]
    for printed in printed_table(table):
        if printed.group != panel.network or printed.method == "vanilla":
            continue
        plain = panel.plain(printed.method)
        mended = panel.dropmix(printed.method, printed.rate) if printed.rate else None
        if plain is None and mended is None:
            continue
        rate = None if mended is None else mended.rate
        sides = [None if c is None else arm_measures(c, "treated") for c in (plain, mended)]
        rows.append(Row(group, printed.method, sides[0], rate, sides[1]))
    return rows
