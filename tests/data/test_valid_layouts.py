"""The same pictures in any random legal layout are the same data set: folders, links, tables and parquet files.

More cases by hand: DROPMIX_FUZZ=2000 pytest tests/data/test_valid_layouts.py
"""

import csv
import json
import os
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
MODES = {
    "RGB": ["png", "PNG", "bmp", "webp", "tif", "TIFF", "ppm"],
    "RGBA": ["png", "webp", "tiff"],
    "P": ["png", "gif", "tif", "bmp"],
    "L": ["png", "bmp", "tif", "pgm", "gif"],
    "LA": ["png", "tif"],
    "1": ["png", "bmp", "tif"],
}
"""Modes of lossless files, and their endings."""
TONES = {"colour": ["RGB", "RGBA", "P"], "gray": ["RGB", "RGBA", "P", "L", "LA"], "black and white": [*MODES]}
"""Modes that can hold pictures of some tones."""


def draw_pictures(tone: str) -> dict[tuple[str, int, int], np.ndarray]:
    rng = np.random.default_rng(3)
    keys = [(split, label, n) for split in ("train", "test") for label in range(3) for n in range(4)]
    made = {key: rng.integers(0, 256, (8, 8, 3 if tone == "colour" else 1), dtype=np.uint8) for key in keys}
    if tone == "black and white":
        made = {key: image // 128 * 255 for key, image in made.items()}
    return {key: np.repeat(image, 3 // image.shape[2], 2) for key, image in made.items()}


PICTURES = {tone: draw_pictures(tone) for tone in TONES}


def save(rng, tone, image, file):
    """Write a picture in any mode that holds it without loss; returns the file, which has a matching ending."""
    mode = pick(rng, *TONES[tone])
    file = file.with_name(f"{file.name}.{pick(rng, *MODES[mode])}")
    picture = Image.fromarray(image)
    if mode == "P":
        colours, indices = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
        picture = Image.fromarray(indices.reshape(8, 8).astype(np.uint8), "L")
        picture.putpalette(colours.tobytes())
    elif mode != "RGB":
        picture = picture.convert("L").convert(mode) if mode in ("LA", "1") else picture.convert(mode)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, **({"lossless": True, "exact": True} if file.suffix == ".webp" else {}))
    return file


def content(dataset):
    """Split, class and pixels of every picture."""
    return sorted(
        (key, unicodedata.normalize("NFC", dataset.classes[label]), image.tobytes())
        for key, split in (("train", dataset.train), ("test", dataset.test))
        for image, label in zip(split.images, split.labels, strict=True)
    )


def pick(rng, *options):
    return options[int(rng.integers(len(options)))]


def as_folders(rng, root, names, tone):
    """Folders of classes, wrapped or linked, among files of no concern; returns the folder to name."""
    wraps = ["photos", "archive", "my data"][: int(rng.integers(1, 4))]
    base, store = root.joinpath(*wraps), root / "store"
    store.mkdir()
    splits = {"train": base / pick(rng, *TRAINS), "test": base / pick(rng, *TESTS)}
    inner, link = pick(rng, "", "", "images"), pick(rng, "", "", "file", "hard", "class", "split")
    keys = [*PICTURES[tone]]
    for split, label, n in [keys[i] for i in rng.permutation(len(keys))]:
        folder = splits[split] / inner / names[label] / pick(rng, "", "", "more")
        name = f"{pick(rng, 'im', 'IMG ', 'ü', '1', 'a' * 200)}{n}"
        file = save(rng, tone, PICTURES[tone][split, label, n], store / f"{split}{label}{n}")
        place = folder / f"{name}{file.suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        if link in ("file", "hard"):
            (place.symlink_to if link == "file" else place.hardlink_to)(file)
        else:
            shutil.move(file, place)
    for folder in {"class": [splits["train"] / inner / names[0]], "split": [*splits.values()]}.get(link, []):
        shutil.move(folder, store / folder.name)
        folder.symlink_to(store / folder.name)
    for junk in (".ipynb_checkpoints", "__MACOSX", "annotations", "docs", "$RECYCLE.BIN"):
        if rng.random() < 0.2:
            (base / junk / "x").mkdir(parents=True)
            (base / junk / "x" / f"a.{'xml' if junk.isalpha() else 'png'}").write_bytes(b"x")
    (base / "labels.csv").write_text("name,label\n")
    for debris in ("Thumbs.db", ".DS_Store", "._im0.png", "desktop.ini"):
        (splits["train"] / inner / names[0] / debris).write_bytes(b"x")
    return {"path": root / wraps[0]}


def as_table(rng, root, names, tone):
    """Pictures in folders of no meaning, or of splits, and a table that knows the classes."""
    folders = {split: pick(rng, "images", "a/b", "") for split in ("train", "test")}
    how = pick(rng, "column", "folders")
    if how == "folders":
        folders = {"train": pick(rng, *TRAINS), "test": pick(rng, *TESTS)}
    base, rows = root / "set", []
    keys, lead = [*PICTURES[tone]], pick(rng, "", "./", "/home/me/set/", "C:\\data\\set\\")
    for number, (split, label, n) in enumerate(keys[i] for i in rng.permutation(len(keys))):
        file = save(rng, tone, PICTURES[tone][split, label, n], base / folders[split] / f"{number:03d}")
        cell = pick(rng, file.name, file.name.lower()) if not lead else f"{lead}{file.relative_to(base).as_posix()}"
        split_cell = pick(rng, *{"train": ["train", "Training"], "test": ["test", "TEST"]}[split])
        rows.append({"": number, "image": cell, "label": names[label], "width": 8, "split": split_cell})
    head = [key for key in ("", "image", "label", "width", "split") if key in ("image", "label") or rng.random() < 0.5]
    head = [key for key in head if key != "split"] + (["split"] if how == "column" else [])
    head = [head[i] for i in rng.permutation(len(head))]
    table = base / pick(rng, "t.csv", "T.TSV")
    with table.open("w", newline="", encoding=pick(rng, "utf-8", "utf-8-sig", "utf-16")) as stored:
        quoting = pick(rng, csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        writer = csv.writer(stored, delimiter=pick(rng, ",", ";", "\t", "|"), quoting=quoting)
        writer.writerows([head, *([rows[i][key] for key in head] for i in rng.permutation(len(rows)))])
    return {"path": base, "labels": pick(rng, table.name, str(table), f"{table.name}:label")}


def as_tables(rng, root, names, tone):
    """A table in each folder of a split, for the pictures there, with a class or a column of 0 and 1 per class."""
    base, one_hot, file = root / "set", rng.random() < 0.5, pick(rng, "_classes.csv", "labels.csv")
    for split, folder in (("train", pick(rng, *TRAINS)), ("test", pick(rng, *TESTS))):
        rows = [["filename", *(names if one_hot else ["label"])]]
        for n, key in enumerate(key for key in PICTURES[tone] if key[0] == split):
            picture = save(rng, tone, PICTURES[tone][key], base / folder / f"{n:03d}")
            rows.append([picture.name, *([int(k == key[1]) for k in range(3)] if one_hot else [names[key[1]]])])
        with (base / folder / file).open("w", newline="", encoding="utf-8") as stored:
            csv.writer(stored).writerows([rows[0], *(rows[1 + i] for i in rng.permutation(len(rows) - 1))])
    return {"path": base, "labels": file}


def as_patients(rng, root, names, tone):
    """Folders of patients in those of splits, which hold folders of the classes."""
    base, who = root / "set", pick(rng, "patient{}", "P{:03d}", "case {}", "{}-x")
    splits = {"train": pick(rng, *TRAINS), "test": pick(rng, *TESTS)}
    for n, key in enumerate(PICTURES[tone]):
        patient = who.format(2 * int(rng.integers(1, 4)) + (key[0] == "test"))
        save(rng, tone, PICTURES[tone][key], base / splits[key[0]] / patient / names[key[1]] / f"{n:03d}")
    return {"path": base, "labels": "([^/]+)/[^/]+$", "group": pick(rng, None, "([^/]+)/[^/]+/[^/]+$")}


def as_parquet(rng, root, names, tone):
    """Shards of different types and columns: text or numbers, with names in any order, as structs or bytes."""
    how, test = pick(rng, "files", "folders", "data", "column"), pick(rng, "test", "validation", "valid", "val")
    text, parts = rng.random() < 0.5, int(rng.integers(1, 4))
    for split in ("train", "test"):
        for part in range(parts):
            picked = [key for key in PICTURES[tone] if key[0] == split and key[2] % parts == part]
            keys = [picked[i] for i in rng.permutation(len(picked))]
            own = [names[i] for i in rng.permutation(3)]
            cells = [save(rng, tone, PICTURES[tone][key], root / "x").read_bytes() for key in keys]
            images = pa.array(cells, pick(rng, pa.binary(), pa.large_binary(), pa.binary_view()))
            images = images if rng.random() < 0.5 else pa.array([{"bytes": cell, "path": None} for cell in cells])
            labels = [names[label] if text else own.index(names[label]) for _, label, _ in keys]
            kind = pick(rng, pa.int8(), pa.uint16(), pa.int64(), pa.float32(), pa.decimal128(5, 0))
            kind = pick(rng, pa.string(), pa.large_string(), pa.string_view(), pa.binary()) if text else kind
            column, image_column = pick(rng, "label", "labels", "Label", "class"), pick(rng, "img", "image", "Image")
            columns = {image_column: images, column: pa.array(labels, kind), "width": pa.array([8] * len(keys))}
            columns |= {"split": pa.array([split] * len(keys))} if how == "column" else {}
            table = pa.table({key: columns[key] for key in rng.permutation([*columns]).tolist()})
            about = {"info": {"features": {column: {"names": own, "_type": "ClassLabel"}}}}
            table = table if text else table.replace_schema_metadata({"huggingface": json.dumps(about)})
            name = split if split == "train" else test
            files = {
                "files": f"{name}-{part:05d}-of-{parts:05d}",
                "folders": f"{name}/{part}",
                "data": f"data/{name}-{part}",
            }
            file = root / "set" / f"{files.get(how, f'{part}{split[1]}')}.{pick(rng, 'parquet', 'Parquet')}"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, file, row_group_size=int(rng.integers(1, 9)))
    return {"path": root / "set"}


@pytest.mark.parametrize("case", range(int(os.environ.get("DROPMIX_FUZZ", "90"))))
def test_every_layout_is_the_same_data_set(tmp_path, case):
    rng = np.random.default_rng([13, case])
    names, tone = pick(rng, *NAMES), pick(rng, *TONES)
    write = pick(rng, as_folders, as_folders, as_table, as_parquet, as_tables, as_patients)
    called = [name.strip() if write in (as_table, as_tables) else name for name in names]  # as a table's cells are
    channels = 3 if tone == "colour" else 1
    expected = [
        (split, unicodedata.normalize("NFC", called[k]), image[..., :channels].tobytes())
        for (split, k, _), image in PICTURES[tone].items()
    ]
    assert content(load("folder", **write(rng, tmp_path, names, tone))) == sorted(expected)


@pytest.mark.parametrize("numbers", [[1, 2, 3], [0, 7, 1000]])
def test_class_numbers_of_parquet_files_may_begin_anywhere(tmp_path, write_parquet, numbers):
    for split in ("train", "test"):
        labels = [numbers[label] for s, label, _ in PICTURES["colour"] if s == split]
        write_parquet(
            tmp_path / f"{split}.parquet", [i for (s, *_), i in PICTURES["colour"].items() if s == split], labels
        )
    assert load("folder", tmp_path).classes == [str(number) for number in numbers]
