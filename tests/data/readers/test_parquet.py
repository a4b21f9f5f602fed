"""Parquet folders: layouts, columns, class names, chosen rows, and damaged files."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dropmix.data import DataError, load

NAMES = {"label": ["cat", "dog"]}


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (10, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def pair(tmp_path, pictures, write_parquet):
    """Train in two files (4 + 3 rows), test in one (3 rows)."""
    write_parquet(tmp_path / "train-00000-of-00002.parquet", pictures[:4], [0, 1, 0, 1], NAMES)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", pictures[4:7], [1, 0, 1], NAMES)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", pictures[7:], [0, 1, 1], NAMES)
    return tmp_path


def test_pixels_labels_ids_and_names(pair, pictures):
    dataset = load("parquet", pair)
    assert (dataset.train.images == pictures[:7]).all()
    assert (dataset.test.images == pictures[7:]).all()
    assert dataset.train.labels.tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert dataset.train.ids.tolist() == list(range(7))
    assert dataset.test.ids.tolist() == [0, 1, 2]
    assert dataset.classes == ["cat", "dog"]
    assert dataset.superclasses is None


def test_chosen_rows_are_those_of_the_whole_set(pair):
    whole, chosen = load("parquet", pair), load("parquet", pair, train_per_class=2, seed=1)
    assert (chosen.train.images == whole.train.images[chosen.train.ids]).all()
    assert (chosen.train.labels == whole.train.labels[chosen.train.ids]).all()
    assert (chosen.test.images == whole.test.images).all()


def test_only_chosen_rows_are_decoded(pair, pictures, write_parquet):
    kept = set(load("parquet", pair, train_per_class=1).train.ids)
    cells = [picture if row in kept else b"no picture" for row, picture in enumerate(pictures[:7])]
    write_parquet(pair / "train-00000-of-00002.parquet", cells[:4], [0, 1, 0, 1], NAMES)
    write_parquet(pair / "train-00001-of-00002.parquet", cells[4:], [1, 0, 1], NAMES)
    assert len(load("parquet", pair, train_per_class=1).train) == 2
    with pytest.raises(DataError, match=r"train-0000\d-of-00002.parquet row \d: expected a picture"):
        load("parquet", pair)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("data/train-0.parquet", "data/test-0.parquet"),
        ("train/0.parquet", "validation/0.parquet"),
        ("plain/train.parquet", "plain/test.parquet"),
        ("data/train/0.parquet", "data/val/0.parquet"),
    ],
)
def test_layouts(tmp_path, pictures, write_parquet, train, test):
    write_parquet(tmp_path / train, pictures[:4], [0, 1, 0, 1], image="image")
    write_parquet(tmp_path / test, pictures[4:6], [0, 1], image="image")
    dataset = load("parquet", tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (4, 2, ["0", "1"])


def test_test_is_preferred_to_validation(pair, pictures, write_parquet):
    write_parquet(pair / "validation-0.parquet", pictures[:2], [0, 1], NAMES)
    assert len(load("parquet", pair).test) == 3


def test_string_labels_are_sorted_names(tmp_path, pictures, write_parquet):
    write_parquet(tmp_path / "train.parquet", pictures[:3], ["dog", "ant", "dog"])
    write_parquet(tmp_path / "test.parquet", pictures[3:5], ["dog", "ant"])
    dataset = load("parquet", tmp_path)
    assert dataset.classes == ["ant", "dog"]
    assert dataset.train.labels.tolist() == [1, 0, 1]


def test_superclasses(tmp_path, pictures, write_parquet):
    names = {"fine_label": ["cat", "dog", "oak"], "coarse_label": ["animal", "tree"]}
    for split in ("train", "test"):
        write_parquet(
            tmp_path / f"{split}.parquet", pictures[:3], [2, 0, 1], names, label="fine_label", coarse_label=[1, 0, 0]
        )
    assert load("parquet", tmp_path).superclasses == ["animal", "animal", "tree"]


def test_gray_pictures_have_one_channel(tmp_path, rng, write_parquet):
    gray = rng.integers(0, 256, (4, 6, 5, 1), dtype=np.uint8)
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", gray, [0, 1, 0, 1])
    dataset = load("parquet", tmp_path)
    assert (dataset.train.images == gray).all()
    assert len(dataset.mean) == 1


def test_plain_binary_column_and_size(tmp_path, encode, rng):
    pictures = [encode(rng.integers(0, 256, (height, 12, 3), dtype=np.uint8)) for height in (8, 16, 9, 12)]
    for split in ("train", "test"):
        pq.write_table(pa.table({"image": pictures, "label": [0, 1, 0, 1]}), tmp_path / f"{split}.parquet")
    assert load("parquet", tmp_path, size=8).train.images.shape == (4, 8, 8, 3)
    with pytest.raises(DataError, match=r"train.parquet row 1: expected a picture of 12x8 .*got 12x16.*data.size=8"):
        load("parquet", tmp_path)


def test_named_set_with_other_classes_is_refused(pair):
    with pytest.raises(DataError, match="expected cifar100 with 100 classes, got 2"):
        load("cifar100", pair)


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file_is_named(pair, share):
    cut(pair / "train-00001-of-00002.parquet", share)
    with pytest.raises(DataError, match=r"train-00001-of-00002.parquet: expected a whole parquet file, got .*again"):
        load("parquet", pair)


def test_damaged_pages_are_named(pair):
    file = pair / "test-00000-of-00001.parquet"
    content = bytearray(file.read_bytes())
    for place in range(4, len(content) // 2):
        content[place] ^= 0x5A
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"test-00000-of-00001.parquet"):
        load("parquet", pair)


def test_corrupt_picture_is_named(pair, pictures, encode, write_parquet):
    whole = encode(pictures[0])
    for broken in (b"", whole[: len(whole) // 2], None):
        write_parquet(pair / "test-00000-of-00001.parquet", [pictures[7], broken, pictures[9]], [0, 1, 1], NAMES)
        with pytest.raises(DataError, match=r"test-00000-of-00001.parquet row 1: expected a picture that Pillow"):
            load("parquet", pair)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1], r"labels of the test split of parquet in \[0, 1\], got -1 \(1 such"),
        ([0, 2, 1], r"in \[0, 1\], got 2"),
        ([0, None, 1], "1 of them empty"),
        ([0.0, 0.5, 1.0], "3 rows of double"),
        (["cat", "dog", "dog"], "strings in one and integers in the other"),
    ],
)
def test_labels_that_do_not_fit(pair, pictures, write_parquet, labels, message):
    write_parquet(pair / "test-00000-of-00001.parquet", pictures[7:], labels, NAMES)
    with pytest.raises(DataError, match=message):
        load("parquet", pair)


def test_class_without_training_image(tmp_path, pictures, write_parquet):
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", pictures[:2], [0, 0], {"label": ["cat", "dog"]})
    for validation in (0.0, 0.4):
        with pytest.raises(DataError, match="at least 1 training images of each class, got 0 of class 'dog'"):
            load("parquet", tmp_path, validation=validation)


def test_missing_columns_and_splits(tmp_path, pictures, write_parquet):
    with pytest.raises(DataError, match="got no parquet file"):
        load("parquet", tmp_path)
    write_parquet(tmp_path / "test.parquet", pictures[:2], [0, 1])
    with pytest.raises(DataError, match=r"expected parquet files .*, got test.parquet\. Rename"):
        load("parquet", tmp_path)
    write_parquet(tmp_path / "train.parquet", pictures[:2], [0, 1], image="pixels")
    write_parquet(tmp_path / "test.parquet", pictures[:2], [0, 1], image="pixels")
    with pytest.raises(DataError, match=r"column of pictures named img or image .*got pixels, label"):
        load("parquet", tmp_path)
    write_parquet(tmp_path / "train.parquet", pictures[:2], [0, 1], label="kind")
    with pytest.raises(DataError, match=r"column of classes named fine_label or label .*got img, kind"):
        load("parquet", tmp_path)
    pq.write_table(pa.table({"img": ["a.png"], "label": [0]}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"column img of encoded pictures .*, got string"):
        load("parquet", tmp_path)
    for split in ("train", "test"):
        pq.write_table(pa.table({"img": [b"a"], "label": [0]}).slice(0, 0), tmp_path / f"{split}.parquet")
    with pytest.raises(DataError, match="got 0 rows"):
        load("parquet", tmp_path)


def test_webp_and_palette(tmp_path, rng, encode):
    image = Image.fromarray(rng.integers(0, 4, (6, 5), dtype=np.uint8), "P")
    image.putpalette(rng.integers(0, 256, 12, dtype=np.uint8).tobytes())
    image.save(tmp_path / "palette.png")
    webp = Image.fromarray(np.asarray(image.convert("RGB")))
    webp.save(tmp_path / "lossless.webp", lossless=True)
    cells = [(tmp_path / name).read_bytes() for name in ("palette.png", "lossless.webp")]
    for split in ("train", "test"):
        pq.write_table(pa.table({"img": cells, "label": [0, 1]}), tmp_path / f"{split}.parquet")
    images = load("parquet", tmp_path).train.images
    assert (images[0] == np.asarray(image.convert("RGB"))).all()
    assert (images[0] == images[1]).all()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("Train.parquet", "Test.PARQUET"),
        ("training.parquet", "testing.parquet"),
        ("my-cats-train.parquet", "my-cats-val.parquet"),
        ("data/train-00000-of-00001-0f3ab2.parquet", "data/validation-00000-of-00001-77ab.parquet"),
    ],
)
def test_splits_are_told_as_those_of_folders_are(tmp_path, pictures, write_parquet, train, test):
    write_parquet(tmp_path / train, pictures[:6], [0, 1] * 3, NAMES)
    write_parquet(tmp_path / test, pictures[6:], [0, 1] * 2, NAMES)
    write_parquet(tmp_path / ".cache/train.parquet", pictures[:2], [0, 1], NAMES)
    dataset = load("folder", tmp_path)
    assert (dataset.train.images == pictures[:6]).all()
    assert (dataset.test.images == pictures[6:]).all()


@pytest.mark.parametrize("name", ["all.parquet", "train-00000-of-00001.parquet", "file"])
def test_files_of_one_split_are_split_by_content(tmp_path, rng, write_parquet, name):
    pictures, labels = rng.integers(0, 256, (60, 4, 4, 3), dtype=np.uint8), np.arange(60) % 2
    file = write_parquet(tmp_path / ("all.parquet" if name == "file" else name), pictures, labels, NAMES)
    dataset = load("folder", file if name == "file" else tmp_path)
    assert dataset.name == "folder (test: 20% of each class, by content)"
    for split in (dataset.train, dataset.test):
        assert (split.images == pictures[split.ids]).all()
        assert (split.labels == labels[split.ids]).all()
    assert sorted([*dataset.train.ids, *dataset.test.ids]) == list(range(60))
    assert 4 <= len(dataset.test) <= 22
    more = np.concatenate([rng.integers(0, 256, (2, 4, 4, 3), dtype=np.uint8), pictures])  # moves no other
    write_parquet(file, more, [0, 1, *labels], NAMES)
    after = load("folder", tmp_path)
    kept = {image.tobytes() for image in after.test.images}
    assert all(image.tobytes() in kept for image in dataset.test.images)


def test_a_test_split_without_labels_gives_way_to_validation(pair, pictures, write_parquet):
    write_parquet(pair / "test-00000-of-00001.parquet", pictures[7:], [-1, -1, -1], NAMES)
    with pytest.raises(DataError, match=r"labels of the test split .* got -1 \(3 such rows\)"):
        load("parquet", pair)
    write_parquet(pair / "validation.parquet", pictures[7:], [1, 0, 1], NAMES)
    write_parquet(pair / "val.parquet", pictures[7:], [1, 0, 1], NAMES)
    dataset = load("parquet", pair)
    assert dataset.test.labels.tolist() == [1, 0, 1]
    assert dataset.notes == (
        "the split test has no labels and is left out",
        "tested on validation",
        "1 split left out: val",
    )


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0.0, 3.0] * 5, ["0", "3"]), ([False, True] * 5, ["false", "true"]), (["b", "a"] * 5, ["a", "b"])],
)
@pytest.mark.parametrize("column", ["class", "Label", "target"])
def test_labels_of_any_plain_type_and_name_are_classes(tmp_path, pictures, write_parquet, labels, classes, column):
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", pictures, labels, label=column, image="Image")
    dataset = load("folder", tmp_path)
    assert dataset.classes == classes
    assert [dataset.classes[label] for label in dataset.train.labels] == [
        str(label).lower().removesuffix(".0") for label in labels
    ]
