"""Folders of parquet files with encoded pictures, in the usual column layout of dataset hubs."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.data.cache import cached
from dropmix.data.decode import decode_all
from dropmix.data.readers.layout import role_of
from dropmix.data.readers.walk import counted, listed, parquet_files
from dropmix.data.records import TEST_NAMES, DataError, DataSource, Rows, superclass_names
from dropmix.data.stratify import split_by_content

IMAGES = ("img", "image", "images", "picture", "image_bytes", "bytes", "jpg", "png", "webp")
LABELS = ("fine_label", "label", "labels", "class", "target", "category", "cls")
COARSE = "coarse_label"
SHARD = re.compile(r"-\d+-of-\d+(-[0-9a-f]+)?$")
FLAT_TEST = 0.2
"""Share held out as the test split if the files have none."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns with pictures, classes and (or None) coarse classes."""

    image: str
    label: str
    coarse: str | None


def read(name: str, path: Path, size: int | None = None, exif: bool = False, seed: int = 0) -> DataSource:
    """Train and test split of a folder of parquet files.

    A file belongs to the split that its folder names (`train/0.parquet`), else to that of its own name
    (`train-00000-of-00002.parquet`), with all words that `role_of` knows. A test split whose labels are all below 0, as
    in competitions, gives way to a validation split. Without a test split, a fifth is held out by content. Class names
    come from the schema metadata under `huggingface`, else from string labels, else they are the label numbers. Ids are
    running row numbers over the sorted files of a split.

    Args:
        name: of the data set.
        path: the folder, or a single file.
        size: side of the square cut out of each picture; None if all have one size.
        exif: turn pictures by their EXIF orientation.
        seed: of the split by content.
    Raises:
        DataError: a column is missing, there is no split to train on, or a file is damaged.
    """
    shards = find_splits(path)
    columns = find_columns(shards["train"][0])
    raw = {"train": read_labels(shards["train"], columns)}
    notes, files = [], {"train": shards.pop("train")}
    for split in list(shards):
        labels = read_labels(shards[split], columns)
        if len(shards) > 1 and labels.dtype != object and (labels < 0).all():
            notes.append(f"the split {split} has no labels and is left out")
            shards.pop(split)
            continue
        files["test"], raw["test"] = shards.pop(split), labels
        notes += [f"tested on {split}"] if split != "test" else []
        notes += [counted("split(s)", list(shards))] if shards else []
        break
    classes, indexed = name_classes(files, columns, raw)
    splits = {split: rows_of(files[split], columns, indexed[split], size, exif) for split in files}
    coarse = superclasses(files["train"], columns, indexed["train"], len(classes))
    if "test" not in splits:
        name = f"{name} (test: {FLAT_TEST:.0%} of each class, by content)"
        splits = halved(splits["train"], contents(files["train"], columns.image), classes, seed)
    return DataSource(name, splits["train"], splits["test"], classes, coarse, tuple(notes))


def rows_of(files: list[Path], columns: Columns, labels: np.ndarray, size: int | None, exif: bool) -> Rows:
    """Rows of one split, decoded on demand."""
    settings = (columns.image, size, "exif") if exif else (columns.image, size)

    def pixels(rows: np.ndarray) -> np.ndarray:
        return cached(files, rows, settings, lambda: read_pixels(files, columns.image, rows, size, exif))

    return Rows(labels, np.arange(len(labels)), pixels)


def halved(rows: Rows, contents: list[str], classes: list[str], seed: int) -> dict[str, Rows]:
    """Rows cut into train and test by the content of each picture; ids stay row numbers of the files."""
    parts = split_by_content([], rows.labels, classes, FLAT_TEST, seed, contents, "pictures")
    return {
        split: Rows(rows.labels[part], rows.ids[part], lambda chosen, part=part: rows.pixels(part[chosen]))
        for split, part in zip(("train", "test"), parts)
    }


def contents(files: list[Path], column: str) -> list[str]:
    """SHA-256 (hex) of the bytes of each picture, in order of rows."""
    count = sum(open_file(file).metadata.num_rows for file in files)
    return [
        hashlib.sha256(encoded(cell)).hexdigest()
        for file, reader, group, _, _ in row_groups(files, np.arange(count))
        for cell in read_group(file, reader, group, column)
    ]


def find_splits(path: Path) -> dict[str, list[Path]]:
    """Sorted files of each split: "train" first, then those to test on, the best first."""
    shards: dict[str, list[Path]] = {}
    files = parquet_files(path)
    for file in files:
        above = [] if path.is_file() else [*reversed(file.relative_to(path).parts[:-1])]
        name = next((one for one in above if role_of(one).plain), SHARD.sub("", file.stem))
        kind = role_of(name).kind
        word = next((one for one in TEST_NAMES if one == name.lower()), kind)
        shards.setdefault(word if kind == "validation" else kind, []).append(file)
    order = ("test", *TEST_NAMES)
    tests = {split: shards[split] for split in sorted(set(shards) & {*order}, key=order.index)}
    if not tests and "train" in shards:
        return {"train": shards["train"]}
    if set(shards) == {""}:
        return {"train": shards[""]}
    if "train" not in shards:
        got = listed([str(file.relative_to(path)) for file in files]) if files else "no parquet file"
        raise DataError(
            f"{path}: expected parquet files named train*.parquet and test*.parquet (or validation*.parquet), or files "
            f"of no split, got {got}. Rename the files or name another folder."
        )
    return {"train": shards["train"], **tests}


def open_file(file: Path) -> pq.ParquetFile:
    """An open parquet file; a DataError names a damaged one."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> DataError:
    """The message for a damaged file."""
    first = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{file}: expected a whole parquet file, got {first}. Fetch the file again.")


def find_columns(file: Path) -> Columns:
    """The columns that hold pictures and classes."""
    schema = open_file(file).schema_arrow

    def pick(wanted: tuple[str, ...], what: str) -> str:
        named = {name.lower(): name for name in reversed(schema.names)}
        for name in wanted:
            if name in named:
                return named[name]
        raise DataError(
            f"{file}: expected a column of {what} named {' or '.join(wanted)}, got {', '.join(schema.names)}. "
            "Rename the column."
        )

    image, label = pick(IMAGES, "pictures"), pick(LABELS, "classes")
    kind = schema.field(image).type
    kind = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(
            f"{file}: expected column {image} of encoded pictures (binary, or a struct with bytes), got {kind}. "
            "Write the pictures as PNG or another format that Pillow reads."
        )
    return Columns(image, label, COARSE if COARSE in schema.names and label == "fine_label" else None)


def read_column(files: list[Path], column: str) -> pa.ChunkedArray:
    """One column over all files of a split, which may hold it as different types; text is large_string."""
    chunks = []
    for file in files:
        try:
            stored = open_file(file).read([column])[column]
            if pa.types.is_dictionary(stored.type):
                stored = stored.cast(stored.type.value_type)
            if pa.types.is_string(stored.type) or str(stored.type) == "string_view":
                stored = stored.cast(pa.large_string())
            if pa.types.is_floating(stored.type):  # 3.0; anything else is refused below
                whole = stored.cast(pa.int64(), safe=False)
                stored = whole if whole.cast(stored.type).equals(stored) else stored
            if pa.types.is_boolean(stored.type):
                stored = stored.cast(pa.large_string())
            chunks += (stored.cast(pa.int64()) if pa.types.is_integer(stored.type) else stored).chunks
        except (pa.ArrowException, OSError, KeyError) as error:
            raise unreadable(file, error) from error
    kinds = {chunk.type for chunk in chunks}
    if len(kinds) > 1:
        raise DataError(
            f"{files[0].parent}: expected column {column} of one type in all files, got "
            f"{', '.join(sorted(map(str, kinds)))}. Write all files alike."
        )
    return pa.chunked_array(chunks)


def read_labels(files: list[Path], columns: Columns) -> np.ndarray:
    """Labels as stored, integers or (dtype object) strings, (N,)."""
    column = read_column(files, columns.label)
    text = pa.types.is_large_string(column.type)
    if not (pa.types.is_integer(column.type) or text) or column.null_count or not len(column):
        raise DataError(
            f"{files[0]}: expected column {columns.label} with integers or strings in every row, got {len(column)} "
            f"rows of {column.type}, {column.null_count} of them empty. Clean the labels."
        )
    return column.to_numpy()


def metadata_names(file: Path, column: str) -> list[str] | None:
    """Class names of a column from the schema metadata, or None if it has none."""
    stored = (open_file(file).schema_arrow.metadata or {}).get(b"huggingface")
    try:
        return [str(name) for name in json.loads(stored)["info"]["features"][column]["names"]] if stored else None
    except (ValueError, KeyError, TypeError):
        return None


def name_classes(
    files: dict[str, list[Path]], columns: Columns, raw: dict[str, np.ndarray]
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Class names, and labels of each split as int64 indices into them (not checked against their range)."""
    names = metadata_names(files["train"][0], columns.label)
    of_text = [part.dtype == object for part in raw.values()]
    if all(of_text):
        used = {label for part in raw.values() for label in part}
        classes = names if names and used <= set(names) else sorted(used)
        index = {label: number for number, label in enumerate(classes)}
        return classes, {split: np.array([index[label] for label in raw[split]], np.int64) for split in raw}
    if any(of_text):
        raise DataError(
            f"{files['test'][0]}: expected column {columns.label} of the type that it has in train, "
            "got strings in one and integers in the other. Write both alike."
        )
    if names:
        return names, raw
    known = np.unique(np.concatenate([*raw.values()]))  # from 1, or with gaps, is as good as from 0
    return [str(number) for number in known], {split: np.searchsorted(known, raw[split]) for split in raw}


def superclasses(files: list[Path], columns: Columns, labels: np.ndarray, num_classes: int) -> list[str] | None:
    """Coarse class of each class; None without such a column, or if it is ambiguous."""
    if columns.coarse is None:
        return None
    coarse = read_column(files, columns.coarse).to_numpy()
    return superclass_names(labels, coarse, metadata_names(files[0], columns.coarse), num_classes)


def row_groups(files: list[Path], rows: np.ndarray) -> Iterator[tuple[Path, pq.ParquetFile, int, int, np.ndarray]]:
    """The row groups that hold chosen rows: file, reader, group, its first row, and the rows inside it."""
    start = 0
    for file in files:
        reader = open_file(file)
        for group in range(reader.num_row_groups):
            count = reader.metadata.row_group(group).num_rows
            low, high = np.searchsorted(rows, [start, start + count])
            if high > low:
                yield file, reader, group, start, rows[low:high] - start
            start += count


def read_group(file: Path, reader: pq.ParquetFile, group: int, column: str) -> pa.ChunkedArray:
    """One column of a row group."""
    try:
        return reader.read_row_group(group, columns=[column])[column]
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def read_pixels(files: list[Path], column: str, rows: np.ndarray, size: int | None, exif: bool = False) -> np.ndarray:
    """Pictures of the sorted `rows` as uint8 (n, H, W, 3); one row group in memory at a time."""
    parts: list[np.ndarray] = []
    for file, reader, group, start, inside in row_groups(files, rows):
        stored = read_group(file, reader, group, column)
        pictures = [encoded(stored[int(row)]) for row in inside]
        like = parts[0].shape[1:] if parts else None
        names = [f"{file} row {start + row}" for row in inside]
        parts.append(decode_all(pictures, names.__getitem__, size, like, exif))
    return np.concatenate(parts)


def encoded(cell: Any) -> memoryview:
    """The bytes of a picture without a copy; no bytes for an empty cell, which the decoder reports."""
    stored = cell["bytes"] if isinstance(cell, pa.StructScalar) and cell.is_valid else cell
    return memoryview(stored.as_buffer() if stored.is_valid else b"")
