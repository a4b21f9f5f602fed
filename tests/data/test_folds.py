import numpy as np
import pytest

from dropmix.data import DataError, load
from dropmix.data.stratify import fold_rows


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_each_picture_is_in_one_fold_and_classes_are_dealt_out(folds: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, 4, 103))
    ids = rng.permutation(103)
    parts = [fold_rows(labels, ids, list("abcd"), folds, fold) for fold in range(folds)]
    assert np.array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(103))
    for train, test in parts:
        assert np.array_equal(np.union1d(train, test), np.arange(103))
    for label in range(4):
        counts = [int((labels[test] == label).sum()) for _, test in parts]
        assert max(counts) - min(counts) <= 1
    sizes = [len(test) for _, test in parts]
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_source_does_not_matter() -> None:
    labels, ids = np.repeat([0, 1], 10), np.arange(20)
    order = np.random.default_rng(1).permutation(20)
    one = fold_rows(labels, ids, ["a", "b"], 4, 1, seed=3)[1]
    two = fold_rows(labels[order], ids[order], ["a", "b"], 4, 1, seed=3)[1]
    assert sorted(ids[one]) == sorted(ids[order][two])
    assert sorted(ids[fold_rows(labels, ids, ["a", "b"], 4, 1, seed=4)[1]]) != sorted(ids[one])


def test_a_class_of_one_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 pictures of each class, got 1 of 'b'"):
        fold_rows(np.array([0, 0, 1]), np.arange(3), ["a", "b"], 2, 0)


def test_folds_of_a_set_share_a_fingerprint_and_cover_it() -> None:
    parts = [load("digits", None, folds=3, fold=fold) for fold in range(3)]
    assert len({part.fingerprint for part in parts}) == 1
    ids = np.concatenate([part.test.ids for part in parts])
    assert len(np.unique(ids)) == len(ids) == 1797
    assert load("digits", None, folds=3, fold=0, seed=1).fingerprint == parts[0].fingerprint
