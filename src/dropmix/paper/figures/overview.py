"""Accuracy and the recalls of a gaining and a losing class under each arm (the paper's Fig. 1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropmix.report.display_names import arm_title, shorten
from dropmix.report.figures.style import DROPMIX, METHOD, VANILLA, figure_function, grid, new_figure

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@figure_function
def overview(plain: "Comparison", mended: "Comparison | None", heading: str, classes: Sequence[str]) -> Figure:
    """Left: vanilla and the method. Right: the same, and the method with DropMix.

    Args:
        plain: the method without DropMix.
        mended: with DropMix; without it there is no right panel.
        heading: above both panels.
        classes: a class that gains and one that loses; if the data lack them, the most improved and most degraded.
    Source:
        Fig. 1 of arXiv 2307.09136. Differs: marks with the range over seeds instead of bars.
    """
    places = chosen_classes(plain, classes)
    figure = new_figure(10, 3.4)
    figure.suptitle(heading, fontsize=9)
    panels = figure.subplots(1, 1 if mended is None else 2, sharey=True, squeeze=False)[0]
    before = ("Vanilla", plain.recalls_baseline, plain.accuracies_baseline, VANILLA, "o")
    middle = (arm_title(plain.arm), plain.recalls_treated, plain.accuracies_treated, METHOD, "s")
    _panel(panels[0], plain, places, [before, middle])
    if mended is not None:
        after = (arm_title(mended.arm), mended.recalls_treated, mended.accuracies_treated, DROPMIX, "^")
        _panel(panels[1], plain, places, [before, middle, after])
    panels[0].set_ylabel("%; lines: lowest to highest seed")
    handles, _ = panels[-1].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def chosen_classes(comparison: "Comparison", classes: Sequence[str]) -> list[int]:
    """Positions of a gaining and a losing class: the named ones, else the most improved and the most degraded."""
    names = [str(name).lower() for name in comparison.classes["class"]]
    change = np.asarray(comparison.classes["recall_change"], dtype=float)
    extremes = (int(np.argmax(change)), int(np.argmin(change)))
    return [names.index(name) if name in names else extreme for name, extreme in zip(classes, extremes)]


def _panel(axes: Axes, comparison: "Comparison", places: list[int], arms: list[tuple]) -> None:
    groups = ["average accuracy", *(f"recall of {shorten(comparison.classes['class'][i])}" for i in places)]
    for a, (label, recalls, accuracies, colour, marker) in enumerate(arms):
        x = np.arange(len(groups)) + 0.16 * (a - (len(arms) - 1) / 2)
        seeds = 100 * np.column_stack([accuracies, recalls[:, places]])
        mean = seeds.mean(axis=0)
        axes.vlines(x, seeds.min(axis=0), seeds.max(axis=0), color=colour, lw=1.2)
        axes.plot(x, mean, marker, color=colour, ms=6, mec="white", mew=0.4, label=label)
        for at, value, top in zip(x, mean, seeds.max(axis=0)):
            axes.annotate(f"{value:.1f}", (at, top), (0, 3), textcoords="offset points", ha="center", fontsize=6.5)
    axes.set_xticks(np.arange(len(groups)), groups)
    axes.margins(0.12)
    grid(axes)
