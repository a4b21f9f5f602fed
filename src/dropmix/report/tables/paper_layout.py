"""The paper's Table 1 as data: one row per method, without and with DropMix side by side.

Source:
    Lee, Lee & Kim, "The Effects of Mixed Sample Data Augmentation are Class Dependent"
    (arXiv 2307.09136), Tables 1, 2 and 4. Differs: one row per rate that was run, where the
    paper prints only the rate with the best test accuracy; and each count has its noise floor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropmix.report.display_names import ArmName, number

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison


@dataclass(frozen=True)
class Measures:
    """What the paper prints about one arm.

    Attributes:
        accuracy: percent, mean over seeds.
        accuracy_sd: points, over seeds (ddof 0); None for one seed.
        n_degraded: classes whose recall fell; None for the baseline.
        mean_change: points, mean recall change of the degraded classes; None if there are none.
        mean_change_sd: points, over the degraded classes (ddof 0).
        floor: degraded classes to expect if every class changed equally; None if not computed.
        floor_low, floor_high: its 95 % band.
        macro: percent, mean recall over classes; None where classes are of equal size and it is the accuracy.
    """

    accuracy: float | None
    accuracy_sd: float | None = None
    n_degraded: int | None = None
    mean_change: float | None = None
    mean_change_sd: float | None = None
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    macro: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        group: network or data set, "" if there is only one.
        method: name as in the arms, without a rate; the baseline's name in its own row.
        without: the method without DropMix; None if it was not run.
        rate: DropMix rate of `dropmix`, in (0, 1]; None if no rate was run.
        dropmix: the method with DropMix.
    """

    group: str
    method: str
    without: Measures | None
    rate: float | None = None
    dropmix: Measures | None = None


def paper_table(audit: "Audit", rates: Mapping[str, float] | None = None) -> list[Row]:
    """Arrange an audit in the layout of the paper's Table 1.

    Args:
        audit: comparisons of any number of groups, methods and rates.
        rates: method -> the one rate to print; methods that are not named keep all their rates.
    Returns:
        Rows by group and method in order of appearance, the baseline first, rates ascending.
        The first row of a method carries its arm without DropMix; the others leave it None.
    Example:
        >>> from types import SimpleNamespace as Record
        >>> summary = {"accuracy_baseline": 0.7, "accuracy_treated": 0.71, "n_degraded": 3}
        >>> arm = Record(group="", baseline="vanilla", method="mixup", rate=0.0, summary=summary)
        >>> [(row.method, row.without.n_degraded) for row in paper_table(Record(comparisons=[arm]))]
        [('vanilla', None), ('mixup', 3)]
    """
    rows: list[Row] = []
    for (group, baseline), members in _by_home(audit.comparisons).items():
        rows.append(Row(group, baseline, arm_measures(members[0], "baseline")))
        arms = [(ArmName(c.method, c.rate), c) for c in members]
        for method, plain in {name.method: name.plain for name, _ in arms}.items():
            of_method = {n.rate: c for n, c in arms if n.method == (method if n.rate else plain)}
            kept = {r: c for r, c in of_method.items() if _wanted(method, r, rates)}
            rows += _method_rows(group, method, kept)
    return rows


def _wanted(method: str, rate: float, rates: Mapping[str, float] | None) -> bool:
    return rate == 0 or rates is None or method not in rates or rates[method] == rate


def _by_home(comparisons: Iterable["Comparison"]) -> dict[tuple[str, str], list["Comparison"]]:
    homes: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        homes.setdefault((comparison.group, comparison.baseline), []).append(comparison)
    return homes


def _method_rows(group: str, method: str, arms: Mapping[float, "Comparison"]) -> list[Row]:
    without = arm_measures(arms[0.0], "treated") if 0.0 in arms else None
    rates = sorted(rate for rate in arms if rate > 0)
    if not rates:
        return [Row(group, method, without)]
    return [
        Row(group, method, without if i == 0 else None, rate, arm_measures(arms[rate], "treated"))
        for i, rate in enumerate(rates)
    ]


def arm_measures(comparison: "Comparison", side: str) -> Measures:
    """The measures of a comparison's baseline or treated arm, in percent and points.

    Args:
        comparison: one arm against the baseline.
        side: "baseline" or "treated".
    """
    summary = comparison.summary
    accuracy = percent(number(summary, f"accuracy_{side}"))
    # One seed has no spread: a printed 0.00 would look like a very stable method.
    single = number(summary, f"seeds_{side}") == 1
    spread = None if single else percent(number(summary, f"accuracy_{side}_sd"))
    macro = percent(number(summary, f"accuracy_{side}_macro"))
    if side == "baseline":
        return Measures(accuracy, spread, macro=macro)
    count = number(summary, "n_degraded")
    return Measures(
        accuracy,
        spread,
        None if count is None else int(count),
        percent(number(summary, "mean_degraded_change")),
        percent(number(summary, "sd_degraded_change")),
        number(summary, "floor_n_degraded"),
        number(summary, "floor_n_degraded_low"),
        number(summary, "floor_n_degraded_high"),
        macro,
    )


def percent(fraction: float | None) -> float | None:
    """A fraction as percent or points; None stays None.

    Example:
        >>> percent(0.25), percent(None)
        (25.0, None)
    """
    return None if fraction is None else 100 * fraction
