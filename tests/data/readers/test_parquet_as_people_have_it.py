"""Parquet files of pictures as several programs wrote them: names, types, columns, copies and gaps."""

import json
import shutil
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.data import DataError, load

NAMES = ["cat", "dog", "fox"]


@pytest.fixture
def put(tmp_path, rng, encode):
    def write(file, labels, image="image", label="label", names=None, images=None, **more):
        cells = [encode(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in labels] if images is None else images
        table = pa.table({image: cells, label: labels, **more})
        if names is not None:
            about = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, tmp_path / file)

    return write


def counts(dataset):
    return [
        {dataset.classes[k]: int(n) for k, n in enumerate(np.bincount(split.labels, minlength=len(dataset.classes)))}
        for split in (dataset.train, dataset.test)
    ]


@pytest.mark.parametrize("files", [("train-0", "train-1", "test"), ("train-0", "train-1", "validation")])
def test_class_numbers_are_read_by_the_names_of_their_own_file(tmp_path, put, files):
    put(f"{files[0]}.parquet", [0, 1, 2, 0, 0], names=NAMES)
    put(f"{files[1]}.parquet", [0, 0, 1], names=["fox", "cat", "dog"])
    put(f"{files[2]}.parquet", [0, 0, 1, 2], names=["dog", "fox", "cat"])
    assert counts(load("folder", tmp_path)) == [{"cat": 4, "dog": 1, "fox": 3}, {"cat": 1, "dog": 2, "fox": 1}]
    put(f"{files[2]}.parquet", [0, 0, 1], names=["dog", "owl", "cat"])
    with pytest.raises(DataError, match=r"expected classes among cat, dog, fox, as another file names them, got owl"):
        load("folder", tmp_path)


@pytest.mark.parametrize("other", ["Cat", "CAT ", "cat ", " cat"])
def test_a_class_spelled_otherwise_in_test_is_one_class_and_it_is_said(tmp_path, put, other):
    put("train.parquet", ["cat", "dog"] * 3)
    put("test.parquet", [other, "dog"])
    dataset = load("folder", tmp_path)
    assert dataset.classes == ["cat", "dog"]
    assert dataset.notes == (f"class {other!a} of the test split is taken as 'cat' of train",)


def test_names_that_print_alike_are_refused_and_those_that_differ_by_case_are_told(tmp_path, put):
    put("train.parquet", ["\u00e9", "e\u0301", "z"] * 3)
    with pytest.raises(DataError, match=r"got 'e\\u0301' and '\\xe9', which print alike"):
        load("folder", tmp_path)
    put("train.parquet", ["Cat", "cat", "z"] * 3)
    assert any("differ only by case or blanks: 'Cat', 'cat'" in note for note in load("folder", tmp_path).notes)


@pytest.mark.parametrize("gap", ["", " ", "\u00a0"])
def test_an_empty_class_is_none(tmp_path, put, gap):
    put("train.parquet", ["cat", gap, "dog", gap])
    with pytest.raises(DataError, match=r"expected a class in column label of every row, got none in 2, e.g. row 1"):
        load("folder", tmp_path)


def test_a_column_of_splits_is_followed_and_said(tmp_path, put):
    put("all.parquet", NAMES * 3, split=["train"] * 3 + ["val"] * 3 + ["test"] * 3)
    dataset = load("folder", tmp_path)
    assert [split.ids.tolist() for split in (dataset.train, dataset.test)] == [[0, 1, 2], [6, 7, 8]]
    assert dataset.notes == (
        "the column split says what is trained on (train) and tested on (test)",
        "3 pictures of other splits left out",
    )
    put("all.parquet", NAMES * 3, split=["north"] * 9)
    assert "by content" in load("folder", tmp_path).name


def test_each_file_has_its_own_columns_and_an_empty_one_any_type(tmp_path, put):
    put("train-0.parquet", ["cat", "dog"])
    put("train-1.parquet", ["cat", "dog"], image="img", label="Label")
    put("train-2.parquet", pa.array([], pa.null()), images=pa.array([], pa.null()))
    put("Test.PARQUET", ["cat", "dog"], image="Image", label="LABELS", width=[1, 2])
    assert counts(load("folder", tmp_path)) == [{"cat": 2, "dog": 2}, {"cat": 1, "dog": 1}]


TYPES = [
    pa.array([b"cat", b"dog"] * 2, pa.binary()),
    pa.array(["cat", "dog"] * 2, pa.string_view()),
    pa.array(["cat", "dog"] * 2).dictionary_encode(),
    pa.array([Decimal(0), Decimal(1)] * 2),
    pa.array([0.0, 1.0] * 2, pa.float16()),
    pa.array([0, 1] * 2, pa.uint64()),
]


@pytest.mark.parametrize("labels", TYPES, ids=lambda one: str(one.type))
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_types_that_say_the_same(tmp_path, put, labels, kind, rng, encode):
    images = pa.array([encode(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in labels], kind)
    for split in ("train", "test"):
        put(f"{split}.parquet", labels, images=images)
    names = ["cat", "dog"] if "cat" in str(labels) or "636174" in str(labels) else ["0", "1"]
    assert counts(load("folder", tmp_path)) == [dict.fromkeys(names, 2)] * 2


def test_a_copied_file_is_refused_and_missing_ones_are_told(tmp_path, put):
    put("train-00000-of-00003.parquet", NAMES)
    put("train-00002-of-00003.parquet", NAMES)
    put("test-00000-of-00001.parquet", NAMES)
    told = "2 of the 3 files train-*-of-00003 are there; what the others hold is left out"
    assert load("folder", tmp_path).notes == (told,)
    shutil.copy(tmp_path / "train-00000-of-00003.parquet", tmp_path / "train-00000-of-00003 (1).parquet")
    with pytest.raises(DataError, match=r"expected each picture once, got the same bytes as \S+train-00000-of-00003"):
        load("folder", tmp_path)


def test_several_sets_in_one_folder_are_told(tmp_path, put):
    for name in ("full", "small"):
        put(f"{name}/train-00000-of-00001.parquet", NAMES)
        put(f"{name}/test-00000-of-00001.parquet", NAMES)
    (note,) = load("folder", tmp_path).notes
    assert note == "files of 2 folders are read as one data set: full, small. If they are several, name one"
    assert not load("folder", tmp_path / "full").notes


def test_a_test_split_without_a_column_of_classes_gives_way(tmp_path, put):
    put("train.parquet", NAMES)
    put("val.parquet", NAMES)
    put("test.parquet", NAMES, label="caption")
    dataset = load("folder", tmp_path)
    assert "the split test has no labels and is left out" in dataset.notes
    put("test.parquet", pa.array([None] * 3, pa.string()))
    assert "the split test has no labels and is left out" in load("folder", tmp_path).notes


def test_paths_without_pictures_and_doubled_columns_are_told(tmp_path, put):
    paths = pa.array(
        [{"bytes": None, "path": f"{n}.png"} for n in range(3)], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    for files in (["train"], ["train", "test"]):
        for split in files:
            put(f"{split}.parquet", NAMES, images=paths)
        with pytest.raises(DataError, match=r"expected the bytes of pictures in column image, got none, perhaps their"):
            load("folder", tmp_path)
    table = pq.read_table(tmp_path / "train.parquet").append_column("label", pa.array(NAMES))
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"train.parquet: expected one column label, got 2. Rename the others"):
        load("folder", tmp_path)
