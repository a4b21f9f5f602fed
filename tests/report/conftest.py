"""Simulated audits of any size: hand-made records, with any part left out, and real audits of simulated predictions."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr

from dropmix.audit import audit_predictions
from dropmix.audit.arm_names import parse_arm
from dropmix.audit.inference.guaranteed import Evidence, Guarantee
from dropmix.audit.result import Audit, Comparison

_FIRST = "red grey tiny great spotted common striped northern golden dwarf".split()
_SECOND = "owl fox lamp beetle dolphin maple tractor bowl seal rose".split()
_THIRD = ["", " of the north", " cub", " (old)", " II", " model", " from above", " group", " in water", " toy"]


def class_names(m: int) -> list[str]:
    """M distinct readable names, the first 100 short."""
    return [f"{a} {b}{c}" for c, a, b in product(_THIRD, _FIRST, _SECOND)][:m]


def _comparison(rng, base, arm, gain, spread, m, n, seeds, names, group, floor, inference, confidence, confusion):
    """One comparison from binomial counts: `gain` points for every class, `spread` points between classes."""
    skill, counts0 = base
    drift = np.where(rng.random(m) < 0.2, -2.5, 0.6) * spread * rng.random(m)
    true = np.clip(skill + (gain + drift) / 100, 0.02, 0.985)
    counts1 = rng.binomial(n, true, (seeds, m))
    t0, t1 = counts0.sum(axis=0), counts1.sum(axis=0)
    sign = np.sign(t1 * len(counts0) - t0 * seeds)
    recall0, recall1 = counts0 / n, counts1 / n
    change = recall1.mean(axis=0) - recall0.mean(axis=0)
    acc0, acc1 = recall0.mean(axis=1), recall1.mean(axis=1)
    worse, better = change[sign < 0], change[sign > 0]
    summary = {
        "n_classes": m,
        "n_examples": m * n,
        "seeds_baseline": len(counts0),
        "seeds_treated": seeds,
        "n_degraded": int((sign < 0).sum()),
        "n_improved": int((sign > 0).sum()),
        "n_tied": int((sign == 0).sum()),
        "mean_degraded_change": float(worse.mean()) if len(worse) else None,
        "sd_degraded_change": float(worse.std()) if len(worse) else None,
        "mean_improved_change": float(better.mean()) if len(better) else None,
        "accuracy_baseline": float(acc0.mean()),
        "accuracy_treated": float(acc1.mean()),
        "accuracy_baseline_sd": float(acc0.std()),
        "accuracy_treated_sd": float(acc1.std()),
        "gain": float(acc1.mean() - acc0.mean()),
        "floor_n_degraded": 0.29 * m if floor else None,
        "floor_n_degraded_low": 0.2 * m if floor else None,
        "floor_n_degraded_high": 0.38 * m if floor else None,
        "confidence_kind": "p_true" if confidence else None,
    }
    mean0, mean1 = recall0.mean(axis=0), recall1.mean(axis=0)
    nothing = np.full(m, np.nan)
    se = np.sqrt((mean0 * (1 - mean0) + mean1 * (1 - mean1)) / (n * seeds)) + 0.003
    p = 1 / (1 + np.exp(np.clip((change + 0.005) / se * 1.6, -50, 50)))
    classes = {
        "class": names,
        "n": np.full(m, n),
        "recall_baseline": mean0,
        "recall_treated": mean1,
        "recall_change": change,
        "status": [("tied", "improved", "degraded")[int(s)] for s in sign],
        "se_fixed_test": se if inference else nothing,
        "se_population": 1.4 * se if inference else nothing,
        "p_degraded": p if inference else nothing,
        "call": [("degraded" if x > 0.95 else "") if inference else None for x in p],
        "partner": [names[(i + 7) % m] if confusion and sign[i] < 0 else None for i in range(m)],
        "confidence_baseline": mean0 * 0.95 + 0.02 if confidence else nothing,
        "confidence_treated": mean1 * 0.75 + 0.01 + 0.02 * rng.random(m) if confidence else nothing,
    }
    flows, named = None, parse_arm(arm)
    if confusion:
        flows = rng.normal(0, 0.3, (m, m))
        flows[np.arange(m), (np.arange(m) + 7) % m] -= 0.7 * n * change
        np.fill_diagonal(flows, n * change)
    return Comparison(
        "vanilla",
        arm,
        *(named.method, named.rate),
        *(summary, classes, recall0, recall1, acc0, acc1),
        confusion_change=flows,
        group=group,
    )


def simulate(
    classes: int = 10,
    arms: Sequence[str] = ("mixup", "mixup r=0.4"),
    seeds: int = 5,
    seed: int = 0,
    groups: Sequence[str] = ("",),
    names: list[str] | None = None,
    floor: bool = False,
    inference: bool = False,
    confidence: bool = True,
    confusion: bool = True,
) -> Audit:
    """An audit of arms against vanilla, as the audit package would return it."""
    rng = np.random.default_rng(seed)
    names = class_names(classes) if names is None else names
    m, n = len(names), 100 if len(names) <= 100 else 50
    comparisons = []
    for group in groups:
        skill = np.clip(rng.normal(0.75, 0.11, m), 0.15, 0.97)
        base = (skill, rng.binomial(n, skill, (seeds, m)))
        for i, arm in enumerate(arms):
            gain, spread = (1.6, 3.0) if "r=" in arm else (1.2, 6.0)
            options = (m, n, seeds, names, group, floor, inference, confidence, confusion)
            comparisons.append(_comparison(rng, base, arm, gain + 0.1 * i, spread, *options))
    return Audit(comparisons, names, inputs=[], settings={"seed": seed})


@pytest.fixture(scope="session")
def make_audit() -> Callable[..., Audit]:
    """Records made by hand, as a fixture since test folders are not packages."""
    return simulate


def _arm(rng, labels, skill, seeds, confidence):
    """Predictions of each seed: right with the class's `skill`, else one of the next three classes."""
    hard = rng.normal(0, 0.15, len(labels))
    right = rng.random((seeds, len(labels))) < np.clip(skill[labels] + hard, 0.02, 0.98)
    wrong = (labels + rng.integers(1, 4, (seeds, len(labels)))) % len(skill)
    arrays = {"labels": labels, "pred": np.where(right, labels, wrong), "seeds": np.arange(seeds)}
    if confidence:
        arrays["p_true"] = np.clip(0.2 + 0.6 * right + rng.normal(0, 0.05, right.shape), 0, 1)
    return arrays


def predicted(
    classes: int = 10,
    arms: Sequence[str] = ("mixup", "mixup r=0.4"),
    seeds: int = 5,
    seed: int = 0,
    groups: Sequence[str] = ("",),
    names: list[str] | None = None,
    confidence: bool = True,
    per_class: int = 0,
    protect: Sequence[str] = (),
    **settings: object,
) -> Audit:
    """An audit of simulated predictions of arms against vanilla; a fifth of the classes fall under each arm."""
    rng = np.random.default_rng(seed)
    names = class_names(classes) if names is None else names
    m, n = len(names), per_class or (100 if len(names) <= 100 else 50)
    labels = np.repeat(np.arange(m), n)
    comparisons = []
    for group in groups:
        skill = np.clip(rng.normal(0.75, 0.11, m), 0.15, 0.97)
        base = _arm(rng, labels, skill, seeds, confidence)
        treated = {}
        for arm in arms:
            spread = 0.04 if "r=" in arm else 0.1
            drift = np.where(rng.random(m) < 0.2, -2.5, 0.6) * spread * rng.random(m)
            treated[arm] = _arm(rng, labels, skill + 0.015 + drift, seeds, confidence)
        found = audit_predictions({**base, "arm": "vanilla"}, treated, classes=names, refits=0, **settings)
        comparisons += [replace(c, group=group, baseline="vanilla") for c in found.comparisons]
    return replace(found, comparisons=[_decided(c, protect) for c in comparisons])


def _decided(c: Comparison, protect: Sequence[str]) -> Comparison:
    """The comparison with a decision per class, by plain one-sided tests against a loss of one point."""
    change, tolerance = np.asarray(c.classes["recall_change"]), 0.01
    error = np.maximum(np.asarray(c.classes["se_fixed_test"]), 1e-6)
    p_hurt = ndtr((change + tolerance) / error)
    words = np.where(p_hurt < 0.02, "hurt", np.where(p_hurt > 0.98, "safe", "undecided"))
    named = np.isin(c.classes["class"], list(protect))
    guarantee = Guarantee(Evidence(p_hurt, p_hurt), Evidence(1 - p_hurt, 1 - p_hurt), 0.025)
    low, high = guarantee.hurt_among(np.arange(len(change)))
    asked = words[named] if named.any() else words
    decision = "do not ship" if "hurt" in words else "ship" if (asked == "safe").all() else "undecided"
    counts = {f"n_{word}": int((words == word).sum()) for word in ("hurt", "safe", "undecided")}
    summary = counts | {
        "decision": decision,
        "n_hurt_low": low,
        "n_hurt_high": high,
        "n_too_few": 0,
        "n_protected": int(named.sum()),
    }
    columns = {
        "decision": words.tolist(),
        "protected": np.where(named, "yes", "no").tolist(),
        "tolerance": np.full(len(change), tolerance),
    }
    for suffix, width in (("", 1.645), ("_population", 2.3)):
        columns |= {f"recall_change_{end}{suffix}": change + s * width * error for end, s in (("low", -1), ("high", 1))}
    made = replace(c, summary=c.summary | summary, classes=c.classes | columns)
    object.__setattr__(made, "guarantee", guarantee)
    return made


@pytest.fixture(scope="session")
def real_audit() -> Callable[..., Audit]:
    """Audits that the audit package made, of simulated predictions."""
    return predicted


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; the test is skipped where there is none."""
    known = [os.environ.get("DROPMIX_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = [path for name in known if name and (path := shutil.which(name))]
    if not found:
        pytest.skip("no Chromium found; set DROPMIX_CHROMIUM to one")
    return found[0]
