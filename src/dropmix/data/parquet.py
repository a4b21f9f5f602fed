"""Folders of parquet files with encoded pictures, in the column layout that is usual on dataset hubs."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.data.decode import decode_all
from dropmix.data.records import DataError, Rows, Source

IMAGES = ("img", "image", "images", "picture")
LABELS = ("fine_label", "label", "labels")
COARSE = "coarse_label"
TEST_NAMES = ("test", "validation", "valid", "val")
"""A split with the first of these names that exists is the test split."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns with pictures, classes and (or None) coarse classes."""

    image: str
    label: str
    coarse: str | None


def read(name: str, path: Path, size: int | None = None) -> Source:
    """Train and test split of a folder of parquet files.

    Files belong to the split that begins their name (`train-00000-of-00002.parquet`) or names their
    folder (`train/0.parquet`); a folder `data` is looked into. Class names come from the schema metadata
    under `huggingface`, else from string labels, else they are the label numbers. Ids are running
    row numbers over the sorted files of a split.

    Args:
        name: of the data set.
        path: the folder.
        size: side of the square cut out of each picture, or None where all have one size.
    Raises:
        DataError: a split or a column is missing, or a file is damaged.
    """
    files = find_splits(path)
    columns = find_columns(files["train"][0])
    raw = {split: read_labels(files[split], columns) for split in files}
    classes, indexed = name_classes(files, columns, raw)
    splits = {
        split: Rows(
            indexed[split],
            np.arange(len(indexed[split])),
            lambda rows, paths=files[split]: read_pixels(paths, columns.image, rows, size),
        )
        for split in files
    }
    coarse = superclasses(files["train"], columns, indexed["train"], len(classes))
    return Source(name, splits["train"], splits["test"], classes, coarse)


def find_splits(path: Path) -> dict[str, list[Path]]:
    """Sorted files of the split for training and of the split for testing, under "train" and "test"."""
    root = path / "data" if not list(path.glob("*.parquet")) and (path / "data").is_dir() else path
    found: dict[str, list[Path]] = {}
    for file in sorted([*root.glob("*.parquet"), *root.glob("*/*.parquet")]):
        key = (file.parent if file.parent != root else file).name.lower()
        found.setdefault(re.split(r"[^a-z]", key)[0], []).append(file)
    test = next((split for split in TEST_NAMES if split in found), None)
    if "train" not in found or test is None:
        raise DataError(
            f"{path}: expected parquet files named train*.parquet and test*.parquet (or validation*.parquet), "
            f"got splits {sorted(found) or 'none'}. Rename the files or name another folder."
        )
    return {"train": found["train"], "test": found[test]}


def open_file(file: Path) -> pq.ParquetFile:
    """A parquet file, or DataError that names it."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> DataError:
    """The message for a damaged file."""
    first = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{file}: expected a whole parquet file, got {first}. Fetch the file again.")


def find_columns(file: Path) -> Columns:
    """Which columns hold pictures and classes."""
    names = open_file(file).schema_arrow.names

    def pick(wanted: tuple[str, ...], what: str) -> str:
        for name in wanted:
            if name in names:
                return name
        raise DataError(
            f"{file}: expected a column of {what} named {' or '.join(wanted)}, got {names}. Rename the column."
        )

    label = pick(LABELS, "classes")
    return Columns(pick(IMAGES, "pictures"), label, COARSE if COARSE in names and label == "fine_label" else None)


def read_column(files: list[Path], column: str) -> pa.ChunkedArray:
    """One column over all files of a split."""
    chunks = []
    for file in files:
        try:
            chunks += open_file(file).read([column])[column].chunks
        except (pa.ArrowException, OSError, KeyError) as error:
            raise unreadable(file, error) from error
    return pa.chunked_array(chunks)


def read_labels(files: list[Path], columns: Columns) -> np.ndarray:
    """Labels as stored, integers or strings, (N,)."""
    column = read_column(files, columns.label)
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)) or column.null_count:
        raise DataError(
            f"{files[0]}: expected column {columns.label} of integers or strings without gaps, got {column.type} "
            f"with {column.null_count} missing. Clean the labels."
        )
    return column.to_numpy()


def metadata_names(file: Path, column: str) -> list[str] | None:
    """Class names of a column from the schema metadata, or None where it has none."""
    stored = (open_file(file).schema_arrow.metadata or {}).get(b"huggingface")
    try:
        return [str(name) for name in json.loads(stored)["info"]["features"][column]["names"]] if stored else None
    except (ValueError, KeyError, TypeError):
        return None


def name_classes(
    files: dict[str, list[Path]], columns: Columns, raw: dict[str, np.ndarray]
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Class names, and labels of each split as int64 indices into them."""
    names = metadata_names(files["train"][0], columns.label)
    if raw["train"].dtype == object:
        classes = names or sorted(set(raw["train"]))
        index = {label: number for number, label in enumerate(classes)}
        check_same(files["test"][0].parent, set(raw["train"]), set(raw["test"]))
        return classes, {split: np.array([index[label] for label in raw[split]], np.int64) for split in raw}
    classes = names or [str(number) for number in range(int(raw["train"].max()) + 1)]
    return classes, {split: raw[split].astype(np.int64) for split in raw}


def check_same(where: Path, train: set[str], test: set[str]) -> None:
    """Raise DataError, naming the classes, where the test split has others than the train split."""
    if train != test:
        parts = [
            f"{', '.join(sorted(only))} only in {split}"
            for split, only in (("train", train - test), ("test", test - train))
            if only
        ]
        raise DataError(
            f"{where}: expected the same classes in train and test, got {'; '.join(parts)}. Mend the split."
        )


def superclasses(files: list[Path], columns: Columns, labels: np.ndarray, num_classes: int) -> list[str] | None:
    """Coarse class of each class, or None where there are none or a class lies in several."""
    if columns.coarse is None:
        return None
    coarse = read_column(files, columns.coarse).to_numpy()
    pairs = dict(zip(labels.tolist(), coarse.tolist()))
    whole = len(pairs) == num_classes and len(set(zip(labels.tolist(), coarse.tolist()))) == num_classes
    names = metadata_names(files[0], columns.coarse)
    return [names[pairs[k]] if names else str(pairs[k]) for k in range(num_classes)] if whole else None


def row_groups(files: list[Path], rows: np.ndarray) -> Iterator[tuple[Path, pq.ParquetFile, int, int, np.ndarray]]:
    """The row groups that hold chosen rows: file, reader, group, first row of the group, rows inside it."""
    start = 0
    for file in files:
        reader = open_file(file)
        for group in range(reader.num_row_groups):
            count = reader.metadata.row_group(group).num_rows
            low, high = np.searchsorted(rows, [start, start + count])
            if high > low:
                yield file, reader, group, start, rows[low:high] - start
            start += count


def read_pixels(files: list[Path], column: str, rows: np.ndarray, size: int | None) -> np.ndarray:
    """Pictures of the sorted `rows` as uint8 (n, H, W, 3); one row group in memory at a time."""
    parts: list[np.ndarray] = []
    for file, reader, group, start, inside in row_groups(files, rows):
        try:
            stored: Any = reader.read_row_group(group, columns=[column])[column].combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise unreadable(file, error) from error
        if pa.types.is_struct(stored.type):
            stored = stored.field("bytes")
        pictures = [memoryview(stored[int(row)].as_buffer() or b"") for row in inside]
        like = parts[0].shape[1:] if parts else None
        parts.append(decode_all(pictures, lambda row, s=start, i=inside, f=file: f"{f} row {s + i[row]}", size, like))
    return np.concatenate(parts)
