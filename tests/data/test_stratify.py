"""Stratified choices and folds: counts by class, nesting, independence, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropmix.data import DataError, load
from dropmix.data.stratify import fold_rows, split_rows
from dropmix.text.load import load_texts


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(4, 30), min_size=1, max_size=6),
    per_class=st.integers(1, 2),
    validation=st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5]),
    seed=st.integers(0, 1000),
)
def test_counts_by_class(counts, per_class, validation, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    names = [str(number) for number in range(len(counts))]
    for wanted in (None, per_class):
        train, held_out = split_rows(labels, names, train_per_class=wanted, validation=validation, seed=seed)
        aside = [max(1, round(validation * n)) if validation else 0 for n in counts]
        left = [n - a if wanted is None else wanted for n, a in zip(counts, aside, strict=True)]
        assert np.bincount(labels[train], minlength=len(counts)).tolist() == left
        assert np.bincount(labels[held_out], minlength=len(counts)).tolist() == aside
        assert not set(train) & set(held_out)
        assert (np.diff(train) > 0).all()
        assert (np.diff(held_out) > 0).all()


def test_smaller_choices_are_subsets_and_validation_does_not_exchange_them():
    labels = np.arange(200) % 4
    small, _ = split_rows(labels, list("abcd"), train_per_class=5, seed=3)
    large, _ = split_rows(labels, list("abcd"), train_per_class=20, seed=3)
    beside, held_out = split_rows(labels, list("abcd"), train_per_class=5, validation=0.2, seed=3)
    assert set(small) < set(large)
    assert beside.tolist() == small.tolist()
    assert len(held_out) == 40


def test_seed_decides_and_global_generator_is_untouched():
    labels = np.arange(200) % 4
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (split_rows(labels, list("abcd"), train_per_class=5, seed=s)[0] for s in (0, 0, 1))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_every_row_is_drawn_equally_often():
    labels = np.zeros(10, np.int64)
    hits = np.bincount(
        np.concatenate([split_rows(labels, ["a"], train_per_class=3, seed=s)[0] for s in range(2000)]), minlength=10
    )
    # Binomial(2000, 0.3): standard deviation 20.5, so five of them.
    assert abs(hits - 600).max() < 103


def test_no_lower_validation_is_advised_where_none_would_do():
    labels = np.array([0] * 8 + [1])
    with pytest.raises(DataError, match=r"got 0 of class 'rare' beside 1 .* Add some, or leave validation out\."):
        split_rows(labels, ["common", "rare"], validation=0.3)
    train, aside = split_rows(labels, ["common", "rare"])
    assert (len(train), len(aside)) == (9, 0)
    with pytest.raises(DataError, match=r"got 0 of class 'gone'\. Add some, or remove the class\."):
        split_rows(labels, ["common", "rare", "gone"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_per_class": 5}, "at least 5 training images of each class, got 2 of class 'rare'"),
        ({"train_per_class": 2, "validation": 0.5}, "beside 1 for validation. Lower train_per_class or"),
        ({"train_per_class": 0}, "train_per_class of at least 1, got 0"),
        ({"validation": 1.0}, r"validation in \[0, 1\), got 1.0"),
        ({"validation": -0.1}, r"validation in \[0, 1\), got -0.1"),
        ({"validation": float("nan")}, r"validation in \[0, 1\), got nan"),
        ({"seed": -1}, "seed of at least 0, got -1"),
    ],
)
def test_errors(arguments, message):
    labels = np.array([0] * 8 + [1] * 2)
    with pytest.raises(DataError, match=message):
        split_rows(labels, ["common", "rare"], **arguments)


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


@pytest.mark.parametrize("groups", [None, ["x", "x", "y", "y", "z", "z"]])
def test_more_folds_than_there_is_to_predict_are_refused(groups):
    labels, folds = np.array([0, 1] * 3), 7 if groups is None else 4
    with pytest.raises(DataError, match=f"something to predict in each of {folds} parts, got none in 1. Lower it"):
        fold_rows(labels, np.arange(6), ["a", "b"], folds, 0, groups=groups)
    assert [len(fold_rows(labels, np.arange(6), ["a", "b"], 3, k, groups=groups)[1]) for k in range(3)] == [2, 2, 2]


def test_a_class_of_one_group_is_not_predicted_where_it_was_never_trained_on():
    labels, groups = np.array([0] * 8 + [1] * 4), [*"aabbccdd", *"eeee"]
    with pytest.raises(DataError, match="each class in two parts or more, got rare in one alone"):
        fold_rows(labels, np.arange(12), ["common", "rare"], 2, 0, groups=groups)
    groups[-1] = "f"
    for fold in range(2):
        train, test = fold_rows(labels, np.arange(12), ["common", "rare"], 2, fold, groups=groups)
        assert {*labels[train]} == {*labels[test]} == {0, 1}


def test_folds_of_a_set_share_a_fingerprint_and_cover_it() -> None:
    parts = [load("digits", None, folds=3, fold=fold) for fold in range(3)]
    assert len({part.fingerprint for part in parts}) == 1
    ids = np.concatenate([part.test.ids for part in parts])
    assert len(np.unique(ids)) == len(ids) == 1797
    assert load("digits", None, folds=3, fold=0, seed=1).fingerprint == parts[0].fingerprint


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), validation=st.sampled_from([0.05, 0.2, 0.5]), wanted=st.sampled_from([None, 2]))
def test_groups_are_not_divided_between_training_and_validation(seed, validation, wanted):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(60).repeat(4))
    labels = (group + (rng.random(240) < 0.2)) % 3  # some groups hold several classes
    asked = {"train_per_class": wanted, "validation": validation, "seed": seed}
    train, held_out = split_rows(labels, list("abc"), **asked, groups=group.astype(str).tolist())
    assert not {*group[train]} & {*group[held_out]}
    assert not {*train} & {*held_out}
    assert {*labels[train]} == {*labels[held_out]} == {0, 1, 2}
    if wanted is None:
        assert len(train) + len(held_out) == 240
    else:
        assert np.bincount(labels[train]).tolist() == [2, 2, 2]


def test_validation_keeps_groups_whole_as_the_test_split_does(tmp_path, write_folder):
    rng = np.random.default_rng(0)
    names = [f"{label}/p{i // 4}_{i}.png" for label in ("cat", "dog") for i in range(120)]
    write_folder(tmp_path / "p", {name: rng.integers(0, 255, (8, 8, 3), np.uint8) for name in names})
    loaded = load("folder", tmp_path / "p", validation=0.2, group=r"/(p\d+)_")
    parts = (loaded.train, loaded.validation, loaded.test)
    of = [{name.split("/")[1].split("_")[0] for name in part.ids.tolist()} for part in parts]
    assert not (of[0] & of[1]) | (of[0] & of[2]) | (of[1] & of[2])
    assert len(of[0] | of[1] | of[2]) == 30
    assert sum(len(part.ids) for part in parts) == 240
    assert len(loaded.groups) == len(loaded.judged.ids) == len(loaded.validation.ids)
    (tmp_path / "t.csv").write_text(
        "text,label,who\n" + "".join(f"word {i},{'ab'[i % 2]},w{i // 6}\n" for i in range(240))
    )
    texts = load_texts("text", tmp_path / "t.csv", validation=0.2, group="who")
    assert not {*(texts.train.ids // 6)} & {*(texts.validation.ids // 6)}
