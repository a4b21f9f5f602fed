"""The paper's figures, drawn from our runs: one function per figure, by name in `FIGURES`.

A function takes the panels (one per network with runs) and the folders that were given, and returns drawings; it
returns none if nothing can be drawn. To add a figure, write its function and a line in
`FIGURES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from dropmix.paper.exhibits import PRINTED_RATES
from dropmix.paper.figures.confidence import confidence_and_change
from dropmix.paper.figures.curves import curves
from dropmix.paper.figures.label import label_figures
from dropmix.paper.figures.overview import overview
from dropmix.paper.panel import Panel
from dropmix.report.display_names import method_title
from dropmix.report.figures.bars import recall_changes, seed_spread
from dropmix.report.figures.extremes import best_and_worst
from dropmix.report.figures.scatter import has_confidence

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@dataclass(frozen=True)
class Drawing:
    """A figure, or a part of one.

    Args:
        part: added to the file's name, "" or "a", "b".
        caption: what it shows, and for which runs.
        figure: from a function of this package.
    """

    part: str
    caption: str
    figure: Figure


Draw = Callable[[Sequence[Panel], Sequence[Path]], list[Drawing]]


def parts(panels: Sequence[Panel]) -> list[tuple[str, Panel]]:
    """Each panel with the suffix of its file: nothing, or its number."""
    return [("" if len(panels) == 1 else f"-{i}", panel) for i, panel in enumerate(panels, 1)]


def each(panels: Sequence[Panel], caption: str, draw: Callable[[Panel], Figure | None]) -> list[Drawing]:
    """A drawing of every panel for which `draw` finds something."""
    drawn = [(part, panel, draw(panel)) for part, panel in parts(panels)]
    return [Drawing(part, f"{panel.heading}: {caption}", f) for part, panel, f in drawn if f is not None]


def two_classes(panels: Sequence[Panel], folders: Sequence[Path]) -> list[Drawing]:
    """Fig. 1: mean accuracy and the paper's two classes under vanilla, Mixup and DropMix."""

    def draw(panel: Panel) -> Figure | None:
        plain = panel.plain("mixup")
        return plain and overview(plain, _mended(panel, "mixup"), panel.label, ("lamp", "dolphin"))

    caption = "accuracy and two classes (the most changed ones if the data lack the paper's)"
    return each(panels, caption, draw)


def all_classes(panels: Sequence[Panel], folders: Sequence[Path], method: str) -> list[Drawing]:
    """Figs. 2, 10, 11: sorted recall changes, (a) without and (b) with DropMix."""
    drawings = []
    for part, panel in parts(panels):
        for letter, c in (("a", panel.plain(method)), ("b", _mended(panel, method))):
            if c is not None:
                figure = recall_changes(panel.named(c), panel.plain(method) if letter == "b" else None)
                drawings.append(
                    Drawing(letter + part, f"({letter}) {panel.heading}: recall change of every class", figure)
                )
    return drawings


def sweep(panels: Sequence[Panel], folders: Sequence[Path]) -> list[Drawing]:
    """Figs. 3, 12 to 14: accuracy, degraded classes and their mean change against the rate."""

    def draw(panel: Panel) -> Figure | None:
        lines = {method_title(m): panel.line(m) for m in ("mixup", "cutmix", "puzzlemix")}
        return _curves(lines, panel, "DropMix rate")

    return each(panels, "measures against the DropMix rate", draw)


def alpha_sweep(panels: Sequence[Panel], folders: Sequence[Path]) -> list[Drawing]:
    """Fig. 7: DropMix's rate and 1 - alpha of plain Mixup on one axis."""

    def draw(panel: Panel) -> Figure | None:
        alphas = {0.0: panel.plain("mixup")}
        for comparison in panel.audit.comparisons:
            name, _, alpha = comparison.arm.partition(" alpha=")
            if name == "mixup" and alpha and " " not in alpha:
                alphas[1 - float(alpha)] = comparison
        points = {x: c for x, c in sorted(alphas.items()) if c is not None}
        lines = {"Mixup with DropMix, x = rate": panel.line("mixup"), "Mixup, x = 1 - alpha": points}
        return _curves(lines, panel, "DropMix rate, or 1 - alpha")

    return each(panels, "DropMix and alpha-controlled Mixup", draw)


def confidence(panels: Sequence[Panel], folders: Sequence[Path], method: str) -> list[Drawing]:
    """Figs. 5, 16 to 18: (a) confidence and recall of each class in three arms, (b) their changes without DropMix."""

    def draw(panel: Panel) -> Figure | None:
        plain = panel.plain(method)
        if plain is None or not has_confidence(plain):
            return None
        return confidence_and_change(plain, _mended(panel, method), panel.label)

    return each(panels, "confidence and recall of every class", draw)


def over_seeds(panels: Sequence[Panel], folders: Sequence[Path]) -> list[Drawing]:
    """Fig. 6: sorted changes and their range over seeds."""

    def draw(panel: Panel) -> Figure | None:
        plain = panel.plain("mixup")
        return plain and seed_spread(panel.named(plain))

    return each(panels, "recall changes over seeds", draw)


def extremes(panels: Sequence[Panel], folders: Sequence[Path], method: str) -> list[Drawing]:
    """Figs. 8, 9: recalls of the ten most improved and ten most degraded classes in three arms."""

    def draw(panel: Panel) -> Figure | None:
        plain = panel.plain(method)
        return plain and best_and_worst(plain, _mended(panel, method), heading=panel.label)

    return each(panels, "best and worst classes", draw)


def label_information(panels: Sequence[Panel], folders: Sequence[Path]) -> list[Drawing]:
    """Figs. 4, 15: confidence in the own class against mixing strength, from what `dropmix label-info` wrote."""
    figures = label_figures(folders)
    suffix = lambda i: "" if len(figures) == 1 else f"-{i}"  # noqa: E731
    return [Drawing(suffix(i), f"{name}: label information", figure) for i, (name, figure) in enumerate(figures, 1)]


def _curves(lines: "dict[str, dict[float, Comparison]]", panel: Panel, xlabel: str) -> Figure | None:
    drawable = {label: line for label, line in lines.items() if line}
    return curves(drawable, panel.label, xlabel) if drawable else None


def _mended(panel: Panel, method: str) -> "Comparison | None":
    """The method with DropMix at the rate that the paper's tables print for it."""
    return panel.dropmix(method, PRINTED_RATES[panel.network][method])


FIGURES: dict[str, Draw] = {
    "figure1": two_classes,
    "figure2": partial(all_classes, method="mixup"),
    "figure3": sweep,
    "figure4": label_information,
    "figure5": partial(confidence, method="mixup"),
    "figure6": over_seeds,
    "figure7": alpha_sweep,
    "figure8": partial(extremes, method="mixup"),
    "figure9": partial(extremes, method="cutmix"),
    "figure10": partial(all_classes, method="mixup"),
    "figure11": partial(all_classes, method="cutmix"),
    "figure12": sweep,
    "figure13": sweep,
    "figure14": sweep,
    "figure15": label_information,
    "figure16": partial(confidence, method="mixup"),
    "figure17": partial(confidence, method="cutmix"),
    "figure18": partial(confidence, method="puzzlemix"),
}
