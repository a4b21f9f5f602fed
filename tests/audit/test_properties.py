"""What must hold whatever the predictions are."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from dropmix.audit import audit_predictions
from dropmix.audit.measures.recall import class_sizes, correct_counts, recalls


@pytest.fixture
def arms(rng, draw):
    labels = rng.permutation(np.arange(200) % 5)
    return labels, draw(rng, labels, 3, 0.6, 5), draw(rng, labels, 4, 0.7, 5)


def audit_of(labels, pred0, pred1, **more):
    return audit_predictions({"labels": labels, "pred": pred0}, {"labels": labels, "pred": pred1}, refits=0, **more)


def test_mean_recall_is_accuracy_on_balanced_sets(arms):
    audit = audit_of(*arms)
    c = audit.classes
    assert np.mean(c["recall_baseline"]) == pytest.approx(audit.summary["accuracy_baseline"])
    assert np.sum(c["recall_change"]) == pytest.approx(5 * audit.summary["gain"])
    assert audit.summary["gain_macro"] is None


def test_imbalanced_sets_have_macro_and_micro():
    labels = np.array([0] * 90 + [1] * 10)
    pred0 = np.stack([np.zeros(100, int)])
    pred1 = np.stack([labels])
    s = audit_of(labels, pred0, pred1).summary
    assert s["accuracy_baseline"] == pytest.approx(0.9)
    assert s["accuracy_baseline_macro"] == pytest.approx(0.5)
    assert s["gain_macro"] == pytest.approx(0.5)


def test_recall_is_the_diagonal_of_scikit_learns_confusion(arms):
    labels, pred, _ = arms
    counts = correct_counts(labels, pred == labels, 5)
    matrices = [confusion_matrix(labels, p, labels=np.arange(5)) for p in pred]
    assert counts.tolist() == [np.diag(m).tolist() for m in matrices]
    assert class_sizes(labels, 5).tolist() == matrices[0].sum(axis=1).tolist()


def test_absent_class_is_nan():
    assert np.isnan(recalls(np.array([[1, 0]]), np.array([1, 0]))[0, 1])


@pytest.mark.parametrize("what", ["examples", "seeds"])
def test_order_of_examples_and_seeds_does_not_matter(rng, arms, what):
    labels, pred0, pred1 = arms
    one = audit_of(labels, pred0, pred1)
    if what == "examples":
        order = rng.permutation(len(labels))
        other = audit_of(labels[order], pred0[:, order], pred1[:, order])
    else:
        other = audit_of(labels, pred0[::-1], pred1[::-1])
    assert other.summary == pytest.approx(one.summary)
    for key, column in one.classes.items():
        if isinstance(column, np.ndarray):
            np.testing.assert_allclose(other.classes[key], column, rtol=1e-9, err_msg=key)
        else:
            assert other.classes[key] == column


def test_order_of_classes_does_not_matter(rng, arms):
    labels, pred0, pred1 = arms
    renumber = rng.permutation(5)
    one = audit_of(labels, pred0, pred1)
    other = audit_of(renumber[labels], renumber[pred0], renumber[pred1])
    np.testing.assert_allclose(other.classes["recall_change"][renumber], one.classes["recall_change"])
    assert other.summary == pytest.approx(one.summary)


def test_a_class_that_never_occurs_changes_nothing(arms):
    labels, pred0, pred1 = arms
    names = list("abcde")
    one = audit_of(labels, pred0, pred1, classes=names)
    other = audit_of(labels, pred0, pred1, classes=[*names, "unicorn"])
    assert other.summary == pytest.approx(one.summary)
    assert any("unicorn" in note for note in other.only.notes)


def test_ids_undo_any_order(rng, arms):
    labels, pred0, pred1 = arms
    order = rng.permutation(len(labels))
    ids = np.arange(len(labels)) * 7 - 300
    base = {"labels": labels, "pred": pred0, "example_id": ids}
    shuffled = {"labels": labels[order], "pred": pred1[:, order], "example_id": ids[order]}
    straight = {"labels": labels, "pred": pred1, "example_id": ids}
    one, other = (audit_predictions(base, t, refits=0) for t in (straight, shuffled))
    assert one.summary == other.summary
    assert not any("position" in note for note in other.only.notes)
