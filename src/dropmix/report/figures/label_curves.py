"""Confidence in the own class against mixing strength (the paper's Figs. 4 and 15)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropmix.report.display_names import short_names
from dropmix.report.figures.style import DEGRADED, IMPROVED, RASTER_FROM, VANILLA, figure_function, grid, new_figure

LABELLED = 5  # classes named on each side
MANY = 200  # with more classes, lines would hide each other


@figure_function
def label_curves(
    strengths: np.ndarray, curves: np.ndarray, classes: Sequence[str], change: np.ndarray | None = None
) -> Figure:
    """One line per class, coloured by how an augmentation changed its recall; bands if there are many classes.

    Args:
        strengths: share of the other image, (L,), from 0 to 1.
        curves: confidence in the own class, (K, L), NaN rows for classes without images.
        classes: K names.
        change: recall change of each class, (K,), fractions, NaN if unknown; with None, all lines look the same.
    Returns:
        One panel with the mean; with `change`, means of degraded and improved classes, and a second panel with the
        most degraded and most improved classes by name.
    Source:
        Figs. 4 and 15 of arXiv 2307.09136. Differs: every class, and means over many partners.
    """
    if change is None:
        figure = new_figure(5.2, 3.6)
        axes = figure.subplots()
        bands = _lines(axes, strengths, curves, VANILLA)
        axes.plot(strengths, np.nanmean(curves, axis=0), color="black", lw=2)
        handles = [Line2D([], [], color="black", lw=2, label="mean of all classes"), *bands]
    else:
        figure = new_figure(9.5, 3.8)
        axes, named = figure.subplots(1, 2, sharey=True)
        handles = []
        for keep, color, word in ((change > 0, IMPROVED, "improved"), (change < 0, DEGRADED, "degraded")):
            if not keep.any():
                continue
            _lines(axes, strengths, curves[keep], color)
            dash = "-" if word == "improved" else (0, (4, 2))
            axes.plot(strengths, np.nanmean(curves[keep], axis=0), color=color, lw=2.4, ls=dash)
            label = f"mean of {keep.sum()} {word} classes"
            handles.append(Line2D([], [], color=color, lw=2.4, ls=dash, label=label))
        _named(named, strengths, curves, classes, change)
    axes.set(xlabel="share of the other image", ylabel="confidence in the own class", ylim=(0, None))
    axes.set_title("label information", loc="left")
    grid(axes)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _lines(axes, strengths: np.ndarray, curves: np.ndarray, color: str) -> list[Patch]:
    """One line per class, or bands of half and of 90 % of many classes. Returns the legend's entries for the bands."""
    if len(curves) <= MANY:
        axes.plot(strengths, curves.T, color=color, lw=0.6, alpha=0.25, rasterized=len(curves) >= RASTER_FROM)
        return []
    low, q1, q3, high = np.nanquantile(curves, [0.05, 0.25, 0.75, 0.95], axis=0)
    axes.fill_between(strengths, low, high, color=color, alpha=0.15, lw=0)
    axes.fill_between(strengths, q1, q3, color=color, alpha=0.25, lw=0)
    dark = 1 - (1 - 0.15) * (1 - 0.25)
    return [
        Patch(color=color, alpha=dark, lw=0, label="middle half"),
        Patch(color=color, alpha=0.15, lw=0, label="90 % of classes"),
    ]


def _named(axes, strengths: np.ndarray, curves: np.ndarray, classes: Sequence[str], change: np.ndarray) -> None:
    known = np.flatnonzero(np.isfinite(change) & np.isfinite(curves[:, 0]))
    order = known[np.argsort(change[known], kind="stable")]
    worst = [i for i in order[:LABELLED] if change[i] < 0]
    best = [i for i in order[::-1][:LABELLED] if change[i] > 0]
    short = short_names(classes, 20)
    for picked, color, dash in ((best, IMPROVED, "-"), (worst, DEGRADED, (0, (4, 2)))):
        for place, i in enumerate(picked):
            label = f"{100 * change[i]:+.1f} {short[i]}"
            axes.plot(strengths, curves[i], color=color, ls=dash, lw=1.2, alpha=1 - 0.15 * place, label=label)
    axes.set(xlabel="share of the other image")
    axes.set_title("most improved and most degraded, points of recall", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    grid(axes)
