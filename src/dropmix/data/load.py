"""`load`: from a name and a folder to a Dataset in memory."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.data.cache import cached, digest
from dropmix.data.catalog import Description, describe, fetch, locate
from dropmix.data.decode import resize_all
from dropmix.data.files import in_files
from dropmix.data.readers.cifar import FILES
from dropmix.data.readers.tables import beside, groups_of
from dropmix.data.readers.walk import ARCHIVES, has_classes, listed, parquet_files, subfolders
from dropmix.data.records import (
    BadPictures,
    DataError,
    Dataset,
    DataSource,
    Rows,
    Split,
    fingerprint,
    fingerprint_of_folds,
    pooled,
    statistics,
)
from dropmix.data.stratify import check_arguments, fold_rows, split_rows


def load(
    name: str,
    path: str | Path | None,
    *,
    download: bool = False,
    train_per_class: int | None = None,
    validation: float = 0.0,
    seed: int = 0,
    size: int | None = None,
    resized_crop: bool = False,
    folds: int | None = None,
    fold: int = 0,
    exif: bool = False,
    split: str = "seed",
    group: str | None = None,
    labels: str | None = None,
) -> Dataset:
    """Read a data set into memory, or, for random-resized crops, list its files.

    The choice of training images depends only on the files, `seed` and the sizes asked for.

    Args:
        name: one of `DATASETS`.
        path: its folder; None takes DROPMIX_DATA (its subfolder of that name, or itself). A named set may have its own
            layout or be parquet files.
        download: let torchvision fetch a named set into `path` if it is missing (imports torch).
        train_per_class: images of each class to train on, or None for all.
        validation: share of each class of the source's whole train split that is set aside, in [0, 1).
        seed: of the choice of training and validation images; not a run's seed.
        size: side of the square to which pictures are resized (shorter side, bilinear) and cut (centre); None if all
            have one size.
        resized_crop: leave the pictures in their files, because each crop needs the whole picture; `size` is then
            that of the crops.
        folds: number of stratified parts into which all pictures, train and test, are cut, see `fold_rows`.
        fold: the part that becomes the test split.
        exif: turn pictures by their EXIF orientation.
        split: of a folder without a test split, "seed" or "hash", see `dropmix.data.readers.folder.read`.
        group: pictures that stay on one side of a folder's split together, see `dropmix.data.readers.tables.groups_of`.
        labels: table or pattern that gives the classes of a folder's pictures, see `readers.tables.labels_of`.
    Returns:
        Dataset; gray pictures come with one channel. Mean and deviation are the published ones for CIFAR, else those
        of the chosen training images. Files have three channels, and ImageNet's mean and deviation.
    Raises:
        DataError: anything wrong with the data that a user can mend, in one line.
    Example:
        >>> digits = load("digits", None, train_per_class=5)
        >>> digits.train.images.shape, digits.test.images.shape
        ((50, 8, 8, 1), (539, 8, 8, 1))
    """
    check_arguments(train_per_class, validation, seed, size)
    known = describe(name)
    place = locate(name, path)
    group, labels = beside(group, place), beside(labels, place)
    options = {"exif": exif, "split": split, "seed": seed, "group": None if folds else group, "labels": labels}
    source = open_source(name, known, place, download, size, options)
    check_source(source, known, folds is not None)
    if folds is None:
        called, digested = source.name, fingerprint
        chosen = rows_of_splits(source, train_per_class, validation, seed, group)
        if not validation and (untested := [*_unpredicted(source)]):
            plural = "class is" if len(untested) == 1 else "classes are"
            told = f"{len(untested)} {plural} trained on and not judged, without images to predict: {listed(untested)}"
            source = replace(source, notes=(*source.notes, told))
        if resized_crop:
            return with_groups(in_files(name, source, chosen, size, exif), group)
    else:
        if resized_crop:
            raise DataError("load: expected folds of pictures in memory, got resized_crop. Set resized_crop=false.")
        called, digested = f"{name} (test: part {fold + 1} of {folds} of all pictures)", fingerprint_of_folds
        chosen = rows_of_fold(source, folds, fold, seed, group)
    splits = drop_gray(read_all(chosen))
    check_shapes(name, splits)
    mean, std = (known.mean, known.std) if known.mean and known.std else statistics(splits["train"].images)
    made = Dataset(
        name=called,
        train=splits["train"],
        test=splits["test"],
        classes=source.classes,
        mean=mean,
        std=std,
        fingerprint=digested(name, source.classes, splits),
        superclasses=source.superclasses,
        validation=splits.get("validation"),
        notes=source.notes,
    )
    if group is not None and folds is not None:
        made = replace(made, train_groups=np.array(groups_of(group, made.train.ids)))
    return with_groups(made, group)


def with_groups(dataset: Dataset, group: str | None) -> Dataset:
    """The data set with the groups of the examples that runs predict. `group` as for `load`."""
    return dataset if group is None else replace(dataset, groups=np.array(groups_of(group, dataset.judged.ids)))


Chosen = dict[str, tuple[Rows, np.ndarray]]
"""For "train", "test" and perhaps "validation": a source's rows, and the numbers of those to take."""


def rows_of_splits(
    source: DataSource, train_per_class: int | None, validation: float, seed: int, group: str | None
) -> Chosen:
    """The rows of a source's own splits, with part of train set aside. Arguments as for `load`."""
    groups = groups_of(group, source.train.ids) if group is not None and validation else None
    counts = {"train_per_class": train_per_class, "validation": validation}
    train, held_out = split_rows(source.train.labels, source.classes, **counts, seed=seed, groups=groups)
    chosen = {"train": (source.train, train), "test": (source.test, np.arange(len(source.test.labels)))}
    return chosen | ({"validation": (source.train, held_out)} if validation else {})


def rows_of_fold(source: DataSource, folds: int, fold: int, seed: int, group: str | None) -> Chosen:
    """The rows of all pictures, of which one fold is the test split. Arguments as for `load`."""
    rows = pooled(source)
    groups = None if group is None else groups_of(group, rows.ids)
    train, test = fold_rows(rows.labels, rows.ids, source.classes, folds, fold, seed, groups)
    return {"train": (rows, train), "test": (rows, test)}


def read_all(chosen: Chosen) -> dict[str, Split]:
    """The pixels of each split; pictures that cannot be used are listed over all of them."""
    splits, bad = {}, []
    for key, (rows, which) in chosen.items():
        try:
            splits[key] = rows.read(which)
        except BadPictures as error:
            bad += error.lines
    if bad:
        raise BadPictures(bad)
    return splits


def open_source(
    name: str, known: Description, path: Path | None, download: bool, size: int | None, options: dict[str, Any]
) -> DataSource:
    """The source for a name, by the layout of its folder."""
    if path is None:
        _of_folders_alone(name, options)
        return resized_source(import_module(f"dropmix.data.readers.{known.reader}").read(name, None), size)
    if download:
        fetch(name, path)
    if not path.is_dir() and not (name in ("folder", "parquet") and parquet_files(path)):
        what = "a file" if path.exists() else "a link to nothing" if path.is_symlink() else "nothing there"
        of = "a folder of pictures" if name == "folder" else f"the folder of {name}"
        packed = path.suffix.lower() in ARCHIVES and path.exists()
        advice = "Unpack it, and name the folder" if packed else "Check the path"
        raise DataError(f"{path}: expected {of}, got {what}. {advice}.")
    reader, of = ("folder", name) if name == "folder" and options.get("labels") else reader_of(name, known, path)
    if reader != "folder":
        _of_folders_alone(name, options)
    read = import_module(f"dropmix.data.readers.{reader}").read
    if reader == "folder":
        return read(of, path, size, **options)
    if reader == "parquet":
        return read(of, path, size, exif=options["exif"], seed=options["seed"])
    return resized_source(read(of, path), size)


def _of_folders_alone(name: str, options: dict[str, Any]) -> None:
    for key in ("group", "labels"):
        if options.get(key) is not None:
            raise DataError(f"data.{key}: expected a folder of pictures, got {name}. Leave it out.")


def reader_of(name: str, known: Description, path: Path) -> tuple[str, str]:
    """The module that reads a folder, and the name for it: a "folder" may hold parquet files or CIFAR."""
    if path.is_file():
        return "parquet", name
    parquet = bool(parquet_files(path))
    if name == "folder":
        for cifar, (inner, *_) in FILES.items():
            if (path / inner).is_dir():
                return "cifar", cifar
        parquet = parquet and not any(has_classes(part) for part in (path, *subfolders(path)))
    return (known.reader, name) if known.reader and not parquet else ("parquet", name)


def resized_source(source: DataSource, size: int | None) -> DataSource:
    """A source of arrays of one size, cut to squares if a size is asked for."""
    if size is None:
        return source

    def resized(rows: Rows) -> Rows:
        def pixels(chosen: np.ndarray) -> np.ndarray:
            images = rows.pixels(chosen)
            return cached([], chosen, (digest(images), size), lambda: resize_all(images, size))

        return replace(rows, pixels=pixels)

    return replace(source, train=resized(source.train), test=resized(source.test))


def check_source(source: DataSource, known: Description, pooled: bool = False) -> None:
    """Raise DataError if labels and classes of the two splits do not fit each other, unless these are `pooled`."""
    count = len(source.classes)
    if known.classes not in (None, count):
        raise DataError(
            f"load: expected {source.name} with {known.classes} classes, got {count}. Name the folder of that set."
        )
    present = {}
    for split, rows in (("train", source.train), ("test", source.test)):
        bad = rows.labels[(rows.labels < 0) | (rows.labels >= count)]
        if len(bad):
            raise DataError(
                f"load: expected labels of the {split} split of {source.name} in [0, {count - 1}], got {bad[0]} "
                f"({len(bad)} such rows). Use a split with true labels."
            )
        present[split] = set(np.unique(rows.labels).tolist())
    unknown = sorted(present["test"] - present["train"])
    if unknown and not pooled:
        raise DataError(
            f"{source.train.root or source.name}: expected every class of test in train, got "
            f"{listed([source.classes[label] for label in unknown])} only in test. Add images of it to train, or "
            "remove it from test."
        )


def _unpredicted(source: DataSource) -> Iterator[str]:
    """Names of the classes without a row in the test split."""
    there = set(np.unique(source.test.labels).tolist())
    return (name for label, name in enumerate(source.classes) if label not in there)


def drop_gray(splits: dict[str, Split]) -> dict[str, Split]:
    """Splits with one channel instead of three, if the channels of every image of every split are equal."""
    for split in splits.values():
        images = split.images
        if images.shape[-1] != 3:
            return splits
        # For nearly every set of photographs, the first image decides.
        for part in (images[:1], images):
            if not ((part[..., 0] == part[..., 1]) & (part[..., 0] == part[..., 2])).all():
                return splits
    return {key: replace(split, images=split.images[..., :1].copy()) for key, split in splits.items()}


def check_shapes(name: str, splits: dict[str, Split]) -> None:
    """Raise DataError if splits differ in the shape of images."""
    height, width, _ = shape = splits["train"].images.shape[1:]
    for key, split in splits.items():
        if split.images.shape[1:] != shape:
            got_height, got_width, _ = split.images.shape[1:]
            raise DataError(
                f"load: expected {key} images of {name} of {width}x{height} pixels like those of train, "
                f"got {got_width}x{got_height}. Give a size to cut all to, e.g. --set data.size={min(height, width)}."
            )
