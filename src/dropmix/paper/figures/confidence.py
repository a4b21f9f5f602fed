"""Confidence and recall of every class, as Figs. 5 and 16 to 18 of the paper arrange them."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from dropmix.report.display_names import arm_title
from dropmix.report.figures.scatter import draw_changes, draw_levels
from dropmix.report.figures.style import figure_function, new_figure

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@figure_function
def confidence_and_change(plain: "Comparison", mended: "Comparison | None", heading: str) -> Figure:
    """(a) Confidence and recall under vanilla, a method, and the method with DropMix; (b) the method's changes.

    Args:
        plain: the method without DropMix; its classes hold confidences.
        mended: with DropMix, or None if it was not run.
        heading: above both panels.
    Source:
        Figs. 5, 16 to 18 of arXiv 2307.09136. Differs: arrows from vanilla to the last arm in (a).
    """
    figure = new_figure(10, 4.5)
    figure.suptitle(heading, fontsize=9)
    left, right = figure.subplots(1, 2)
    draw_levels(left, plain if mended is None else mended, None if mended is None else plain)
    left.set(xlabel="class confidence, %", ylabel="class recall, %")
    left.set_title("(a) confidence and recall", loc="left")
    draw_changes(right, plain)
    right.set_title(f"(b) changes under {arm_title(plain.arm)}", loc="left")
    right.legend(loc="lower right", handletextpad=0.2)
    return figure
