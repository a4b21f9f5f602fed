"""Ranges of a second study, against second studies that are simulated."""

import math

import numpy as np
import pytest
from scipy import stats

from dropmix.audit import audit_predictions
from dropmix.paper.replicate import accuracy_range, confidence_ranges, degraded_ranges
from dropmix.studies.simulate import World, simulate


def test_accuracy_range_is_welchs_interval():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(75, 0.2, 5), rng.normal(75, 0.4, 7)
    r = accuracy_range(ours.mean(), ours.std(), 5, theirs.std(), 7)
    welch = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    gap = ours.mean() - theirs.mean()
    assert (gap - (ours.mean() - r.low), gap + (r.high - ours.mean())) == pytest.approx((welch.low, welch.high))


def test_one_sd_stands_for_both_and_none_says_nothing():
    alone = accuracy_range(75.0, None, 1, 0.2, 5)
    half = stats.t.ppf(0.975, 4) * math.sqrt(0.2**2 * 5 / 4 * (1 / 1 + 1 / 5))
    assert (alone.low, alone.high) == pytest.approx((75 - half, 75 + half))
    assert accuracy_range(75.0, 0.2, 5, None, 5).holds(75.1)
    assert accuracy_range(75.0, None, 1, None).holds(75.0) is None


def study(correct0, correct1):
    m, n = correct0.shape[1:]
    labels = np.repeat(np.arange(m), n)

    def arm(correct):
        return {"labels": labels, "pred": np.where(correct.reshape(len(correct), -1), labels, (labels + 1) % m)}

    return audit_predictions(arm(correct0), arm(correct1), refits=0).only


def test_a_second_study_falls_into_the_ranges():
    world = World(classes=60, per_class=50, seeds=(10, 10), recall=0.75)
    scales, rng = world.scales(), np.random.default_rng(1)
    change = np.where(np.arange(60) < 12, -0.04, 0.02)
    inside = []
    for _ in range(30):
        drawn = simulate(world, change, rng, scales=scales)
        first = study(drawn.correct0[:5], drawn.correct1[:5])
        second = drawn.correct1[5:].mean(axis=(0, 2)) - drawn.correct0[5:].mean(axis=(0, 2))
        down = second[second < -1e-9]
        counts, means = degraded_ranges(first, 5, draws=400)
        inside.append((counts.holds(len(down)), means.holds(float(down.mean()))))
    share = np.mean(inside, axis=0)
    assert share.min() > 0.83  # 0.95 - 3 errors of 30 trials
    assert counts.high - counts.low < 30


def test_a_study_of_other_networks_falls_outside():
    world = World(classes=60, per_class=50, recall=0.75)
    rng = np.random.default_rng(2)
    same, harmed = (simulate(world, np.asarray(gain), rng) for gain in (0.05, -0.05))
    counts, _ = degraded_ranges(study(same.correct0, same.correct1), draws=400)
    assert not counts.holds(study(harmed.correct0, harmed.correct1).summary["n_degraded"])


def test_confidence_ranges_hold_a_second_study():
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(60):
        recall = np.stack([np.full(40, 0.7), np.where(np.arange(40) < 10, 0.6, 0.75)])
        counts = [rng.binomial(100, recall[:, None], (2, 5, 40)) for _ in range(2)]
        sure = [
            recall[:, None] * 0.9 + rng.normal(0, 0.02, (2, 5, 40)) + rng.normal(0, 0.01, (2, 5, 1)) for _ in (0, 1)
        ]
        ranges = confidence_ranges((counts[0][0], counts[0][1]), (sure[0][0], sure[0][1]))
        change = sure[1][1].mean(axis=0) - sure[1][0].mean(axis=0)
        sign = np.sign(counts[1][1].sum(axis=0) - counts[1][0].sum(axis=0))
        inside.append([r.holds(float(change[sign == s].mean())) for r, s in zip(ranges, (1, -1))])
    assert np.mean(inside, axis=0).min() > 0.85


def test_one_seed_has_no_confidence_range():
    one = np.ones((1, 3))
    assert all(math.isnan(r.low) for r in confidence_ranges((one, one), (one, one)))
