"""The decision of an audit, as the page, the Markdown summary and the JUnit file show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dropmix.report.display_names import comparison_title

if TYPE_CHECKING:
    from dropmix.audit import Comparison

WORST_FIRST = {"do not ship": 0, "undecided": 1, "": 1, "ship": 2}
MARKS = {"": "", "ship": "✔", "do not ship": "✖", "undecided": "?"}


@dataclass(frozen=True)
class Standing:
    """One arm and what is known of its classes.

    Attributes:
        title: of the arm, with its group.
        decision: "ship", "do not ship" or "undecided"; "" if the comparison holds none.
        protected, hurt: positions of the classes; hurt ones sorted by change, largest loss first.
        n_safe, n_undecided, n_too_few: numbers of classes.
        low, high: at least and at most so many classes are hurt.
        tolerance: "1 point", or "0.5 to 2 points" if classes differ.
    """

    title: str
    decision: str
    protected: list[int]
    hurt: list[int]
    n_safe: int
    n_undecided: int
    n_too_few: int
    low: int
    high: int
    tolerance: str

    @property
    def mark(self) -> str:
        """A sign that shows the decision without colour."""
        return MARKS[self.decision]


def standing(comparison: "Comparison") -> Standing:
    """Arrange a comparison's decision."""
    classes, summary = comparison.classes, comparison.summary
    if "decision" not in summary:  # made without tests of its classes, as in studies of simulated counts
        return Standing(comparison_title(comparison), "", [], [], 0, 0, 0, 0, len(classes["class"]), "")
    change = np.asarray(classes["recall_change"], dtype=float)
    hurt = [i for i, word in enumerate(classes["decision"]) if word == "hurt"]
    return Standing(
        comparison_title(comparison),
        summary["decision"],
        [int(i) for i in np.flatnonzero(protected(comparison))],
        sorted(hurt, key=lambda i: change[i]),
        int(summary["n_safe"]),
        int(summary["n_undecided"]),
        int(summary["n_too_few"]),
        int(summary["n_hurt_low"]),
        int(summary["n_hurt_high"]),
        tolerance_words(classes["tolerance"]),
    )


def worst_first(comparisons: "Sequence[Comparison]") -> list[int]:
    """Positions of the arms: those that should not ship, the undecided ones, the others; each in the given order.

    Whoever looks at one arm only should not see a "ship" that another arm's "do not ship" stands beside.
    """
    return sorted(range(len(comparisons)), key=lambda i: WORST_FIRST[comparisons[i].summary.get("decision", "")])


def stricter(rows: str) -> str:
    """Why a decision may differ from its interval; `rows` are classes or measures."""
    why = "that are not protected are decided together, so a decision may differ from its own interval."
    return f"{rows.capitalize()} {why}"


def protected(comparison: "Comparison") -> np.ndarray:
    """Which classes were named beforehand, (M,), bool."""
    classes = comparison.classes
    return np.array([word == "yes" for word in classes.get("protected", [""] * len(classes["class"]))], dtype=bool)


def tolerance_words(tolerances: Any) -> str:
    """Tolerated losses in points.

    Example:
        >>> tolerance_words([0.01, 0.01]), tolerance_words([0.005, 0.02])
        ('1 point', '0.5 to 2 points')
    """
    values = 100 * np.asarray(tolerances, dtype=float)
    low, high = f"{values.min():g}", f"{values.max():g}"
    return f"{low} point{'' if low == '1' else 's'}" if low == high else f"{low} to {high} points"
