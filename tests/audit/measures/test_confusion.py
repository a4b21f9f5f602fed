"""Diagnosis against scikit-learn's confusion matrix and precision."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from dropmix.audit import audit_predictions
from dropmix.audit.measures import confusion as module
from dropmix.audit.measures.confusion import diagnose, superclass_changes

K = 6


@pytest.fixture
def arms(rng, draw):
    labels = rng.integers(0, K, 300)
    return labels, draw(rng, labels, 3, 0.6, K), draw(rng, labels, 2, 0.5, K)


def mean_confusion(labels, pred):
    return np.mean([confusion_matrix(labels, p, labels=np.arange(K)) for p in pred], axis=0)


@pytest.mark.parametrize("dense", [True, False])
def test_counts_are_scikit_learns(arms, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(module, "DENSE", 2)
    labels, pred0, pred1 = arms
    d = diagnose(labels, pred0, pred1, K)
    before, after = mean_confusion(labels, pred0), mean_confusion(labels, pred1)
    change = after - before
    if d.change is not None:
        assert dense
        np.testing.assert_allclose(d.change, change)
    else:
        assert not dense
    off = change - np.diag(np.diag(change))
    np.testing.assert_allclose(d.false_negatives_change, off.sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(d.false_positives_change, off.sum(axis=0), atol=1e-9)
    for m in range(K):
        assert off[m, d.partner[m]] == pytest.approx(off[m].max())
        assert d.partner_share[m] == pytest.approx(off[m].max() / off[m][off[m] > 0].sum())
        assert d.partner_change[m] == pytest.approx(off[m].max() / (labels == m).sum())
        assert d.partner_back[m] == pytest.approx(off[d.partner[m], m] / (labels == d.partner[m]).sum())


def test_no_partner_where_nothing_moved():
    labels = np.array([0, 0, 1, 1])
    same = np.array([[0, 1, 1, 1]])
    d = diagnose(labels, same, same, 2)
    assert d.partner.tolist() == [-1, -1]
    assert np.isnan(d.partner_share).all()


def test_superclasses_by_loop(arms):
    labels, pred0, pred1 = arms
    groups = np.array([0, 0, 1, 1, 2, 2])
    within, across = superclass_changes(labels, pred0, pred1, groups)

    def share(pred, m, same):
        rows = labels == m
        wrong = [[q != m and (groups[q] == groups[m]) == same for q in p[rows]] for p in pred]
        return np.mean(wrong)

    for m in range(K):
        assert within[m] == pytest.approx(share(pred1, m, True) - share(pred0, m, True))
        assert across[m] == pytest.approx(share(pred1, m, False) - share(pred0, m, False))


def test_in_the_result(arms):
    labels, pred0, pred1 = arms
    names = [f"c{i}" for i in range(K)]
    base, treated = ({"labels": labels, "pred": p, "classes": names} for p in (pred0, pred1))
    audit = audit_predictions(base, treated, superclasses=list("aabbcc"), refits=0)
    c = audit.classes
    assert set(c["partner"]) <= set(names)
    total = np.asarray(c["within_superclass_change"]) + np.asarray(c["across_superclass_change"])
    np.testing.assert_allclose(total, -c["recall_change"], atol=1e-12)
    assert audit.only.confusion_change is not None
    assert audit.only.confusion_change.shape == (K, K)
