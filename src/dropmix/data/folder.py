"""Folders of images, one folder per class: `train/<class>/*.png` with `test/` or `val/`, or flat."""

import os
from pathlib import Path

import numpy as np

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all
from dropmix.data.layout import ENDINGS, Left, find_layout, images_below, subfolders
from dropmix.data.records import DataError, DataSource, Rows
from dropmix.data.stratify import check_groups, groups_of, split_by_content, split_rows

FLAT_TEST = 0.2
"""Share of each class held out as the test split where the folder has none."""


def read(
    name: str,
    path: Path,
    size: int | None = None,
    exif: bool = False,
    split: str = "seed",
    seed: int = 0,
    group: str | None = None,
) -> DataSource:
    """Train and test split of a folder; ids are paths relative to it, with forward slashes.

    With a folder `train`, the test split is `test`, else `validation`, `valid` or `val` (any case; `Training`,
    `test_set` and the like are understood). Without, each folder is a class and 20 % of it is the test split; the
    name says so. Folders around the data set are seen through. What is left out stands in the source's notes.

    Args:
        name: of the data set.
        path: the folder.
        size: side of the square cut out of each image, or None where all have one size.
        exif: turn pictures as their EXIF orientation says.
        split: "seed" draws the test split by seed 0; "hash" takes it by each file's content, so that a picture
            added later moves no other one.
        seed: changes the split by content.
        group: what stays on one side, see `groups_of`.
    Raises:
        DataError: no image, a class without images, or no test split beside `train`.
    """
    left = Left()
    layout = find_layout(path, left)
    if layout.test is None:
        return flat(name, layout.root, size, exif, split, seed, group, left)
    train, test = layout.train, layout.test
    classes = sorted({folder.name for part in (train, test) for folder in subfolders(part, left)})
    train_rows, test_rows = (
        make_rows(layout.root, *list_images(part, classes, left), size, exif) for part in (train, test)
    )
    if group is not None:
        check_groups(groups_of(group, train_rows.ids), groups_of(group, test_rows.ids))
    return DataSource(name, train_rows, test_rows, classes, notes=left.notes(layout.root))


def flat(
    name: str, path: Path, size: int | None, exif: bool, split: str, seed: int, group: str | None, left: Left
) -> DataSource:
    """A folder of class folders, split by us."""
    classes = [folder.name for folder in subfolders(path)]
    if not classes:
        raise DataError(f"{path}: expected folders of images, one a class, got none. Name the folder above them.")
    files, labels = list_images(path, classes, left)
    if len(classes) < 2:
        raise DataError(
            f"{path}: expected folders of at least 2 classes, got {classes[0]!r} alone. "
            "Name the folder above the classes, or add one."
        )
    for label, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < 2:
            raise DataError(
                f"{path / classes[label]}: expected at least 2 images, one to train on and one to test on, "
                f"got {count}. Add images or remove the class."
            )
    how = "drawn by seed 0"
    if split == "hash" or group is not None:
        ids = make_rows(path, files, labels, size).ids
        groups = None if group is None else groups_of(group, ids)
        chosen = split_by_content(files, labels, classes, FLAT_TEST, seed, groups)
        how = "by content" if groups is None else "by content, groups whole"
    else:
        chosen = split_rows(labels, classes, validation=FLAT_TEST, seed=0)
    train, test = (make_rows(path, [files[row] for row in rows], labels[rows], size, exif) for rows in chosen)
    return DataSource(
        f"{name} (test: {FLAT_TEST:.0%} of each class, {how})", train, test, classes, notes=left.notes(path)
    )


def list_images(split: Path, classes: list[str], left: Left | None = None) -> tuple[list[str], np.ndarray]:
    """Paths of a split's images sorted by class, folder and name, and their labels; classes that it lacks are left
    out."""
    files: list[str] = []
    labels: list[np.ndarray] = []
    for label, name in enumerate(classes):
        if not (split / name).is_dir():
            continue
        found = list(images_below(str(split / name), left))
        if not found:
            raise DataError(
                f"{split / name}: expected images ({', '.join(sorted(ENDINGS))}), got none. "
                "Add images or remove the folder."
            )
        files += found
        labels.append(np.full(len(found), label, np.int64))
    return files, np.concatenate([np.empty(0, np.int64), *labels])


def make_rows(path: Path, files: list[str], labels: np.ndarray, size: int | None, exif: bool = False) -> Rows:
    """Rows of one split, decoded on demand."""
    settings = ("folder", size, "exif") if exif else ("folder", size)

    def pixels(rows: np.ndarray) -> np.ndarray:
        chosen = [files[row] for row in rows]
        return cached(chosen, rows, settings, lambda: decode_all(chosen, lambda row: chosen[row], size, exif=exif))

    above = 0 if path == Path() else len(os.path.join(path, ""))  # Path(".") / "a" is "a"
    ids = np.array([file[above:].replace(os.sep, "/") for file in files])
    return Rows(labels, ids, pixels, os.path.abspath(path))
