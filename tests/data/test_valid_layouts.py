"""The same pictures in any random legal layout are the same data set: folders, links and parquet files."""

import json
import shutil
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dropmix.data import load

NAMES = [
    *(["cat", "dog", "fox"], ["猫", "🐶 dog", "été"], ["0", "1", "10"], ["001", "002", "010"]),
    *(["a,b", 'say "hi"', "it's; x"], [" lead", "trail ", "mid  x"], ["e\u0301", "o\u0308", "a\u0300"]),
    *(["train", "test", "fox"], ["normal", "abnormal", "validation"], ["fold1", "fold2", "fold3"]),
    *(["valid", "invalid", "unknown"], ["dev", "prod", "stage"], ["car", "bus", "train"]),
]
TRAINS = ["train", "Training", "training_set", "TRAIN", "train-set", "Train Data", "trn", "train_images", "trainset"]
TESTS = ["test", "Testing", "test_set", "valid", "VAL", "validation", "TestSet", "val_images", "dev", "holdout", "eval"]
KINDS = ["png", "PNG", "bmp", "webp", "tif", "TIFF", "ppm"]


def draw_pictures() -> dict[tuple[str, int, int], np.ndarray]:
    rng = np.random.default_rng(3)
    keys = [(split, label, n) for split in ("train", "test") for label in range(3) for n in range(4)]
    return {key: rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for key in keys}


PICTURES = draw_pictures()


def content(dataset):
    """Split, class and pixels of every picture."""
    return sorted(
        (key, unicodedata.normalize("NFC", dataset.classes[label]), image.tobytes())
        for key, split in (("train", dataset.train), ("test", dataset.test))
        for image, label in zip(split.images, split.labels, strict=True)
    )


def pick(rng, *options):
    return options[int(rng.integers(len(options)))]


def as_folders(rng, root, names):
    """Folders of classes, wrapped or linked, among files of no concern; returns the folder to name."""
    wraps = ["photos", "archive", "my data"][: int(rng.integers(1, 4))]
    base, store = root.joinpath(*wraps), root / "store"
    store.mkdir()
    splits = {"train": base / pick(rng, *TRAINS), "test": base / pick(rng, *TESTS)}
    inner, link = pick(rng, "", "", "images"), pick(rng, "", "", "file", "class", "split")
    for (split, label, n), image in PICTURES.items():
        kind = pick(rng, *KINDS)
        file = (
            splits[split]
            / inner
            / names[label]
            / pick(rng, "", "", "more")
            / f"{pick(rng, 'im', 'IMG ', 'ü')}{n}.{kind}"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        target = store / f"{split}{label}{n}.{kind}" if link == "file" else file
        Image.fromarray(image).save(target, **({"lossless": True} if kind == "webp" else {}))
        if target != file:
            file.symlink_to(target)
    for folder in {"class": [splits["train"] / inner / names[0]], "split": [*splits.values()]}.get(link, []):
        shutil.move(folder, store / folder.name)
        folder.symlink_to(store / folder.name)
    for junk in (".ipynb_checkpoints", "__MACOSX", "annotations", "docs"):
        if rng.random() < 0.2:
            (base / junk / "x").mkdir(parents=True)
            (base / junk / "x" / f"a.{'png' if '_' in junk else 'xml'}").write_bytes(b"x")
    (base / "labels.csv").write_text("name,label\n")
    (splits["train"] / inner / names[0] / "Thumbs.db").write_bytes(b"x")
    return root / wraps[0]


def as_parquet(rng, root, names):
    """Shards of different types: text or numbers, from 0 or from 1, as structs or bytes."""
    how, test = pick(rng, "files", "folders", "data"), pick(rng, "test", "validation", "valid", "val")
    text, image_column, column = rng.random() < 0.5, pick(rng, "img", "image"), pick(rng, "label", "labels")
    for split in ("train", "test"):
        for part in range(2):
            rows = [(label, image) for (s, label, n), image in PICTURES.items() if s == split and n % 2 == part]
            cells = [{"bytes": encoded(root, image, pick(rng, "png", "bmp")), "path": None} for _, image in rows]
            labels = [names[label] if text else label for label, _ in rows]
            kind = pick(rng, pa.string(), pa.large_string()) if text else pick(rng, pa.int8(), pa.uint16(), pa.int64())
            images = pa.array(cells) if rng.random() < 0.5 else pa.array([c["bytes"] for c in cells], pa.large_binary())
            about = {"info": {"features": {column: {"names": names, "_type": "ClassLabel"}}}}
            table = pa.table({image_column: images, column: pa.array(labels, kind)})
            table = table if text else table.replace_schema_metadata({"huggingface": json.dumps(about)})
            name = split if split == "train" else test
            files = {"files": f"{name}-{part:05d}-of-00002", "folders": f"{name}/{part}", "data": f"data/{name}-{part}"}
            file = root / "set" / f"{files[how]}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, file)
    return root / "set"


def encoded(root, image, kind) -> bytes:
    Image.fromarray(image).save(root / f"x.{kind}")
    return (root / f"x.{kind}").read_bytes()


@pytest.mark.parametrize("case", range(60))
def test_every_layout_is_the_same_data_set(tmp_path, case):
    rng = np.random.default_rng([13, case])
    names = pick(rng, *NAMES)
    write = pick(rng, as_folders, as_folders, as_parquet)
    expected = [(s, unicodedata.normalize("NFC", names[k]), image.tobytes()) for (s, k, _), image in PICTURES.items()]
    assert content(load("folder", write(rng, tmp_path, names))) == sorted(expected)


@pytest.mark.parametrize("numbers", [[1, 2, 3], [0, 7, 1000]])
def test_class_numbers_of_parquet_files_may_begin_anywhere(tmp_path, write_parquet, numbers):
    for split in ("train", "test"):
        labels = [numbers[label] for s, label, _ in PICTURES if s == split]
        write_parquet(tmp_path / f"{split}.parquet", [i for (s, *_), i in PICTURES.items() if s == split], labels)
    assert load("folder", tmp_path).classes == [str(number) for number in numbers]
