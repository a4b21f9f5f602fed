"""Rows of texts from CSV, TSV, JSON lines, JSON and parquet files, and from folders with one file per text."""

import codecs
import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.data.readers.cells import numbered_rows
from dropmix.data.readers.shards import metadata_names, unreadable
from dropmix.data.readers.tables import SPLITS
from dropmix.data.records import DataError

TEXT_COLUMNS = ("text", "sentence", "utterance", "query", "question", "content", "review", "message", "comment")
LABEL_COLUMNS = ("label", "category", "intent", "class", "target", "label_text", "labels", "sentiment", "topic")
NAMES_OF = {"label": "label_text"}
"""A column of numbers, and the column with their names, which is read if both are there."""
DELIMITERS = ",;\t|"
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
MARKS += ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SHOWN = 5


class Example(NamedTuple):
    """A text, its class, what must stay with it on one side of a split, and its split, by a column of that name."""

    text: str
    label: str
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class TextColumns:
    """Names of the columns to read; None takes a usual name for text and label, and no group."""

    text: str | None = None
    label: str | None = None
    group: str | None = None


USUAL = TextColumns()


def read_rows(path: Path, columns: TextColumns = USUAL) -> list[Example]:
    """Every row of one file.

    Args:
        path: *.csv, .tsv, .jsonl, .ndjson, .json or .parquet, in any case.
        columns: to read.
    Raises:
        DataError: columns or cells are missing; the message names the file and counts the rows.
    """
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return examples(str(path), _table(path, ending, columns), columns)
    if ending in (".jsonl", ".ndjson"):
        return rows_of_json(str(path), _json_lines(path, _content(path)), columns)
    if ending == ".parquet":
        return examples(str(path), _parquet(path), columns)
    return rows_of_json(str(path), read_json(path), columns)


def read_folders(classes: Iterable[Path], columns: TextColumns) -> list[Example]:
    """A file per text and a folder per class, as scikit-learn's `load_files` reads them."""
    if columns.text or columns.label or columns.group:
        raise DataError("data: expected no names of columns with a folder per class, got one. Leave them out.")
    return [
        Example(_filled(str(file), _content(file)), folder.name) for folder in classes for file in text_files(folder)
    ]


def text_files(folder: Path) -> list[Path]:
    """Sorted files *.txt in a folder."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".txt" and file.name[0] != ".")


def read_json(path: Path) -> Any:
    """The content of a JSON file; of one that holds JSON lines, as some libraries write them, their list."""
    content = _content(path)
    try:
        return json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":
            return _json_lines(path, content)
        return parse_json(str(path), content)


def _json_lines(path: Path, content: str) -> list[Any]:
    lines = [(k, line) for k, line in enumerate(content.split("\n"), 1) if line.strip()]
    return [parse_json(f"{path}, line {k}", line) for k, line in lines]


def parse_json(where: str, content: str) -> Any:
    try:
        return json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        told = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "too deep a nest"
        raise DataError(f"{where}: expected JSON, got {told}. Mend the file.") from None


def rows_of_json(where: str, content: Any, columns: TextColumns) -> list[Example]:
    """Rows that are objects or pairs of text and label, or an object of columns.

    Raises:
        DataError: anything else.
    """
    if isinstance(content, dict) and content and all(isinstance(column, list) for column in content.values()):
        if len({len(column) for column in content.values()}) > 1:
            sizes = ", ".join(f"{name} ({len(column)})" for name, column in content.items())
            raise DataError(f"{where}: expected columns of one length, got {sizes}. Write the file again.")
        content = [dict(zip(content, row)) for row in zip(*content.values())]
    if not isinstance(content, list):
        raise DataError(f"{where}: expected a list of rows, got {type(content).__name__}. Give one object per text.")
    rows = []
    for number, row in enumerate(content, 1):
        if isinstance(row, list) and len(row) == 2:
            row = {"text": row[0], "label": row[1]}
        elif not isinstance(row, dict):
            raise DataError(f"{where}, row {number}: expected an object or [text, label], got {row!r:.60}. Mend it.")
        rows.append(row)
    return examples(where, rows, columns)


def examples(where: str, rows: Iterable[dict[str, Any]], columns: TextColumns) -> list[Example]:
    """Texts and labels of rows; all rows that lack one are counted, and the first are named."""
    parsed: list[Example] = []
    wrong: list[str] = []
    keys: list[str | None] = []
    split: str | None = None
    for number, row in enumerate(rows, 1):
        if not keys:
            keys = list(find_columns(where, row, columns))
            split = next((key for key in row if key.strip().casefold() in SPLITS and key not in keys), None)
        cells = [None if key is None else _cell(row.get(key)) for key in keys]
        for key, cell in zip(keys, cells):
            if key is not None and not cell:
                wrong.append(f"row {number}: expected a {key}, got {row.get(key)!r:.40}")
        text, label, group = cells
        parsed.append(
            Example(text or "", (label or "").strip(), group and group.strip(), split and _cell(row.get(split)))
        )
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(f"{where}, {'; '.join(wrong[:SHOWN])}{more}. Give each row a text and one label, or remove it.")
    if not parsed:
        raise DataError(f"{where}: expected rows of texts and labels, got none. Check the file.")
    return parsed


def find_columns(where: str, names: Iterable[str], columns: TextColumns) -> tuple[str, str, str | None]:
    """The columns of text, label and (or None) group.

    Raises:
        DataError: none fits, or several do.
    """
    names = list(names)
    text = _column(where, names, "text", columns.text, TEXT_COLUMNS)
    label = _column(where, names, "label", columns.label, LABEL_COLUMNS)
    if text == label:
        raise DataError(f"{where}: expected two columns for text and label, got {text!r} for both. Name another.")
    if columns.group is not None and columns.group not in names:
        got = ", ".join(names)
        raise DataError(f"data.group: expected one of the columns of {where}, got {columns.group!r}. It has {got}.")
    return text, label, columns.group


def _column(where: str, names: list[str], what: str, named: str | None, usual: tuple[str, ...]) -> str:
    if named is not None:
        if named not in names:
            got = ", ".join(names)
            raise DataError(f"{where}: expected a column {named!r}, got {got}. Check data.{what}_column.")
        return named
    matches = [name for name in names if name.strip().lower() in usual]
    kinds = [name.strip().lower() for name in matches]
    matches = [name for name, kind in zip(matches, kinds) if NAMES_OF.get(kind) not in kinds]
    if len(matches) != 1:
        more = {"text": "add a first row of names to a table that has none", "label": "leave out a file without labels"}
        raise DataError(
            f"{where}: expected one column of {what} ({', '.join(usual)}), got {', '.join(matches or names)}. "
            f"Name it with --set data.{what}_column=NAME{'' if matches else f', or {more[what]}'}."
        )
    return matches[0]


def _cell(value: Any) -> str:
    """A cell as text, "" if it is empty or not text; 3.0 becomes "3", since whole numbers with gaps come as floats."""
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else ""
    return "" if value is None or isinstance(value, dict | list | bytes) else _stripped(str(value))


def _stripped(value: str) -> str:
    return value if value.strip() else ""


def _filled(where: str, text: str) -> str:
    if not text.strip():
        raise DataError(f"{where}: expected a text, got an empty file. Fill it in or remove it.")
    return text


def _content(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return raw.decode(next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8, got byte {error.object[error.start]:#x} at {error.start}. Save it as UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{path}: expected a file of texts, got {error.strerror}. Check it.") from None


def _table(path: Path, ending: str, columns: TextColumns) -> Iterator[dict[str, Any]]:
    content = _content(path)
    csv.field_size_limit(sys.maxsize)
    delimiter = _delimiter(content.split("\n", 1)[0], columns, "\t,;|" if ending == ".tsv" else DELIMITERS)
    names: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for line, row in numbered_rows(content, delimiter):
            if not rows and not names:
                names = row
            elif any(cell.strip() for cell in row):  # not an empty line, or what a spreadsheet leaves behind
                if len(row) != len(names):
                    raise DataError(
                        f"{path}, line {line}: expected {len(names)} fields ({', '.join(names)}), got {len(row)}. "
                        "Quote texts that hold the separator."
                    )
                rows.append((line, row))
    except csv.Error as error:
        raise DataError(f"{path}: expected CSV, got {error}. Mend the quotes.") from None
    _refuse_swallowed_rows(path, names, rows, delimiter, columns)
    return (dict(zip(names, row)) for _, row in rows)


def _refuse_swallowed_rows(
    path: Path, names: list[str], rows: list[tuple[int, list[str]]], delimiter: str, columns: TextColumns
) -> None:
    """Refuse a text whose lines are rows of the table, each with a known label: a stray quote opened before them."""
    if not any("\n" in cell or "\r" in cell for _, row in rows for cell in row):
        return
    place = names.index(find_columns(str(path), names, columns)[1])
    known = {row[place] for _, row in rows}
    for line, row in rows:
        for at, cell in enumerate(row):
            lines = cell.splitlines()
            # A row ends where the quote opened in it, or begins where the quote closes in it.
            whole = lines[1:] if at > place else [delimiter.join([*row[:at], *lines[:1]]), *lines[1:-1]]
            cut = [one.split(delimiter) for one in whole if len(lines) > 1]
            if cut and all(len(one) == len(names) and one[place].strip('"') in known for one in cut):
                raise DataError(
                    f"{path}: expected one row per text, got {len(lines)} in the quotes of the row that begins in line "
                    f"{line}. Remove a stray quote."
                )


def _delimiter(header: str, columns: TextColumns, usual: str) -> str:
    """The first of the separators that yields the columns, else the most frequent one."""
    for delimiter in usual:
        try:
            find_columns("", next(csv.reader([header], delimiter=delimiter), []), columns)
        except (DataError, csv.Error):
            continue
        return delimiter
    return max(usual, key=header.count)


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    named = {name: names for name in table.column_names if (names := metadata_names(path, name))}
    for row in table.to_pylist():
        for key, names in named.items():
            if isinstance(row[key], int) and 0 <= row[key] < len(names):
                row[key] = names[row[key]]
        yield row
