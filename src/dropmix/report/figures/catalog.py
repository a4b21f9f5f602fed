"""Every figure of a report, by name.

>>> from dropmix.report.figures.catalog import recall_changes, save          # doctest: +SKIP
>>> save(recall_changes(audit.comparisons[0]), "changes")            # doctest: +SKIP
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from dropmix.audit.quantities.words import noun
from dropmix.report.display_names import clean, comparison_title, file_stems, plain_arms
from dropmix.report.figures.bars import has_floor_band, recall_changes, seed_spread
from dropmix.report.figures.confusion import confusion_flow
from dropmix.report.figures.curves import rate_curves, rate_groups
from dropmix.report.figures.extremes import best_and_worst
from dropmix.report.figures.scatter import baseline_against_treated, confidence_against_recall, has_confidence
from dropmix.report.figures.style import save

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

__all__ = [
    "Plate",
    "baseline_against_treated",
    "best_and_worst",
    "confidence_against_recall",
    "confusion_flow",
    "plates",
    "rate_curves",
    "rate_groups",
    "recall_changes",
    "save",
    "seed_spread",
]


@dataclass(frozen=True)
class Plate:
    """A figure with its place in the report, not yet drawn.

    Attributes:
        kind: name of the function that draws it, with hyphens.
        arm: position of its comparison in the audit; None if it shows several.
        stem: file name without ending, unique in the report.
        title: what it shows, in a few words.
        caption: how to read it.
        draw: draws the figure; the figures of many arms would not fit in memory together.
    """

    kind: str
    arm: int | None
    stem: str
    title: str
    caption: str
    draw: Callable[[], Figure]


_CAPTIONS = {
    "recall-changes": (
        "Recall change of every class",
        "One bar per class, largest gain first. Above zero, the class is recognised more often than under {base}; "
        "below zero (hatched), less often.",
    ),
    "best-and-worst": (
        "The classes that change most",
        "Recall of the classes that gain and lose most; vertical lines are mean accuracies. "
        "Extremes look larger than they are when they are chosen on the data that is shown.",
    ),
    "baseline-against-treated": (
        "Recall before and after",
        "One mark per class. Left: below the diagonal, recall fell. Right: the change itself, which shows "
        "whether strong or weak classes lose.",
    ),
    "confidence-against-recall": (
        "Confidence and recall",
        "Left: an arrow from {base} to the arm for each class that moves (orange: recall falls). "
        "Right: the changes; classes at the bottom left lose both.",
    ),
    "seed-spread": (
        "How much single seeds differ",
        "Shaded: lowest to highest seed. Where the arm's range overlaps the range of {base} around zero, "
        "training again may reverse the sign.",
    ),
    "confusion-flow": (
        "Which mistakes grow",
        "Rows: true class. Columns: predicted class. Orange mistakes became more frequent, blue ones rarer; "
        "numbers are test examples per seed. The diagonal, which is the recall, is left out.",
    ),
    "rate-curves": (
        "Measures against the DropMix rate",
        "Rate 0 is the method without DropMix, rate 1 trains on unmixed images only. Shaded: sd over seeds, "
        "in the right panel over degraded classes.",
    ),
}


_OF_MEASURES = {
    "recall-changes": (
        "Change of every measure",
        "One bar per label and measure, largest gain first. Above zero, its value is higher than under {base}; below "
        "zero (hatched), lower.",
    ),
    "best-and-worst": (
        "The measures that change most",
        "Values of the measures that gain and lose most; vertical lines are the shares of right decisions. "
        "Extremes look larger than they are when they are chosen on the data that is shown.",
    ),
    "baseline-against-treated": (
        "Values before and after",
        "One mark per label and measure. Left: below the diagonal, its value fell. Right: the change itself.",
    ),
}

_FLOOR_CAPTION = (
    " Yellow: where the sorted bars would end if every class changed equally and only seeds differed. Bars within it "
    "say nothing about single classes; bars beyond it, at either end, are more than noise."
)


def plates(audit: "Audit") -> list[Plate]:
    """Every figure that the audit allows; none is drawn yet.

    Returns:
        First the rate curves of each group, then the figures of each comparison.
    """
    groups = rate_groups(audit)
    listed = []
    for group, stem in zip(groups, file_stems(f"rate-curves-{g}" for g in groups)):
        title, caption = _CAPTIONS["rate-curves"]
        label = f"{title}: {clean(group)}" if group else title
        listed.append(Plate("rate-curves", None, stem, label, caption, partial(rate_curves, audit, group)))
    stems = file_stems(f"{c.group} {c.arm}".strip() for c in audit.comparisons)
    homes = plain_arms(audit)
    for i, (comparison, stem) in enumerate(zip(audit.comparisons, stems)):
        classes = noun(comparison.classes) == "class"
        for kind, draw in _of_arm(comparison, homes[i]):
            title, caption = (_CAPTIONS if classes else _CAPTIONS | _OF_MEASURES)[kind]
            if kind == "recall-changes" and has_floor_band(comparison):
                caption += _FLOOR_CAPTION
            text = caption.replace("{base}", clean(comparison.baseline))
            listed.append(Plate(kind, i, f"{stem}-{kind}", f"{title}, {comparison_title(comparison)}", text, draw))
    return listed


def _of_arm(comparison: "Comparison", plain: "Comparison | None") -> Iterator[tuple[str, Callable[[], Figure]]]:
    yield "recall-changes", partial(recall_changes, comparison, plain)
    chosen = (comparison,) if plain is None else (plain, comparison)
    yield "best-and-worst", partial(best_and_worst, *chosen)
    yield "baseline-against-treated", partial(baseline_against_treated, comparison)
    if has_confidence(comparison) and noun(comparison.classes) == "class":
        yield "confidence-against-recall", partial(confidence_against_recall, comparison, plain)
    if len(comparison.recalls_treated) > 1:
        yield "seed-spread", partial(seed_spread, comparison)
    if comparison.confusion_change is not None and len(comparison.confusion_change) > 1:
        yield "confusion-flow", partial(confusion_flow, comparison)
