"""Rates per class from expected losses: monotone, with the requested mean, and controls of the same mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from dropmix.audit import audit_predictions
from dropmix.studies.tailor import answer, controls, scores, tailored_rates

numbers = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 300)), min_size=2, max_size=30)
unit = st.floats(0, 1)


@given(numbers, st.tuples(unit, unit, unit).map(sorted))
@settings(max_examples=300, deadline=None)
def test_rates_have_the_mean_and_the_order_and_the_ends(classes, ends):
    score, sizes = np.array([c[0] for c in classes]), np.array([c[1] for c in classes])
    floor, mean, ceiling = ends
    rates = tailored_rates(score, sizes, mean, floor, ceiling)
    assert (rates @ sizes) / sizes.sum() == pytest.approx(mean, abs=1e-9)
    assert rates.min() >= floor - 1e-12
    assert rates.max() <= ceiling + 1e-12
    order = np.argsort(score, kind="stable")
    assert (np.diff(rates[order]) >= -1e-9).all()


def test_the_classes_that_lose_most_reach_the_ceiling_first():
    rates = tailored_rates(np.array([0.0, 0.0, 0.02, 0.2]), np.full(4, 50), mean=0.3, floor=0.1, ceiling=0.8)
    assert rates[3] == 0.8
    assert rates[0] == rates[1] == 0.1
    assert 0.1 < rates[2] < 0.8
    even = tailored_rates(np.zeros(4), np.array([10, 20, 30, 40]), mean=0.4)
    np.testing.assert_allclose(even, 0.4)


@pytest.mark.parametrize("ends", [(0.5, 0.4, 1.0), (0.0, 0.4, 0.3), (0.0, 0.4, 1.2), (-0.1, 0.4, 1.0)])
def test_ends_that_do_not_fit_are_refused(ends):
    floor, mean, ceiling = ends
    with pytest.raises(ValueError, match="floor <= mean rate <= ceiling"):
        tailored_rates(np.ones(3), np.ones(3), mean, floor, ceiling)


def test_controls_hold_the_same_rates():
    sizes = np.array([10, 20, 30, 40])
    rates = tailored_rates(np.array([0.0, 0.1, 0.05, 0.3]), sizes, mean=0.4)
    made = controls(rates, sizes)
    assert list(made) == ["uniform", "shuffled-1", "shuffled-2", "shuffled-3", "inverted"]
    assert made["uniform"] == pytest.approx(0.4)
    for name, control in made.items():
        if name != "uniform":
            assert sorted(control) == sorted(rates)
    assert np.argsort(made["inverted"]).tolist() == np.argsort(-rates).tolist()
    again = controls(rates, sizes)
    assert all(np.array_equal(made[name], again[name]) for name in made)


def test_scores_follow_the_audit_and_unjudged_classes_have_the_mean():
    rng, m = np.random.default_rng(0), 30
    sizes = np.full(m, 80)
    sizes[-1] = 2
    labels = np.repeat(np.arange(m), sizes)
    fall = np.where(np.arange(m) < 6, 0.25, -0.03)
    base, treated = (
        np.where(rng.random((5, len(labels))) < recall[labels], labels, (labels + 1) % m)
        for recall in (np.full(m, 0.8), 0.8 - fall)
    )
    (comparison,) = audit_predictions((labels, base), (labels, treated), refits=0).comparisons
    score = scores(comparison)
    assert set(np.argsort(score)[-6:]) == set(range(6))
    assert comparison.classes["p_degraded"][-1] is None or np.isnan(comparison.classes["p_degraded"][-1])
    assert score[-1] == pytest.approx(score[:-1].mean())


def test_the_answer_is_a_paired_t_test():
    rng = np.random.default_rng(1)
    recalls = {name: rng.uniform(0.4, 0.9, (5, 12)) for name in ("tailored", "uniform", "shuffled-1", "shuffled-2")}
    chosen, sizes = np.arange(12) < 4, np.arange(1, 13)
    found = {one.against: one for one in answer(recalls, chosen, sizes)}
    assert set(found) == {"uniform", "shuffled"}
    one = found["uniform"]
    test = ttest_rel(recalls["tailored"][:, :4].mean(1), recalls["uniform"][:, :4].mean(1))
    interval = test.confidence_interval(0.95)
    assert (one.spared_low, one.spared_high) == pytest.approx((interval.low, interval.high))
    mean = (recalls["shuffled-1"] + recalls["shuffled-2"]) / 2
    assert found["shuffled"].rest == pytest.approx((recalls["tailored"] - mean)[:, 4:].mean())
    assert one.seeds == 5
    change = recalls["tailored"] - recalls["uniform"]
    assert one.accuracy == pytest.approx((change * sizes).sum() / (5 * sizes.sum()))


@pytest.mark.parametrize(
    "recalls",
    [{}, {"tailored": np.ones((1, 3))}, {"tailored": np.ones((2, 3)), "uniform": np.ones((3, 3))}],
)
def test_what_cannot_be_compared_is_refused(recalls):
    with pytest.raises(ValueError, match="same two seeds"):
        answer(recalls, np.array([True, False, False]), np.ones(3))
    with pytest.raises(ValueError, match="some classes to be spared"):
        answer({"tailored": np.ones((2, 3))}, np.zeros(3, bool), np.ones(3))
