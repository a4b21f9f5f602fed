"""Where the lost examples go: how the confusion matrix changes from the baseline to the arm."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dropmix.report.display_names import class_labels, comparison_title
from dropmix.report.figures.style import DEGRADED, IMPROVED, figure_function, new_figure
from dropmix.report.flows import mistakes

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison

_SCALE = LinearSegmentedColormap.from_list("fewer-more", [IMPROVED, "#FFFFFF", DEGRADED])
_COLOURS = _SCALE.with_extremes(bad="#E0E0E0")  # the diagonal
_WHOLE_UP_TO = 40  # classes; with more, the heatmap shows those with the largest flows


@figure_function
def confusion_flow(comparison: "Comparison", top: int = 30) -> Figure:
    """Heatmap of how often each class is predicted as each other class, arm minus baseline.

    Args:
        comparison: with `confusion_change`, (M, M).
        top: how many classes to show if there are more than 40: those with the largest flows in or out.
    Returns:
        A figure in examples per seed; rows are true classes, most degraded at the top.
    Raises:
        ValueError: the audit holds no confusion matrix.
    """
    if comparison.confusion_change is None:
        raise ValueError(
            f"confusion_flow: expected a confusion matrix for {comparison.arm!r}, got none. Audit predictions "
            "of at most 2000 classes."
        )
    change = mistakes(comparison.confusion_change)
    m = len(change)
    flow = np.maximum(np.abs(change).max(axis=0), np.abs(change).max(axis=1))
    chosen = np.arange(m) if m <= _WHOLE_UP_TO else np.argsort(-flow, kind="stable")[:top]
    recall_change = np.asarray(comparison.classes["recall_change"], dtype=float)
    chosen = chosen[np.argsort(recall_change[chosen], kind="stable")]
    part = change[np.ix_(chosen, chosen)]
    labels = class_labels(comparison, 18)
    names = [labels[i] for i in chosen]
    side = 2.2 + 0.17 * max(len(chosen), 12)
    figure = new_figure(side + 0.6, side)
    axes = figure.add_subplot()
    limit = max(float(np.abs(part).max()), 1e-9)
    shown = np.ma.masked_array(part, chosen[:, None] == chosen)
    image = axes.imshow(shown, cmap=_COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
    _numbers(axes, part, limit)
    axes.set_xticks(np.arange(len(chosen)), names, rotation=90, fontsize=6.5)
    axes.set_yticks(np.arange(len(chosen)), names, fontsize=6.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class, most degraded first")
    extent = "" if len(chosen) == m else f", {len(chosen)} of {m} classes"
    axes.set_title(comparison_title(comparison) + extent, loc="left")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("mistakes per seed: fewer (−), more (+)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _numbers(axes, part: np.ndarray, limit: float) -> None:
    """Write sign and size into the strongest cells, so that nothing depends on colour alone."""
    size = 6.5 if len(part) <= 12 else 5.5
    for i, j in zip(*np.nonzero(np.abs(part) >= 0.35 * limit)):
        colour = "white" if abs(part[i, j]) > 0.55 * limit else "black"
        axes.text(j, i, f"{part[i, j]:+.0f}", ha="center", va="center", fontsize=size, color=colour)
