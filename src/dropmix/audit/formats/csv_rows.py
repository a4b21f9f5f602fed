"""Rows of a CSV file that are no data, and blanks that belong to the layout."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropmix.audit.errors import AuditError, clip

SUMS = {"total", "totals", "grand total", "sum", "mean", "average", "avg", "median", "accuracy", "acc", "overall"}
SUMS |= {"count", "macro avg", "weighted avg", "overall accuracy", "total accuracy"}

NUMBER = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?\s*%?")


def refuse_other_rows(table: pa.Table, path: Path) -> None:
    """Refuse the header among the rows, as in files joined one after the other, a ruled line, and a last row of sums.

    Args:
        table: columns of text under their names.
    Raises:
        AuditError: such a row.
    """
    names = [name for name in table.column_names if name.strip()]
    coded = [name for name in names if pa.types.is_dictionary(table[name].type)]
    if len(names) < 2 or not len(table):
        return
    if coded and (same := np.logical_and.reduce([_rows_with(table[name], name) for name in coded])).any():
        raise AuditError(
            f"{path}: expected one header line, got it again after {int(same.argmax())} rows, as where files are "
            "joined one after the other. Remove it, or give the files one by one."
        )
    if all(re.fullmatch(r":?-{2,}:?", str(table[name][0]).strip()) for name in names):
        raise AuditError(f"{path}: expected values below the header, got a ruled line as in Markdown. Save it as CSV.")
    for name in names:
        last = str(table[name][len(table) - 1])
        once = _bare(last).rstrip(":").casefold() in SUMS and _times(table, coded or names, last) == 1
        if once and not _names_a_class(table, [other for other in names if other != name]):
            cells = ", ".join(str(table[other][len(table) - 1]) for other in names)
            raise AuditError(
                f"{path}: expected a prediction in every row, got a last row that sums up: {clip(cells)}. Remove it; "
                "if it holds a class of that name, move it up."
            )


def _bare(text: str) -> str:
    return text.replace("\ufeff", "").strip()


def _rows_with(column: pa.ChunkedArray, text: str) -> np.ndarray:
    """Whether each row holds a text, (rows,); asked of the dictionary, as rows may be millions."""
    known = [np.array([_bare(one) == text for one in chunk.dictionary.to_pylist()], bool) for chunk in column.chunks]
    return np.concatenate([held[chunk.indices.to_numpy()] for held, chunk in zip(known, column.chunks)])


def _names_a_class(table: pa.Table, names: list[str]) -> bool:
    """Whether the last row holds a word that other rows have in one of these columns; a sum has numbers there."""
    cells = {name: str(table[name][len(table) - 1]) for name in names}
    words = {name: cell for name, cell in cells.items() if cell.strip() and not NUMBER.fullmatch(cell.strip())}
    return any(_times(table, [name], cell) > 1 for name, cell in words.items())


def _times(table: pa.Table, names: list[str], text: str) -> int:
    """How often a text stands in some columns, 1 at least."""
    times = [pc.call_function("sum", [pc.call_function("equal", [table[name], text])]).as_py() for name in names]
    return max(1, sum(number or 0 for number in times))


def trimmed(table: pa.Table, padded: dict[str, str]) -> pa.Table:
    """The same without the blanks, and quotes after them, that stand in every row as they do in the header.

    Args:
        table: columns of text.
        padded: name -> its field in the header as it stands.
    """
    for at, name in enumerate(table.column_names):
        field = padded[name]
        if field == field.strip() or not len(table):
            continue
        column = table[name]
        texts = column.unique().to_pylist()
        if field != field.lstrip() and all(text != text.lstrip() for text in texts):
            table, texts = _turned(table, at, "utf8_ltrim_whitespace")
        if field != field.rstrip() and all(text != text.rstrip() for text in texts):
            table, texts = _turned(table, at, "utf8_rtrim_whitespace")
        if field.strip() != name and all(len(text) > 1 and text[0] == text[-1] == '"' for text in texts):
            table, _ = _turned(table, at, "utf8_trim", pc.TrimOptions('"'))
    return table


def _turned(table: pa.Table, at: int, function: str, options: object = None) -> tuple[pa.Table, list[str]]:
    kind = table.field(at).type
    column = table.column(at).cast(pa.string()) if pa.types.is_dictionary(kind) else table.column(at)
    column = pc.call_function(function, [column], options) if options else pc.call_function(function, [column])
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column
    return table.set_column(at, table.column_names[at], column), column.unique().to_pylist()
