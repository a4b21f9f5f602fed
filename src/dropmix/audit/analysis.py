"""What one treated arm shows on its own against a baseline: measures and inference.

Decisions on classes are corrected over arms, so `dropmix.audit.comparison.compose` runs after all arms are analysed.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dropmix.audit.inference.decide import ClassTests
from dropmix.audit.inference.guaranteed import Guarantee
from dropmix.audit.inference.infer import Inference, Observed, infer
from dropmix.audit.inference.variance import Variances, variances
from dropmix.audit.measures.chance import at_chance, nothing_to_lose
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.degraded import changes
from dropmix.audit.measures.recall import recalls
from dropmix.audit.rows.labels import LabelRows, both, label_rows, row_names, widened
from dropmix.audit.rows.slices import Sliced, sliced
from dropmix.audit.settings import Settings


@dataclass(frozen=True)
class Analysis:
    """What one arm shows on its own.

    Args:
        pair: the two arms, counted.
        change: recall change, (M,).
        noise: its variances.
        inferences: inference for new seeds on these examples, and for new examples too.
        protected: classes that were named beforehand, (M,), bool.
        tolerance: (M,), fractions.
        same: whether both arms predict the same throughout.
        counts: examples of each class, or their groups, (M,).
        more: further numbers of the summary, by key: what the arm gives back of another one's losses, and what the
            labels alone would have said.
        more_classes: further columns of the classes, by key.
        labels: rows of average precision, where examples have several labels.
        slices: the same by slices, where the examples have them.
    """

    pair: Pair
    change: np.ndarray
    noise: Variances
    inferences: tuple[Inference, Inference]
    protected: np.ndarray
    tolerance: np.ndarray
    same: bool
    counts: np.ndarray
    more: dict[str, Any] = field(default_factory=dict)
    more_classes: dict[str, Any] = field(default_factory=dict)
    labels: LabelRows | None = None
    slices: Sliced | None = None

    @property
    def named(self) -> np.ndarray:
        """Rows that were named beforehand, those of average precision last, bool."""
        return self.protected if self.labels is None else np.concatenate([self.protected, self.labels.protected])

    @property
    def guesses(self) -> bool:
        """Whether the baseline may be guessing, which is asked where an example has one label."""
        p = self.pair
        return self.labels is None and at_chance(p.counts0.sum(axis=0) / (p.seeds[0] * p.sizes), p.sizes)

    @property
    def unlearned(self) -> bool:
        """Whether the baseline hardly finds a protected class, so that nothing could be lost."""
        recall = self.pair.counts0.sum(axis=0) / (self.pair.seeds[0] * self.pair.sizes)
        return bool((self.protected & nothing_to_lose(recall, self.tolerance)).any())

    def tests(self, i: int) -> ClassTests:
        """Tests of all rows, on these examples (0) or for new ones too (1)."""
        own = self.inferences[i].tests
        return own if self.labels is None else both(own, self.labels.tests[i])

    def guarantee(self, i: int) -> Guarantee:
        """The guarantee over all rows."""
        own = self.inferences[i].guarantee
        return own if self.labels is None else widened(own, self.labels.tests[i])


def analyse(p: Pair, settings: Settings, paired: bool = False) -> Analysis:
    """Measure one arm against its baseline, and draw conclusions.

    Args:
        p: two aligned arms.
        settings: of the audit.
        paired: whether equal seed numbers mean shared initial weights and order.
    Raises:
        AuditError: a protected class, or one with a tolerance, that has no examples or does not exist.
    """
    names, m = [*(p.names[i] for i in p.audited), *row_names(p)], len(p.audited)
    settings, of_slices = settings.with_slices(names, p.baseline.by)
    tolerances, named = settings.tolerances(names), settings.protected(names)
    tolerance, protected = tolerances[:m], named[:m]
    s0, s1 = p.seeds
    change = changes(p.counts0.sum(axis=0), s0, p.counts1.sum(axis=0), s1, p.sizes)
    groups, counts = None, p.sizes
    if p.baseline.group is not None:
        groups = np.unique(p.baseline.group, return_inverse=True)[1]
        pairs = np.unique(p.position * (int(groups.max()) + 1) + groups)
        counts = np.bincount(pairs // (int(groups.max()) + 1), minlength=len(p.sizes))
    shared = _shared(p, paired)
    noise = variances(p.position, p.correct0, p.correct1, shared, groups)
    same = _same(p)
    recall0, recall1 = (recalls(c, p.sizes).mean(axis=0) for c in (p.counts0, p.counts1))
    seen = Observed(change, recall0, recall1, p.sizes, counts, p.seeds, noise, tolerance, same)
    # Refits take as long as all else together, and nobody asks for the estimated number of new examples with its width.
    inferences = infer(seen, settings), infer(seen, replace(settings, refits=0), population=True)
    return Analysis(
        p,
        change,
        noise,
        inferences,
        protected,
        tolerance,
        same,
        counts,
        labels=label_rows(p, settings, tolerances[m:], named[m:]),
        slices=sliced(p, of_slices, tolerance, shared, groups),
    )


def _shared(p: Pair, paired: bool) -> tuple[np.ndarray, np.ndarray] | None:
    if not (paired and p.baseline.seeds_given and p.treated.seeds_given):
        return None
    _, at0, at1 = np.intersect1d(p.baseline.seeds, p.treated.seeds, return_indices=True)
    return at0, at1


def _same(p: Pair) -> bool:
    """Whether both arms hold the same predictions, in whatever order of seeds."""
    if p.seeds[0] != p.seeds[1] or p.baseline.pred.shape[1:] != p.treated.pred.shape[1:]:
        return False
    kind = np.promote_types(p.baseline.pred.dtype, p.treated.pred.dtype)
    one, other = ({row.astype(kind).tobytes() for row in arm.pred} for arm in (p.baseline, p.treated))
    return one == other
