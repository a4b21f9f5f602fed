"""One dot per class: recall before and after, confidence and recall (the paper's Fig. 5)."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropmix.report.display_names import arm_title, class_labels, comparison_title, recall_word, shorten
from dropmix.report.figures.style import (
    DEGRADED,
    DROPMIX,
    IMPROVED,
    METHOD,
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

_STATUS = {"improved": (IMPROVED, "o"), "degraded": (DEGRADED, "v"), "tied": (TIED, "s")}


@figure_function
def baseline_against_treated(comparison: "Comparison") -> Figure:
    """Each class's recall under the baseline against its recall under the arm, and against the change.

    Returns:
        Left: recall before and after in percent; below the diagonal is worse. Right: the change in
        points, which shows whether the strong or the weak classes lose. The largest are named.
    """
    base = points(comparison.classes["recall_baseline"])
    treated = points(comparison.classes["recall_treated"])
    change = points(comparison.classes["recall_change"])
    figure = new_figure(10, 4.8)
    left, right = figure.subplots(1, 2)
    low, high = _limits(base, treated)
    left.plot([low, high], [low, high], color="black", lw=0.8)
    draw_by_status(left, comparison, base, treated)
    left.set(xlim=(low, high), ylim=(low, high), aspect="equal", anchor="W")
    left.set_ylabel(f"{recall_word(comparison)} of {shorten(arm_title(comparison.arm), 40)}, %")
    left.set_title(comparison_title(comparison), loc="left")
    left.legend(loc="upper left", handletextpad=0.2)
    draw_by_status(right, comparison, base, change)
    right.axhline(0, color="black", lw=0.8)
    right.set(xlim=(low, high), ylabel=f"{recall_word(comparison)} change, points")
    right.margins(y=0.08)
    mark_plot(left, "base", "treated")
    mark_plot(right, "base", "change")
    for axes, y, inches in ((left, treated, 4.0), (right, change, 4.2)):
        name_largest(axes, comparison, base, y, inches)
        axes.set_xlabel(f"{recall_word(comparison)} of {shorten(comparison.baseline)}, %")
        grid(axes, "both")
    return figure


def _limits(*values: np.ndarray) -> tuple[float, float]:
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    pad = max(0.04 * (high - low), 0.5)
    return float(low - pad), float(min(high + pad, 101.5))


def draw_by_status(axes: Axes, comparison: "Comparison", x: np.ndarray, y: np.ndarray) -> None:
    """Dots with one colour and shape per status; smaller ones in crowded figures."""
    status = np.asarray(comparison.classes["status"])
    size = 34 if len(x) <= 30 else 18 if len(x) < RASTER_FROM else 7
    for name, (colour, marker) in _STATUS.items():
        chosen = (status == name) & np.isfinite(x) & np.isfinite(y)
        if chosen.any():
            axes.scatter(
                x[chosen],
                y[chosen],
                size,
                color=colour,
                marker=marker,
                alpha=0.75,
                lw=0,
                label=f"{chosen.sum()} {name}",
                rasterized=len(x) >= RASTER_FROM,
                zorder=3,
            )


def name_largest(
    axes: Axes, comparison: "Comparison", x: np.ndarray, y: np.ndarray, inches: float, count: int = 5
) -> None:
    """Names beside the marks with the largest changes, if they do not hide each other.

    Args:
        axes: with final limits.
        comparison: the arm.
        x, y: places of the classes, (M,).
        inches: approximate width and height of the axes.
        count: classes per direction; all classes if there are at most 12.
    """
    change = np.asarray(comparison.classes["recall_change"], dtype=float)
    order = np.argsort(change, kind="stable")
    both = np.stack([order[:count], order[::-1][:count]], axis=1).ravel() if len(order) > 12 else order
    names = class_labels(comparison, 20)
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    taken: list[tuple[float, float, float]] = []  # left, right, height of the names so far, in points
    for i in dict.fromkeys(both.tolist()):
        if not (np.isfinite(x[i]) and np.isfinite(y[i])):
            continue
        name = names[i]
        across, up = 72 * inches * (x[i] - x0) / (x1 - x0), 72 * inches * (y[i] - y0) / (y1 - y0)
        width = 3.7 * len(name) + 6  # mean width of a letter at this size
        right = (change[i] < 0 and across + width < 72 * inches) or across < width
        left = across if right else across - width
        if any(left < r and left + width > l and abs(up - h) < 9 for l, r, h in taken):
            continue
        taken.append((left, left + width, up))
        side: dict[str, Any] = {"ha": "left", "va": "top"} if right else {"ha": "right", "va": "bottom"}
        offset = (5, -2) if right else (-5, 2)
        axes.annotate(name, (x[i], y[i]), xytext=offset, textcoords="offset points", fontsize=6.5, zorder=5, **side)


@figure_function
def confidence_against_recall(comparison: "Comparison", plain: "Comparison | None" = None) -> Figure:
    """Confidence against recall of every class, with arrows from the baseline to the arm.

    Args:
        comparison: one arm; its class columns hold `confidence_baseline` and `confidence_treated`.
        plain: the same method without DropMix, drawn as a third cloud.
    Returns:
        Left: levels. Right: change of confidence against change of recall.
    Raises:
        ValueError: the audit has no confidences.
    Source:
        Fig. 5 of arXiv 2307.09136. Differs: arrows; the confidence's definition is named.
    """
    if not has_confidence(comparison):
        raise ValueError(
            f"confidence_against_recall: expected class confidences for {comparison.arm!r}, got none. "
            "Audit predictions that hold p_true or p_max."
        )
    figure = new_figure(10, 4.4)
    left, right = figure.subplots(1, 2)
    kind = comparison.summary.get("confidence_kind")
    meaning = {"p_true": "mean probability of the true class", "p_max": "mean of the largest probability"}
    label = f"confidence, % ({meaning.get(str(kind), 'as given')})"
    draw_levels(left, comparison, plain)
    left.set(xlabel=label, ylabel="recall, %")
    draw_changes(right, comparison)
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, handletextpad=0.2, borderaxespad=0.2)
    left.set_title(comparison_title(comparison), loc="left")
    mark_plot(left, "confidence", "treated")
    mark_plot(right, "confidence_change", "change")
    return figure


def draw_changes(axes: Axes, comparison: "Comparison") -> None:
    """Change of confidence against change of recall of every class, by status, the largest named."""
    columns = comparison.classes
    before, after = points(columns["confidence_baseline"]), points(columns["confidence_treated"])
    x, y = after - before, points(columns["recall_change"])
    draw_by_status(axes, comparison, x, y)
    for draw in (axes.axhline, axes.axvline):
        draw(0, color="black", lw=0.8)
    axes.margins(0.12)
    name_largest(axes, comparison, x, y, 3.8)
    axes.set(xlabel="confidence change, points", ylabel="recall change, points")
    grid(axes, "both")


def has_confidence(comparison: "Comparison") -> bool:
    """Whether both arms have a finite confidence for at least one class."""
    columns = [comparison.classes.get(f"confidence_{side}") for side in ("baseline", "treated")]
    if any(c is None for c in columns):
        return False
    return bool(np.isfinite(np.asarray(columns, dtype=float)).all(axis=0).any())


def draw_levels(axes: Axes, comparison: "Comparison", plain: "Comparison | None") -> None:
    """Clouds of (confidence, recall) under the baseline, `plain` if given, and the arm; arrows to the arm."""
    many = len(comparison.classes["class"]) >= RASTER_FROM
    size = 8 if many else 20
    clouds = [(comparison, "baseline", comparison.baseline, VANILLA, "o")]
    if plain is not None and has_confidence(plain):
        clouds.append((plain, "treated", plain.arm, METHOD, "s"))
    rate = comparison.arm != comparison.baseline and "r=" in comparison.arm
    clouds.append((comparison, "treated", comparison.arm, DROPMIX if rate else METHOD, "^" if rate else "s"))
    for c, side, arm, colour, marker in clouds:
        x, y = points(c.classes[f"confidence_{side}"]), points(c.classes[f"recall_{side}"])
        axes.scatter(x, y, size, color=colour, marker=marker, alpha=0.65, lw=0, label=arm_title(arm), rasterized=many)
    _arrows(axes, comparison, 15 if many else 120)
    axes.legend(loc="lower right", handletextpad=0.2)
    grid(axes, "both")


def _arrows(axes: Axes, comparison: "Comparison", count: int) -> None:
    """From baseline to arm, for the classes whose recall moves most."""
    columns = comparison.classes
    change = np.abs(np.asarray(columns["recall_change"], dtype=float))
    start = np.stack([points(columns["confidence_baseline"]), points(columns["recall_baseline"])])
    end = np.stack([points(columns["confidence_treated"]), points(columns["recall_treated"])])
    chosen = np.argsort(-change, kind="stable")[:count]
    chosen = chosen[np.isfinite(start[:, chosen]).all(axis=0) & np.isfinite(end[:, chosen]).all(axis=0)]
    delta = (end - start)[:, chosen]
    axes.quiver(
        *start[:, chosen],
        *delta,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.0022,
        headwidth=5,
        headlength=6,
        color=np.where((delta[1] < 0)[:, None], [[0.84, 0.37, 0.0, 0.8]], [[0.35, 0.35, 0.35, 0.45]]),
        zorder=4,
    )
