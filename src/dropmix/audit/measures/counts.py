"""Two arms on the same examples, counted."""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.align import join
from dropmix.audit.inputs.predictions import Predictions, number_of_classes
from dropmix.audit.measures.recall import class_sizes, correct_counts
from dropmix.audit.settings import Settings


@dataclass(frozen=True)
class Pair:
    """Two arms on the same examples, with what every later step needs.

    Args:
        baseline, treated: aligned predictions.
        names: class names, K.
        audited: numbers of the classes that have examples, (M,).
        sizes: examples of each audited class, (M,).
        correct0, correct1: (S0, N) and (S1, N), bool.
        counts0, counts1: correct predictions of each seed and audited class, (S0, M) and (S1, M).
    """

    baseline: Predictions
    treated: Predictions
    names: list[str]
    audited: np.ndarray
    sizes: np.ndarray
    correct0: np.ndarray
    correct1: np.ndarray
    counts0: np.ndarray
    counts1: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """True classes, (N,), in [0, K)."""
        return self.baseline.labels

    @property
    def position(self) -> np.ndarray:
        """True classes as positions among the audited, (N,), in [0, M)."""
        return np.searchsorted(self.audited, self.labels)

    @property
    def superclasses(self) -> tuple[str | None, ...] | None:
        """Superclass of each class, K or more."""
        return self.baseline.superclasses or self.treated.superclasses

    @property
    def train_counts(self) -> tuple[int | None, ...] | None:
        """Training examples of each class, K or more."""
        return self.baseline.train_counts or self.treated.train_counts

    @property
    def seeds(self) -> tuple[int, int]:
        """S0, S1."""
        return len(self.counts0), len(self.counts1)


def pair(baseline: Predictions, treated: Predictions, names: list[str] | None, settings: Settings) -> Pair:
    """Join two arms on their examples and count.

    Args:
        baseline, treated: any two arms.
        names: class names that replace those of the predictions, or None.
        settings: `topk` and `intersect` are used.
    Raises:
        AuditError: as `join`, `number_of_classes` and `Predictions.correct`.
    """
    baseline, treated = join([baseline, treated], settings.intersect)
    k = number_of_classes([baseline, treated])
    class_names = baseline.class_names or treated.class_names
    if names is not None:
        if len(names) < k or (class_names is not None and len(names) != k):
            raise AuditError(f"classes: expected {k} names, got {len(names)}. Give one name per class.")
        class_names, k = tuple(names), len(names)
    for key in ("superclasses", "train_counts"):
        facts = getattr(baseline, key) or getattr(treated, key)
        if facts is not None and len(facts) != k and (class_names is not None or len(facts) < k):
            raise AuditError(f"{key}: expected one per class, {k}, got {len(facts)}. Give each class's own.")
    labels = baseline.labels
    sizes = class_sizes(labels, k)
    audited = np.flatnonzero(sizes)
    correct0, correct1 = baseline.correct(settings.topk), treated.correct(settings.topk)
    return Pair(
        baseline,
        treated,
        list(class_names) if class_names is not None else [str(i) for i in range(k)],
        audited,
        sizes[audited],
        correct0,
        correct1,
        correct_counts(labels, correct0, k)[:, audited],
        correct_counts(labels, correct1, k)[:, audited],
    )
