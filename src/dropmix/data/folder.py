"""Folders of images, one folder per class: `train/<class>/*.png` with `test/` or `val/`, or flat."""

import os
from pathlib import Path

import numpy as np

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all, unusual
from dropmix.data.layout import by_class, check_names, find_layout, is_split
from dropmix.data.records import DataError, DataSource, Rows
from dropmix.data.stratify import check_groups, groups_of, split_by_content, split_rows
from dropmix.data.walk import CONVERTIBLE, ENDINGS, Left, class_folders, counted, images_below, listed

FLAT_TEST = 0.2
"""Share of each class held out as the test split if the folder has none."""


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
    `test_set` and the like are understood). Without it, each folder is a class and 20 % of it is the test split, as the
    name then says. Folders that only wrap the data set are opened. The source's notes name everything left out.

    Args:
        name: of the data set.
        path: the folder.
        size: side of the square cut out of each image; None if all have one size.
        exif: turn pictures by their EXIF orientation.
        split: "seed" draws the test split by seed 0; "hash" chooses it by each file's content, so that adding a
            picture moves no other picture.
        seed: changes the split by content.
        group: pictures that stay on one side together, see `groups_of`.
    Raises:
        DataError: no image, a class without images, or no test split beside `train`.
    """
    left = Left()
    layout = find_layout(path, left)
    if layout.test is None:
        return flat(name, layout.root, size, exif, split, seed, group, left)
    train, test = layout.train, layout.test
    classes, parts = by_class(train, test, left)
    found = [list_images([part.get(name) for name in classes], left, may_lack=part is parts[1]) for part in parts]
    left.remarks += unusual([file for files, _ in found for file in files])
    train_rows, test_rows = (make_rows(layout.root, *files, size, exif) for files in found)
    if group is not None:
        check_groups(groups_of(group, train_rows.ids), groups_of(group, test_rows.ids))
    return DataSource(name, train_rows, test_rows, classes, notes=left.notes(layout.root))


def flat(
    name: str, path: Path, size: int | None, exif: bool, split: str, seed: int, group: str | None, left: Left
) -> DataSource:
    """A folder of class folders, which is split here."""
    folders: list[Path | None] = [*class_folders(path)]
    classes = [folder.name for folder in folders if folder]
    hidden = (
        f" ({counted('hidden folder(s)', [os.path.basename(name) for name in left.hidden])})" if left.hidden else ""
    )
    if not classes:
        raise DataError(
            f"{path}: expected folders of images, one per class, got none{hidden}. "
            "Sort its pictures into a folder per class, or name the folder above the class folders."
        )
    check_names(path, classes, left)
    for label in classes if not all(map(is_split, classes)) else ():
        if is_split(label):
            left.remarks.append(
                f"the folder {label} is taken as a class, since it holds pictures and the folders beside it are no "
                "splits. If it is none, move it out"
            )
    if len(classes) < 2:
        raise DataError(
            f"{path}: expected folders of at least 2 classes, got {classes[0]!r} alone{hidden}. "
            "Name the folder above the classes, or add one."
        )
    files, labels = list_images(folders, left)
    left.remarks += unusual(files)
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


def list_images(
    folders: list[Path | None], left: Left | None = None, may_lack: bool = False
) -> tuple[list[str], np.ndarray]:
    """Paths of the images in class folders, sorted by class, folder and name; and their labels.

    Args:
        folders: one per class; None for a class that this split lacks.
        left: collects what was skipped.
        may_lack: whether a folder may be empty; one with files of other formats may not.
    Raises:
        DataError: folders without images.
    """
    found = [[] if folder is None else list(images_below(str(folder), left)) for folder in folders]
    empty = [folder for folder, files in zip(folders, found, strict=True) if folder is not None and not files]
    inside = Left()
    for folder in empty:
        list(images_below(str(folder), inside))
    if empty and not (may_lack and not inside.endings):
        raise DataError(f"{listed([*map(str, empty)])}: expected images{_instead(inside)}")
    labels = np.repeat(np.arange(len(found)), [len(files) for files in found]).astype(np.int64)
    return [file for files in found for file in files], labels


def _instead(inside: Left) -> str:
    """What folders without images hold, and what to do."""
    if not inside.endings:
        hidden = f"{len(inside.hidden_files)} hidden ones" if inside.hidden_files else "none"
        return f" ({', '.join(sorted(ENDINGS))}), got {hidden}. Add images or remove the folder."
    count, names = sum(inside.endings.values()), listed([ending or "no ending" for ending in inside.endings])
    got = f", got {count} {'file' if count == 1 else 'files'} of {names}"
    if "" in inside.endings:
        return f"{got}. Give each picture the ending of its format, e.g. .jpg."
    if CONVERTIBLE & {*inside.endings}:
        return f"{got}, which are not read here. Convert them to PNG or JPEG."
    return f"{got}. Add images or remove the folder."


def make_rows(path: Path, files: list[str], labels: np.ndarray, size: int | None, exif: bool = False) -> Rows:
    """Rows of one split, decoded on demand."""
    settings = ("folder", size, "exif") if exif else ("folder", size)

    def pixels(rows: np.ndarray) -> np.ndarray:
        chosen = [files[row] for row in rows]
        return cached(chosen, rows, settings, lambda: decode_all(chosen, lambda row: chosen[row], size, exif=exif))

    above = 0 if path == Path() else len(os.path.join(path, ""))  # Path(".") / "a" is "a"
    ids = np.array([file[above:].replace(os.sep, "/") for file in files])
    return Rows(labels, ids, pixels, os.path.abspath(path))
