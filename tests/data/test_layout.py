"""Folders as people have them: split names, wrapping, hidden folders, links, names; one data set from many layouts."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load


@pytest.fixture
def pictures(rng):
    names = [f"{split}/{c}/{n}" for split in ("train", "test") for c in ("cat", "dog", "fox") for n in range(3)]
    return {name: rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for name in names}


def lay_out(root, pictures, train="train", test="test", ending="png"):
    for name, image in pictures.items():
        split, rest = name.split("/", 1)
        file = root / {"train": train, "test": test}[split] / f"{rest}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, lossless=True)
    return root


def content(dataset):
    """What a data set is, whatever its files are called: split, class, pixels."""
    return sorted(
        (key, dataset.classes[label], image.tobytes())
        for key, split in (("train", dataset.train), ("test", dataset.test))
        for image, label in zip(split.images, split.labels, strict=True)
    )


TRAINS = ["train", "Training", "training_set", "TRAIN", "train-set"]
TESTS = ["test", "Testing", "test_set", "valid", "VAL", "validation", "TestSet"]


@pytest.mark.parametrize("case", range(12))
def test_one_set_of_pictures_in_any_legal_layout_is_one_data_set(tmp_path, pictures, case):
    expected = content(load("folder", lay_out(tmp_path / "plain", pictures)))
    draw = np.random.default_rng(case)
    root = tmp_path / "photos" / "/".join(["photos"] * draw.integers(0, 3))
    order = list(pictures)
    draw.shuffle(order)
    options = {"train": draw.choice(TRAINS), "test": draw.choice(TESTS), "ending": draw.choice(["png", "PNG", "webp"])}
    lay_out(root, {name: pictures[name] for name in order}, **options)
    junk = root / str(options["train"]) / "cat" / draw.choice([".ipynb_checkpoints", "__MACOSX"])
    shutil.copytree(root / str(options["train"]) / "dog", junk)
    (junk.parent / "Thumbs.db").write_bytes(b"x")
    dataset = load("folder", tmp_path / "photos")
    assert content(dataset) == expected
    assert any("1 hidden folder left out" in note for note in dataset.notes)


def test_what_is_left_out_is_said(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    shutil.copytree(root / "train/cat", root / "train/.lynx")
    (root / "train/dog/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "train/dog/raw.heic").write_bytes(b"x")
    shutil.copytree(root / "test", root / "val")
    notes = load("folder", root).notes
    assert "1 hidden folder left out: train/.lynx" in notes
    assert "1 broken link left out: train/dog/gone.jpg" in notes
    assert "1 split left out: val" in notes
    assert "1 file of no picture format left out: .heic" in notes


def test_val_stands_in_for_a_test_folder_without_labels(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures, test="val")
    (root / "test").mkdir()
    shutil.copy(root / "val/cat/0.png", root / "test/0.png")
    dataset = load("folder", root)
    assert len(dataset.test) == 9
    assert dataset.test.ids[0].startswith("val/")


def test_classes_may_be_called_train_and_test(tmp_path, pictures):
    for where in ("flat", "flat/flat"):
        for name, own in (("train", "cat"), ("bus", "dog"), ("plane", "fox")):
            for n in range(3):
                (tmp_path / where / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pictures[f"train/{own}/{n}"]).save(tmp_path / where / name / f"{n}.png")
        assert load("folder", tmp_path / where).classes == ["bus", "plane", "train"]
        shutil.rmtree(tmp_path / "flat")
    renamed = {name.replace("cat", "train").replace("dog", "test"): image for name, image in pictures.items()}
    assert load("folder", lay_out(tmp_path / "split", renamed)).classes == ["fox", "test", "train"]


def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/dog/loop").symlink_to(root / "train")
    with pytest.raises(DataError, match=r"dog/loop/\w+: expected a folder, got a link to a folder around it"):
        load("folder", root)
    (root / "train/dog/loop").unlink()
    shutil.copytree(root / "train", root / "Training")
    with pytest.raises(DataError, match="expected one folder for train, got Training and train"):
        load("folder", root)
    shutil.rmtree(root / "Training")
    os.rename(os.fsencode(root / "train/fox"), os.fsencode(root / "train") + b"/f\xfcchs")
    with pytest.raises(DataError, match=r"expected names in UTF-8, got f\\xfcchs"):
        load("folder", root)
    (tmp_path / "one").mkdir()
    shutil.copytree(root / "train/cat", tmp_path / "one/cat")
    with pytest.raises(DataError, match=r"at least 2 classes, got 'cat' alone"):
        load("folder", tmp_path / "one")
