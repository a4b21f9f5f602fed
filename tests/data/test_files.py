"""Data sets left in their files, compared with the same ones read into memory."""

import json
import shutil

import numpy as np
import pytest

from dropmix.data import DataError, Files, load
from dropmix.data.files import RESIZED, file_sizes


@pytest.fixture
def tree(tmp_path, rng, write_folder):
    names = [f"{split}/{c}/{n}.png" for split, each in (("train", 6), ("val", 2)) for c in "ab" for n in range(each)]
    return write_folder(tmp_path / "set", {name: rng.integers(0, 256, (9, 12, 3), dtype=np.uint8) for name in names})


@pytest.mark.parametrize("options", [{}, {"train_per_class": 3, "seed": 2}, {"validation": 0.4, "seed": 1}])
def test_rows_are_those_of_the_set_in_memory(tree, options):
    here = load("folder", tree, size=8, resized_crop=True, **options)
    there = load("folder", tree, size=8, **options)
    assert here.classes == there.classes
    for split in ("train", "test", "validation"):
        files, images = getattr(here, split), getattr(there, split)
        if images is None:
            assert files is None
            continue
        assert isinstance(files, Files)
        assert files.ids.tolist() == images.ids.tolist()
        assert files.labels.tolist() == images.labels.tolist()
        assert files.shape == images.shape == (3, 8, 8)
        assert all((tree / files.ids[row]).samefile(files.path(row)) for row in range(len(files)))


def test_a_flat_folder_is_split_alike(tree):
    here, there = (load("folder", tree / "train", size=8, resized_crop=how) for how in (True, False))
    assert here.test.ids.tolist() == there.test.ids.tolist()
    assert here.name == there.name


def test_the_fingerprint_knows_names_labels_and_sizes_but_not_the_place(tree, tmp_path):
    def found(path):
        return load("folder", path, size=8, resized_crop=True).fingerprint

    first = found(tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere")
    assert found(moved) == first
    assert load("folder", tree, size=7, resized_crop=True).fingerprint == first  # the size is a field of the spec
    picture = moved / "train/a/3.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1])
    assert found(moved) != first
    picture.write_bytes(whole)
    assert found(moved) == first
    picture.rename(moved / "train/b/6.png")
    assert found(moved) != first


def test_sizes_are_the_files(tree):
    files = load("folder", tree, size=8, resized_crop=True).train
    assert isinstance(files, Files)
    assert file_sizes(files).tolist() == [(tree / name).stat().st_size for name in files.ids]
    (tree / files.ids[4]).unlink()
    with pytest.raises(DataError, match=r"a/4.png: expected a picture, got No such file"):
        file_sizes(files)


def test_what_does_not_go_is_one_line(tree):
    with pytest.raises(DataError, match=r"expected a size of the crops, got none"):
        load("folder", tree, resized_crop=True)
    with pytest.raises(DataError, match=r"got digits, whose pictures are no files. Use --set data.resized_crop=false"):
        load("digits", None, size=8, resized_crop=True)


def test_the_note_of_an_offline_resize_is_read(tree):
    assert load("folder", tree, size=8, resized_crop=True).resized is None
    (tree / RESIZED).write_text(json.dumps({"shorter_side": 256, "complete": True}))
    assert load("folder", tree, size=8, resized_crop=True).resized == 256
    (tree / RESIZED).write_text(json.dumps({"shorter_side": 256, "complete": False}))
    with pytest.raises(DataError, match=r"expected all pictures resized, got some"):
        load("folder", tree, size=8, resized_crop=True)
    odd = [json.dumps({"shorter_side": side, "complete": True}) for side in (-3, 0, 4.7, True, "4", float("inf"))]
    for content in ("half", "[]", '{"shorter_side": 256, "complete": "no"}', *odd):
        (tree / RESIZED).write_text(content)
        with pytest.raises(DataError, match=r"resized.json: expected what dropmix resize wrote"):
            load("folder", tree, size=8, resized_crop=True)
