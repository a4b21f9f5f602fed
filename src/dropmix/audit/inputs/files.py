"""Files of predictions, labels and class lists: parquet, CSV, npz, npy and JSON, and run folders."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.audit.arm_names import arm_beside
from dropmix.audit.errors import AuditError, FilesError, clip, shown
from dropmix.audit.formats import columns
from dropmix.audit.formats.archives import for_arrow, read_arrays, read_json, sha256
from dropmix.audit.formats.csv_text import read_lines
from dropmix.audit.formats.kinds import (
    ARRAYS,
    JSON,
    PARQUET,
    checked_file,
    ending_of,
    refuse_other_kind,
    stem_of,
)
from dropmix.audit.formats.tables import read_table
from dropmix.audit.inputs.arrays import read_archive, read_mapping, to_numpy
from dropmix.audit.inputs.given import GROUP, Labels, Reading, find_columns, named_group
from dropmix.audit.inputs.json_rows import json_values, rows_of, table_of_json
from dropmix.audit.inputs.matrices import read_column
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.scores import LabelMatrix, Matrix, is_label_matrix, label_matrix, matrix_of_table
from dropmix.audit.inputs.tables import from_table, wanted_columns
from dropmix.audit.naming.aliases import ALIASES, bare
from dropmix.audit.naming.class_lists import class_lines, class_list
from dropmix.audit.naming.totals import refuse_totals

ANYHOW = Reading()


def read_path(path: Path, reading: Reading = ANYHOW) -> list[Predictions]:
    """Every (arm, seed) that a file or a run folder holds, one record each.

    Raises:
        AuditError: a file that is missing, empty, damaged or of an unknown kind.
    """
    if path.is_dir():
        path = path / "predictions.parquet"
        if not path.is_file():
            raise AuditError(
                f"{path.parent}: expected a run folder with predictions.parquet, got none. "
                "Give a run folder, a file, or audit the whole grid."
            )
    where = checked_file(path)
    ending = ending_of(path)
    refuse_other_kind(path, ending)
    source = {"path": where, "sha256": sha256(path)}
    if reading.group is None and ending in PARQUET and _saved_groups(path):
        reading = replace(reading, group=GROUP)
    if ending in ARRAYS:
        return [read_archive(path, source, reading)]
    if ending in JSON:
        return _from_json(path, source, reading)
    table = read_table(path, lambda names: wanted_columns(list(names), reading, where), reading.encoding)
    parts = from_table(table, where, stem_of(path), reading, source, typed=ending in PARQUET)
    pa.default_memory_pool().release_unused()
    return [replace(part, spec_arm=arm_beside(path, part.arm)) for part in parts]


def _saved_groups(path: Path) -> bool:
    """Whether `save_predictions` or a run wrote groups; a damaged file is for others to refuse."""
    try:
        schema = pq.read_schema(for_arrow(path))
    except (pa.ArrowException, OSError):
        return False
    return b"dropmix" in (schema.metadata or {}) and GROUP in schema.names


def _from_json(path: Path, source: dict, reading: Reading) -> list[Predictions]:
    where = str(path)
    data = rows_of(read_json(path), where)
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        keys = list(dict.fromkeys(str(key) for row in data for key in row))
        wanted = wanted_columns(keys, reading, where)
        try:
            columns_of = {n: json_values([row.get(n) for row in data], n, key, where) for n, key in wanted.items()}
            table = pa.table({name: pa.array(values) for name, values in columns_of.items()})
        except (pa.ArrowException, OverflowError) as error:
            raise AuditError(f"{where}: expected one type per column, got {clip(error)}. Save one kind.") from error
        return from_table(table, where, stem_of(path), reading, source)
    if reading.labels is not None and isinstance(data, list):
        data = {"pred": data}
    if reading.labels is not None and isinstance(data, dict) and all(type(v) in (str, int) for v in data.values()):
        refuse_totals(list(data), where)
        data = {"example_id": list(data), "pred": list(data.values())}
    if isinstance(data, dict):
        return [read_mapping(data, where, reading, source, stem_of(path))]
    raise AuditError(
        f"{where}: expected a JSON object of arrays or a list of rows, got {type(data).__name__}. "
        'Save {"labels": [...], "pred": [...]}.'
    )


def look_through(path: Path, encoding: str | None = None) -> None:
    """Read a file as such, whatever it holds.

    Raises:
        AuditError: a file that is missing, empty, damaged or of an unknown kind.
    """
    path = path / "predictions.parquet" if path.is_dir() else path
    checked_file(path)
    ending = ending_of(path)
    refuse_other_kind(path, ending)
    if ending in ARRAYS:
        read_arrays(path, lambda _: None)
    elif ending in JSON:
        read_json(path)
    else:  # one column shows whether the rows are whole
        read_table(path, lambda names: dict.fromkeys([n for n in names if n.strip()][:1], "id"), encoding)


def prepare(reading: Reading) -> Reading:
    """The same, with class list, labels and acceptable classes read from their files.

    Raises:
        FilesError: the faults of all of them.
    """
    faults: list[tuple[str, str]] = []

    def read(key: str, file: Any, make: Callable[[], Any]) -> dict[str, Any]:
        try:
            return {key: make()}
        except AuditError as error:
            faults.append((str(file), str(error)))
            return {key: None}

    classes, labels, accept = reading.classes, reading.labels, reading.accept
    changed = {} if classes is None else read("classes", classes, lambda: read_classes(classes))
    if labels is not None and not isinstance(labels, Labels | LabelMatrix):
        known = replace(reading, **changed)
        changed |= read("labels", labels, lambda: _read_labels(known))
    for key, given in (("by", reading.by), ("group", reading.group)):
        if given is not None and not isinstance(given, Labels):
            changed |= read(key, str(given).rpartition(":")[0], partial(read_column, key, given, reading.encoding))
    if isinstance(accept, str | Path):
        changed |= read("accept", accept, lambda: _read_accept(Path(accept)))
    if faults:
        raise FilesError(faults)
    return replace(reading, **changed)


def _read_accept(path: Path) -> Any:
    ending = ending_of(path)
    if ending in JSON:
        held = read_json(path)
    elif ending not in ARRAYS:
        raise AuditError(
            f"{path}: expected acceptable classes as .json, .npz or .npy, got {path.suffix or 'no ending'!r}. "
            "Save a JSON list of lists, or a mapping of id to list."
        )
    else:
        checked_file(path)
        held = next(iter(read_arrays(path, lambda _: None).values()))
    if not isinstance(held, list | dict | np.ndarray):
        raise AuditError(f"{path}: expected a list of lists, got {type(held).__name__}. Give one list each.")
    return held


def read_classes(given: Any) -> tuple[str, ...]:
    """Names of classes from a sequence, an array, a mapping, or a file: a name per line, or JSON.

    Raises:
        AuditError: as `class_list` and `class_lines`.

    Example:
        >>> read_classes(np.array(["cat", "dog"]))
        ('cat', 'dog')
    """
    where = "classes"
    if isinstance(given, str | Path):
        path = Path(given)
        where = checked_file(path)
        if ending_of(path) != ".json":
            return class_lines(read_lines(path), where)
        given = read_json(path)
        if not isinstance(given, list | Mapping):
            raise AuditError(f"{where}: expected a list of names, got {type(given).__name__}. Save a JSON list.")
    return class_list(given if isinstance(given, list | Mapping) else to_numpy(given, where).tolist(), where)


def _read_labels(reading: Reading) -> Labels | LabelMatrix:
    """True classes from a file or an array; of several labels per example, their matrix."""
    given = reading.labels
    if not isinstance(given, str | Path):
        if hasattr(given, "columns") or isinstance(given, pa.Table):
            table = (
                given
                if isinstance(given, pa.Table)
                else pa.table({str(c): np.asarray(given[c]) for c in given.columns})
            )
            return _labels_of(table, "labels", True, reading)
        values = to_numpy(given, "labels")
        if is_label_matrix(values):
            return label_matrix(Matrix(values, None, None, "labels"), reading.classes)
        return Labels(values, None, "labels")
    path = Path(given)
    where = checked_file(path)
    ending = ending_of(path)
    if ending in ARRAYS:
        arrays = {bare(k): v for k, v in read_arrays(path, lambda _: None).items()}
        values = next((arrays[a] for a in (*map(bare, ALIASES["label"]), *arrays) if a in arrays), None)
        ids = next((arrays[a] for a in map(bare, ALIASES["example_id"]) if a in arrays), None)
        ids = ids.astype(object) if ids is not None and ids.dtype.kind == "U" else ids
        values = to_numpy(values, where)
        if is_label_matrix(values):
            return label_matrix(Matrix(values, None, ids, where), reading.classes)
        return Labels(values, ids, where)
    if ending in JSON:
        data = read_json(path)
        if (table := table_of_json(data, where)) is not None:
            return _labels_of(table, where, True, reading)
        if isinstance(data, dict):
            return Labels(to_numpy(list(data.values()), where), np.array(list(data), dtype=object), where)
        return Labels(to_numpy(data, where), None, where)
    pick = lambda names: {n: "label" for n, times in Counter(names).items() if n.strip() and times == 1}  # noqa: E731
    table = read_table(path, pick, reading.encoding)
    return _labels_of(table, where, ending in PARQUET, reading)


def _labels_of(table: pa.Table, where: str, typed: bool, reading: Reading) -> Labels | LabelMatrix:
    names = table.column_names
    own = {k: v for k, v in (reading.columns or {}).items() if k in ("label", "example_id") and v in names}
    column_of = find_columns(names, Reading(columns=own), where)
    rest = [n for n in names if n not in column_of.values()]
    if "label" not in column_of and len(rest) == 1:
        column_of["label"] = rest[0]  # a file with ids and one other column
    if "label" not in column_of and len(rest) > 1 and (matrix := _matrix_of_labels(table, rest, where, typed, reading)):
        return matrix
    if "label" not in column_of and len(names) == 1 and not typed:
        raise AuditError(f"{where}: expected a header line, such as label, got {shown(names)}. Add it.")
    if "label" not in column_of:
        raise AuditError(f"{where}: expected a column label, got {shown(names)}. Rename it, or name it in columns.")
    ids = (
        columns.keys(table[column_of["example_id"]], "example_id", where, guess=not typed)
        if "example_id" in column_of
        else None
    )
    column = table[column_of["label"]]
    if columns.is_text(column.type):
        codes, texts = columns.coded(column, "label", where)
        return Labels(np.array([*texts, None], dtype=object)[codes], ids, where)
    return Labels(columns.integers(column, "label", where), ids, where)


def _matrix_of_labels(
    table: pa.Table, names: list[str], where: str, typed: bool, reading: Reading
) -> LabelMatrix | None:
    """The matrix of true labels, where all columns but those that are asked for otherwise hold 0 and 1.

    What `save_predictions` wrote says which columns are labels; the others are slices and groups.
    """
    ours = columns.metadata(table, where).get("classes")
    asked = {"by": reading.by} | ({GROUP: GROUP} if reading.group is None and ours else named_group(reading))
    apart = {key: name for key, name in asked.items() if isinstance(name, str) and name in names}
    try:
        labels = [n for n in names if n not in apart.values() and (ours is None or n in ours)]
        matrix = matrix_of_table(table, labels, where, typed)
    except AuditError:
        return None
    if not is_label_matrix(matrix.values):
        return None
    made = label_matrix(matrix, reading.classes)
    return replace(made, beside={k: Labels(columns.words(table[n]), matrix.ids, where) for k, n in apart.items()})
