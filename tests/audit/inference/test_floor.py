"""The floor of a comparison, heterogeneity and the split-seed check against brute force."""

import numpy as np
import pytest
from scipy import special, stats

from dropmix.audit import audit_predictions
from dropmix.audit.inference.floor import equal_change_floor
from dropmix.audit.inference.halves import split_check
from dropmix.audit.inference.heterogeneity import heterogeneity


def equal(recall, variance, sizes, seeds, shift=0.0, rng=None):
    """A floor whose observed changes are one shift in logits."""
    moved = special.expit(special.logit(recall) + shift)
    flip = recall * (1 - recall)
    return equal_change_floor(recall, moved, variance, flip, sizes, seeds, rng or np.random.default_rng(0))


def test_floor_is_the_binomial_probability():
    """All examples flip: the counts of both arms are binomial, and scipy knows who is smaller."""
    recall, sizes, seeds = np.linspace(0.3, 0.97, 40), np.full(40, 60), (2, 2)
    shift = 0.15
    floor = equal(recall, 2 * recall * (1 - recall) / 120, sizes, seeds, shift)
    k = np.arange(121)
    middle = special.logit((recall + special.expit(special.logit(recall) + shift)) / 2)
    before, after = (special.expit(middle + sign * shift / 2) for sign in (-1, 1))
    below = [(stats.binom.pmf(k, 120, b) * stats.binom.cdf(k - 1, 120, a)).sum() for b, a in zip(before, after)]
    assert floor.number == pytest.approx(sum(below), rel=0.03)
    assert floor.low < sum(below) < floor.high


def test_a_class_that_cannot_fall_is_not_said_to():
    recall = np.array([0.8] * 20 + [1.0] * 20)
    flip = np.where(recall < 1, 0.05, 1e-5)
    rng = np.random.default_rng(0)
    variance = flip * 0.4 / 100
    floor = equal_change_floor(
        recall, recall - np.where(recall < 1, 0.05, 0), variance, flip, np.full(40, 100), (5, 5), rng
    )
    down = (floor.changes < 0).mean(axis=0)
    assert (down[:20] > 0.99).all()
    assert (down[20:] < 0.2).all()


def test_places_in_the_order_are_order_statistics():
    """Against scipy's exact quantiles: the k-th smallest of M equal normals is a Beta(k, M - k + 1) in probability."""
    sizes = np.full(40, 5000)  # counts are then as good as normal
    floor = equal(np.full(40, 0.5), np.full(40, 2 * 0.25 / 25000), sizes, (5, 5))
    sd, k = np.sqrt(2 * 0.25 / 25000), np.arange(1, 41)
    for row, q in ((0, 0.025), (2, 0.975)):
        exact = stats.norm.ppf(stats.beta.ppf(q, k, 41 - k), 0, sd)
        np.testing.assert_allclose(floor.by_rank[row], exact, atol=0.25 * sd)
    assert floor.by_rank[1].mean() == pytest.approx(0, abs=0.02 * sd)


def test_each_class_has_the_band_of_its_place(rng, draw):
    labels = np.repeat(np.arange(30), 40)
    arms = [{"labels": labels, "pred": draw(rng, labels, 3, right, 30)} for right in (0.6, 0.7)]
    c = audit_predictions(*arms, refits=0).classes
    for key in ("floor_change_low", "floor_change", "floor_change_high"):
        order = np.lexsort((c[key], c["recall_change"]))
        assert (np.diff(c[key][order]) >= 0).all()
    assert (c["floor_change_low"] < c["floor_change"]).all()
    assert (c["floor_change"] < c["floor_change_high"]).all()
    # No class differs from another: their sorted changes keep to the band, nearly all.
    inside = (c["floor_change_low"] <= c["recall_change"]) & (c["recall_change"] <= c["floor_change_high"])
    assert inside.mean() > 0.8


def test_ties_are_not_degraded():
    few = equal(np.full(50, 0.75), np.full(50, 1e-5), np.full(50, 4), (1, 1))
    never = equal_change_floor(
        np.full(50, 0.75),
        np.full(50, 0.75),
        np.full(50, 1e-7),
        np.full(50, 1e-6),
        np.full(50, 4),
        (1, 1),
        np.random.default_rng(0),
    )
    assert few.number > 5  # every prediction flips
    assert never.number == 0  # none does
    assert np.isnan(never.mean_change)


def test_heterogeneity_p_is_uniform_without_effect():
    rng = np.random.default_rng(0)
    variance = rng.uniform(1, 4, 40) * 1e-4
    p = [heterogeneity(0.01 + np.sqrt(variance) * rng.standard_normal(40), variance).p for _ in range(400)]
    # The smaller of two tests, doubled: never more often than stated, and a little less where both agree.
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.075
    assert np.mean(np.array(p) < 0.2) <= 0.24


def test_one_class_far_from_all_others_is_seen():
    rng = np.random.default_rng(0)
    variance = np.full(100, 0.015**2)
    found = 0
    for _ in range(50):
        change = 0.01 + 0.015 * rng.standard_normal(100)
        change[0] -= 0.1
        found += heterogeneity(change, variance).p < 0.05
    assert found >= 45


def test_heterogeneity_finds_the_spread():
    rng = np.random.default_rng(0)
    h = heterogeneity(rng.normal(0, 0.03, 2000) + 0.01 * rng.standard_normal(2000), np.full(2000, 1e-4))
    assert h.tau == pytest.approx(0.03, rel=0.05)
    assert h.i2 == pytest.approx(0.9, abs=0.02)


def test_chosen_for_luck_regress_on_other_seeds():
    rng = np.random.default_rng(0)
    sizes = np.full(200, 100)
    counts = [rng.binomial(100, 0.7, (6, 200)) for _ in range(2)]
    split = split_check(counts[0], counts[1], sizes, rng)
    assert split is not None
    assert split.chosen_change < -0.02
    assert abs(split.other_change) < 0.006
    assert split.still_degraded == pytest.approx(0.48, abs=0.08)


def test_split_needs_two_seeds():
    assert split_check(np.ones((1, 3), int), np.ones((5, 3), int), np.full(3, 9), np.random.default_rng(0)) is None


def test_groups_that_flip_as_one_keep_their_variance():
    variance, sizes, r = np.full(100, 0.05**2), np.full(100, 100), np.full(100, 0.75)
    floor = equal_change_floor(r, r, variance, np.full(100, 0.6), sizes, (5, 5), np.random.default_rng(0))
    assert floor.changes.std() == pytest.approx(0.05, rel=0.03)
