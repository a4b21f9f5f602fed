"""The parquet files of a data set: which split each belongs to, which columns it has, and its labels."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.data.decode import POINTER
from dropmix.data.readers.layout import role_of
from dropmix.data.readers.walk import listed, parquet_files
from dropmix.data.records import TEST_NAMES, DataError
from dropmix.data.stratify import file_digest

IMAGES = ("img", "image", "images", "picture", "image_bytes", "bytes", "jpg", "png", "webp")
LABELS = ("fine_label", "label", "labels", "class", "target", "category", "cls")
COARSE = "coarse_label"
SHARD = re.compile(r"-\d+-of-\d+(-[0-9a-f]+)?$")
NUMBERED = re.compile(r"(.*)-\d+-of-(\d+)")


@dataclass(frozen=True)
class Shard:
    """A parquet file, its columns with pictures, classes and (or None) coarse classes, and its class names or None."""

    file: Path
    image: str
    label: str
    coarse: str | None
    names: list[str] | None


def find_splits(path: Path, notes: list[str]) -> dict[str, list[Path]]:
    """Sorted files of each split: "train" first, then those to test on, the best first; adds to `notes` what is odd.

    Raises:
        DataError: no files to train on, or a file that is there twice.
    """
    shards: dict[str, list[Path]] = {}
    files = parquet_files(path)
    apart: set[str] = set()
    for file in files:
        above = [] if path.is_file() else [*reversed(file.relative_to(path).parts[:-1])]
        apart.add("/".join(reversed([one for one in above if not role_of(one).plain])))
        name = next((one for one in above if role_of(one).plain), SHARD.sub("", file.stem))
        kind = role_of(name).kind
        word = next((one for one in TEST_NAMES if one == name.lower()), kind)
        shards.setdefault(word if kind == "validation" else kind, []).append(file)
    for of_split in shards.values():
        refuse_copies(of_split)
    if len(apart) > 1:
        told = listed(sorted(one or "." for one in apart))
        notes.append(f"files of {len(apart)} folders are read as one data set: {told}. If they are several, name one")
    notes += missing(files)
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


def refuse_copies(files: Sequence[Path]) -> None:
    """Raise DataError if two files of a split hold the same bytes; only files of equal size are read."""
    sizes = Counter(file.stat().st_size for file in files)
    known: dict[str, Path] = {}
    for file in files:
        if sizes[file.stat().st_size] > 1 and (other := known.setdefault(file_digest(str(file)), file)) != file:
            raise DataError(
                f"{file}: expected each picture once, got the same bytes as {other}. Remove one of the two."
            )


def missing(files: Iterable[Path]) -> list[str]:
    """Notes on numbered files, such as train-00000-of-00002, of which not all are there."""
    there = Counter((match[1], int(match[2])) for file in files if (match := NUMBERED.match(file.stem)))
    return [
        f"{count} of the {whole} files {name}-*-of-{whole:05d} are there; what the others hold is left out"
        for (name, whole), count in there.items()
        if count < whole
    ]


def open_file(file: Path) -> pq.ParquetFile:
    """An open parquet file; a DataError names a damaged one."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> DataError:
    """The message for a damaged file."""
    with file.open("rb") as stored:
        if stored.read(len(POINTER)) == POINTER:
            return DataError(f"{file}: expected a whole parquet file, got the pointer of Git LFS. Run git lfs pull.")
    first = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{file}: expected a whole parquet file, got {first}. Fetch the file again.")


def shards_of(files: Sequence[Path]) -> list[Shard]:
    """The files of a split that have rows, each with its own columns."""
    filled = [file for file in files if open_file(file).metadata.num_rows]
    return [shard_of(file) for file in filled or files[:1]]


def unlabelled(files: Sequence[Path]) -> bool:
    """Whether a split says no class: it has no column of classes, or one of nothing but gaps or numbers below 0."""
    for file in files:
        names = {name.lower(): name for name in open_file(file).schema_arrow.names}
        label = next((names[one] for one in LABELS if one in names), None)
        if label is None:
            continue
        column = plain(open_file(file).read([label])[label]).drop_null()
        if len(column) and not (pa.types.is_integer(column.type) and (column.to_numpy() < 0).all()):
            return False
    return True


def shard_of(file: Path) -> Shard:
    """A file and the columns that hold its pictures and classes.

    Raises:
        DataError: no such column, two of one name, or pictures that are not encoded.
    """
    schema = open_file(file).schema_arrow

    def pick(wanted: tuple[str, ...], what: str) -> str:
        named = {name.lower(): name for name in reversed(schema.names)}
        for name in wanted:
            if name in named:
                return once(named[name])
        raise DataError(
            f"{file}: expected a column of {what} named {' or '.join(wanted)}, got {', '.join(schema.names)}. "
            "Rename the column."
        )

    def once(name: str) -> str:
        if schema.names.count(name) > 1:
            raise DataError(f"{file}: expected one column {name}, got {schema.names.count(name)}. Rename the others.")
        return name

    image, label = pick(IMAGES, "pictures"), pick(LABELS, "classes")
    kind = schema.field(image).type
    kind = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not str(kind).endswith(("binary", "binary_view")):
        raise DataError(
            f"{file}: expected column {image} of encoded pictures (binary, or a struct with bytes), got {kind}. "
            "Write the pictures as PNG or another format that Pillow reads."
        )
    coarse = COARSE if COARSE in schema.names and label == "fine_label" else None
    return Shard(file, image, label, coarse, metadata_names(file, label))


def metadata_names(file: Path, column: str) -> list[str] | None:
    """Class names of a column from the schema metadata, or None if it has none."""
    stored = (open_file(file).schema_arrow.metadata or {}).get(b"huggingface")
    try:
        return [str(name) for name in json.loads(stored)["info"]["features"][column]["names"]] if stored else None
    except (ValueError, KeyError, TypeError):
        return None


def read_column(columns: Sequence[tuple[Path, str]]) -> pa.ChunkedArray:
    """One column over all files of a split, which may hold it under other names and as different types.

    Args:
        columns: file and name of the column.
    Returns:
        Integers as int64, text and truth values as large_string.
    """
    chunks = []
    for file, name in columns:
        try:
            stored = plain(open_file(file).read([name])[name])
            chunks += (stored.cast(pa.int64()) if pa.types.is_integer(stored.type) else stored).chunks
        except (pa.ArrowException, OSError, KeyError) as error:
            raise unreadable(file, error) from error
    kinds = {chunk.type for chunk in chunks}
    if len(kinds) > 1:
        file, name = columns[0]
        raise DataError(
            f"{file.parent}: expected column {name} of one type in all files, got "
            f"{', '.join(sorted(map(str, kinds)))}. Write all files alike."
        )
    return pa.chunked_array(chunks)


def plain(stored: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the types that say the same otherwise: categories, views, bytes of text, 3.0 and decimals."""
    if pa.types.is_dictionary(stored.type):
        stored = stored.cast(stored.type.value_type)
    if str(stored.type) in ("binary_view", "string_view"):
        stored = stored.cast(pa.large_binary())
    if pa.types.is_binary(stored.type) or pa.types.is_large_binary(stored.type) or pa.types.is_string(stored.type):
        return stored.cast(pa.large_string())
    if pa.types.is_boolean(stored.type):
        return stored.cast(pa.large_string())
    if pa.types.is_floating(stored.type) or pa.types.is_decimal(stored.type):  # anything but 3.0 is refused later
        whole = stored.cast(pa.int64(), safe=False)
        return whole if whole.cast(pa.float64()).equals(stored.cast(pa.float64())) else stored
    return stored


def read_labels(shards: Sequence[Shard], names: list[str] | None) -> np.ndarray:
    """Labels over all files of a split, integers or (dtype object) strings, (N,).

    Args:
        shards: of the split.
        names: of the classes; numbers of a file with the same names in another order are renumbered.
    Raises:
        DataError: labels that are missing, of another type, or of classes that `names` lacks.
    """
    column = read_column([(shard.file, shard.label) for shard in shards])
    file, name = shards[0].file, shards[0].label
    text = pa.types.is_large_string(column.type)
    if not (pa.types.is_integer(column.type) or text) or column.null_count or not len(column):
        raise DataError(
            f"{file}: expected column {name} with integers or strings in every row, got {len(column)} "
            f"rows of {column.type}, {column.null_count} of them empty. Clean the labels."
        )
    values = column.to_numpy()
    if text and (blank := [row for row, value in enumerate(values.tolist()) if not value.strip()]):
        raise DataError(
            f"{file}: expected a class in column {name} of every row, got none in {len(blank)}, e.g. row {blank[0]}. "
            "Clean the labels."
        )
    return values if text or names is None else renumbered(values, shards, names)


def renumbered(values: np.ndarray, shards: Sequence[Shard], names: list[str]) -> np.ndarray:
    """Class numbers of files whose names are in another order, as numbers of `names`."""
    index = {name: number for number, name in enumerate(names)}
    parts, start = [], 0
    for shard in shards:
        part = values[start : start + open_file(shard.file).metadata.num_rows]
        start += len(part)
        if shard.names not in (None, names) and (part >= 0).any():
            used = np.unique(part[part >= 0]).tolist()
            called = {
                number: shard.names[number] if number < len(shard.names) else f"number {number}" for number in used
            }
            if strange := [name for name in called.values() if name not in index]:
                raise DataError(
                    f"{shard.file}: expected classes among {listed(names)}, as another file names them, got "
                    f"{listed(strange)}. Write all files with the same class names."
                )
            turned = {number: index[name] for number, name in called.items()}
            part = np.array([turned.get(number, number) for number in part.tolist()], np.int64)
        parts.append(part)
    return np.concatenate(parts)
