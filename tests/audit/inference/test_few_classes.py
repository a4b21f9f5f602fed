"""Few classes and one seed, against scipy."""

import numpy as np
import pytest
from scipy import stats

from dropmix.audit import audit_predictions
from dropmix.audit.inference.few_classes import few_classes, holm, mcnemar


def test_holm_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 3
        # Definition: the i-th smallest is rejected while p_(i) <= error / (m - i + 1).
        expected = np.zeros(6, dtype=bool)
        for rank, i in enumerate(np.argsort(p)):
            if p[i] > 0.1 / (6 - rank):
                break
            expected[i] = True
        assert holm(p, 0.1).tolist() == expected.tolist()


def test_p_values_are_students():
    change, variance = np.array([-0.03, 0.02]), np.array([1e-4, 4e-4])
    few = few_classes(change, variance, 16, 0.005, 0.1, 0.9)
    t = (change + 0.005) / np.sqrt(variance)
    np.testing.assert_allclose(few.p_degraded, 1 - stats.t.cdf(t, 16))


def test_mcnemar_is_the_binomial_test():
    for lost, won in ((8, 1), (3, 3), (0, 5), (0, 0)):
        expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
        assert mcnemar(np.array([lost]), np.array([won]))[0] == pytest.approx(expected)


@pytest.mark.parametrize(("z", "low"), [(-1.9, 1), (-1.3, 0)])
def test_either_bound_takes_half_of_the_error(z, low):
    """One class: at 90 % either side rejects below 5 %, which is 1.66 standard errors with 80 degrees of freedom."""
    few = few_classes(np.array([0.01 * z]), np.array([1e-4]), 80, 0.0, 0.1, 0.9)
    assert few.number_low == low
    few = few_classes(np.array([-0.01 * z]), np.array([1e-4]), 80, 0.0, 0.1, 0.9)
    assert few.number_high == 1 - low
    np.testing.assert_allclose(few.half_width, 0.01 * stats.t.ppf(0.95, 80))


def test_bounds_hold_the_truth():
    rng = np.random.default_rng(0)
    true = np.array([-0.05, -0.03, -0.02, 0, 0.01, 0.01, 0.02, 0.02, 0.03, 0.03])
    variance = np.full(10, 1e-4)
    inside, false_calls = 0, 0
    for _ in range(400):
        few = few_classes(true + 0.01 * rng.standard_normal(10), variance, 80, 0.005, 0.1, 0.9)
        inside += few.number_low <= 3 <= few.number_high
        false_calls += few.called[3:].any()
    assert inside / 400 >= 0.9
    assert false_calls / 400 <= 0.12


def test_ten_classes_read_as_well(rng, draw):
    labels = np.repeat(np.arange(10), 200)
    right = np.full(10, 0.9)
    worse = right.copy()
    worse[3] = 0.7
    base = {"labels": labels, "pred": draw(rng, labels, 5, right, 10)}
    audit = audit_predictions(base, {"labels": labels, "pred": draw(rng, labels, 5, worse, 10)})
    assert audit.summary["procedure"].startswith("tests of each class")
    assert audit.classes["call"][3] == "degraded"
    assert audit.summary["n_called"] == 1
    assert audit.summary["n_degraded_estimate_low"] == 1


def test_one_seed_warns_and_has_mcnemar(rng, draw):
    labels = np.repeat(np.arange(30), 20)
    arms = [{"labels": labels, "pred": draw(rng, labels, 1, 0.7, 30)} for _ in range(2)]
    audit = audit_predictions(*arms, refits=20)
    assert "One seed per arm" in audit.verdict()
    assert audit.summary["seed_variance_ratio"] is None
    assert audit.summary["split_n_degraded"] is None
    lost = [((arms[0]["pred"][0] == m) & (arms[1]["pred"][0] != m))[labels == m].sum() for m in range(30)]
    won = [((arms[0]["pred"][0] != m) & (arms[1]["pred"][0] == m))[labels == m].sum() for m in range(30)]
    np.testing.assert_allclose(audit.classes["mcnemar_p"], mcnemar(np.array(lost), np.array(won)))


def test_one_class_one_example():
    audit = audit_predictions(([0], [0]), ([0], [0]))
    assert audit.summary["n_tied"] == 1
    assert audit.summary["heterogeneity_p"] is None
