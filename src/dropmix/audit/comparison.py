"""The record that users see of each arm: decisions over all arms together, then every quantity."""

from typing import Any

import numpy as np
from scipy.special import stdtrit

from dropmix.audit.analysis import Analysis
from dropmix.audit.errors import first
from dropmix.audit.inference.decide import FEW_EXAMPLES, HURT, SAFE, TOO_FEW, decide
from dropmix.audit.inference.few_classes import mcnemar
from dropmix.audit.inference.halves import split_check
from dropmix.audit.inference.streams import stream
from dropmix.audit.inference.variance import Variances
from dropmix.audit.measures.beside_recall import beside_recall, superclass_columns
from dropmix.audit.measures.confidence import class_confidence, confidence_change
from dropmix.audit.measures.confusion import Diagnosis, diagnose
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.degraded import measures, signs
from dropmix.audit.measures.lost import lost_images
from dropmix.audit.measures.recall import accuracies, recalls, worst_and_bottom_tenth
from dropmix.audit.quantities.classes import CLASSES
from dropmix.audit.quantities.inferred import inferred, inferred_columns
from dropmix.audit.quantities.summary import SUMMARY
from dropmix.audit.quantities.table import TWIN, tidy
from dropmix.audit.result import Comparison
from dropmix.audit.rows.class_facts import fact_columns
from dropmix.audit.rows.labels import joined, with_labels
from dropmix.audit.rows.slices import BySlice, by_slices
from dropmix.audit.settings import Settings

STATUS = np.array(["tied", "improved", "degraded"], dtype=object)  # index -1 is degraded
LONE = "One arm has only one seed; its seed noise is taken from the other arm's seeds."


def compose(analyses: list[Analysis], settings: Settings, group: str = "") -> list[Comparison]:
    """The comparisons of arms that were analysed together, with decisions.

    Args:
        analyses: one per arm.
        settings: of the audit; `fdr` is spent once, over all of them.
        group: label for the result.
    """
    if not analyses:
        return []
    tests = [[a.tests(i) for a in analyses] for i in (0, 1)]
    protected = [a.named for a in analyses]
    known = [[a.guarantee(i) for a in analyses] for i in (0, 1)]
    words = [decide(t, protected, settings.fdr, settings.alone, k) for t, k in zip(tests, known)]
    beside = by_slices(analyses, settings)
    return [_comparison(a, (fixed, new), s, settings, group) for a, fixed, new, s in zip(analyses, *words, beside)]


def _comparison(a: Analysis, words: tuple, by_slice: BySlice, settings: Settings, group: str) -> Comparison:
    p, notes = a.pair, [*a.pair.baseline.notes, *a.pair.treated.notes, *_notes(a, words[0])]
    s0, s1 = p.seeds
    sign = signs(p.counts0.sum(axis=0), s0, p.counts1.sum(axis=0), s1)
    diagnosis = diagnose(p.labels, p.baseline.pred, p.treated.pred, len(p.names))
    summary, classes = _exact(a, sign, settings)
    for part in (
        _confidence(p, sign, settings, notes),
        _noise(a),
        superclass_columns(p),
        beside_recall(p, settings.level),
    ):
        summary |= part[0]
        classes |= part[1]
    for inference, made, suffix in zip(a.inferences, words, ("", TWIN)):
        summary |= {f"{key}{suffix}": value for key, value in inferred(inference, made, a, by_slice.named).items()}
        classes |= {
            f"{key}{suffix}": value for key, value in inferred_columns(inference, made[: len(p.audited)]).items()
        }
    floor_low, floor, floor_high = a.inferences[0].floor_change
    classes |= {"floor_change_low": floor_low, "floor_change": floor, "floor_change_high": floor_high}
    classes |= {"se_fixed_test": a.inferences[0].error, "se_population": a.inferences[1].error}
    classes |= _diagnosed(p, diagnosis, a.labels is None)
    summary |= _split(p, settings) | a.more | by_slice.summary(summary, bool(a.named.any()))
    classes |= a.more_classes
    if a.labels is not None:
        counts, classes = joined(summary, classes, a.labels, [w[len(p.audited) :] for w in words], p)
        summary |= counts
    classes |= fact_columns(p, classes)
    tidied, reasons = tidy(summary, SUMMARY)
    columns, gaps = tidy(classes, CLASSES)
    at, word = p.audited, words[0][: len(p.audited)]
    return Comparison(
        baseline=p.baseline.arm,
        arm=p.treated.arm,
        method=p.treated.method_and_rate.method,
        rate=p.treated.method_and_rate.rate,
        summary=tidied,
        classes=columns,
        recalls_baseline=with_labels(recalls(p.counts0, p.sizes), a.labels and a.labels.before),
        recalls_treated=with_labels(recalls(p.counts1, p.sizes), a.labels and a.labels.after),
        accuracies_baseline=accuracies(p.counts0, p.sizes),
        accuracies_treated=accuracies(p.counts1, p.sizes),
        notes=list(dict.fromkeys(notes)),
        confusion_change=None if diagnosis.change is None or a.labels is not None else diagnosis.change[np.ix_(at, at)],
        group=group,
        reasons=reasons | {f"classes.{key}": why for key, why in gaps.items()},
        guarantee=a.guarantee(0),
        slices=by_slice.slices,
        slice_classes=by_slice.cells,
        lost=lost_images(p, a.change, word == HURT, a.protected & (word != SAFE)),
    )


def _exact(a: Analysis, sign: np.ndarray, settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """The paper's measures, and what needs no inference."""
    p = a.pair
    s0, s1 = p.seeds
    recall0 = p.counts0.sum(axis=0) / (s0 * p.sizes)
    recall1 = p.counts1.sum(axis=0) / (s1 * p.sizes)
    accuracy0, accuracy1 = accuracies(p.counts0, p.sizes), accuracies(p.counts1, p.sizes)
    m = measures(sign, a.change)
    worst0, tenth0 = worst_and_bottom_tenth(recall0)
    worst1, tenth1 = worst_and_bottom_tenth(recall1)
    gain = float(accuracy1.mean() - accuracy0.mean())
    half = _gain_half_width(a.noise, p.sizes, settings.level)
    equal = p.sizes.min() == p.sizes.max()
    macro = (np.nan,) * 3 if equal else (recall0.mean(), recall1.mean(), (recall1 - recall0).mean())
    summary = {
        "tolerance": np.nan if len({*a.tolerance}) > 1 else float(a.tolerance[0]),
        "n_protected": int(a.protected.sum()),
        "protected_level": settings.alone,
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
        "gain": gain,
        "gain_low": gain - half,
        "gain_high": gain + half,
        "accuracy_baseline_macro": float(macro[0]),
        "accuracy_treated_macro": float(macro[1]),
        "gain_macro": float(macro[2]),
        "worst_class_baseline": worst0,
        "worst_class_treated": worst1,
        "bottom_tenth_baseline": tenth0,
        "bottom_tenth_treated": tenth1,
    }
    classes = {
        "class": [p.names[i] for i in p.audited],
        "n": p.sizes,
        "protected": np.where(a.protected, "yes", "no").astype(object).tolist(),
        "tolerance": a.tolerance,
        "recall_baseline": recall0,
        "recall_treated": recall1,
        "recall_change": a.change,
        "status": STATUS[sign].tolist(),
    }
    if p.baseline.group is not None:
        classes["n_groups"] = a.counts
    return summary, classes


def _gain_half_width(v: Variances, sizes: np.ndarray, level: float) -> float:
    """Half the width of the interval of the gain over seeds; NaN if both arms have one seed."""
    if v.one_seed:
        return float("nan")
    share = sizes / sizes.sum()
    variance = v.common + float((share**2 * v.fixed).sum())
    return float(stdtrit(max(v.accuracy_dof, 1), (1 + level) / 2) * np.sqrt(variance))


def _confidence(p: Pair, sign: np.ndarray, settings: Settings, notes: list[str]) -> tuple[dict, dict]:
    kind = _confidence_kind(p, settings.confidence, notes)
    before, after = (
        class_confidence(p.labels, None if kind is None else getattr(a, kind), len(p.names))[p.audited]
        for a in (p.baseline, p.treated)
    )
    c = confidence_change(sign, before, after, settings.level)
    key = "confidence_change"
    summary = {
        "confidence_kind": kind,
        f"{key}_improved": c.improved,
        f"{key}_degraded": c.degraded,
        f"{key}_difference": c.difference,
        f"{key}_difference_low": c.low,
        f"{key}_difference_high": c.high,
    }
    return summary, {"confidence_baseline": before, "confidence_treated": after}


def _confidence_kind(p: Pair, kind: str, notes: list[str]) -> str | None:
    available = [k for k in ("p_true", "p_max") if all(getattr(a, k) is not None for a in (p.baseline, p.treated))]
    if kind in available:
        return kind
    if available:
        notes.append(f"Not every prediction has {kind}; confidence is {available[0]} instead.")
        return available[0]
    return None


def _noise(a: Analysis) -> tuple[dict, dict]:
    v, p = a.noise, a.pair
    summary = {"seed_variance_ratio": v.ratio, "seed_covariance": v.covariance, "shared_seeds": v.shared}
    classes: dict[str, Any] = {"baseline_noise_share": v.baseline / v.fixed}
    if p.seeds == (1, 1):
        lost, won = (
            np.bincount(p.position, weights=(x & ~y)[0], minlength=len(p.sizes)).astype(int)
            for x, y in ((p.correct0, p.correct1), (p.correct1, p.correct0))
        )
        classes["mcnemar_p"] = mcnemar(lost, won)
    return summary, classes


def _split(p: Pair, settings: Settings) -> dict[str, float]:
    split = split_check(p.counts0, p.counts1, p.sizes, stream(settings.seed, "split"))
    keys = {"n_degraded": "number"} | {k: k for k in ("chosen_change", "other_change", "still_degraded")}
    return {f"split_{key}": np.nan if split is None else getattr(split, own) for key, own in keys.items()}


def _diagnosed(p: Pair, d: Diagnosis, among_classes: bool) -> dict[str, Any]:
    at = p.audited
    partner = d.partner[at]
    if not among_classes:  # the twin of a sensitivity is the same label's specificity, which tells nothing
        partner = np.full(len(at), -1)
    taken = partner >= 0
    return {
        "false_negatives_change": d.false_negatives_change[at],
        "false_positives_change": d.false_positives_change[at],
        "partner": [p.names[i] if i >= 0 else "" for i in partner],
        "partner_share": np.where(taken, d.partner_share[at], np.nan),
        "partner_change": np.where(taken, d.partner_change[at], np.nan),
        "partner_back": np.where(taken, d.partner_back[at], np.nan),
    }


def _notes(a: Analysis, words: np.ndarray) -> list[str]:
    p, notes = a.pair, []
    absent = np.setdiff1d(np.arange(len(p.names)), p.audited)
    if len(absent):
        named = first([p.names[i] for i in absent], 5)
        notes.append(f"{len(absent)} of {len(p.names)} classes have no examples and are left out: {named}.")
    names, counts = [p.names[i] for i in p.audited], a.counts
    if a.labels is not None:
        names, counts = [*names, *a.labels.names], np.concatenate([counts, a.labels.n_groups])
    few = [name for name, word in zip(names, words) if word == TOO_FEW]  # a protected one may be judged still
    if few:
        rows = "classes" if a.labels is None else "measures"
        them = "it" if len(few) == 1 else "them"
        # Ten and more are too few only for this noise, which more seeds lower.
        noisy = not a.noise.one_seed and max(n for n, word in zip(counts, words) if word == TOO_FEW) >= FEW_EXAMPLES
        what = "test examples" if p.baseline.group is None else "groups of test examples"
        notes.append(
            f"Too few examples to be judged, {len(few)} of {len(names)} {rows}: {first(few, 5)}. "
            f"{'Train more seeds, collect' if noisy else 'Collect'} more {what} of {them}, or, if only a part of them "
            "was predicted, predict all by cross-validation."
        )
    if not a.noise.one_seed and min(p.seeds) == 1:
        notes.append(LONE)
    return notes
