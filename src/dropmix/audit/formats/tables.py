"""Parquet and CSV files as tables of the columns that are asked for."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.formats import archives, columns
from dropmix.audit.formats.archives import for_arrow
from dropmix.audit.formats.csv_text import read_csv
from dropmix.audit.formats.kinds import CONVERT, PARQUET, TEXT, ending_of


def read_table(path: Path, pick: Any, encoding: str | None = None) -> pa.Table:
    """The requested columns of a parquet or CSV file; those of CSV are text.

    Args:
        path: of the file.
        pick: function of the column names that returns those to read, as a mapping of name to content.
        encoding: encoding of a CSV file.
    """
    ending = ending_of(path)
    try:
        if ending in PARQUET:
            # ParquetFile, since read_table guesses partitions from folder names.
            with pq.ParquetFile(for_arrow(path), pre_buffer=False, page_checksum_verification=True) as file:
                wanted = pick(file.schema_arrow.names)
                archives.refuse_parquet_bomb(path, file, {*wanted})
                return columns.plain_types(file.read(columns=list(wanted), use_threads=False))
        if ending in TEXT:
            return read_csv(path, pick, encoding)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        if isinstance(error, AuditError):
            raise
        raise AuditError(
            f"{path}: expected a readable {ending[1:]} file, got {clip(error, 160).rstrip('.')}. Write the file again."
        ) from error
    raise AuditError(
        f"{path}: expected .parquet, .csv, .npz, .npy or .json, got "
        f"{path.suffix or 'no ending'!r}. {CONVERT.get(ending, 'Rename or convert it')}."
    )
