"""Measures against a rate, several lines on one axis (the paper's Figs. 3, 7, 12 to 14)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from dropmix.report.figures.curves import TITLES, draw_measures
from dropmix.report.figures.style import figure_function, new_figure

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@figure_function
def curves(lines: "Mapping[str, Mapping[float, Comparison]]", heading: str, xlabel: str) -> Figure:
    """Accuracy, number of degraded classes and their mean change against a rate.

    Args:
        lines: label -> rate in [0, 1] -> comparison with vanilla; a single rate is a mark without a line.
        heading: above all panels.
        xlabel: of all panels.
    Returns:
        Three panels. Shaded: sd over seeds in (a), over degraded classes in (c). Dotted in (b): classes that would look
        degraded if every class changed equally. Vanilla is a dashed line in (a), as rate 1 of any method.
    Source:
        Figs. 3, 7, 12 to 14 of arXiv 2307.09136. Differs: the floor; colours are the same in every figure.
    """
    figure = new_figure(10, 3.5)
    figure.suptitle(heading, fontsize=9)
    panels = figure.subplots(1, 3)
    handles = draw_measures(panels, lines, [f"({letter}) {title}" for letter, title in zip("abc", TITLES)])
    for axes in panels:
        axes.set(xlabel=xlabel, xlim=(-0.03, 1.03))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
