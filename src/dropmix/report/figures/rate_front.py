"""Accuracy against the estimated number of degraded classes, over the DropMix rates of one method."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dropmix.report.display_names import clean, method_title
from dropmix.report.figures.style import DEGRADED, DROPMIX, IMPROVED, VANILLA, figure_function, grid, new_figure

if TYPE_CHECKING:
    from dropmix.audit.rate_choice import Candidate, RateChoice


def efficient(candidates: "tuple[Candidate, ...]") -> list[int]:
    """Indices of the front: rates that no other rate equals in both measures and beats in one.

    Example:
        >>> from dropmix.audit.rate_choice import Candidate
        >>> made = [Candidate("a", r, np.array([acc]), n) for r, acc, n in ((0, 0.8, 9), (0.5, 0.9, 5), (1, 0.7, 0))]
        >>> efficient(tuple(made))
        [1, 2]
    """
    points = [(c.accuracy, -c.n_degraded) for c in candidates]
    beaten = lambda p: any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in points)  # noqa: E731
    return [i for i, p in enumerate(points) if p[1] == p[1] and not beaten(p)]


@figure_function
def rate_front(choice: "RateChoice", method: str) -> Figure:
    """Accuracy against the estimated number of degraded classes, one mark per rate.

    Args:
        choice: from `dropmix.audit.rate_choice.choose`.
        method: name of the arm without DropMix, for the title.
    Returns:
        Marks with rate; bars: one standard error of the accuracy, and the interval of the number. Joined: the front.
        Shaded: within one standard error of the best. Ringed: the choice.
    Raises:
        ValueError: no rate with an estimated number.
    """
    known = tuple(c for c in choice.candidates if np.isfinite(c.n_degraded))
    if not known:
        raise ValueError(
            "rate_front: expected estimated numbers of degraded classes, got none. Train two seeds per arm."
        )
    figure = new_figure(6, 4)
    axes = figure.subplots()
    accuracy = 100 * np.array([c.accuracy for c in known])
    number = np.array([c.n_degraded for c in known])
    best = 100 * choice.best.accuracy
    axes.axhspan(best - 100 * choice.best.standard_error, best, color=DROPMIX, alpha=0.12, lw=0)
    joined = [i for i in np.argsort(number) if i in efficient(known)]
    axes.plot(number[joined], accuracy[joined], color=DROPMIX, lw=1.4, zorder=2)
    low, high = (np.array([getattr(c, end) for c in known]) for end in ("low", "high"))
    around = np.nan_to_num(np.clip([number - low, high - number], 0, None))
    error = [100 * c.standard_error for c in known]
    axes.errorbar(number, accuracy, yerr=error, xerr=around, fmt="none", ecolor="#BDBDBD", elinewidth=0.8, zorder=1)
    for candidate, x, y in zip(known, number, accuracy):
        vanilla = candidate.comparison is None
        axes.plot(x, y, "s" if vanilla else "o", ms=5, color=VANILLA if vanilla else IMPROVED, zorder=3)
        text = "vanilla" if vanilla else f"r = {candidate.rate:g}"
        axes.annotate(text, (x, y), (5, 5), textcoords="offset points", fontsize=7.5)
        if candidate.arm == choice.chosen.arm:
            axes.plot(x, y, "o", ms=12, mfc="none", mec=DEGRADED, mew=1.6, zorder=4)
    axes.set(xlabel="estimated number of degraded classes", ylabel="accuracy, %")
    axes.set_title(f"{clean(method_title(method))}: choosing the DropMix rate", loc="left")
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid(axes, "both")
    handles = [
        Line2D([], [], color=DROPMIX, lw=1.4, label="front: no rate beats these in both"),
        Patch(color=DROPMIX, alpha=0.12, lw=0, label="within one standard error of the best"),
        Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=DEGRADED, mew=1.6, label="chosen"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure
