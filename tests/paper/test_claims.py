"""The paper's claims, tested on simulated arms whose truth is known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dropmix.audit.arm_names import parse_arm
from dropmix.paper.claim_estimates import ClaimEstimate, Seen, confidence_gap, drop_difference, rescued, unevenness
from dropmix.paper.claim_estimates import variance_difference as spread
from dropmix.paper.claims import claims

M, N, S = 100, 100, 5


def arm(rng, base, recall, name: str, vanilla) -> Seen:
    """An arm of binomial recalls around `recall`, beside the drawn `vanilla`."""
    drawn = rng.binomial(N, np.clip(recall, 0.01, 0.99), (S, M)) / N
    change = drawn.mean(axis=0) - vanilla.mean(axis=0)
    noise = sum(p * (1 - p) / (N * S) for p in (base, np.clip(recall, 0.01, 0.99)))
    floor = rng.normal(change.mean(), np.sqrt(noise), (400, M))
    down = change < -1e-12
    summary = {
        "gain": float(change.mean()),
        "mean_degraded_change": float(change[down].mean()) if down.any() else None,
        "floor_mean_degraded_change": float(np.mean([f[f < 0].mean() for f in floor if (f < 0).any()])),
    }
    status = np.where(down, "degraded", "improved")
    classes = {
        "n": np.full(M, N),
        "recall_change": change,
        "se_fixed_test": np.sqrt(noise),
        "status": status,
    }
    made: Any = SimpleNamespace(
        arm=name,
        method=parse_arm(name).method,
        rate=parse_arm(name).rate,
        summary=summary,
        classes=classes,
        recalls_baseline=vanilla,
        recalls_treated=drawn,
        accuracies_treated=drawn.mean(axis=1),
    )
    return Seen(made, (vanilla * 0.9, drawn * 0.8))


def world(rng, *changes) -> list[Seen]:
    """Arms with true recall changes, compared with one vanilla."""
    base = rng.uniform(0.55, 0.9, M)
    vanilla = rng.binomial(N, base, (S, M)) / N
    names = ["mixup", "cutmix", "mixup r=0.4"]
    return [arm(rng, base, base + change, name, vanilla) for change, name in zip(changes, names)]


def covered(estimates: list[ClaimEstimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))


def test_unevenness_covers_the_true_sd():
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.01, 0.03, M) ** 2
    for tau in (0.0, 0.02):
        found = [unevenness(rng.normal(0.01, np.sqrt(variance + tau**2)), variance) for _ in range(150)]
        assert 0.92 < covered(found, tau) <= 0.99
        assert np.mean([e.value for e in found]) == pytest.approx(tau, abs=0.005)


def test_equal_gains_are_not_called_uneven_nor_one_method_worse():
    rng = np.random.default_rng(1)
    uneven, variance, drop, back, sure = [], [], [], [], []
    for _ in range(40):
        mixup, cutmix, mended = world(rng, 0.01, 0.03, 0.02)
        uneven.append(unevenness(mixup.change, mixup.variance))
        variance.append(spread(mixup, cutmix))
        drop.append(drop_difference(mixup, mended))
        back.append(rescued(mixup.comparison, mended.comparison, 0))
        sure.append(confidence_gap(mixup, 0))
    assert np.mean([e.low > 0 for e in uneven]) < 0.1
    for estimates in (variance, drop, back, sure):
        assert covered(estimates, 0.0) > 0.85


def test_a_true_rescue_is_found_and_its_size_is_right():
    rng = np.random.default_rng(2)
    harm = np.where(np.arange(M) < 20, -0.08, 0.03)
    half = np.where(np.arange(M) < 20, -0.02, 0.03)
    found = [world(rng, harm, 0.02, half) for _ in range(40)]
    back = [rescued(a.comparison, c.comparison, 0) for a, _, c in found]
    # Given back: 0.06 to the 20 classes, 0 to the 80, of which a quarter looks degraded on two seeds by chance.
    assert np.mean([e.value for e in back]) == pytest.approx(0.06 * 20 / 40, abs=0.006)
    assert np.mean([e.low > 0 for e in back]) > 0.9
    assert np.mean([drop_difference(a, c).low > 0 for a, _, c in found]) > 0.9
    assert np.mean([unevenness(a.change, a.variance).low > 0 for a, *_ in found]) > 0.95


def test_variance_difference_covers_the_truth_whatever_the_gains():
    rng = np.random.default_rng(3)
    uneven = np.where(np.arange(M) % 2 == 0, -0.04, 0.04)
    truth = float(np.var(uneven, ddof=1))
    found = [spread(*world(rng, 0.02 + uneven, 0.05)) for _ in range(50)]
    assert np.mean([e.value for e in found]) == pytest.approx(truth, rel=0.1)
    assert covered(found, truth) > 0.85


def test_verdicts_read_as_the_estimates_do():
    rng = np.random.default_rng(4)
    harm = np.where(np.arange(M) < 20, -0.10, 0.03)
    arms = world(rng, harm, 0.05, np.where(np.arange(M) < 20, -0.02, 0.03))
    found = claims(arms)
    verdicts = {(c.claim, c.about): c.verdict for c in found}
    assert verdicts["changes recall unevenly", "mixup"] == "yes"
    assert verdicts["changes recall unevenly", "cutmix"] == "not shown"
    assert verdicts["DropMix reduces the mean drop", "mixup r=0.4 against mixup"] == "yes"
    assert verdicts["DropMix helps the classes that are hurt", "mixup r=0.4 against mixup"] == "yes"
    pair = [c for c in found if c.about == "cutmix against mixup" and "variance" in c.measure]
    assert [c.claim.split()[1] for c in pair] == ["more", "local"]
    assert {c.verdict for c in pair} == {"yes"}
    lost = next(c for c in found if "confidence" in c.claim and c.about == "mixup")
    assert lost.verdict == "yes"
    assert lost.estimate.low <= lost.estimate.value <= lost.estimate.high < 0


def test_one_seed_says_nothing_of_choices_over_seeds():
    rng = np.random.default_rng(5)
    mixup, _, mended = world(rng, 0.0, 0.0, 0.0)
    for x in (mixup, mended):
        x.comparison.recalls_baseline = x.comparison.recalls_baseline[:1]
    assert np.isnan(rescued(mixup.comparison, mended.comparison, 0).value)
    assert {c.verdict for c in claims([mixup, mended]) if "helps" in c.claim} == {"cannot be said"}
