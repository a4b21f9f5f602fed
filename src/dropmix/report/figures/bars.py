"""Recall changes of all classes, sorted (the paper's Figs. 2, 6, 10 and 11)."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, StepPatch

from dropmix.audit.quantities.words import PLURAL, noun
from dropmix.report.display_names import arm_title, class_labels, comparison_title, number, recall_word, shorten
from dropmix.report.figures.style import (
    DEGRADED,
    FLOOR,
    IMPROVED,
    NAMES_UP_TO,
    RASTER_FROM,
    TIED,
    VANILLA,
    figure_function,
    grid,
    mark_plot,
    new_figure,
    points,
)

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison

_Z95 = 1.959964  # two-sided 95 % of a normal
_WINDOW = 21  # neighbouring classes whose seed ranges are averaged, if there are hundreds


def order_by_change(comparison: "Comparison") -> np.ndarray:
    """Positions of the classes by recall change, largest first, ties in class order, (M,)."""
    return np.argsort(-np.asarray(comparison.classes["recall_change"], dtype=float), kind="stable")


@figure_function
def recall_changes(
    comparison: "Comparison",
    plain: "Comparison | None" = None,
) -> Figure:
    """Bars of every class's recall change in points, sorted; degraded ones hatched.

    Args:
        comparison: one arm against the baseline.
        plain: the same method without DropMix; its sorted changes are drawn as a line.
    Returns:
        A figure. If `se_fixed_test` is known, bars have 95 % intervals; if `floor_change_low` and `floor_change_high`
        are, a band shows where the sorted changes would lie if every class changed equally.
    Source:
        Fig. 2 of arXiv 2307.09136. Differs: orange-red and hatched instead of red; intervals, floor.
    """
    order = order_by_change(comparison)
    change = points(comparison.classes["recall_change"])[order]
    m = len(order)
    figure = new_figure(10, 3.9 if m <= NAMES_UP_TO else 3.3)
    axes = figure.add_subplot()
    handles = _floor_band(axes, comparison)
    handles = _bars(axes, comparison, order, change) + handles
    handles += _intervals(axes, comparison, order, change)
    if plain is not None:
        handles.append(_plain_line(axes, plain))
    gain = 100 * (number(comparison.summary, "gain") or 0.0)
    axes.axhline(gain, color=VANILLA, lw=0.9, ls=(0, (4, 2)), zorder=4)
    handles.append(Line2D([], [], color=VANILLA, lw=0.9, ls=(0, (4, 2)), label=f"change of accuracy {gain:+.2f}"))
    _finish(axes, comparison, order)
    columns = len(handles) if len(handles) < 7 else -(-len(handles) // 2)  # seven in a row are wider than the figure
    figure.legend(handles=handles, loc="outside upper right", ncols=columns, columnspacing=1.2)
    return figure


def _bars(axes: Axes, comparison: "Comparison", order: np.ndarray, change: np.ndarray) -> list:
    status = np.asarray(comparison.classes["status"])[order]
    m, handles = len(order), []
    for name, colour, hatch in (("improved", IMPROVED, None), ("degraded", DEGRADED, "////"), ("tied", TIED, None)):
        chosen = status == name
        fine = m <= NAMES_UP_TO  # gaps and hatches between 1000 bars would only blur
        look = {"facecolor": colour, "hatch": hatch if fine else None, "edgecolor": "white", "lw": 0}
        if fine:
            axes.bar(np.flatnonzero(chosen), change[chosen], 0.8, zorder=2, **look)
        else:
            heights = np.where(chosen, change, 0.0)
            _stairs(axes, heights, _edges(m), fill=True, zorder=2, **look).set_rasterized(m >= RASTER_FROM)
        if chosen.any() or name != "tied":
            handles.append(Patch(label=f"{chosen.sum()} {name}", **look))
    return handles


def _intervals(axes: Axes, comparison: "Comparison", order: np.ndarray, change: np.ndarray) -> list:
    if "se_fixed_test" not in comparison.classes:
        return []
    half = _Z95 * points(comparison.classes["se_fixed_test"])[order]
    if not np.isfinite(half).any():
        return []
    x, label = np.arange(len(order)), "95 % interval"
    if len(order) <= NAMES_UP_TO:
        axes.errorbar(x, change, half, fmt="none", ecolor="black", elinewidth=0.7, capsize=1.2, zorder=3)
        return [Line2D([], [], color="black", lw=0.7, marker="|", ms=5, label=label)]
    limits = {"baseline": change - half, "fill": True, "color": "black", "alpha": 0.13, "lw": 0, "zorder": 3}
    band = _stairs(axes, change + half, _edges(len(order)), **limits)
    band.set_rasterized(len(order) >= RASTER_FROM)
    return [Patch(facecolor="black", alpha=0.13, label=label)]


def has_floor_band(comparison: "Comparison") -> bool:
    """Whether the audit says where the sorted changes would lie if every class changed equally."""
    return {"floor_change_low", "floor_change_high"} <= set(comparison.classes)


def _floor_band(axes: Axes, comparison: "Comparison") -> list:
    if not has_floor_band(comparison):
        return []
    # Sorted, since classes with equal changes may have swapped places.
    low, high = (np.sort(points(comparison.classes[f"floor_change_{end}"]))[::-1] for end in ("low", "high"))
    look = {"facecolor": FLOOR, "edgecolor": "black", "lw": 0.6}
    band = _stairs(axes, high, _edges(len(low)), baseline=low, fill=True, zorder=2.5, alpha=0.85, **look)
    band.set_rasterized(len(low) >= RASTER_FROM)
    return [Patch(label="if every class changed equally (95 %)", **look)]


def _plain_line(axes: Axes, plain: "Comparison") -> Line2D:
    change = points(plain.classes["recall_change"])[order_by_change(plain)]
    _stairs(axes, change, _edges(len(change)), baseline=None, color="black", lw=0.9, zorder=3)
    return Line2D([], [], color="black", lw=0.9, label="without DropMix, sorted on its own")


def _stairs(
    axes: Axes, values: np.ndarray, edges: np.ndarray, baseline: Any = 0, fill: bool = False, **look: Any
) -> StepPatch:
    """`axes.stairs` without its search for the extent, which looks at each edge of 1000 bars as at a curve."""
    steps = StepPatch(values, edges, baseline=baseline, fill=fill, **look)
    axes.add_artist(steps)
    ends = [values if base is None else np.broadcast_to(base, len(values)) for base in (None, baseline)]
    axes.update_datalim([(edges[0], min(map(np.min, ends))), (edges[-1], max(map(np.max, ends)))])
    return steps


def _edges(m: int) -> np.ndarray:
    """Borders of the places 0 to m - 1, (m + 1,)."""
    return np.arange(m + 1) - 0.5


def _finish(axes: Axes, comparison: "Comparison", order: np.ndarray) -> None:
    """Add the zero line, margins, names and what the page needs, after everything else is drawn."""
    axes.axhline(0, color="black", lw=0.8, zorder=4)
    pad = 0.05 * axes.dataLim.height or 1.0
    axes.set_ylim(axes.dataLim.y0 - pad, axes.dataLim.y1 + pad)
    axes.set_ylabel(f"{recall_word(comparison)} change, points")
    axes.set_title(comparison_title(comparison), loc="left")
    class_axis(axes, comparison, order)
    mark_plot(axes, "rank", "change")


def class_axis(axes: Axes, comparison: "Comparison", order: np.ndarray) -> None:
    """Names along x if they fit; else the number of classes, and the names of three at each end.

    Args:
        axes: one place per class along x.
        comparison: the arm.
        order: positions of the classes from left to right, (M,).
    """
    names, m = comparison.classes["class"], len(order)
    axes.set_xlim(-0.75, m - 0.25)
    grid(axes)
    if m <= NAMES_UP_TO:
        turned = m > 14 or max(len(str(n)) for n in names) > 9
        style: dict[str, Any] = (
            {"rotation": 90} if m > 14 else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        )
        short = class_labels(comparison, 18 if m > 14 else 22)
        labels = [short[i] for i in order]
        size = 7.5 if m <= 40 else max(4.8, 7.5 - 0.027 * m)
        axes.set_xticks(np.arange(m), labels, fontsize=size, **(style if turned else {}))
        axes.tick_params(axis="x", length=0, pad=2)
        return
    axes.set_xlabel(f"{m} {PLURAL[noun(comparison.classes)]}, sorted by change")
    axes.set_xticks([])
    _name_extremes(axes, comparison, order)


def _name_extremes(axes: Axes, comparison: "Comparison", order: np.ndarray, count: int = 3) -> None:
    names = class_labels(comparison)
    best, worst = ("\n".join(names[i] for i in ends[:count]) for ends in (order, order[::-1]))
    ground = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    look = {"fontsize": 7, "linespacing": 1.3, "xycoords": "axes fraction", "bbox": ground, "zorder": 6}
    # The curve falls from top left to bottom right and leaves the other two corners free.
    axes.annotate(f"most improved:\n{best}", (0.985, 0.98), va="top", ha="right", color=IMPROVED, **look)
    axes.annotate(f"most degraded:\n{worst}", (0.015, 0.03), va="bottom", ha="left", color=DEGRADED, **look)


@figure_function
def seed_spread(comparison: "Comparison") -> Figure:
    """The sorted mean changes, and how far single seeds of the arm lie from them, in points.

    Each treated seed's recall is compared with the mean recall of the baseline's seeds, as in the
    paper. The baseline's own seeds around their mean show what training again changes on its own.

    Returns:
        A figure with the range over seeds (lowest to highest) of both arms.
    Source:
        Fig. 6 of arXiv 2307.09136. Differs: the baseline's own range is drawn as well.
    """
    order = order_by_change(comparison)
    base = points(comparison.recalls_baseline)[:, order]
    moved = points(comparison.recalls_treated)[:, order] - base.mean(axis=0)
    change = points(comparison.classes["recall_change"])[order]
    figure = new_figure(10, 3.6 if len(order) <= NAMES_UP_TO else 3.1)
    axes = figure.add_subplot()
    _seed_range(axes, base - base.mean(axis=0), VANILLA, 0.22, f"{len(base)} seeds of {comparison.baseline}")
    _seed_range(axes, moved, IMPROVED, 0.35, f"{len(moved)} seeds of {shorten(arm_title(comparison.arm))}")
    line = _stairs(axes, change, _edges(len(order)), baseline=None, color="black", lw=1.4, label="mean change")
    line.set_zorder(4)
    if len(order) <= 30:
        seeds = np.repeat(np.arange(len(order))[None], len(moved), axis=0)
        axes.plot(seeds.ravel(), moved.ravel(), ".", color=IMPROVED, ms=3.5, label="one seed")
    _finish(axes, comparison, order)
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), columnspacing=1.2)
    return figure


def _seed_range(axes: Axes, values: np.ndarray, colour: str, alpha: float, label: str) -> None:
    """Shade from the lowest to the highest seed, (S, M); with many classes, a running mean of both."""
    low, high = values.min(axis=0), values.max(axis=0)
    m = values.shape[1]
    if m >= RASTER_FROM:
        low, high = _running_mean(low), _running_mean(high)
        label += f", mean range of {_WINDOW} neighbours"
    area = _stairs(axes, high, _edges(m), baseline=low, fill=True, color=colour, alpha=alpha, lw=0, label=label)
    area.set_rasterized(m >= RASTER_FROM)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over `_WINDOW` neighbours, fewer at the ends, (M,)."""
    kernel = np.ones(_WINDOW)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
