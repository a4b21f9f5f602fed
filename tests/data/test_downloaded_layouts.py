"""Folders as data sets are downloaded: masks, annotations and archives beside pictures, splits that lack classes."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dropmix.cli.data_summary import data_lines
from dropmix.data import DataError, load


@pytest.fixture
def put(tmp_path, rng):
    def write(*folders, count=4, ending="png", name=""):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for n in range(count):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / f"{n}{name}.{ending}")

    return write


def test_a_test_split_may_lack_classes_and_it_is_said(tmp_path, put):
    put("train/cat", "train/dog", "train/fox", "test/cat", "test/dog")
    (tmp_path / "test/fox").mkdir()  # as empty as missing
    dataset = load("folder", tmp_path)
    assert dataset.classes == ["cat", "dog", "fox"]
    assert "1 class is trained on and not judged, without images to predict: fox" in dataset.notes
    assert "0 to 4 to predict (12 and 8 in all)" in data_lines(dataset)[0]
    for options in ({"validation": 0.25}, {"folds": 2}):  # the test split is not what they predict
        assert not any("not judged" in note for note in load("folder", tmp_path, **options).notes)
    put("test/owl")
    with pytest.raises(DataError, match=r"expected every class of test in train, got owl only in test. Add images"):
        load("folder", tmp_path)


def test_an_empty_class_to_train_on_and_one_of_other_formats_to_test_on_are_refused(tmp_path, put):
    put("train/cat", "train/dog", "test/cat")
    (tmp_path / "test/dog").mkdir()
    (tmp_path / "test/dog/1.heic").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"test/dog: expected images, got 1 file of .heic, which are not read here. Conv"
    ):
        load("folder", tmp_path)
    (tmp_path / "test/dog/1.heic").unlink()
    (tmp_path / "train/fox").mkdir()
    with pytest.raises(DataError, match=r"train/fox: expected images \(.*got none. Add images"):
        load("folder", tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("1.HEIC", "4 files of .heic, which are not read here. Convert them to PNG or JPEG"),
        ("1.dcm", "4 files of .dcm, which are not read here"),
        ("1", "4 files of no ending. Give each picture the ending of its format"),
        ("._1.png", r"got 4 hidden ones. Add images"),
    ],
)
def test_what_a_class_without_images_holds_is_said(tmp_path, put, name, told):
    put("cat", "dog")
    (tmp_path / "fox").mkdir()
    for n in range(4):
        (tmp_path / "fox" / name.replace("1", f"1{n}")).write_bytes(b"x")
    with pytest.raises(DataError, match=told):
        load("folder", tmp_path)


def test_masks_beside_images_are_left_out_and_counted(tmp_path, put):
    put("each/cat/images", "each/cat/masks", "each/dog/images", "each/dog/masks")
    put("same/cat", "same/dog")
    put("same/cat", "same/dog", name="_mask")
    put("above/images/cat", "above/images/dog", "above/masks/cat", "above/masks/dog")
    for layout in ("each", "same", "above"):
        dataset = load("folder", tmp_path / layout)
        assert dataset.classes == ["cat", "dog"]
        assert len(dataset.train) + len(dataset.test) == 8
        assert any(note.startswith("8 masks left out: ") for note in dataset.notes)
        assert not any("folders inside a class" in note for note in dataset.notes)
    put("faces/mask", "faces/no_mask")
    put("faces/mask", "faces/no_mask", name="_mask2")
    shutil.move(tmp_path / "faces/mask/3.png", tmp_path / "faces/mask/mask.png")
    assert load("folder", tmp_path / "faces").classes == ["mask", "no_mask"]
    put("words/mask", "words/other", name="mask")  # of nothing
    assert len(load("folder", tmp_path / "words").train) == 6


def test_folders_of_annotations_are_no_classes(tmp_path, put):
    put("birds/images/001.Albatross", "birds/images/002.Auk", "split/train/cat", "split/train/dog", "split/val/cat")
    for folder in ("birds/attributes", "birds/parts", "split/train/labels"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "all.txt").write_text("x")
    dataset = load("folder", tmp_path / "birds")
    assert dataset.classes == ["001.Albatross", "002.Auk"]
    assert "2 folders without pictures left out: ../attributes, ../parts" in dataset.notes
    dataset = load("folder", tmp_path / "split")
    assert dataset.classes == ["cat", "dog"]
    assert "1 folder without pictures left out: train/labels" in dataset.notes


def test_folders_inside_the_classes_of_a_split_are_pointed_out(tmp_path, put):
    put(*(f"{split}/{group}/{n}" for split in ("train", "val") for group in ("Aves", "Fungi") for n in (202, 203)))
    (note,) = [note for note in load("folder", tmp_path).notes if "inside a class" in note]
    assert note.endswith("Aves (202, 203); Fungi (202, 203). If the inner folders are the classes, move them up")


def test_domains_that_hold_the_same_classes_are_pointed_out(tmp_path, put):
    put(*(f"{domain}/images/{name}" for domain in ("amazon", "webcam") for name in ("cat", "dog")))
    (note,) = load("folder", tmp_path).notes
    assert (
        "amazon (cat, dog); webcam (cat, dog). If the inner folders are the classes, give --set 'data.labels=" in note
    )


def test_a_test_folder_taken_for_a_class_is_pointed_out(tmp_path, put):
    put("cat", "dog", "test")
    dataset = load("folder", tmp_path)
    assert dataset.classes == ["cat", "dog", "test"]
    assert any(note.startswith("the folder test is taken as a class") for note in dataset.notes)


def test_devices_and_pipes_are_left_out_by_their_kind(tmp_path, put):
    import os

    put("cat", "dog")
    os.mkfifo(tmp_path / "cat/pipe.png")
    (tmp_path / "cat/zero.png").symlink_to("/dev/zero")
    assert "2 devices or pipes left out: cat/pipe.png, cat/zero.png" in load("folder", tmp_path).notes


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "expected a folder, got an empty path"),
        (" ", "expected a folder, got an empty path"),
        ("s3://bucket/photos", "s3://bucket/photos: expected a folder on this machine, got an address"),
        ("photos.zip", "photos.zip: expected a folder of pictures, got a file. Unpack it, and name the folder"),
    ],
)
def test_what_is_no_folder_is_answered_by_what_to_do(tmp_path, monkeypatch, path, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=told):
        load("folder", path)
