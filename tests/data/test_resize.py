"""Smaller copies of a folder of pictures, against torchvision's Resize and the files themselves."""

import json
import os
import time

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional as F

from dropmix.data import DataError, load
from dropmix.data.files import RESIZED
from dropmix.data.resize import resize_folder


@pytest.fixture
def tree(tmp_path):
    rows, columns = np.mgrid[0:40, 0:60]
    pixels = np.stack([rows * 6, columns * 4, rows + columns], 2).astype(np.uint8)
    for split in ("train", "val"):
        for name in ("a/0.jpg", "a/1.png", "b/0.JPEG", "b/1.jpg"):
            file = tmp_path / "set" / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[:, :30] if name == "b/1.jpg" else pixels).save(file)
    Image.fromarray(pixels[:20, :20]).save(tmp_path / "set/train/b/small.png")
    return tmp_path / "set"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_copies_have_the_side_and_the_pixels_of_torchvisions_resize(tree, tmp_path):
    counts = resize_folder(tree, tmp_path / "out", 20, threads=2)
    assert (counts.resized, counts.copied, counts.there, counts.damaged, counts.notes) == (8, 1, 0, [], ())
    made = files(tmp_path / "out")
    assert json.loads(made.pop(RESIZED)) == {"shorter_side": 20, "quality": 95, "complete": True}
    assert made.keys() == files(tree).keys()
    assert made["train/b/small.png"] == files(tree)["train/b/small.png"]
    for name in ("train/a/0.jpg", "train/a/1.png", "val/b/1.jpg"):
        with Image.open(tmp_path / "out" / name) as copy:
            assert copy.format == "JPEG"
            expected = F.resize(F.pil_to_tensor(Image.open(tree / name).convert("RGB")), [20], antialias=True)
            assert (F.pil_to_tensor(copy).int() - expected.int()).abs().float().mean() < 2


def test_it_goes_on_after_a_damaged_picture_is_replaced(tree, tmp_path):
    broken, out = tree / "train/a/0.jpg", tmp_path / "out"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    told = []
    counts = resize_folder(tree, out, 20, 1, lambda *seen: told.append(seen))
    assert told[-1] == (9, 9)
    assert len(counts.damaged) == 1
    assert "train/a/0.jpg: expected a picture" in counts.damaged[0]
    with pytest.raises(DataError, match="expected all pictures resized, got some"):
        load("folder", out, size=8, resized_crop=True)
    (out / "train/b/0.JPEG").unlink()
    (out / "val/b/0.JPEG").write_bytes(b"")  # what a power cut may leave
    broken.write_bytes(whole)
    counts = resize_folder(tree, out, 20, 1)
    assert (counts.resized, counts.copied, counts.there, counts.damaged) == (3, 0, 6, [])
    at_once = tmp_path / "at-once"
    resize_folder(tree, at_once, 20, 3)
    assert files(out) == files(at_once)


def test_copies_are_another_data_set_that_says_what_it_is(tree, tmp_path):
    resize_folder(tree, tmp_path / "out", 20, 1)
    before, after = (load("folder", path, size=8, resized_crop=True) for path in (tree, tmp_path / "out"))
    assert (before.resized, after.resized) == (None, 20)
    assert before.fingerprint != after.fingerprint
    assert before.train.ids.tolist() == after.train.ids.tolist()


def test_what_is_left_out_is_said(tree, tmp_path):
    (tree / "train/a/2.heic").write_bytes(b"x")
    (tree / "train/a/0_mask.png").write_bytes((tree / "train/a/1.png").read_bytes())
    notes = resize_folder(tree, tmp_path / "out", 20, 1).notes
    assert "1 mask left out: train/a/0_mask.png" in notes
    assert any(note.startswith("1 file left out, of no format that is read here: .heic") for note in notes)


def test_wrong_folders_are_refused(tree, tmp_path):
    with pytest.raises(DataError, match="expected a folder and one outside of it"):
        resize_folder(tree, tree / "small", 20, 1)
    with pytest.raises(DataError, match="expected a folder and one outside of it"):
        resize_folder(tmp_path / "none", tmp_path / "out", 20, 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected pictures, got none"):
        resize_folder(tmp_path / "empty", tmp_path / "out", 20, 1)
    resize_folder(tree, tmp_path / "out", 20, 1)
    with pytest.raises(DataError, match=r"resized.json: expected .*'shorter_side': 21.* Choose another folder"):
        resize_folder(tree, tmp_path / "out", 21, 1)
    (tmp_path / "empty/notes.txt").write_text("mine")
    with pytest.raises(DataError, match="expected an empty folder, or one of an earlier call"):
        resize_folder(tree, tmp_path / "empty", 20, 1)


def test_a_changed_picture_is_resized_again_and_one_that_is_gone_is_named(tree, tmp_path):
    resize_folder(tree, tmp_path / "out", 20, 1)
    changed, gone = tree / "train/a/0.jpg", tree / "val/b/0.JPEG"
    Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(changed)
    os.utime(changed, (time.time() + 60,) * 2)
    gone.unlink()
    counts = resize_folder(tree, tmp_path / "out", 20, 2)
    assert (counts.changed, counts.left_over) == (["train/a/0.jpg"], ["val/b/0.JPEG"])
    assert (counts.resized, counts.there) == (1, 7)
    with Image.open(tmp_path / "out/train/a/0.jpg") as copy:
        assert copy.size == (20, 20)
    assert (tmp_path / "out/val/b/0.JPEG").exists()
