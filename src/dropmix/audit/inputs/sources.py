"""Read predictions: run folders, long parquet or CSV, dense npz, frames, mappings and arrays."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.inputs import columns
from dropmix.audit.inputs.align import merge_seeds, sort_by_id
from dropmix.audit.inputs.arrays import read_mapping, read_npz
from dropmix.audit.inputs.predictions import Predictions, checked

MANY_RUNS = 10_000  # more changes of arm or seed from row to row: the rows are shuffled
WANTED = ("arm", "seed", "example_id", "label", "pred", "p_true", "p_max", "topk")


def read(
    source: Any, name: str, classes: Sequence[str] | None = None, intersect: bool = False, topk: int = 1
) -> list[Predictions]:
    """Every arm that a source holds, one record an arm.

    Args:
        source: path of a parquet, CSV or npz file or of a run folder; a `Predictions`; a frame (anything
            with columns: pandas, polars, pyarrow); a mapping of arrays with `labels` and `pred` or `probs`
            (and `p_true`, `p_max`, `topk`, `example_id`, `seeds`, `classes`, `superclasses`, `arm`);
            a pair (labels, pred); or a list of these.
        name: name of an arm whose source does not name it (a file is then named after itself).
        classes: class names, K; needed only where the source holds none and names matter.
        intersect: keep the examples that all seeds hold.
        topk: read ranked classes when above 1.
    Raises:
        AuditError: one line for everything that is wrong with the source.

    Example:
        >>> [a.arm for a in read(([0, 1], [0, 0]), "mine")]
        ['mine']
    """
    parts = list(_parts(source, name, classes, intersect, topk))
    if not parts:
        raise AuditError(f"{name}: expected at least one source, got none. Give a file or arrays.")
    arms: dict[str, list[Predictions]] = {}
    for part in parts:
        arms.setdefault(part.arm, []).append(part)
    return [merge_seeds(group, intersect) for group in arms.values()]


def _parts(source, name, classes, intersect, topk) -> Iterable[Predictions]:
    if isinstance(source, Predictions):
        yield checked(sort_by_id(source, source.arm), source.arm)
    elif isinstance(source, str | Path):
        yield from read_path(Path(source), classes, topk)
    elif isinstance(source, Mapping):
        yield read_mapping(source, name, classes)
    elif _is_pair(source):
        yield read_mapping({"labels": source[0], "pred": source[1]}, name, classes)
    elif isinstance(source, list | tuple):
        for one in source:
            yield from _parts(one, name, classes, intersect, topk)
    else:
        yield from from_table(_frame(source, name), name, name, classes, topk)


def _is_pair(source: Any) -> bool:
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    return not any(isinstance(x, str | Path | Mapping | Predictions | tuple) for x in source)


def _frame(source: Any, name: str) -> pa.Table:
    try:
        if isinstance(source, pa.Table):
            return source
        if hasattr(source, "__arrow_c_stream__"):
            return pa.table(source)
        return pa.table({str(key): np.asarray(source[key]) for key in source.columns})
    except (AttributeError, TypeError, KeyError, pa.ArrowException) as error:
        raise AuditError(
            f"{name}: expected a path, a frame, a mapping or arrays, got {type(source).__name__} "
            f"({clip(error)}). See audit_predictions."
        ) from error


def read_path(path: Path, classes: Sequence[str] | None = None, topk: int = 1) -> list[Predictions]:
    """Every (arm, seed) that a file or a run folder holds, one record each.

    Raises:
        AuditError: missing, empty, damaged or of an unknown kind.
    """
    if path.is_dir():
        path = path / "predictions.parquet"
        if not path.is_file():
            raise AuditError(
                f"{path.parent}: expected a run folder with predictions.parquet, got none. "
                "Give a run folder, a file, or audit the whole grid."
            )
    where = str(path)
    if not path.is_file():
        raise AuditError(f"{where}: expected a file of predictions, got nothing there. Check the path.")
    if path.stat().st_size == 0:
        raise AuditError(f"{where}: expected a file of predictions, got an empty file. Write it again.")
    source = {"path": where, "sha256": sha256(path)}
    if path.suffix == ".npz":
        return [read_npz(path, source, classes)]
    parts = from_table(_table(path, topk), where, path.stem, classes, topk, source)
    pa.default_memory_pool().release_unused()
    return parts


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(path: Path, topk: int) -> pa.Table:
    wanted = [w for w in WANTED if w != "topk" or topk > 1]
    try:
        if path.suffix in (".parquet", ".pq"):
            # ParquetFile, not read_table: no guessing of partitions from folder names.
            with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
                _bounded(file, path)
                held = file.schema_arrow.names
                return file.read(columns=[c for c in held if c in wanted], use_threads=False)
        if path.suffix in (".csv", ".tsv", ".txt"):
            return _csv(path, wanted)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        if isinstance(error, AuditError):
            raise
        raise AuditError(
            f"{path}: expected a readable {path.suffix[1:]} file, got {clip(error, 160)}. Write the file again."
        ) from error
    raise AuditError(
        f"{path}: expected .parquet, .csv or .npz, got {path.suffix or 'no ending'!r}. Rename or convert it."
    )


def _bounded(file: pq.ParquetFile, path: Path) -> None:
    """Refuse a footer that promises more rows than the file's bytes can hold."""
    meta = file.metadata
    # Run-length and dictionary coding shrink a constant column without limit, but predictions are not constant.
    if meta.num_rows > 10_000 * max(path.stat().st_size, 1):
        raise AuditError(
            f"{path}: expected a row count that fits the file, got {meta.num_rows} rows in "
            f"{path.stat().st_size} bytes. Write the file again."
        )


def _csv(path: Path, wanted: Sequence[str]) -> pa.Table:
    from pyarrow import csv

    delimiter = "\t" if path.suffix == ".tsv" else ","
    table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter))
    if len(set(table.column_names)) < len(table.column_names):
        raise AuditError(f"{path}: expected each column once, got {clip(table.column_names)}. Rename the columns.")
    return table.select([c for c in table.column_names if c in wanted])


def from_table(
    table: pa.Table,
    where: str,
    default_arm: str,
    classes: Sequence[str] | None = None,
    topk: int = 1,
    source: dict | None = None,
) -> list[Predictions]:
    """Split a long table into one record an (arm, seed).

    Args:
        table: columns as in docs/reading-an-audit.md, one row an example of one run.
        where: what to call it in an error.
        default_arm: the arm where there is no column `arm`.
        classes: class names, K; the table's own metadata serve otherwise.
        topk: read the column `topk` when above 1.
        source: path and hash, kept with every record.
    """
    missing = [c for c in ("label", "pred") if c not in table.column_names]
    if missing:
        raise AuditError(
            f"{where}: expected columns label and pred, got {clip(', '.join(table.column_names))}. Add {missing[0]}."
        )
    if not len(table):
        raise AuditError(f"{where}: expected at least one prediction, got no rows. Write the file again.")
    meta = columns.metadata(table, where)
    numbers, names = columns.classes(table, where, classes or meta.get("classes"))
    values = {**numbers, "example_id": columns.ids(table, where)}
    values |= {key: columns.probabilities(table, key, where) for key in ("p_true", "p_max")}
    values["topk"] = columns.ranked(table, where) if topk > 1 else None
    has_arm, has_seed = ("arm" in table.column_names), ("seed" in table.column_names)
    arm, arms = columns.texts(table, "arm", where) if has_arm else (np.zeros(len(table), np.int32), [default_arm])
    seed = columns.integers(table, "seed", where) if has_seed else np.zeros(len(table), np.int64)
    shared = {
        "class_names": None if names is None else tuple(names),
        "superclasses": None if meta.get("superclasses") is None else tuple(meta["superclasses"]),
        "seeds_given": has_seed,
    }
    return [_one_run(values, rows, arms[a], s, where, shared, source) for a, s, rows in _runs(arm, seed)]


def _runs(arm: np.ndarray, seed: np.ndarray) -> list[tuple[int, int, np.ndarray | slice]]:
    """Rows of each (arm, seed), by arm and seed: slices where a run's rows lie together, which take no memory."""
    cut = np.flatnonzero((arm[1:] != arm[:-1]) | (seed[1:] != seed[:-1])) + 1
    if len(cut) < MANY_RUNS:
        starts = [0, *cut.tolist()]
        runs = [(int(arm[a]), int(seed[a]), slice(a, b)) for a, b in zip(starts, [*starts[1:], len(arm)])]
        if len({run[:2] for run in runs}) == len(runs):
            return sorted(runs, key=lambda run: run[:2])
    order = np.lexsort((seed, arm))
    cut = np.flatnonzero((np.diff(arm[order]) != 0) | (np.diff(seed[order]) != 0)) + 1
    return [(int(arm[rows[0]]), int(seed[rows[0]]), rows) for rows in np.split(order, cut)]


def _one_run(values, rows, arm, seed, where, shared, source) -> Predictions:
    part: dict[str, Any] = {key: None if v is None else v[rows] for key, v in values.items()}
    label = f"{where} (arm {clip(arm)}, seed {seed})"
    made = Predictions(
        arm=arm,
        labels=part["label"],
        pred=part["pred"][None],
        seeds=np.array([seed]),
        example_id=part["example_id"],
        p_true=None if part["p_true"] is None else part["p_true"][None],
        p_max=None if part["p_max"] is None else part["p_max"][None],
        topk=None if part["topk"] is None else part["topk"][None],
        sources=() if source is None else ({**source, "arm": arm, "seeds": [seed]},),
        **shared,
    )
    return sort_by_id(checked(made, label), label)
