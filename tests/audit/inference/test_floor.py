"""The floor of a comparison, heterogeneity and the split-seed check against brute force."""

import numpy as np
import pytest
from scipy import stats

from dropmix.audit import audit_predictions
from dropmix.audit.inference.floor import equal_gain_floor
from dropmix.audit.inference.halves import split_check
from dropmix.audit.inference.heterogeneity import heterogeneity


def test_floor_is_the_normal_probability():
    rng = np.random.default_rng(0)
    variance = np.random.default_rng(1).uniform(1, 4, 80) * 1e-4
    sizes = np.full(80, 10_000)  # so many examples that ties hardly occur
    floor = equal_gain_floor(0.01, variance, sizes, (5, 5), rng)
    expected = stats.norm.cdf(-0.01 / np.sqrt(variance)).sum()
    assert floor.number == pytest.approx(expected, rel=0.03)
    assert floor.low < expected < floor.high


def test_places_in_the_order_are_order_statistics():
    """Against scipy's exact quantiles: the k-th smallest of M equal normals is a Beta(k, M - k + 1) in probability."""
    floor = equal_gain_floor(0.02, np.full(40, 1e-4), np.full(40, 100), (5, 5), np.random.default_rng(0))
    k = np.arange(1, 41)
    for row, q in ((0, 0.025), (2, 0.975)):
        exact = stats.norm.ppf(stats.beta.ppf(q, k, 41 - k), 0.02, 0.01)
        np.testing.assert_allclose(floor.by_rank[row], exact, atol=2.5e-3)
    assert floor.by_rank[1].mean() == pytest.approx(0.02, abs=2e-4)


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


def test_no_recall_falls_by_more_than_all_of_it():
    floor = equal_gain_floor(-0.97, np.full(20, 0.05**2), np.full(20, 100), (3, 3), np.random.default_rng(0))
    assert floor.by_rank[0, 0] == -1
    assert floor.mean_change > -0.97  # the tail below -1 is cut


def test_ties_are_not_degraded():
    few = equal_gain_floor(0.0, np.full(50, 1e-4), np.full(50, 4), (1, 1), np.random.default_rng(0))
    assert few.number < 1  # a step is 25 points, noise one


def test_no_class_ever_degraded():
    assert np.isnan(
        equal_gain_floor(0.5, np.full(5, 1e-4), np.full(5, 100), (5, 5), np.random.default_rng(0)).mean_change
    )


def test_heterogeneity_p_is_uniform_without_effect():
    rng = np.random.default_rng(0)
    variance = rng.uniform(1, 4, 40) * 1e-4
    p = [heterogeneity(0.01 + np.sqrt(variance) * rng.standard_normal(40), variance).p for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


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
