"""Slices: a column beside the class, such as the camera or the hospital, asked the same questions as the classes.

    whole     each slice, with all of its examples: is it hurt, safe, or undecided
    cells     each class within each slice; one false discovery rate over all of them, and over arms

Whether a prediction is right does not depend on how the examples are put together, so that the variances and tests of
classes hold for slices and for cells. What they cannot share is the correction: there are as many questions as cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inference.decide import HURT, SAFE, TOO_FEW, UNDECIDED, ClassTests, decide
from dropmix.audit.inference.guaranteed import Guarantee
from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.inputs.scores import labels_of
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.degraded import changes
from dropmix.audit.measures.recall import correct_counts
from dropmix.audit.settings import Settings

MOST = 1000  # slices; a column with more values is a number or an id


@dataclass(frozen=True)
class Tested:
    """R rows under two arms, tested.

    Args:
        of_slice: number of each row's slice, (R,).
        of_class: number of its class among the audited, (R,); None for whole slices.
        n: examples, (R,).
        n_groups: groups of examples, (R,); None where examples are independent.
        before, after: share of them that is right, mean over seeds, (R,).
        change: (R,).
        tolerance: (R,), fractions.
        protected: rows that were named beforehand, (R,), bool.
        tests: on these examples, and for new ones too.
        guarantee: on these examples.
    """

    of_slice: np.ndarray
    of_class: np.ndarray | None
    n: np.ndarray
    n_groups: np.ndarray | None
    before: np.ndarray
    after: np.ndarray
    change: np.ndarray
    tolerance: np.ndarray
    protected: np.ndarray
    tests: tuple[ClassTests, ClassTests]
    guarantee: Guarantee


@dataclass(frozen=True)
class Sliced:
    """One comparison by slices: their names, each as a whole, and the classes within them."""

    names: list[str]
    whole: Tested
    cells: Tested


def sliced(p: Pair, settings: Settings, tolerance: np.ndarray, shared, groups: np.ndarray | None) -> Sliced | None:
    """Test every slice, and every class within it; None where the examples have no slices.

    Args:
        p: two arms, counted.
        settings: whose `protect` and `tolerance` name slices.
        tolerance: of each audited class, (M,).
        shared: rows of seeds that both arms have, as `variances` takes them.
        groups: number of each example's group, (N,), or None.
    Raises:
        AuditError: more than 1000 slices.
    """
    by = p.baseline.by if p.baseline.by is not None else p.treated.by
    if by is None:
        return None
    names, code = np.unique(by.astype(str), return_inverse=True)
    if len(names) > MOST:
        raise AuditError(
            f"by: expected at most {MOST} slices, got {len(names)} different values. Cut numbers into ranges."
        )
    slice_names = [str(name) for name in names]
    m = len(p.audited)
    cells, place = np.unique(code * m + p.position, return_inverse=True)
    of_slice, of_class = cells // m, cells % m
    asked = settings.tolerances(slice_names), settings.protected(slice_names)
    labels = len(labels_of(p.baseline)) if p.baseline.score is not None else 0
    # An example's decisions on its labels belong together.
    together = np.arange(len(code)) // labels if labels and groups is None else groups
    whole = _tested(code, p, settings, shared, together, *asked)
    if labels:
        whole["n"] = whole["n"] // labels
    if groups is None:
        whole["n_groups"] = None
    inside = _tested(place, p, settings, shared, groups, tolerance[of_class], np.zeros(len(cells), dtype=bool))
    return Sliced(slice_names, _of(whole, np.arange(len(slice_names)), None), _of(inside, of_slice, of_class))


def _of(made: dict[str, Any], of_slice: np.ndarray, of_class: np.ndarray | None) -> Tested:
    return Tested(of_slice=of_slice, of_class=of_class, **made)


def _tested(position: np.ndarray, p: Pair, settings: Settings, shared, groups, tolerance, protected) -> dict[str, Any]:
    sizes = np.bincount(position)
    counts = [correct_counts(position, correct, len(sizes)) for correct in (p.correct0, p.correct1)]
    s0, s1 = p.seeds
    before, after = (c.sum(axis=0) / (len(c) * sizes) for c in counts)
    change = changes(counts[0].sum(axis=0), s0, counts[1].sum(axis=0), s1, sizes)
    units = None
    if groups is not None:
        pairs = np.unique(position * (int(groups.max()) + 1) + groups)
        units = np.bincount(pairs // (int(groups.max()) + 1), minlength=len(sizes))
    noise = variances(position, p.correct0, p.correct1, shared, groups)
    seen = Observed(change, before, after, sizes, sizes if units is None else units, p.seeds, noise, tolerance)
    (fixed, guarantee), (new, _) = (tests_and_bounds(seen, settings, population) for population in (False, True))
    return {
        "n": sizes,
        "n_groups": units,
        "before": before,
        "after": after,
        "change": change,
        "tolerance": tolerance,
        "protected": protected,
        "tests": (fixed, new),
        "guarantee": guarantee,
    }


@dataclass(frozen=True)
class BySlice:
    """Columns of a comparison's slices and of the classes within them; empty where the examples have no slices."""

    slices: dict[str, Any]
    cells: dict[str, Any]

    @property
    def named(self) -> bool:
        """Whether slices were named beforehand."""
        return "yes" in self.slices.get("protected", ())

    def summary(self, of_classes: dict[str, Any], named: bool) -> dict[str, Any]:
        """Numbers of the summary, and the decisions with the slices in them.

        A slice or a class within one that is hurt is not shipped. Else slices that were named beforehand have to be
        safe; with nothing named at all, every slice that can be judged. Naming a slice asks for no more of the other
        slices and classes than naming a class does: that none of them is hurt.

        Args:
            of_classes: summary with the decisions of the classes alone.
            named: whether classes were named beforehand.
        """
        if not self.slices:
            return {}
        own = np.array(self.slices["protected"]) == "yes"
        decisions = {}
        for key in ("decision_population", "decision"):
            words, cells = np.array(self.slices[key]), np.array(self.cells[key])
            asked = words[own] if own.any() or named else words[words != TOO_FEW]
            decisions[key] = of_classes[key]
            if (words == HURT).any() or (cells == HURT).any():
                decisions[key] = "do not ship"
            elif decisions[key] == "ship" and not (asked == SAFE).all():
                decisions[key] = "undecided"
        return decisions | {
            "n_slices": len(words),
            "n_slices_hurt": int((words == HURT).sum()),
            "n_slices_safe": int((words == SAFE).sum()),
            "n_slice_classes_hurt": int((cells == HURT).sum()),
        }


def by_slices(analyses: Sequence[Any], settings: Settings) -> list[BySlice]:
    """Decisions on the slices of every arm: one correction over slices and arms, one over their classes and arms.

    Args:
        analyses: of the arms, with `slices`.
        settings: `fdr` and `alone` are used.
    """
    slices = [a.slices for a in analyses if a.slices is not None]
    if not slices:
        return [BySlice({}, {}) for _ in analyses]
    made = []
    for part in ("whole", "cells"):
        rows = [getattr(s, part) for s in slices]
        named = [t.protected for t in rows]
        made.append([decide([t.tests[i] for t in rows], named, settings.fdr, settings.alone) for i in (0, 1)])
    by_arm = []
    for s, a, whole, whole_new, cell, cell_new in zip(slices, analyses, *made[0], *made[1]):
        names = [a.pair.names[i] for i in a.pair.audited]
        by_arm.append(BySlice(slice_columns(s, (whole, whole_new), cell), cell_columns(s, (cell, cell_new), names)))
    return by_arm


def slice_columns(s: Sliced, words: tuple[np.ndarray, np.ndarray], cell_words: np.ndarray) -> dict[str, Any]:
    """Columns of the whole slices, with a headline of the classes within each.

    Args:
        words: decision on each slice, on these examples and for new ones too.
        cell_words: decision on each cell, on these examples.
    """
    inside = [np.flatnonzero(s.cells.of_slice == i) for i in range(len(s.names))]
    bounds = [s.cells.guarantee.hurt_among(at) for at in inside]
    count = lambda word: np.array([int((cell_words[at] == word).sum()) for at in inside])  # noqa: E731
    columns = {"slice": list(s.names)} | _columns(s.whole, words)
    columns |= {"n_classes": np.array([len(at) for at in inside])}
    for key, word in (("n_hurt", HURT), ("n_safe", SAFE), ("n_undecided", UNDECIDED), ("n_too_few", TOO_FEW)):
        columns[key] = count(word)
    return columns | {"n_hurt_low": np.array([b[0] for b in bounds]), "n_hurt_high": np.array([b[1] for b in bounds])}


def cell_columns(s: Sliced, words: tuple[np.ndarray, np.ndarray], classes: Sequence[str]) -> dict:
    """Columns of the classes within slices.

    Args:
        words: decision on each cell, on these examples and for new ones too.
        classes: names of the audited classes, M.
    """
    assert s.cells.of_class is not None
    of_slice, of_class = s.cells.of_slice.tolist(), s.cells.of_class.tolist()
    named = {"slice": [s.names[i] for i in of_slice], "class": [classes[i] for i in of_class]}
    columns = _columns(s.cells, words)
    columns.pop("protected")
    return named | columns


def _columns(t: Tested, words: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    columns: dict[str, Any] = {"n": t.n}
    columns |= {} if t.n_groups is None else {"n_groups": t.n_groups}
    columns |= {"protected": np.where(t.protected, "yes", "no").astype(object).tolist(), "tolerance": t.tolerance}
    columns |= {"recall_baseline": t.before, "recall_treated": t.after, "recall_change": t.change}
    for tests, word, suffix in zip(t.tests, words, ("", "_population")):
        columns |= {
            f"decision{suffix}": word.tolist(),
            f"recall_change_low{suffix}": tests.low,
            f"recall_change_high{suffix}": tests.high,
            f"p_hurt{suffix}": tests.p_hurt,
            f"p_safe{suffix}": tests.p_safe,
        }
    return columns
