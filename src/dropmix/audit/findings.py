"""Inference and diagnosis, put under the names of the result."""

import numpy as np

from dropmix.audit.inference.few_classes import mcnemar
from dropmix.audit.inference.halves import split_check
from dropmix.audit.inference.infer import Inference, infer
from dropmix.audit.inference.variance import Variances, variances
from dropmix.audit.measures.confusion import diagnose, superclass_changes
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.recall import recalls
from dropmix.audit.result import Comparison
from dropmix.audit.settings import Settings

ONE_SEED = (
    "An arm has one seed only: noise is judged from examples alone, which misses what a seed does to a whole class. "
    "Take the calls as a hint, and train more seeds."
)
FEW_SEEDS = "Fewer than five seeds in an arm: the intervals are rough."


def add_inference(p: Pair, change: np.ndarray, result: Comparison, settings: Settings, paired: bool) -> None:
    """Variances, both estimands, the split-seed check and, with one seed, McNemar's test.

    Args:
        p: two aligned arms.
        change: recall change, (M,).
        result: receives keys of `summary`, columns of `classes`, reasons and notes.
        settings: of the audit.
        paired: whether equal seed numbers share initial weights and order.
    """
    v = _variances(p, paired)
    _noise(v, p, result, settings)
    dof = int((p.sizes - 1).sum()) if v.one_seed else v.dof
    for stream, (suffix, variance) in enumerate((("", v.fixed), ("_population", v.population))):
        found = infer(change, variance, p.sizes, p.seeds, dof, settings, stream)
        _summarise(found, result, settings, suffix)
        _columns(found, variance, result, suffix)
    _split(p, result, settings)
    if p.seeds == (1, 1):
        lost, won = (
            np.bincount(p.position, weights=(a & ~b)[0], minlength=len(p.sizes)).astype(int)
            for a, b in ((p.correct0, p.correct1), (p.correct1, p.correct0))
        )
        result.classes["mcnemar_p"] = mcnemar(lost, won)


def _variances(p: Pair, paired: bool) -> Variances:
    shared = None
    if paired and p.baseline.seeds_given and p.treated.seeds_given:
        _, *shared = np.intersect1d(p.baseline.seeds, p.treated.seeds, return_indices=True)
    shares = [c.mean(axis=0) for c in (p.correct0, p.correct1)]
    recall = [recalls(c, p.sizes) for c in (p.counts0, p.counts1)]
    return variances(p.position, *shares, *recall, shared=None if shared is None else (shared[0], shared[1]))


def _noise(v: Variances, p: Pair, result: Comparison, settings: Settings) -> None:
    result.put("seed_variance_ratio", v.ratio, "an arm has one seed")
    result.summary.update(seed_covariance=v.covariance, shared_seeds=v.shared)
    result.classes["baseline_noise_share"] = v.baseline / v.fixed
    if v.one_seed:
        result.notes.append(ONE_SEED)
    elif min(p.seeds) < 5:
        result.notes.append(FEW_SEEDS)
    if p.sizes.min() < 20:
        result.notes.append(f"The smallest class has {p.sizes.min()} examples: its variance is poorly known.")


def _summarise(found: Inference, result: Comparison, settings: Settings, suffix: str) -> None:
    put = lambda key, value, why: result.put(f"{key}{suffix}", value, why)  # noqa: E731
    put("heterogeneity_p", found.heterogeneity.p, "one class only")
    put("heterogeneity_tau", found.heterogeneity.tau, "one class only")
    put("heterogeneity_i2", found.heterogeneity.i2, "one class only")
    put("floor_n_degraded", found.floor.number, "")
    put("floor_n_degraded_low", found.floor.low, "")
    put("floor_n_degraded_high", found.floor.high, "")
    put("floor_mean_degraded_change", found.floor.mean_change, "equal gains never made a class look degraded")
    asked = "no interval was asked for" if settings.refits < 2 and not found.few else "no class to speak of"
    put("n_degraded_estimate", found.number, "")
    put("n_degraded_estimate_low", found.bounds.number_low, asked)
    put("n_degraded_estimate_high", found.bounds.number_high, asked)
    put("mean_degraded_change_estimate", found.mean_change, "fewer than half a class is estimated to be degraded")
    put("mean_degraded_change_estimate_low", found.bounds.change_low, asked)
    put("mean_degraded_change_estimate_high", found.bounds.change_high, asked)
    result.summary[f"n_called{suffix}"] = int(found.called.sum())
    result.summary[f"n_called_improved{suffix}"] = int(found.called_improved.sum())
    result.summary["procedure"] = "tests of each class (Holm)" if found.few else "empirical Bayes"


def _columns(found: Inference, variance: np.ndarray, result: Comparison, suffix: str) -> None:
    call = np.where(found.called, "degraded", np.where(found.called_improved, "improved", "")).astype(object)
    classes = result.classes
    classes["se_population" if suffix else "se_fixed_test"] = np.sqrt(variance)
    if not suffix:
        for key, values in zip(("floor_change_low", "floor_change", "floor_change_high"), found.floor_change):
            classes[key] = values
    classes[f"p_degraded{suffix}"] = found.p_degraded
    classes[f"p_improved{suffix}"] = found.p_improved
    classes[f"call{suffix}"] = call.tolist()
    classes[f"recall_change_estimate{suffix}"] = found.estimate
    classes[f"recall_change_estimate_low{suffix}"] = found.estimate - found.half_width
    classes[f"recall_change_estimate_high{suffix}"] = found.estimate + found.half_width


def _split(p: Pair, result: Comparison, settings: Settings) -> None:
    keys = ("split_n_degraded", "split_chosen_change", "split_other_change", "split_still_degraded")
    split = split_check(p.counts0, p.counts1, p.sizes, np.random.default_rng([settings.seed, 2]))
    if split is None:
        result.leave_out(keys, "an arm has one seed")
        return
    values = (split.number, split.chosen_change, split.other_change, split.still_degraded)
    for key, value in zip(keys, values):
        result.put(key, value, "no class was ever chosen")


def add_diagnosis(p: Pair, result: Comparison) -> np.ndarray | None:
    """Precision, false negatives and positives, partner classes and superclasses.

    Returns:
        change of the confusion counts among the audited classes, (M, M), or None for very many classes.
    """
    labels, pred0, pred1 = p.labels, p.baseline.pred, p.treated.pred
    d = diagnose(labels, pred0, pred1, len(p.names))
    at = p.audited
    partner = [p.names[i] if i >= 0 else "" for i in d.partner[at]]
    result.classes.update(
        {
            "precision_baseline": d.precision_baseline[at],
            "precision_treated": d.precision_treated[at],
            "false_negatives_change": d.false_negatives_change[at],
            "false_positives_change": d.false_positives_change[at],
            "partner": partner,
            "partner_share": d.partner_share[at],
            "partner_change": d.partner_change[at],
            "partner_back": d.partner_back[at],
        }
    )
    result.reasons["classes.partner_share"] = "no other class gained examples of this one"
    result.reasons["classes.precision_treated"] = "the class was never predicted"
    groups = p.baseline.superclasses or p.treated.superclasses
    keys = ["within_superclass_change", "across_superclass_change"]
    if groups is None:
        result.leave_out(keys, "no superclasses were given")
    else:
        numbers = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)[1]
        columns = superclass_changes(labels, pred0, pred1, numbers)
        for key, values in zip(keys, columns):
            result.classes[key] = values[at]
            result.put(key, float(np.average(values[at], weights=p.sizes)), "")
    return None if d.change is None else d.change[np.ix_(at, at)]
