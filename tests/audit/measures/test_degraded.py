"""The paper's measures against scikit-learn and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from dropmix.audit import audit_predictions
from dropmix.audit.measures.degraded import changes, measures, signs


@st.composite
def arms(draw):
    """Labels of up to 6 classes (some absent), and two arms of 1 to 4 seeds each."""
    k = draw(st.integers(2, 6))
    n = draw(st.integers(1, 40))
    classes = st.integers(0, k - 1)
    labels = np.array(draw(st.lists(classes, min_size=n, max_size=n)))
    pred = [
        np.array(draw(st.lists(st.lists(classes, min_size=n, max_size=n), min_size=1, max_size=4))) for _ in range(2)
    ]
    # One run given twice is refused; by chance it does not happen to networks, but to hypothesis.
    assume(all(len(np.unique(p, axis=0)) == len(p) for p in pred))
    return labels, pred[0], pred[1]


def audited(labels, *preds):
    # With as many seeds as examples, an array is one of seeds only where it says so.
    arms = [{"labels": labels, "pred": pred, "seeds": np.arange(len(pred))} for pred in preds]
    return audit_predictions(*arms, refits=0)


def mean_recall(labels, pred, classes):
    return np.mean([recall_score(labels, p, labels=classes, average=None, zero_division=0) for p in pred], axis=0)


@settings(max_examples=60, deadline=None)
@given(arms())
def test_equals_scikit_learn(case):
    labels, pred0, pred1 = case
    audit = audited(labels, pred0, pred1)
    present = np.unique(labels)
    change = mean_recall(labels, pred1, present) - mean_recall(labels, pred0, present)
    assert audit.classes["class"] == [str(c) for c in present]
    np.testing.assert_allclose(audit.classes["recall_change"], change, atol=1e-12)
    accuracy0 = [accuracy_score(labels, p) for p in pred0]
    assert audit.summary["accuracy_baseline"] == pytest.approx(np.mean(accuracy0))
    assert audit.summary["accuracy_baseline_sd"] == pytest.approx(np.std(accuracy0), abs=1e-9)
    degraded = change[change < -1e-9]
    assert audit.summary["n_degraded"] == len(degraded)
    assert audit.summary["n_improved"] == (change > 1e-9).sum()
    if len(degraded):
        assert audit.summary["mean_degraded_change"] == pytest.approx(degraded.mean())
        assert audit.summary["sd_degraded_change"] == pytest.approx(degraded.std(ddof=0), abs=1e-9)
    else:
        assert audit.summary["mean_degraded_change"] is None
        assert audit.only.reasons["mean_degraded_change"] == "no class is degraded"


@settings(max_examples=40, deadline=None)
@given(arms())
def test_decided_as_exact_fractions_decide(case):
    labels, pred0, pred1 = case
    audit = audited(labels, pred0, pred1)
    for name, status in zip(audit.classes["class"], audit.classes["status"]):
        rows = labels == int(name)
        recall = [Fraction(int((p[:, rows] == int(name)).sum()), len(p) * int(rows.sum())) for p in (pred0, pred1)]
        expected = "tied" if recall[0] == recall[1] else ("degraded" if recall[1] < recall[0] else "improved")
        assert status == expected


def test_tie_that_floats_would_call_a_drop():
    # 3 seeds with one hit each of 10 against one seed with one hit: both recalls are 1/10.
    labels = np.zeros(10, dtype=int)
    hits = 1 - np.eye(3, 10, dtype=int)
    audit = audit_predictions({"labels": labels, "pred": hits}, {"labels": labels, "pred": hits[:1]}, refits=0)
    assert audit.summary["n_tied"] == 1
    assert np.mean([0.1, 0.1, 0.1]) != 0.1  # what a float comparison would have met


def test_different_seed_counts_do_not_change_the_decision():
    total0, total1 = np.array([30, 30, 30]), np.array([50, 49, 51])
    assert signs(total0, 3, total1, 5).tolist() == [0, -1, 1]
    np.testing.assert_allclose(changes(total0, 3, total1, 5, np.full(3, 10)), [0, -0.02, 0.02])


def test_no_class_degraded_is_nan():
    m = measures(np.array([1, 0]), np.array([0.1, 0.0]))
    assert m.n_degraded == 0
    assert np.isnan(m.mean_degraded_change)
    assert m.n_tied == 1
