"""The mistakes that an arm makes more or less often than the baseline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dropmix.audit.result import Comparison


@dataclass(frozen=True)
class Flow:
    """Examples of one class that the arm predicts as another class.

    Attributes:
        true, predicted: class names.
        change: examples per seed, treated minus baseline; positive for a mistake made more often.
        share: `change` as a fraction of the true class's examples.
    """

    true: str
    predicted: str
    change: float
    share: float


def top_flows(comparison: "Comparison", count: int = 10) -> list[Flow]:
    """The mistakes that grow or shrink most, largest growth first, at most `count` of each direction.

    Args:
        comparison: with `confusion_change`; without it the list is empty.
        count: flows in each direction.
    """
    if comparison.confusion_change is None:
        return []
    change = mistakes(comparison.confusion_change)
    flat, m = change.ravel(), len(change)
    order = np.argsort(-flat, kind="stable")
    grown = [i for i in order[:count] if flat[i] > 0]
    shrunk = [i for i in order[::-1][:count][::-1] if flat[i] < 0]
    names, n = comparison.classes["class"], comparison.classes["n"]
    return [
        Flow(str(names[i // m]), str(names[i % m]), float(flat[i]), float(flat[i] / n[i // m]))
        for i in [*grown, *shrunk]
    ]


def mistakes(change: np.ndarray) -> np.ndarray:
    """A copy without the diagonal: the diagonal is the recall change, shown elsewhere."""
    mistakes = np.array(change, dtype=float)
    np.fill_diagonal(mistakes, 0.0)
    return mistakes
