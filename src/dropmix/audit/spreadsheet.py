"""Text for CSV files that no spreadsheet reads as a formula."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """Text that no spreadsheet reads as a formula: an apostrophe precedes what begins like one.

    If such text already has an apostrophe it gets another, so that `unguarded` restores every text.

    Example:
        >>> guarded("=1+1"), guarded("fox"), guarded("'=1")
        ("'=1+1", 'fox', "''=1")
    """
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA else text


def unguarded(text: str) -> str:
    """The original text of `guarded`.

    Example:
        >>> unguarded("'=1+1"), unguarded("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and text.lstrip("'")[:1] in _FORMULA else text


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write dictionaries as CSV, texts guarded; the columns are the keys of all of them, in order of appearance."""
    import pyarrow as pa
    from pyarrow import csv

    keys = dict.fromkeys(key for row in rows for key in row)
    safe = [{key: guarded(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
    table = pa.table({key: pa.array([row.get(key) for row in safe]) for key in keys})
    with path.open("wb") as file:  # opened here, since Arrow takes no name that is not UTF-8
        csv.write_csv(table, file)


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Write through a temporary file beside the target, so that nobody ever sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o666 & ~_umask())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
