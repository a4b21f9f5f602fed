"""Label sets against plain loops."""

from dataclasses import replace

import numpy as np
import pytest

from dropmix.audit import AuditError, Predictions
from dropmix.audit.measures.accept import acceptable, kinds_of_confusion, shares_pictures, with_acceptable_labels


def drawn(seed, n=80, k=6):
    rng = np.random.default_rng(seed)
    labels, pred = rng.integers(0, k, n), rng.integers(0, k, (3, n))
    sets = [sorted({int(x) for x in rng.integers(0, k, rng.integers(0, 4))}) for _ in range(n)]
    accept = np.full((n, 4), -1)
    for row, members in zip(accept, sets):
        row[: len(members)] = members
    return labels, pred, sets, accept


def predictions(labels, pred, accept):
    return Predictions("a", labels, pred, np.arange(len(pred)), accept=accept)


@pytest.mark.parametrize("seed", range(5))
def test_reading_is_that_of_a_loop(seed):
    labels, pred, sets, accept = drawn(seed)
    found = with_acceptable_labels(predictions(labels, pred, accept))
    kept, classes, right = [], [], []
    empty = unclear = moved = 0
    for i, members in enumerate(sets):
        if labels[i] in members:
            home = labels[i]
        elif len(members) == 1:
            home, moved = members[0], moved + 1
        else:
            empty, unclear = empty + (not members), unclear + bool(members)
            continue
        kept.append(i)
        classes.append(home)
        right.append([p[i] in members for p in pred])
    assert found.kept.tolist() == kept
    assert found.predictions.labels.tolist() == classes
    assert found.predictions.correct().T.tolist() == right
    assert (found.moved, found.empty, found.unclear) == (moved, empty, unclear)
    for number in (moved, empty, unclear):
        assert str(number) in found.note


def test_a_repeated_label_counts_once():
    p = predictions(np.array([0]), np.array([[2]]), np.array([[2, 2, -1]]))
    found = with_acceptable_labels(p)
    assert (found.moved, found.unclear) == (1, 0)
    assert found.predictions.labels.tolist() == [2]


def test_own_label_alone_changes_nothing():
    labels, pred, _, _ = drawn(0)
    found = with_acceptable_labels(predictions(labels, pred, labels[:, None]))
    assert np.array_equal(found.predictions.pred, pred)
    assert np.array_equal(found.predictions.labels, labels)
    assert found.note == ""


@pytest.mark.parametrize("accept", [None, np.full((2, 3), -1)])
def test_nothing_acceptable_is_an_error(accept):
    p = replace(predictions(np.array([0, 1]), np.array([[0, 1]]), None), accept=accept)
    with pytest.raises(AuditError, match="expected"):
        with_acceptable_labels(p)


@pytest.mark.parametrize("seed", range(3))
def test_kinds_are_those_of_a_loop(seed):
    k = 6
    labels, pred, sets, accept = drawn(seed, k=k)
    groups = np.array([0, 0, 1, 1, 2, 2])
    shared = np.zeros((k, k), dtype=bool)
    for a in range(k):
        with_a = [members for members in sets if a in members]
        for b in range(k):
            together = sum(b in members for members in with_a)
            shared[a, b] = a != b and together > 0 and together >= 0.05 * len(with_a)
    assert shares_pictures(accept, k).tolist() == np.flatnonzero(shared).tolist()
    expected = np.zeros((k, 4))
    for p in pred:
        for i, taken in enumerate(p):
            own = labels[i]
            if taken != own:
                fits = [taken in sets[i], groups[taken] == groups[own], shared[own, taken], True]
                expected[own, fits.index(True)] += 1 / len(pred)
    expected /= np.bincount(labels, minlength=k)[:, None]
    found = kinds_of_confusion(labels, pred, accept, groups, k)
    np.testing.assert_allclose(found, expected)
    recall = np.array([(pred[:, labels == c] == c).mean() for c in range(k)])
    np.testing.assert_allclose(found.sum(axis=1), 1 - recall)


def test_minus_one_is_never_acceptable():
    assert not acceptable(np.array([[-1, 0]]), np.array([[-1], [-1]])).any()
