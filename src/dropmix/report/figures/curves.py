"""Measures against the DropMix rate (the paper's Figs. 3, 7, 12 to 14)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dropmix.report.display_names import clean, method_title, number
from dropmix.report.figures.style import CYCLE, MARKERS, VANILLA, figure_function, grid, new_figure

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

TITLES = ("accuracy, %", "degraded classes", "mean change of the degraded, points")


def rate_groups(audit: "Audit") -> list[str]:
    """Groups in which some method was run at three or more rates, rate 0 included."""
    groups = dict.fromkeys(c.group for c in audit.comparisons)
    return [g for g in groups if any(len(arms) >= 3 for arms in _methods(audit, g).values())]


@figure_function
def rate_curves(audit: "Audit", group: str = "") -> Figure:
    """Accuracy, number of degraded classes and their mean change against the rate, one line per method.

    Args:
        audit: with some method at three or more rates.
        group: whose arms to draw.
    Returns:
        Three panels. Shaded: sd over seeds, and over degraded classes in the third. Dotted in the
        second: the floor, where known. The baseline's accuracy is a horizontal line.
    Raises:
        ValueError: no method of the group has three rates.
    Source:
        Fig. 3 of arXiv 2307.09136. Differs: the floor.
    """
    methods = {m: arms for m, arms in _methods(audit, group).items() if len(arms) >= 3}
    if not methods:
        raise ValueError(
            f"rate_curves: expected a method at 3 or more rates in group {group!r}, got none. Run more rates."
        )
    rates = sorted({rate for arms in methods.values() for rate in arms})
    figure = new_figure(10, 3.2)
    panels = figure.subplots(1, 3)
    handles = draw_measures(panels, {clean(method_title(m)): arms for m, arms in methods.items()}, TITLES)
    for axes in panels:
        axes.set(xlabel="DropMix rate")
        axes.set_xticks(rates if len(rates) <= 6 else np.linspace(0, 1, 6))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title=clean(group) or None)
    return figure


def _methods(audit: "Audit", group: str) -> dict[str, dict[float, "Comparison"]]:
    """method -> rate -> comparison, in order of appearance."""
    methods: dict[str, dict[float, Comparison]] = {}
    for comparison in audit.comparisons:
        if comparison.group == group:
            methods.setdefault(comparison.method, {})[comparison.rate] = comparison
    return methods


def draw_measures(
    panels: Sequence[Axes], lines: "Mapping[str, Mapping[float, Comparison]]", titles: Sequence[str]
) -> list[Any]:
    """Accuracy, number of degraded classes and their mean change against a rate, one line per label.

    Args:
        panels: three.
        lines: label -> rate -> comparison with one baseline; a single rate is a mark without a line.
        titles: of the panels.
    Returns:
        Handles of the legend: the baseline's accuracy, the lines, and the floor if it is known.
    """
    comparisons = [c for arms in lines.values() for c in arms.values()]
    level = 100 * (number(comparisons[0].summary, "accuracy_baseline") or np.nan)
    name = clean(method_title(comparisons[0].baseline))
    panels[0].axhline(level, color=VANILLA, lw=1.1, ls=(0, (4, 2)), label=name)
    for i, (label, arms) in enumerate(lines.items()):
        look = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[i % len(MARKERS)], "ms": 4.5, "lw": 1.4}
        _line(panels[0], arms, "accuracy_treated", "accuracy_treated_sd", 100, {**look, "label": label})
        _line(panels[1], arms, "n_degraded", None, 1, look)
        _line(panels[1], arms, "floor_n_degraded", None, 1, {**look, "ls": ":", "lw": 1, "ms": 2.5})
        _line(panels[2], arms, "mean_degraded_change", "sd_degraded_change", 100, look)
    for axes, title in zip(panels, titles):
        axes.set_title(title, loc="left")
        grid(axes)
    panels[1].set_ylim(0, 1.08 * panels[1].dataLim.y1 or 1)
    panels[1].yaxis.set_major_locator(MaxNLocator(integer=True))
    handles: list[Any] = panels[0].get_legend_handles_labels()[0]
    if any(number(c.summary, "floor_n_degraded") is not None for c in comparisons):
        handles.append(Line2D([], [], color="black", ls=":", lw=1, label="degraded if every class changed equally"))
    return handles


def _line(
    axes: Axes, arms: "Mapping[float, Comparison]", key: str, spread: str | None, scale: float, look: dict
) -> None:
    rates = np.array(sorted(arms))
    values = _values(arms, rates, key) * scale
    if not np.isfinite(values).any():
        return
    if spread is not None:
        sd = np.nan_to_num(_values(arms, rates, spread)) * scale
        axes.fill_between(rates, values - sd, values + sd, color=look["color"], alpha=0.15, lw=0)
    axes.plot(rates, values, **look)


def _values(arms: "Mapping[float, Comparison]", rates: np.ndarray, key: str) -> np.ndarray:
    numbers = [number(arms[rate].summary, key) for rate in rates]
    return np.array([np.nan if value is None else value for value in numbers])
