"""Measures against a rate, several lines on one axis (the paper's Figs. 3, 7, 12 to 14)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dropmix.report.curves import draw_line
from dropmix.report.names import number
from dropmix.report.style import CYCLE, MARKERS, VANILLA, figure_function, grid, new_figure

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison

TITLES = ("(a) accuracy, %", "(b) degraded classes", "(c) mean change of the degraded, points")


@figure_function
def curves(lines: "Mapping[str, Mapping[float, Comparison]]", heading: str, xlabel: str) -> Figure:
    """Accuracy, number of degraded classes and their mean change against a rate.

    Args:
        lines: label -> rate in [0, 1] -> comparison with vanilla; one rate is a mark without a line.
        heading: above all panels.
        xlabel: of all panels.
    Returns:
        Three panels. Shaded: sd over seeds in (a), over degraded classes in (c). Dotted in (b): classes that would look
        degraded if all gained the same. Vanilla is a dashed line in (a): rate 1 of any method is the same training.
    Source:
        Figs. 3, 7, 12 to 14 of arXiv 2307.09136. Differs: the floor; colours are the same in every figure.
    """
    figure = new_figure(10, 3.5)
    figure.suptitle(heading, fontsize=9)
    panels = figure.subplots(1, 3)
    first = next(c for line in lines.values() for c in line.values())
    level = 100 * (number(first.summary, "accuracy_baseline") or np.nan)
    panels[0].axhline(level, color=VANILLA, lw=1.1, ls=(0, (4, 2)), label="Vanilla")
    for i, (label, arms) in enumerate(lines.items()):
        held = dict(arms)
        look = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[i % len(MARKERS)], "ms": 4.5, "lw": 1.4}
        draw_line(panels[0], held, "accuracy_treated", "accuracy_treated_sd", 100, {**look, "label": label})
        draw_line(panels[1], held, "n_degraded", None, 1, look)
        draw_line(panels[1], held, "floor_n_degraded", None, 1, {**look, "ls": ":", "lw": 1, "ms": 2.5})
        draw_line(panels[2], held, "mean_degraded_change", "sd_degraded_change", 100, look)
    for axes, title in zip(panels, TITLES):
        axes.set(xlabel=xlabel, xlim=(-0.03, 1.03))
        axes.set_title(title, loc="left")
        grid(axes)
    panels[1].set_ylim(0, 1.08 * panels[1].dataLim.y1 or 1)
    panels[1].yaxis.set_major_locator(MaxNLocator(integer=True))
    handles, _ = panels[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", ls=":", lw=1, label="degraded if every class gained the same"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
