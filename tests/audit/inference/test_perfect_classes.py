"""Classes without a single error in either arm: they show no variance, and may still lose other examples."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions


@pytest.mark.parametrize(("n", "m", "lost"), [(50, 2, 0.03), (20, 8, 0.03)])
def test_a_class_that_loses_other_examples_is_not_called_safe_for_new_ones(n, m, lost):
    """Most test sets of this size hold few of the examples that are lost, and many hold none."""
    labels, safe, perfect = np.repeat(np.arange(m), n), 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gone = (rng.random(len(labels)) < lost) & (labels == 0)
        right = np.stack([labels] * 3)
        after = np.where(gone, 1, right)
        row = audit_predictions((labels, right), (labels, after), protect=["0"], refits=0).by_class["0"]
        perfect += row["recall_treated"] == 1
        safe += row["decision_population"] == "safe"
    assert perfect >= 4
    assert safe <= 2  # of 40, at a nominal 0.05


@pytest.mark.parametrize("n", [20, 60, 300])
def test_the_interval_for_new_examples_ends_where_a_loss_would_have_shown(n):
    labels = np.repeat(np.arange(3), n)
    seeds = np.stack([labels] * 3)
    c = audit_predictions((labels, seeds), (labels, seeds), refits=0).only
    assert c.classes["recall_change_low_population"] == pytest.approx(np.full(3, 0.05 ** (1 / n) - 1), abs=2e-3)
    assert (c.classes["recall_change_low"] > c.classes["recall_change_low_population"]).all()
    assert c.summary["decision_population"] == ("ship" if n >= 300 else "undecided")
