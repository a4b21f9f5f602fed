"""Folders of images, one folder per class: `train/<class>/*.png` with `test/` or `val/`, or flat."""

import os
import re
from pathlib import Path

import numpy as np

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all, unusual
from dropmix.data.readers.layout import chosen_kinds, find_layout, is_split, kinds_of_splits, role_of
from dropmix.data.readers.names import by_class, check_alike, check_names
from dropmix.data.readers.tables import groups_of, ids_below, ids_of, labels_of, splits_of, table_hint, what_to_do
from dropmix.data.readers.walk import (
    CONVERTIBLE,
    ENDINGS,
    PAPERS,
    Left,
    class_folders,
    counted,
    images_below,
    listed,
)
from dropmix.data.records import DataError, DataSource, Rows
from dropmix.data.stratify import check_groups, split_by_content, split_rows

FLAT_TEST = 0.2
"""Share of each class held out as the test split if the folder has none."""
PART = re.compile(r"[-_ ]*(?:part|batch|chunk|folder|images?|photos?|pictures?|vol|volume)[-_ ]*\d+$", re.IGNORECASE)
"""The end of the name of a folder that holds a part of the pictures, such as HAM10000_images_part_1."""

WHOLE = re.compile(r"\d+\.0+")

Pictures = tuple[list[str], np.ndarray]
"""Paths of N pictures, and their labels, int64 (N,)."""


def read(
    name: str,
    path: Path,
    size: int | None = None,
    exif: bool = False,
    split: str = "seed",
    seed: int = 0,
    group: str | None = None,
    labels: str | None = None,
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
        labels: gives the classes instead of folders, see `labels_of`; pictures without one are left out.
    Raises:
        DataError: no image, a class without images, or no test split beside `train`.
    """
    left = Left()
    if labels is not None:
        classes, parts = labelled(path, labels, left)
        root = path
    else:
        layout = find_layout(path, left)
        root = layout.root
        if layout.test is None:
            classes, parts = flat(root, left)
        else:
            classes, folders = by_class(layout.train, layout.test, left)
            if len(classes) < 2:
                refuse_one_class(layout.train, classes[0], left)
            parts = [
                list_images([part.get(label) for label in classes], left, may_lack=part is folders[1])
                for part in folders
            ]
    left.remarks += unusual([file for files, _ in parts for file in files])
    if len(parts) == 1:
        return split_here(name, root, classes, *parts[0], size, exif, split, seed, group, left)
    train_rows, test_rows = (make_rows(root, *part, size, exif) for part in parts)
    if group is not None:
        check_groups(groups_of(group, train_rows.ids), groups_of(group, test_rows.ids))
    return DataSource(name, train_rows, test_rows, classes, notes=left.notes(root))


def flat(path: Path, left: Left) -> tuple[list[str], list[Pictures]]:
    """Classes and pictures of a folder of class folders."""
    folders: list[Path | None] = [*class_folders(path)]
    classes = [folder.name for folder in folders if folder]
    if not classes:
        told = left_out(left)
        raise DataError(f"{path}: expected folders of images, one per class, got none{told}. {what_to_do(path)}")
    check_names(path, classes, left)
    for label in classes if not all(map(is_split, classes)) else ():
        if is_split(label):
            left.remarks.append(
                f"the folder {label} is taken as a class, since it holds pictures and the folders beside it are no "
                "splits. If it is none, move it out"
            )
    alone = len(classes) < 2
    parts = all(map(PART.search, classes)) and len({PART.sub("", label) for label in classes}) == 1
    if (alone or parts) and (hint := table_hint(path, ids_below(path))):
        raise DataError(f"{path}: expected a folder per class, got {listed(classes)}. {hint}")
    if alone:
        refuse_one_class(path, classes[0], left)
    if parts:
        left.remarks.append(
            f"the classes are named like parts of one folder: {listed(classes)}. Check that they are classes"
        )
    return classes, [list_images(folders, left)]


def left_out(left: Left) -> str:
    """Folders that are no classes, in brackets, or ""."""
    kinds = {"hidden folder(s)": left.hidden, "folder(s) without pictures": left.papers, "mask(s)": left.masks}
    told = [counted(kind, [os.path.basename(name) for name in names]) for kind, names in kinds.items() if names]
    return f" ({'; '.join(told)})" if told else ""


def refuse_one_class(path: Path, name: str, left: Left) -> None:
    raise DataError(
        f"{path}: expected folders of at least 2 classes, got {name!r} alone{left_out(left)}. "
        "Name the folder above the classes, add one, or give the classes with --set data.labels=FILE.csv."
    )


def labelled(path: Path, labels: str, left: Left) -> tuple[list[str], list[Pictures]]:
    """Classes of a folder's pictures by a table or their names; two parts if they lie in folders train and test."""
    files = list(images_below(str(path), left))
    if not files:
        raise DataError(f"{path}: expected pictures, got none. Check the path.")
    ids = ids_of(path, files)
    file_labels = labels_of(labels, ids, path)
    lost = [str(name) for name, label in zip(ids, file_labels, strict=True) if not label]
    for ending in PAPERS:  # the table itself
        left.endings.pop(ending, None)
    left.unlabelled += [os.path.join(path, name) for name in lost]
    if all(WHOLE.fullmatch(label) for label in file_labels if label):  # 3.0, as pandas writes numbers beside gaps
        file_labels = [label and label.partition(".")[0] for label in file_labels]
    known = {label for label in file_labels if label}
    classes = sorted(known, key=lambda label: (int(label) if all(map(str.isdecimal, known)) else 0, label))
    check_alike(path, classes, left)
    if len(classes) < 2:
        raise DataError(f"data.labels: expected at least 2 classes, got {classes[0]!r} alone. Check {labels}.")
    place = {label: number for number, label in enumerate(classes)}
    kept = [
        (file, name, place[label]) for file, name, label in zip(files, ids.tolist(), file_labels, strict=True) if label
    ]
    above = os.path.commonpath([os.path.dirname(name) for _, name, _ in kept])  # a folder around the splits
    below = [os.path.relpath(name, above) if above else name for _, name, _ in kept]
    kinds = [role_of(name.partition("/")[0]).kind if "/" in name else "" for name in below]
    splits = kinds_of_splits(splits_of(labels, np.array([name for _, name, _ in kept])))
    if splits and not any(kinds):
        chosen = chosen_kinds(splits, f"the split column of {labels}", left.remarks)
        parts = [[(file, label) for (file, _, label), here in zip(kept, part, strict=True) if here] for part in chosen]
        return classes, [*map(as_part, parts)]
    other = next((kind for kind in ("test", "validation") if kind in kinds), "")
    wanted = ["train", other] if "train" in kinds and other and "" not in kinds else [""]
    parts = [
        [(file, label) for (file, _, label), kind in zip(kept, kinds, strict=True) if kind == one or not one]
        for one in wanted
    ]
    if len(parts) > 1:
        rest = len(kept) - sum(map(len, parts))
        told = f"trained on the pictures in folders named {' and tested on those in '.join(wanted)}"
        left.remarks.append(told + (f"; {rest} of other splits left out" if rest else ""))
    return classes, [*map(as_part, parts)]


def as_part(pairs: list[tuple[str, int]]) -> Pictures:
    return [file for file, _ in pairs], np.array([label for _, label in pairs], np.int64)


def split_here(
    name: str,
    path: Path,
    classes: list[str],
    files: list[str],
    labels: np.ndarray,
    size: int | None,
    exif: bool,
    split: str,
    seed: int,
    group: str | None,
    left: Left,
) -> DataSource:
    """The source of pictures that no folder splits; a part of each class becomes the test split."""
    for label, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < 2:
            raise DataError(
                f"{path / classes[label]}: expected at least 2 images, one to train on and one to test on, "
                f"got {count}. Add images or remove the class."
            )
    how = "drawn by seed 0"
    if split == "hash" or group is not None:
        groups = None if group is None else groups_of(group, ids_of(path, files))
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
    by_folder = [[] if folder is None else list(images_below(str(folder), left)) for folder in folders]
    empty = [folder for folder, files in zip(folders, by_folder, strict=True) if folder is not None and not files]
    inside = Left()
    for folder in empty:
        list(images_below(str(folder), inside))
    if empty and not (may_lack and not inside.endings):
        raise DataError(f"{listed([*map(str, empty)])}: expected images{_instead(inside)}")
    labels = np.repeat(np.arange(len(by_folder)), [len(files) for files in by_folder]).astype(np.int64)
    return [file for files in by_folder for file in files], labels


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

    return Rows(labels, ids_of(path, files), pixels, os.path.abspath(path))
