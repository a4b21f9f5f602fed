"""Texts and labels from CSV, TSV, JSON lines and JSON files."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dropmix.data.records import TEST_NAMES, DataError

Rows = list[tuple[str, str]]
"""Text and label of each example."""

TEXT_COLUMNS = ("text", "sentence", "utterance", "query", "question", "content", "review")
LABEL_COLUMNS = ("label", "category", "intent", "class", "target", "label_text")
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")


def read_splits(path: Path, text: str | None = None, label: str | None = None) -> tuple[Rows, Rows]:
    """Training and test rows of a folder with train.* and test.*, or of one JSON file that holds both.

    Args:
        path: the folder, or a JSON file {"train": rows, "test": rows}, as CLINC150's.
        text, label: columns; None for the usual names.
    Raises:
        DataError: files, columns or rows are missing; the message names file and row.
    """
    if path.is_file():
        content = _json(path)
        if path.suffix != ".json" or not isinstance(content, dict):
            raise DataError(
                f"{path}: expected a JSON file with train and test, or a folder with two files train and test, got one "
                f"file {path.suffix}. Name the folder, with its rows split into e.g. train.csv and test.csv."
            )
        test = next((name for name in TEST_NAMES if name in content), None)
        if "train" not in content or test is None:
            raise DataError(f"{path}: expected entries train and test, got {', '.join(content)}. Rename them.")
        parts = [(f"{path}, {name}", content[name]) for name in ("train", test)]
        train, test_rows = (_pairs(where, _objects(where, rows), text, label) for where, rows in parts)
        return train, test_rows
    files = {name: _file(path, name) for name in ("train", *TEST_NAMES)}
    test_file = next((files[name] for name in TEST_NAMES if files[name]), None)
    if files["train"] is None or test_file is None:
        raise DataError(
            f"{path}: expected files train and test ({', '.join(ENDINGS)}), got "
            f"{', '.join(sorted(p.name for p in path.iterdir())[:8]) or 'nothing'}. Name the folder that holds both."
        )
    return read_rows(files["train"], text, label), read_rows(test_file, text, label)


def read_rows(path: Path, text: str | None = None, label: str | None = None) -> Rows:
    """Text and label of every row of one file. Arguments and errors as for `read_splits`."""
    if path.suffix in (".csv", ".tsv"):
        return _pairs(str(path), _table(path), text, label)
    if path.suffix in (".jsonl", ".ndjson"):
        lines = ((k, line) for k, line in enumerate(_content(path).split("\n"), 1) if line.strip())
        return _pairs(
            str(path), _objects(str(path), (_parse(f"{path}, line {k}", line) for k, line in lines)), text, label
        )
    return _pairs(str(path), _objects(str(path), _json(path)), text, label)


def _file(folder: Path, name: str) -> Path | None:
    found = [folder / f"{name}{ending}" for ending in ENDINGS if (folder / f"{name}{ending}").is_file()]
    if len(found) > 1:
        raise DataError(
            f"{folder}: expected one file {name}, got {', '.join(p.name for p in found)}. Remove the others."
        )
    return found[0] if found else None


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8, got byte {error.object[error.start]:#x} at {error.start}. Save it as UTF-8."
        ) from None


def _parse(where: str, content: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: expected JSON, got {error.msg} at character {error.pos}. Mend the file.") from None


def _json(path: Path) -> Any:
    return _parse(str(path), _content(path))


def _table(path: Path) -> Iterator[dict[str, Any]]:
    content = _content(path)
    header = content.split("\n", 1)[0]
    delimiter = "\t" if path.suffix == ".tsv" else max(",;\t", key=header.count)
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        names = next(rows, [])
        for row in filter(None, rows):
            if len(row) != len(names):
                raise DataError(
                    f"{path}, line {rows.line_num}: expected {len(names)} fields ({', '.join(names)}), got {len(row)}. "
                    "Quote texts that hold the separator."
                )
            yield dict(zip(names, row))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: expected CSV, got {error}. Mend the quotes.") from None


def _objects(where: str, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Rows that are objects, or pairs of text and label."""
    if isinstance(rows, dict | str):
        raise DataError(f"{where}: expected a list of rows, got {type(rows).__name__}. Give one object per text.")
    for number, row in enumerate(rows, 1):
        if isinstance(row, list) and len(row) == 2:
            yield {"text": row[0], "label": row[1]}
        elif isinstance(row, dict):
            yield row
        else:
            raise DataError(f"{where}, row {number}: expected an object or [text, label], got {row!r:.60}. Mend it.")


def _pairs(where: str, rows: Iterable[dict[str, Any]], text: str | None, label: str | None) -> Rows:
    found: Rows = []
    for number, row in enumerate(rows, 1):
        if number == 1:
            text = _column(where, row, "text", text, TEXT_COLUMNS)
            label = _column(where, row, "label", label, LABEL_COLUMNS)
            if text == label:
                raise DataError(
                    f"{where}: expected two columns for text and label, got {text!r} for both. Name another."
                )
        assert text is not None
        assert label is not None
        words, name = row.get(text), row.get(label)
        for key, value in ((text, words), (label, name)):
            if value is None or isinstance(value, dict | list | float) or not str(value).strip():
                raise DataError(
                    f"{where}, row {number}: expected a {key}, got {value!r}. Fill it in or remove the row."
                )
        found.append((str(words), str(name).strip()))
    if not found:
        raise DataError(f"{where}: expected rows of texts and labels, got none. Check the file.")
    return found


def _column(where: str, row: dict[str, Any], what: str, named: str | None, usual: tuple[str, ...]) -> str:
    if named is not None:
        if named not in row:
            raise DataError(f"{where}: expected a column {named!r}, got {', '.join(row)}. Check data.{what}_column.")
        return named
    found = [key for key in row if key.strip().lower() in usual]
    if len(found) != 1:
        got = ", ".join(found or row)
        raise DataError(
            f"{where}: expected one column of {what} ({', '.join(usual)}), got {got}. "
            f"Name it with --set data.{what}_column=NAME."
        )
    return found[0]
