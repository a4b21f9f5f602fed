"""Folders of images, one folder a class: `train/<class>/*.png` with `test/` or `val/`, or flat."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all
from dropmix.data.records import TEST_NAMES, DataError, Rows, Source
from dropmix.data.stratify import split_rows

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
FLAT_TEST = 0.2
"""Share of each class held out as the test split where the folder has none."""


def read(name: str, path: Path, size: int | None = None) -> Source:
    """Train and test split of a folder; ids are paths relative to it, with forward slashes.

    With a folder `train`, the test split is the first of `test`, `validation`, `valid`, `val` that
    exists (any case). Without, each folder is a class and 20 % of it, drawn by seed 0, is the test split;
    the name says so. Files without a usual ending and hidden ones are passed over.

    Args:
        name: of the data set.
        path: the folder.
        size: side of the square cut out of each image, or None where all have one size.
    Raises:
        DataError: no image, a class without images, or no test split beside `train`.
    """
    folders = subfolders(path)
    by_name = {folder.name.lower(): folder for folder in folders}
    test = next((by_name[split] for split in TEST_NAMES if split in by_name), None)
    train = by_name.get("train")
    if train is None and test is None:
        return flat(name, path, size)
    if train is None or test is None:
        raise DataError(
            f"{path}: expected folders train and test (or val), got {', '.join(folder.name for folder in folders)}. "
            "Add the missing one, or put the class folders directly into one folder."
        )
    classes = sorted({folder.name for split in (train, test) for folder in subfolders(split)})
    train_rows, test_rows = (make_rows(path, *list_images(split, classes), size) for split in (train, test))
    return Source(name, train_rows, test_rows, classes)


def flat(name: str, path: Path, size: int | None) -> Source:
    """A folder of class folders, split by us."""
    classes = [folder.name for folder in subfolders(path)]
    if not classes:
        raise DataError(f"{path}: expected folders of images, one a class, got none. Name the folder above them.")
    files, labels = list_images(path, classes)
    for label, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < 2:
            raise DataError(
                f"{path / classes[label]}: expected at least 2 images, one to train on and one to test on, "
                f"got {count}. Add images or remove the class."
            )
    train, test = (
        make_rows(path, [files[row] for row in rows], labels[rows], size)
        for rows in split_rows(labels, classes, validation=FLAT_TEST, seed=0)
    )
    return Source(f"{name} (test: {FLAT_TEST:.0%} of each class, drawn by seed 0)", train, test, classes)


def subfolders(path: Path) -> list[Path]:
    """Sorted folders inside a folder, hidden ones passed over."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def list_images(split: Path, classes: list[str]) -> tuple[list[str], np.ndarray]:
    """Paths of a split's images sorted by class, folder and name, and their labels; classes that it lacks are left
    out."""
    files: list[str] = []
    labels: list[np.ndarray] = []
    for label, name in enumerate(classes):
        if not (split / name).is_dir():
            continue
        found = list(images_below(str(split / name)))
        if not found:
            raise DataError(
                f"{split / name}: expected images ({', '.join(sorted(ENDINGS))}), got none. "
                "Add images or remove the folder."
            )
        files += found
        labels.append(np.full(len(found), label, np.int64))
    return files, np.concatenate([np.empty(0, np.int64), *labels])


def images_below(folder: str) -> Iterator[str]:
    """Paths of the images below a folder, in the order of their parts; linked folders are followed.

    Strings and not Path objects: ImageNet has 1.3 million files.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if os.path.splitext(entry.name)[1].lower() in ENDINGS and not entry.name.startswith(".") and entry.is_file():
            yield entry.path
        elif entry.is_dir():
            yield from images_below(entry.path)


def make_rows(path: Path, files: list[str], labels: np.ndarray, size: int | None) -> Rows:
    """Rows of one split, decoded on demand."""

    def pixels(rows: np.ndarray) -> np.ndarray:
        chosen = [files[row] for row in rows]
        return cached(chosen, rows, ("folder", size), lambda: decode_all(chosen, lambda row: chosen[row], size))

    above = 0 if path == Path() else len(os.path.join(path, ""))  # Path(".") / "a" is "a"
    ids = np.array([file[above:].replace(os.sep, "/") for file in files])
    return Rows(labels, ids, pixels, os.path.abspath(path))
