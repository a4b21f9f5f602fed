"""Files that an audit writes: whole or not at all, CSV that no spreadsheet runs as a formula, and JSON fast."""

import contextlib
import csv
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropmix.audit.errors import AuditError

_FORMULA = tuple("=+-@＝＋－＠")  # of full width too, which some spreadsheets take for the plain ones


def guarded(text: str) -> str:
    """Text that no spreadsheet reads as a formula: an apostrophe precedes what begins like one.

    If such text already has an apostrophe it gets another, so that `unguarded` restores every text.

    Example:
        >>> guarded("=1+1"), guarded("fox"), guarded("'=1")
        ("'=1+1", 'fox', "''=1")
    """
    return f"'{text}" if _is_formula(text.lstrip("'")) else text


def unguarded(text: str) -> str:
    """The original text of `guarded`.

    Example:
        >>> unguarded("'=1+1"), unguarded("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _is_formula(text.lstrip("'")) else text


def _is_formula(text: str) -> bool:
    """Whether some spreadsheet may run a text; many drop blanks at its beginning or split it at tabs."""
    return text.startswith(("\t", "\r", "\n")) or text.lstrip().startswith(_FORMULA)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write dictionaries as CSV, texts guarded; the columns are the keys of all of them, in order of appearance."""
    # By hand: the csv module writes None as an empty text, and Arrow loads pandas where it is installed.
    keys = dict.fromkeys(key for row in rows for key in row)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_cell, keys)) + "\n")
        file.writelines(",".join([_cell(row.get(key)) for key in keys]) + "\n" for row in rows)


def write_table(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as they are, the first of which is the header, whole or not at all."""

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    write_whole(path, write)


def _cell(value: Any) -> str:
    """A text in quotes and guarded, a number bare, None empty."""
    if isinstance(value, str):
        text = guarded(value).replace('"', '""')
        return f'"{text}"'
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Write through a temporary file beside the target, so that nobody ever sees half a file.

    Raises:
        AuditError: the target is a device, a pipe or a folder, which a file would replace.
    """
    path = Path(path)
    if os.path.lexists(path) and not path.is_file():
        raise AuditError(f"{path}: expected a file to write, got a folder, device, pipe or broken link. Name a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # known before it exists: a signal may come any time
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(part)
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        # About the file that was asked for, not about a hidden one beside it; a library's error has words of its own.
        if isinstance(error, OSError) and error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise
    return path


def indented(value: Any, depth: int = 1) -> str:
    """JSON with one space per level, as `json.dumps(value, indent=1)` writes it, in a third of its time.

    Example:
        >>> value = {"a": [{"b": 1.5, "c": None}, []], "d": "x"}
        >>> indented(value) == json.dumps(value, indent=1)
        True
    """
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    gap, items = "\n" + " " * depth, value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, dict | list) for item in items):  # the encoder in C, which cannot indent
        flat = json.dumps(value, separators=(f",{gap}", ": "), allow_nan=False, ensure_ascii=False)
        return f"{opened}{gap}{flat[1:-1]}{gap[:-1]}{closed}"
    if isinstance(value, list):
        parts = [indented(item, depth + 1) for item in value]
    else:
        parts = [f"{json.dumps(k, ensure_ascii=False)}: {indented(item, depth + 1)}" for k, item in value.items()]
    return f"{opened}{gap}{f',{gap}'.join(parts)}{gap[:-1]}{closed}"
