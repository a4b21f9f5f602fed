"""Image folders against torchvision's ImageFolder; flat folders; sizes; what is refused."""

import struct

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder

from dropmix.data import DataError, load


@pytest.fixture
def picture(rng):
    def make(height=6, width=5, channels=3):
        return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)

    return make


@pytest.fixture
def tree(tmp_path, picture, write_folder):
    names = [f"{split}/{c}/{n}.png" for split in ("train", "test") for c in ("cat", "dog") for n in range(3)]
    return write_folder(tmp_path / "pets", {name: picture() for name in names})


def wanted(path):
    return path.lower().endswith("png") and "/." not in path


def test_equal_to_torchvision(tree, picture, write_folder):
    write_folder(tree, {"train/cat/nested/deep.PNG": picture(), "train/dog/.hidden.png": picture()})
    (tree / "train/cat/notes.txt").write_text("no picture")
    dataset = load("folder", tree)
    for split, name in ((dataset.train, "train"), (dataset.test, "test")):
        expected = ImageFolder(str(tree / name), is_valid_file=wanted)
        by_path = dict(expected.samples)
        assert dataset.classes == expected.classes
        assert len(split) == len(by_path)
        for image, label, name_ in zip(split.images, split.labels, split.ids, strict=True):
            path = str(tree / name_)
            assert label == by_path[path]
            assert (image == np.asarray(Image.open(path).convert("RGB"))).all()
    assert "train/cat/nested/deep.PNG" in dataset.train.ids
    assert dataset.train.ids.dtype.kind == "U"


@pytest.mark.parametrize("test", ["val", "Test", "validation"])
def test_names_of_the_test_split_and_endings_in_any_case(tmp_path, picture, write_folder, test):
    endings = ["png", "PNG", "jpg", "JPG", "JPEG", "bmp", "webp", "Tif"]
    names = [f"{split}/{c}/{n}.{ending}" for split in ("TRAIN", test) for c in "ab" for n, ending in enumerate(endings)]
    dataset = load("folder", write_folder(tmp_path, {name: picture() for name in names}))
    assert len(dataset.train) == len(dataset.test) == 2 * len(endings)
    assert dataset.test.ids[0].startswith(test)


def test_flat_folder_is_split_and_says_so(tmp_path, picture, write_folder):
    names = [f"{c}/{n}.png" for c in ("cat", "dog") for n in range(10)]
    write_folder(tmp_path, {name: picture() for name in names})
    dataset, again = load("folder", tmp_path), load("folder", tmp_path, seed=3)
    assert dataset.name == "folder (test: 20% of each class, drawn by seed 0)"
    assert np.bincount(dataset.train.labels).tolist() == [8, 8]
    assert np.bincount(dataset.test.labels).tolist() == [2, 2]
    assert sorted([*dataset.train.ids, *dataset.test.ids]) == sorted(names)
    assert dataset.test.ids.tolist() == again.test.ids.tolist()
    for split in (dataset.train, dataset.test):
        for image, name in zip(split.images, split.ids, strict=True):
            assert (image == np.asarray(Image.open(tmp_path / name))).all()


def test_hidden_folders_are_no_classes(tree):
    (tree / "train/.git").mkdir()
    (tree / ".cache").mkdir()
    assert load("folder", tree).classes == ["cat", "dog"]


def test_linked_class_folders_are_followed(tree):
    (tree / "train/dog").rename(tree.parent / "elsewhere")
    (tree / "train/dog").symlink_to(tree.parent / "elsewhere")
    assert np.bincount(load("folder", tree).train.labels).tolist() == [3, 3]


def test_gray_only_where_all_are_gray(tree, picture, write_folder):
    names = [path.relative_to(tree).as_posix() for path in tree.rglob("*.png")]
    write_folder(tree, {name: picture(channels=1) for name in names})
    gray = load("folder", tree)
    assert gray.train.images.shape == (6, 6, 5, 1)
    write_folder(tree, {"test/dog/2.png": picture()})
    assert load("folder", tree).train.images.shape == (6, 6, 5, 3)
    assert (load("folder", tree).train.images[..., 1:2] == gray.train.images).all()


@pytest.mark.parametrize(("height", "width", "size"), [(9, 14, 6), (14, 9, 6), (5, 8, 6), (6, 6, 6), (31, 7, 7)])
def test_size_equals_torchvision(tree, picture, write_folder, height, width, size):
    image = picture(height, width)
    write_folder(tree, {"train/cat/0.png": image})
    expected = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size)])(Image.fromarray(image))
    got = load("folder", tree, size=size)
    assert got.train.images.shape == (6, size, size, 3)
    assert (got.train.images[0] == np.asarray(expected)).all()


def test_different_sizes_without_size(tree, picture, write_folder):
    write_folder(tree, {"train/dog/1.png": picture(9, 4)})
    with pytest.raises(DataError, match=r"train/dog/1.png: expected a picture of 5x6 .*got 4x9.*--set data.size=4"):
        load("folder", tree)
    write_folder(tree, {"train/dog/1.png": picture()})
    names = [path.relative_to(tree).as_posix() for path in (tree / "test").rglob("*.png")]
    write_folder(tree, {name: picture(8, 8) for name in names})
    with pytest.raises(DataError, match="expected test images of folder of 5x6 pixels like those of train, got 8x8"):
        load("folder", tree)


def test_corrupt_picture_is_named(tree):
    file = tree / "train/dog/1.png"
    whole = file.read_bytes()
    for broken in (b"", b"not a picture", whole[:40], whole[: len(whole) // 2]):
        file.write_bytes(broken)
        with pytest.raises(DataError, match=r"train/dog/1.png: expected a picture that Pillow can read") as caught:
            load("folder", tree)
        assert "\n" not in str(caught.value)
        assert "object at" not in str(caught.value)


def test_deep_picture_is_refused_and_not_clipped(tree):
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(tree / "train/dog/1.png")
    with pytest.raises(DataError, match=r"1.png: expected a picture of 8 bits per channel, got mode I;16"):
        load("folder", tree)


def tiff(pixels: np.ndarray, **tags: int) -> bytes:
    """A TIFF without compression, (H, W) or planes (3, H, W), as other programs write it."""
    count = 3 if pixels.ndim == 3 else 1
    height, width = pixels.shape[-2:]
    known = {256: width, 257: height, 259: 1, 262: 2 if count == 3 else 1, 277: count, 278: height, 284: count // 2 + 1}
    lists = {
        258: [8 * pixels.itemsize] * count,
        279: [pixels.nbytes // count] * count,
        339: [tags.get("sign", 1)] * count,
    }
    lists[273] = [8 + n * pixels.nbytes // count for n in range(count)]
    body, after = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(), b""
    entries, start = [], 8 + len(body)
    size = 2 + 12 * (len(known) + len(lists)) + 4
    for tag, values in sorted((known | lists).items()):
        values = values if isinstance(values, list) else [values]
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(packed) > 4:
            packed, after = struct.pack("<I", start + size + len(after)), after + packed
        entries.append(struct.pack("<HHI", tag, 4, len(values)) + packed)
    head = b"II*\0" + struct.pack("<I", start)
    return head + body + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + after


def test_planes_of_a_tiff_are_read_at_8_bits_and_refused_at_16_or_signed(tree, rng):
    file = tree / "train/dog/1.tif"
    planes = rng.integers(0, 256, (3, 6, 5))
    file.write_bytes(tiff(planes.astype(np.uint8)))
    dataset = load("folder", tree)
    (row,) = np.flatnonzero(dataset.train.ids == "train/dog/1.tif")
    assert np.array_equal(dataset.train.images[row], planes.transpose(1, 2, 0))
    for pixels, sign, told in (
        (planes.astype(np.uint16), 1, "16 bits in mode RGB"),
        (planes[0].astype(np.int8), 2, "signed numbers"),
    ):
        file.write_bytes(tiff(pixels, sign=sign))
        with pytest.raises(DataError, match=f"1.tif: expected a picture of 8 bits per channel, got {told}"):
            load("folder", tree)


def test_empty_class_is_named(tree):
    (tree / "train/emu").mkdir()
    with pytest.raises(DataError, match=r"train/emu: expected images .*, got none"):
        load("folder", tree)
    (tree / "train/emu/readme.md").write_text("soon")
    with pytest.raises(DataError, match=r"train/emu: expected images, got 1 file of .md. Add images or remove"):
        load("folder", tree)


def test_different_classes_are_named(tree, picture, write_folder):
    write_folder(tree, {"test/ant/0.png": picture(), "train/emu/0.png": picture()})
    with pytest.raises(DataError, match=r"every class of test in train, got ant only in test. Add images of it"):
        load("folder", tree)


def test_missing_parts(tmp_path, tree, picture, write_folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="expected folders of images, one per class, got none"):
        load("folder", empty)
    (tree / "test").rename(tree / "other")
    with pytest.raises(DataError, match=r"expected folders train and test \(or val\), got other, train"):
        load("folder", tree)
    write_folder(tmp_path / "flat", {"a/0.png": picture(), "a/1.png": picture(), "b/0.png": picture()})
    with pytest.raises(DataError, match=r"flat/b: expected at least 2 images, .*got 1"):
        load("folder", tmp_path / "flat")
    write_folder(tmp_path / "flat", {f"b/{n}.png": picture() for n in range(12)})
    with pytest.raises(DataError, match="at least 9 training images of each class, got 1 of class 'a'"):
        load("folder", tmp_path / "flat", train_per_class=9)
