"""Confidence against a loop over examples and scipy's Welch interval."""

import numpy as np
import pytest
from scipy import stats

from dropmix.audit import audit_predictions
from dropmix.audit.measures.confidence import class_confidence, confidence_change


def test_class_confidence_is_the_mean_over_examples_and_seeds(rng):
    labels = rng.integers(0, 4, 50)
    probability = rng.random((3, 50)).astype(np.float32)
    ours = class_confidence(labels, probability, 4)
    for m in range(4):
        values = [probability[s, i] for s in range(3) for i in range(50) if labels[i] == m]
        assert ours[m] == pytest.approx(np.mean(values))


def test_interval_is_welchs(rng):
    sign = np.array([-1] * 5 + [1] * 8)
    change = rng.normal(size=13)
    c = confidence_change(sign, np.zeros(13), change, level=0.9)
    interval = stats.ttest_ind(change[:5], change[5:], equal_var=False).confidence_interval(0.9)
    assert (c.low, c.high) == pytest.approx((interval.low, interval.high))
    assert c.difference == pytest.approx(c.degraded - c.improved)


@pytest.fixture
def plain(rng, draw):
    labels = np.repeat(np.arange(4), 10)
    return {"labels": labels, "pred": draw(rng, labels, 2, 0.5, 4)}


def test_says_which_confidence(rng, plain):
    shape = (2, 40)
    base = {**plain, "p_true": rng.random(shape), "p_max": rng.random(shape)}
    both = audit_predictions(base, base, refits=0)
    assert both.summary["confidence_kind"] == "p_true"
    fallen_back = audit_predictions(base, {**plain, "p_max": rng.random(shape)}, refits=0)
    assert fallen_back.summary["confidence_kind"] == "p_max"
    none = audit_predictions(base, plain, refits=0)
    assert none.summary["confidence_kind"] is None
    assert none.summary["confidence_change_degraded"] is None
    assert "no probabilities" in none.only.reasons["confidence_change_degraded"]
    assert np.isnan(none.classes["confidence_treated"]).all()


def test_probs_give_prediction_and_both_confidences(rng):
    probs = rng.dirichlet(np.ones(4), size=(2, 40))
    labels = np.repeat(np.arange(4), 10)
    audit = audit_predictions({"labels": labels, "probs": probs}, {"labels": labels, "probs": probs[::-1]}, refits=0)
    expected = [probs[:, labels == m, m].mean() for m in range(4)]
    np.testing.assert_allclose(audit.classes["confidence_baseline"], expected, rtol=1e-6)
    recall = [(probs[:, labels == m].argmax(-1) == m).mean() for m in range(4)]
    np.testing.assert_allclose(audit.classes["recall_baseline"], recall)
