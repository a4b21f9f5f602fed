"""Folders of parquet files with encoded pictures, in the usual column layout of dataset hubs."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all
from dropmix.data.readers.layout import chosen_kinds, kinds_of_splits
from dropmix.data.readers.names import check_alike, renamed, same_class
from dropmix.data.readers.shards import (
    Shard,
    find_splits,
    metadata_names,
    open_file,
    read_column,
    read_labels,
    shards_of,
    unlabelled,
    unreadable,
)
from dropmix.data.readers.tables import SPLITS
from dropmix.data.readers.walk import Left, counted
from dropmix.data.records import DataError, DataSource, Rows, superclass_names
from dropmix.data.stratify import split_by_content

FLAT_TEST = 0.2
"""Share held out as the test split if the files have none."""


def read(name: str, path: Path, size: int | None = None, exif: bool = False, seed: int = 0) -> DataSource:
    """Train and test split of a folder of parquet files.

    A file belongs to the split that its folder names (`train/0.parquet`), else to that of its own name
    (`train-00000-of-00002.parquet`), with all words that `role_of` knows. A test split whose labels are all below 0, as
    in competitions, gives way to a validation split. Files of no split are cut by a column `split`, else a fifth is
    held out by content. Class names come from the schema metadata under `huggingface`, else from string labels, else
    they are the label numbers. Ids are running row numbers over the sorted files of a split.

    Args:
        name: of the data set.
        path: the folder, or a single file.
        size: side of the square cut out of each picture; None if all have one size.
        exif: turn pictures by their EXIF orientation.
        seed: of the split by content.
    Raises:
        DataError: a column is missing, there is no split to train on, or a file is damaged.
    """
    notes: list[str] = []
    files = find_splits(path, notes)
    shards = {"train": shards_of(files.pop("train"))}
    while files:
        split, of_split = next(iter(files.items()))
        files.pop(split)
        if files and unlabelled(of_split):
            notes.append(f"the split {split} has no labels and is left out")
            continue
        shards["test"] = shards_of(of_split)
        notes += [f"tested on {split}"] if split != "test" else []
        notes += [counted("split(s)", list(files))] if files else []
        break
    names = next((shard.names for of_split in shards.values() for shard in of_split if shard.names), None)
    raw = {split: read_labels(of_split, names) for split, of_split in shards.items()}
    classes, indexed = name_classes(path, shards, raw, names, notes)
    splits = {split: rows_of(shards[split], indexed[split], size, exif) for split in shards}
    coarse = superclasses(shards["train"], indexed["train"], len(classes))
    if "test" not in splits and (parts := by_column(shards["train"], notes)):
        splits = cut(splits["train"], parts)
    elif "test" not in splits:
        name = f"{name} (test: {FLAT_TEST:.0%} of each class, by content)"
        labels = splits["train"].labels
        given = contents(shards["train"])
        splits = cut(splits["train"], split_by_content([], labels, classes, FLAT_TEST, seed, given, "pictures"))
    return DataSource(name, splits["train"], splits["test"], classes, coarse, tuple(notes))


def rows_of(shards: list[Shard], labels: np.ndarray, size: int | None, exif: bool) -> Rows:
    """Rows of one split, decoded on demand."""
    column = shards[0].image
    settings = (column, size, "exif") if exif else (column, size)
    files = [shard.file for shard in shards]

    def pixels(rows: np.ndarray) -> np.ndarray:
        return cached(files, rows, settings, lambda: read_pixels(shards, rows, size, exif))

    return Rows(labels, np.arange(len(labels)), pixels)


def cut(rows: Rows, parts: Sequence[np.ndarray]) -> dict[str, Rows]:
    """Rows as train and test, given by their numbers; ids stay row numbers of the files."""
    return {
        split: Rows(rows.labels[part], rows.ids[part], lambda chosen, part=part: rows.pixels(part[chosen]))
        for split, part in zip(("train", "test"), parts)
    }


def by_column(shards: list[Shard], notes: list[str]) -> list[np.ndarray]:
    """Numbers of the rows to train on and to test on by a column that names splits; empty without one."""
    for name in SPLITS:
        if all(open_file(shard.file).schema_arrow.names.count(name) == 1 for shard in shards):
            values = read_column([(shard.file, name) for shard in shards]).to_pylist()
            if kinds := kinds_of_splits(values):
                told = f"the column {name}"
                return [np.flatnonzero(np.array(part)) for part in chosen_kinds(kinds, told, notes)]
    return []


def contents(shards: list[Shard]) -> list[str]:
    """SHA-256 (hex) of the bytes of each picture, in order of rows."""
    count = sum(open_file(shard.file).metadata.num_rows for shard in shards)
    cells = [
        encoded(cell)
        for shard, reader, group, _, _ in row_groups(shards, np.arange(count))
        for cell in read_group(shard, reader, group)
    ]
    refuse_paths(cells, shards[0])
    return [hashlib.sha256(cell).hexdigest() for cell in cells]


def refuse_paths(cells: Sequence[memoryview], shard: Shard) -> None:
    """Raise DataError if no cell holds a picture, as in files that only know where the pictures were."""
    if cells and not any(map(len, cells)):
        raise DataError(
            f"{shard.file}: expected the bytes of pictures in column {shard.image}, got none, perhaps their paths "
            "alone. Write the file with the pictures in it."
        )


def name_classes(
    path: Path, shards: dict[str, list[Shard]], raw: dict[str, np.ndarray], names: list[str] | None, notes: list[str]
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Class names, and labels of each split as int64 indices into them (not checked against their range)."""
    of_text = [part.dtype == object for part in raw.values()]
    if any(of_text) and not all(of_text):
        raise DataError(
            f"{shards['test'][0].file}: expected column {shards['test'][0].label} of the type that it has in train, "
            "got strings in one and integers in the other. Write both alike."
        )
    if not any(of_text):
        if names:
            return names, raw
        known = np.unique(np.concatenate([*raw.values()]))  # from 1, or with gaps, is as good as from 0
        return [str(number) for number in known], {split: np.searchsorted(known, raw[split]) for split in raw}
    texts = {split: sorted({*labels}) for split, labels in raw.items()}
    left = Left()
    for of_split in texts.values():
        check_alike(path, of_split, left)
    moved = renamed(texts["train"], texts.get("test", []))
    notes += [*dict.fromkeys(left.remarks)]
    notes += [same_class(other, name, "the test split", "train") for other, name in moved.items()]
    used = {str(moved.get(label, label)) for of_split in texts.values() for label in of_split}
    classes = names if names and used <= {*names} else sorted(used)
    index = {label: number for number, label in enumerate(classes)}
    index |= {other: index[name] for other, name in moved.items()}
    return classes, {split: np.array([index[label] for label in raw[split]], np.int64) for split in raw}


def superclasses(shards: list[Shard], labels: np.ndarray, num_classes: int) -> list[str] | None:
    """Coarse class of each class; None without such a column, or if it is ambiguous."""
    columns = [(shard.file, shard.coarse) for shard in shards if shard.coarse is not None]
    if len(columns) < len(shards):
        return None
    coarse = read_column(columns).to_numpy()
    return superclass_names(labels, coarse, metadata_names(*columns[0]), num_classes)


def row_groups(shards: list[Shard], rows: np.ndarray) -> Iterator[tuple[Shard, pq.ParquetFile, int, int, np.ndarray]]:
    """The row groups that hold chosen rows: file, reader, group, its first row, and the rows inside it."""
    start = 0
    for shard in shards:
        reader = open_file(shard.file)
        for group in range(reader.num_row_groups):
            count = reader.metadata.row_group(group).num_rows
            low, high = np.searchsorted(rows, [start, start + count])
            if high > low:
                yield shard, reader, group, start, rows[low:high] - start
            start += count


def read_group(shard: Shard, reader: pq.ParquetFile, group: int) -> pa.ChunkedArray:
    """The pictures of a row group."""
    try:
        return reader.read_row_group(group, columns=[shard.image])[shard.image]
    except (pa.ArrowException, OSError) as error:
        raise unreadable(shard.file, error) from error


def read_pixels(shards: list[Shard], rows: np.ndarray, size: int | None, exif: bool = False) -> np.ndarray:
    """Pictures of the sorted `rows` as uint8 (n, H, W, 3); one row group in memory at a time."""
    parts: list[np.ndarray] = []
    for shard, reader, group, start, inside in row_groups(shards, rows):
        stored = read_group(shard, reader, group)
        pictures = [encoded(stored[int(row)]) for row in inside]
        refuse_paths(pictures, shard)
        like = parts[0].shape[1:] if parts else None
        names = [f"{shard.file} row {start + row}" for row in inside]
        parts.append(decode_all(pictures, names.__getitem__, size, like, exif))
    return np.concatenate(parts)


def encoded(cell: Any) -> memoryview:
    """The bytes of a picture without a copy; no bytes for an empty cell, which the decoder reports."""
    stored = cell["bytes"] if isinstance(cell, pa.StructScalar) and cell.is_valid else cell
    return memoryview(stored.as_buffer() if stored.is_valid else b"")
