"""Frames as tables, columns of other files, and scores of several labels per example as matrices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats import columns
from dropmix.audit.formats.archives import read_arrays, sha256
from dropmix.audit.formats.columns import plain_types
from dropmix.audit.formats.kinds import ARRAYS, ENDINGS, PARQUET, checked_file, ending_of
from dropmix.audit.formats.tables import read_table
from dropmix.audit.inputs.arrays import to_numpy
from dropmix.audit.inputs.given import Labels, Reading, find_columns
from dropmix.audit.inputs.scores import LabelMatrix, Matrix, is_one_hot, matrix_of_table
from dropmix.audit.naming.aliases import ALIASES, IDS, bare
from dropmix.audit.naming.score_columns import slack


def table_of_frame(source: Any, name: str) -> pa.Table:
    try:
        if type(source).__name__ == "LazyFrame":
            source = source.collect()
        if isinstance(source, pa.Table) or hasattr(source, "__arrow_c_stream__"):
            return plain_types(source if isinstance(source, pa.Table) else pa.table(source))
        return pa.table({str(key): np.asarray(source[key]) for key in source.columns})
    except (AttributeError, TypeError, KeyError, ValueError, pa.ArrowException) as error:
        if hasattr(source, "columns"):
            raise AuditError(
                f"{name}: expected a frame with each column once and one plain type per column, got "
                f"{clip(error, 160)}. Rename or convert its columns."
            ) from error
        raise AuditError(
            f"{name}: expected a path, a frame, a mapping or arrays, got {type(source).__name__} "
            f"({clip(error)}). See audit_predictions."
        ) from error


def read_column(key: str, given: Any, encoding: str | None) -> str | Labels:
    """What slices or groups the examples: the name of a column of the predictions, or values from elsewhere.

    Args:
        key: "by" or "group".
        given: name of a column, "FILE:COLUMN", values (N,), or a mapping of id to value.
        encoding: of a CSV file.
    Raises:
        AuditError: no such column, or values of another shape.

    Example:
        >>> read_column("by", "camera", None), read_column("by", [1.0, "b"], None).values.tolist()
        ('camera', ['1', 'b'])
    """
    what = "slice" if key == "by" else key
    if not isinstance(given, str):
        ids = np.array(list(given), dtype=object) if isinstance(given, Mapping) else None
        values = to_numpy(given if ids is None else list(given.values()), key)
        if values.ndim != 1:
            raise AuditError(f"{key}: expected one {what} per example, (N,), got shape {values.shape}. Give these.")
        return Labels(np.array([columns.word(v) for v in values.tolist()], object), ids, key, what)
    file, _, name = given.rpartition(":")
    if not (file and (Path(file).is_file() or ending_of(Path(file)) in ENDINGS)):
        return given
    where = checked_file(Path(file))
    asked = Reading(by=name) if key == "by" else Reading(group=name)

    def pick(names: Any) -> dict[str, str]:
        column = find_columns(names, asked, where)[key]
        ids = find_columns(names, Reading(), where).get("example_id")
        return {column: key} | ({ids: "example_id"} if ids else {})

    table = read_table(Path(file), pick, encoding)
    column = find_columns(table.column_names, asked, where)[key]
    ids = next((n for n in table.column_names if n != column), None)
    guess = Path(file).suffix.lower() not in PARQUET
    keys = None if ids is None else columns.keys(table[ids], ids, where, guess)
    return Labels(columns.words(table[column]), keys, where, what)


def read_matrix(given: Any, name: str) -> tuple[Matrix, dict | None]:
    """Scores with one column per label, and path and hash of their file.

    Args:
        given: path of an npy, npz, CSV or parquet file, an array (N, K) or (S, N, K), a frame, or a mapping of arrays.
        name: what to call it in errors, if it is no file.
    Raises:
        AuditError: no numbers.
    """
    if isinstance(given, Mapping):
        return _matrix_of(given, name), None
    if hasattr(given, "columns") or isinstance(given, pa.Table):
        table = table_of_frame(given, name)
        return matrix_of_table(table, _score_names(table.column_names), name, True), None
    if not isinstance(given, str | Path):
        return Matrix(to_numpy(given, name), None, None, name), None
    path = Path(given)
    where = checked_file(path)
    origin = {"path": where, "sha256": sha256(path)}
    if path.suffix.lower() in ARRAYS:
        return _matrix_of(read_arrays(path, lambda _: None, whole=True), where), origin
    table = read_table(path, lambda names: {n: "score" for n in names if n.strip()})
    return matrix_of_table(table, _score_names(table.column_names), where, path.suffix.lower() in PARQUET), origin


def _score_names(names: Sequence[str]) -> list[str]:
    return [n for n in names if n.strip() and bare(n) not in IDS]


def _matrix_of(source: Mapping, where: str) -> Matrix:
    """The scores among named arrays: those that are called so, or the only one of two axes or more."""
    arrays = {bare(str(key)): to_numpy(value, f"{where} {key}") for key, value in source.items() if value is not None}
    wide = [key for key, array in arrays.items() if array.ndim > 1 and key not in map(bare, ALIASES["label"])]
    key = next((k for k in ("probs", "probabilities", "scores", "logits", *wide) if k in wide), None)
    if key is None:
        raise AuditError(f"{where}: expected an array of scores, (N, K), got {first(list(arrays))}. Name it probs.")
    take = lambda names: next((arrays[n] for n in names if n in arrays), None)  # noqa: E731
    ids, seeds = take(map(bare, ALIASES["example_id"])), take(("seeds", "seed"))
    ids = ids.astype(object) if ids is not None and ids.dtype.kind == "U" else ids
    return Matrix(arrays[key], None, ids, where, None if seeds is None else seeds.reshape(-1))


def one_label_each(source: Any, name: str, truth: LabelMatrix) -> Labels | None:
    """True classes of one-hot labels, by name, unless the scores are of several labels per example; else None."""
    if not is_one_hot(truth.values):
        return None
    try:
        values = read_matrix(source, name)[0].values
    except AuditError:
        values = None  # classes, not scores
    k = len(truth.names)
    if values is not None and values.ndim > 1 and values.shape[-1] == k and values.dtype.kind == "f":
        sums = values.sum(axis=-1)
        if bool((values >= 0).all() and (values <= 1).all()) and not bool((abs(sums - 1) < slack(values, k)).all()):
            return None
    return Labels(np.array(truth.names, object)[truth.values.argmax(axis=1)], truth.ids, truth.where)
