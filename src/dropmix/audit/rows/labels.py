"""Several labels per example: a row for each label's average precision, beside sensitivity and specificity.

Average precision is no share of right ones, so that its row has tests and intervals of its own and no floor, flips or
partner. It shares the correction of all rows. Among the guaranteed counts it takes part in Simes' test alone: it rests
on the examples of the label's sensitivity, while Fisher's sum needs rows that are independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inference.decide import ClassTests, class_tests, tail_dof
from dropmix.audit.inference.guaranteed import Evidence, Guarantee
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.scores import AVERAGE_PRECISION, MEASURES, SENSITIVITY, SPECIFICITY, labels_of
from dropmix.audit.measures.average_precision import ranked
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.thresholds import chosen_thresholds, with_thresholds
from dropmix.audit.settings import Settings


@dataclass(frozen=True)
class LabelRows:
    """Average precision of K labels that have positive examples, tested.

    Args:
        names: of the rows.
        labels: of the labels.
        n, n_groups: positive examples, and their groups, (K,).
        before, after: of each seed, (S0, K) and (S1, K).
        error: standard errors of the change, on these examples and for new ones too, (K,) each.
        tests: the same.
        tolerance, protected: (K,).
        share: the baseline's part of the variance, (K,).
    """

    names: list[str]
    n: np.ndarray
    n_groups: np.ndarray
    before: np.ndarray
    after: np.ndarray
    error: tuple[np.ndarray, np.ndarray]
    tests: tuple[ClassTests, ClassTests]
    tolerance: np.ndarray
    protected: np.ndarray
    share: np.ndarray

    @property
    def change(self) -> np.ndarray:
        """(K,); exactly 0 where both arms hold the same seeds, in whatever order."""
        change = self.after.mean(axis=0) - self.before.mean(axis=0)
        return np.where(np.abs(change) < 1e-12, 0.0, change)


def at_thresholds(
    arms: list[Predictions], settings: Settings, threshold: Any, validation: tuple[Any, Any] | None
) -> tuple[list[Predictions], Settings, str]:
    """Arms of several labels per example at their thresholds, settings that know the rows of labels, and a note.

    Args:
        threshold, validation: as in `audit_predictions`.
    """
    if settings.topk > 1:
        raise AuditError(f"topk: expected 1 if an example may have several labels, got {settings.topk}. Leave it out.")
    chosen = None if validation is None else chosen_thresholds(arms, *validation)
    arms, note = with_thresholds(arms, threshold, chosen)
    return arms, settings.for_labels(labels_of(arms[0]), MEASURES), note


def row_names(p: Pair) -> list[str]:
    """Names of the rows of average precision that a pair has: one per label with positive examples, or none."""
    if p.baseline.score is None:
        return []
    present = {p.names[i] for i in p.audited}
    return [f"{n} {AVERAGE_PRECISION}" for n, own in zip(labels_of(p.baseline), p.names[::2]) if own in present]


def label_rows(p: Pair, settings: Settings, tolerance: np.ndarray, protected: np.ndarray) -> LabelRows | None:
    """Average precision of every label, tested; None where examples have one label each.

    Args:
        p: two arms, counted.
        settings: `level` is used.
        tolerance, protected: of the rows, in the order of `row_names`.
    """
    names = row_names(p)
    if not names:
        return None
    measured = ranked(p)
    at = measured.positives > 0
    change = measured.after.mean(axis=0) - measured.before.mean(axis=0)
    variances = measured.fixed[at], measured.population[at]
    asked = tolerance, measured.units[at], settings.level, None, tail_dof(p.seeds)
    tests = [class_tests(change[at], v, *asked) for v in variances]
    return LabelRows(
        names=names,
        n=measured.positives[at],
        n_groups=measured.units[at],
        before=measured.before[:, at],
        after=measured.after[:, at],
        error=(np.sqrt(variances[0]), np.sqrt(variances[1])),
        tests=(tests[0], tests[1]),
        tolerance=tolerance,
        protected=protected,
        share=measured.share[at],
    )


def both(one: ClassTests, other: ClassTests) -> ClassTests:
    """Tests of the rows of both."""
    return ClassTests(*(np.concatenate([getattr(t, key) for t in (one, other)]) for key in vars(one)))


def widened(g: Guarantee, tests: ClassTests) -> Guarantee:
    """The guarantee over further rows, which take part in Simes' test alone."""
    ends = []
    for side, p in ((g.unhurt, tests.p_hurt), (g.hurt, tests.p_safe)):
        nothing = np.ones(len(p))
        simes = np.concatenate([side.simes, np.where(tests.too_few, 1.0, p)])
        ends.append(Evidence(simes, np.concatenate([side.fisher, nothing]), side.share))
    return Guarantee(ends[0], ends[1], g.level)


def with_labels(values: np.ndarray, added: np.ndarray | None) -> np.ndarray:
    """Values per seed and class, (S, M), with those of further rows."""
    return values if added is None else np.concatenate([values, added], axis=1)


def joined(
    summary: dict[str, Any], classes: dict[str, Any], rows: LabelRows, words: Sequence[np.ndarray], p: Pair
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the rows of average precision change in the summary, and the columns with these rows below.

    Args:
        summary, classes: of sensitivities and specificities.
        rows: of average precision.
        words: decision on each of these, on these examples and for new ones too.
        p: the pair that they are made of.
    """
    change, labels = rows.change, labels_of(p.baseline)
    own: dict[str, Any] = {
        "class": rows.names,
        "n": rows.n,
        "protected": np.where(rows.protected, "yes", "no").tolist(),
        "tolerance": rows.tolerance,
        "recall_baseline": rows.before.mean(axis=0),
        "recall_treated": rows.after.mean(axis=0),
        "recall_change": change,
        "status": np.array(["tied", "improved", "degraded"], object)[np.sign(change).astype(int)].tolist(),
        "baseline_noise_share": rows.share,
        "se_fixed_test": rows.error[0],
        "se_population": rows.error[1],
        "n_groups": rows.n_groups,
    }
    for tests, word, suffix in zip(rows.tests, words, ("", "_population")):
        own |= {f"decision{suffix}": word.tolist(), f"p_hurt{suffix}": tests.p_hurt, f"p_safe{suffix}": tests.p_safe}
        own |= {f"recall_change_low{suffix}": tests.low, f"recall_change_high{suffix}": tests.high}
    made: dict[str, Any] = {}
    for key, values in classes.items():
        empty = [""] * len(change) if isinstance(values, list) else np.full(len(change), np.nan)
        added = own.get(key, empty)
        made[key] = [*values, *added] if isinstance(values, list) else np.concatenate([values, added])
    made["label"] = [labels[i // 2] for i in p.audited] + [n.removesuffix(f" {AVERAGE_PRECISION}") for n in rows.names]
    made["measure"] = [(SENSITIVITY, SPECIFICITY)[i % 2] for i in p.audited] + [AVERAGE_PRECISION] * len(change)
    tolerances = {*made["tolerance"].tolist()}
    counts = {f"n_{w}": summary[f"n_{w}"] + own["status"].count(w) for w in ("degraded", "improved", "tied")}
    counts |= {
        "n_classes": len(made["class"]),
        "n_examples": len(p.labels) // len(labels),
        "n_protected": summary["n_protected"] + int(rows.protected.sum()),
        "tolerance": float(made["tolerance"][0]) if len(tolerances) == 1 else np.nan,
    }
    return counts, made
