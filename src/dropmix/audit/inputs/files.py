"""Files of predictions: parquet, CSV and npz, and run folders."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.inputs.arrays import read_npz
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.tables import WANTED, from_table

ENDINGS = {".parquet", ".pq", ".csv", ".tsv", ".txt", ".npz"}


def read_path(path: Path, reading: Reading) -> list[Predictions]:
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
        return [read_npz(path, source, reading)]
    parts = from_table(_table(path, reading), where, path.stem, reading, source)
    pa.default_memory_pool().release_unused()
    return parts


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(path: Path, reading: Reading) -> pa.Table:
    wanted = [w for w in WANTED if w != "topk" or reading.topk > 1]
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


def files_of(path: Path) -> list[Path] | None:
    """Files of predictions in a folder that is no run folder; None for a file or a run folder.

    Raises:
        AuditError: a folder without any such file.
    """
    if not path.is_dir() or (path / "predictions.parquet").is_file():
        return None
    held = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS and p.is_file() and p.name[0] not in "._")
    if not held:
        raise AuditError(
            f"{path}: expected a run folder or a folder of prediction files, got no file that ends in "
            f"{', '.join(sorted(ENDINGS))}. Give a file of predictions, or audit the whole grid."
        )
    return held
