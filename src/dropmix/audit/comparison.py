"""Compare one treated arm with a baseline: the paper's measures, then the inference behind them."""

from dataclasses import replace

import numpy as np

from dropmix.audit.errors import first
from dropmix.audit.findings import add_diagnosis, add_inference
from dropmix.audit.measures.confidence import class_confidence, confidence_change
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.degraded import changes, measures, signs
from dropmix.audit.measures.recall import accuracies, recalls, worst_and_bottom_tenth
from dropmix.audit.result import Comparison
from dropmix.audit.settings import Settings

STATUS = np.array(["tied", "improved", "degraded"], dtype=object)  # index -1 is degraded


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
    result = Comparison(
        baseline=p.baseline.arm,
        arm=p.treated.arm,
        summary={},
        classes={},
        recalls_baseline=recalls(p.counts0, p.sizes),
        recalls_treated=recalls(p.counts1, p.sizes),
        accuracies_baseline=accuracies(p.counts0, p.sizes),
        accuracies_treated=accuracies(p.counts1, p.sizes),
        notes=[*p.baseline.notes, *p.treated.notes],
        group=group,
    )
    _exact(p, sign, change, result, settings)
    _absent(p, result)
    _confidence(p, sign, settings, result)
    add_inference(p, change, result, settings, paired)
    confusion_change = add_diagnosis(p, result)
    return replace(result, notes=list(dict.fromkeys(result.notes)), confusion_change=confusion_change)


def _exact(p: Pair, sign: np.ndarray, change: np.ndarray, result: Comparison, settings: Settings) -> None:
    s0, s1 = p.seeds
    recall0 = p.counts0.sum(axis=0) / (s0 * p.sizes)
    recall1 = p.counts1.sum(axis=0) / (s1 * p.sizes)
    accuracy0, accuracy1 = result.accuracies_baseline, result.accuracies_treated
    m = measures(sign, change)
    worst0, tenth0 = worst_and_bottom_tenth(recall0)
    worst1, tenth1 = worst_and_bottom_tenth(recall1)
    summary = result.summary
    summary |= {
        "n_classes": len(p.audited),
        "n_examples": len(p.labels),
        "seeds_baseline": s0,
        "seeds_treated": s1,
        "margin": settings.margin,
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
    for kind, count in (("degraded", m.n_degraded), ("improved", m.n_improved)):
        if not count:
            result.leave_out([f"mean_{kind}_change", f"sd_{kind}_change"], f"no class is {kind}")
    keys = ["accuracy_baseline_macro", "accuracy_treated_macro", "gain_macro"]
    if p.sizes.min() == p.sizes.max():
        result.leave_out(keys, "classes are of equal size: macro and micro averages agree")
    else:
        macro = (recall0.mean(), recall1.mean(), (recall1 - recall0).mean())
        summary |= {key: float(value) for key, value in zip(keys, macro)}
    result.classes.update(
        {
            "class": [p.names[i] for i in p.audited],
            "n": p.sizes,
            "recall_baseline": recall0,
            "recall_treated": recall1,
            "recall_change": change,
            "status": STATUS[sign].tolist(),
        }
    )


def _confidence(p: Pair, sign: np.ndarray, settings: Settings, result: Comparison) -> None:
    measured = ("improved", "degraded", "difference", "difference_low", "difference_high")
    keys = [f"confidence_change_{x}" for x in measured]
    kind = _confidence_kind(p, settings.confidence, result.notes)
    before, after = (
        class_confidence(p.labels, None if kind is None else getattr(a, kind), len(p.names))[p.audited]
        for a in (p.baseline, p.treated)
    )
    result.classes.update({"confidence_baseline": before, "confidence_treated": after})
    result.summary["confidence_kind"] = kind
    if kind is None:
        result.leave_out(["confidence_kind", *keys], "no probabilities in the predictions")
        for column in ("confidence_baseline", "confidence_treated"):
            result.reasons[f"classes.{column}"] = "no probabilities in the predictions"
        return
    c = confidence_change(sign, before, after, settings.level)
    for key, value in zip(keys, (c.improved, c.degraded, c.difference, c.low, c.high)):
        result.put(key, value, "too few degraded or improved classes")


def _confidence_kind(p: Pair, kind: str, notes: list[str]) -> str | None:
    held = [k for k in ("p_true", "p_max") if all(getattr(a, k) is not None for a in (p.baseline, p.treated))]
    if kind in held:
        return kind
    if held:
        notes.append(f"Not every prediction has {kind}; confidence is {held[0]} instead.")
        return held[0]
    notes.append("The predictions hold no probabilities, so nothing is said of confidence.")
    return None


def _absent(p: Pair, result: Comparison) -> None:
    absent = np.setdiff1d(np.arange(len(p.names)), p.audited)
    if len(absent):
        named = first([p.names[i] for i in absent], 5)
        result.notes.append(f"{len(absent)} of {len(p.names)} classes have no examples and are left out: {named}.")
