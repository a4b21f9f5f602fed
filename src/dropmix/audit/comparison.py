"""Compare one treated arm with a baseline: the paper's measures, then the inference behind them."""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.align import join
from dropmix.audit.confidence import class_confidence, confidence_change
from dropmix.audit.dependency import changes, measures, signs
from dropmix.audit.errors import AuditError, first
from dropmix.audit.predictions import Predictions, number_of_classes
from dropmix.audit.recall import accuracies, class_sizes, correct_counts, recalls, worst_and_bottom_tenth
from dropmix.audit.result import Comparison
from dropmix.audit.settings import Settings

STATUS = np.array(["tied", "improved", "degraded"], dtype=object)  # index -1 is degraded


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
    def seeds(self) -> tuple[int, int]:
        """S0, S1."""
        return len(self.counts0), len(self.counts1)


def pair(baseline: Predictions, treated: Predictions, names: list[str] | None, settings: Settings) -> Pair:
    """Join two arms on their examples and count.

    Args:
        baseline, treated: any two arms.
        names: class names that replace those of the predictions; or None.
        settings: `topk` and `intersect` are used.
    Raises:
        AuditError: as `join`, `number_of_classes` and `Predictions.correct`.
    """
    baseline, treated = join([baseline, treated], settings.intersect)
    k = number_of_classes([baseline, treated])
    held = baseline.class_names or treated.class_names
    if names is not None:
        if len(names) < k or (held is not None and len(names) != k):
            raise AuditError(f"classes: expected {k} names, got {len(names)}. Give one name a class.")
        held, k = tuple(names), len(names)
    labels = baseline.labels
    sizes = class_sizes(labels, k)
    audited = np.flatnonzero(sizes)
    correct0, correct1 = baseline.correct(settings.topk), treated.correct(settings.topk)
    return Pair(
        baseline,
        treated,
        list(held) if held is not None else [str(i) for i in range(k)],
        audited,
        sizes[audited],
        correct0,
        correct1,
        correct_counts(labels, correct0, k)[:, audited],
        correct_counts(labels, correct1, k)[:, audited],
    )


def compare(p: Pair, settings: Settings, paired: bool = False, group: str = "") -> Comparison:
    """Every measure of one comparison.

    Args:
        p: two aligned arms.
        settings: of the audit.
        paired: whether equal seed numbers mean shared initial weights and order.
        group: label for the result.
    """
    s0, s1 = p.seeds
    total0, total1 = p.counts0.sum(axis=0), p.counts1.sum(axis=0)
    sign = signs(total0, s0, total1, s1)
    change = changes(total0, s0, total1, s1, p.sizes)
    summary, classes, reasons, notes = _exact(p, sign, change)
    _confidence(p, sign, settings, summary, classes, reasons, notes)
    notes += _notes(p)
    return Comparison(
        baseline=p.baseline.arm,
        arm=p.treated.arm,
        summary=summary,
        classes=classes,
        recalls_baseline=recalls(p.counts0, p.sizes),
        recalls_treated=recalls(p.counts1, p.sizes),
        accuracies_baseline=accuracies(p.counts0, p.sizes),
        accuracies_treated=accuracies(p.counts1, p.sizes),
        notes=list(dict.fromkeys(notes)),
        group=group,
        reasons=reasons,
    )


def _exact(p: Pair, sign: np.ndarray, change: np.ndarray) -> tuple[dict, dict, dict, list]:
    s0, s1 = p.seeds
    recall0 = p.counts0.sum(axis=0) / (s0 * p.sizes)
    recall1 = p.counts1.sum(axis=0) / (s1 * p.sizes)
    accuracy0, accuracy1 = accuracies(p.counts0, p.sizes), accuracies(p.counts1, p.sizes)
    m = measures(sign, change)
    worst0, tenth0 = worst_and_bottom_tenth(recall0)
    worst1, tenth1 = worst_and_bottom_tenth(recall1)
    summary = {
        "n_classes": len(p.audited),
        "n_examples": len(p.labels),
        "seeds_baseline": s0,
        "seeds_treated": s1,
        "n_degraded": m.n_degraded,
        "n_improved": m.n_improved,
        "n_tied": m.n_tied,
        "mean_degraded_change": m.mean_degraded_change,
        "sd_degraded_change": m.sd_degraded_change,
        "mean_improved_change": m.mean_improved_change,
        "sd_improved_change": m.sd_improved_change,
        "accuracy_baseline": float(accuracy0.mean()),
        "accuracy_treated": float(accuracy1.mean()),
        "accuracy_baseline_sd": float(accuracy0.std()),
        "accuracy_treated_sd": float(accuracy1.std()),
        "gain": float(accuracy1.mean() - accuracy0.mean()),
        "worst_class_baseline": worst0,
        "worst_class_treated": worst1,
        "bottom_tenth_baseline": tenth0,
        "bottom_tenth_treated": tenth1,
    }
    reasons = {}
    for kind, count in (("degraded", m.n_degraded), ("improved", m.n_improved)):
        if not count:
            blank(summary, reasons, [f"mean_{kind}_change", f"sd_{kind}_change"], f"no class is {kind}")
    _macro(p, recall0, recall1, summary, reasons)
    classes = {
        "class": [p.names[i] for i in p.audited],
        "n": p.sizes,
        "recall_baseline": recall0,
        "recall_treated": recall1,
        "recall_change": change,
        "status": STATUS[sign].tolist(),
    }
    return summary, classes, reasons, []


def _macro(p: Pair, recall0: np.ndarray, recall1: np.ndarray, summary: dict, reasons: dict) -> None:
    keys = ["accuracy_baseline_macro", "accuracy_treated_macro", "gain_macro"]
    if p.sizes.min() == p.sizes.max():
        blank(summary, reasons, keys, "classes are of equal size: macro and micro averages agree")
    else:
        summary |= dict(zip(keys, (recall0.mean(), recall1.mean(), (recall1 - recall0).mean())))


def _confidence(p, sign, settings: Settings, summary, classes, reasons, notes) -> None:
    keys = [
        f"confidence_change_{x}" for x in ("improved", "degraded", "difference", "difference_low", "difference_high")
    ]
    kind = settings.confidence
    if any(getattr(a, kind) is None for a in (p.baseline, p.treated)):
        other = "p_max" if kind == "p_true" else "p_true"
        if all(getattr(a, other) is not None for a in (p.baseline, p.treated)):
            notes.append(f"Not every prediction has {kind}; confidence is {other} instead.")
            kind = other
        else:
            kind = None
    k = len(p.names)
    before, after = (
        class_confidence(p.labels, None if kind is None else getattr(a, kind), k)[p.audited]
        for a in (p.baseline, p.treated)
    )
    classes |= {"confidence_baseline": before, "confidence_treated": after}
    summary["confidence_kind"] = kind
    if kind is None:
        notes.append("The predictions hold no probabilities, so nothing is said of confidence.")
        blank(summary, reasons, ["confidence_kind", *keys], "no probabilities in the predictions")
        reasons |= {f"classes.confidence_{x}": "no probabilities in the predictions" for x in ("baseline", "treated")}
        return
    c = confidence_change(sign, before, after, settings.level)
    for key, value in zip(keys, (c.improved, c.degraded, c.difference, c.low, c.high)):
        summary[key] = value
        if np.isnan(value):
            blank(summary, reasons, [key], "too few degraded or improved classes")


def _notes(p: Pair) -> list[str]:
    notes = [*p.baseline.notes, *p.treated.notes]
    absent = np.setdiff1d(np.arange(len(p.names)), p.audited)
    if len(absent):
        named = first([p.names[i] for i in absent], 5)
        notes.append(f"{len(absent)} of {len(p.names)} classes have no examples and are left out: {named}.")
    return notes


def blank(summary: dict, reasons: dict, keys: list[str], reason: str) -> None:
    """Set keys of a summary to None and say why."""
    for key in keys:
        summary[key] = None
        reasons[key] = reason
