"""The classes that gain and lose most (the paper's Figs. 1, 8 and 9)."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropmix.audit.quantities.words import noun
from dropmix.report.display_names import arm_title, class_labels, number, recall_word
from dropmix.report.figures.style import DROPMIX, METHOD, VANILLA, figure_function, grid, new_figure, points

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@figure_function
def best_and_worst(
    comparison: "Comparison", dropmix: "Comparison | None" = None, top: int = 10, heading: str = ""
) -> Figure:
    """Recalls of the classes that an arm improves and degrades most, beside the baseline's.

    Args:
        comparison: the arm by which the classes are chosen.
        dropmix: the same method with DropMix, drawn as a third mark.
        top: classes per side.
        heading: above both panels.
    Returns:
        Two panels, improved left and degraded right; vertical lines are the mean accuracies.
    Source:
        Figs. 1 and 8 of arXiv 2307.09136. Differs: joined marks instead of bars, so that the axis need
        not begin at 0.
    """
    change = np.asarray(comparison.classes["recall_change"], dtype=float)
    order = np.argsort(-change, kind="stable")
    better = [i for i in order if comparison.classes["status"][i] == "improved"][:top]
    worse = [i for i in order[::-1] if comparison.classes["status"][i] == "degraded"][:top]
    rows = max(len(better), len(worse), 2)
    figure = new_figure(10, 1.25 + 0.24 * rows)
    if heading:
        figure.suptitle(heading, fontsize=9)
    left, right = figure.subplots(1, 2, sharex=True)
    series = _series(comparison, dropmix)
    for axes, chosen, kind in ((left, better, "improved"), (right, worse, "degraded")):
        _joined_marks(axes, comparison, chosen, series, rows)
        axes.set_title(f"most {kind} by {arm_title(comparison.arm)}", loc="left")
        axes.set_xlabel(f"{recall_word(comparison)}, %")
        if not chosen:
            axes.text(0.5, 0.5, f"no {noun(comparison.classes)} is {kind}", transform=axes.transAxes, ha="center")
    handles, _ = left.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
    return figure


def _series(comparison: "Comparison", dropmix: "Comparison | None") -> list[tuple]:
    """(label, recalls by class name in percent, accuracy in percent, colour, marker, line) of each arm."""

    def of(c: "Comparison", side: str, label: str, *look: object) -> tuple:
        recalls = dict(zip(c.classes["class"], points(c.classes[f"recall_{side}"])))
        return label, recalls, 100 * (number(c.summary, f"accuracy_{side}") or np.nan), *look

    series = [
        of(comparison, "baseline", arm_title(comparison.baseline), VANILLA, "o", "-"),
        of(comparison, "treated", arm_title(comparison.arm), METHOD, "s", (0, (4, 2))),
    ]
    if dropmix is not None:
        series.append(of(dropmix, "treated", arm_title(dropmix.arm), DROPMIX, "^", (0, (1, 1))))
    return series


def _joined_marks(axes: Axes, comparison: "Comparison", chosen: list, series: list[tuple], rows: int) -> None:
    names, labels = [comparison.classes["class"][i] for i in chosen], class_labels(comparison)
    y = np.arange(len(names))
    table = np.array([[recalls.get(n, np.nan) for n in names] for _, recalls, *_ in series])
    if names:
        axes.hlines(y, np.nanmin(table, axis=0), np.nanmax(table, axis=0), color="#BBBBBB", lw=1.2, zorder=1)
    for values, (label, _, accuracy, colour, marker, line) in zip(table, series):
        axes.plot(values, y, marker, color=colour, ms=5.5, mec="white", mew=0.4, label=label, zorder=3)
        axes.axvline(accuracy, color=colour, lw=1.1, ls=line, label=f"accuracy {accuracy:.2f} %", zorder=2)
    axes.set_yticks(y, [labels[i] for i in chosen])
    axes.set_ylim(rows - 0.4, -0.6)
    grid(axes, "x")
