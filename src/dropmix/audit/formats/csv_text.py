"""Real-world CSV files as text: delimiters, encodings, headers, and a check that rows match lines."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.formats.archives import for_arrow, opened, refuse_bomb
from dropmix.audit.formats.csv_header import Pick, encoding_of, find_header
from dropmix.audit.formats.csv_rows import refuse_other_rows, trimmed

HEAD = 1 << 20
BLOCK = 1 << 23
SMALL = 1 << 25  # bytes of a file with a row per class
MOST_BREAKS = 20  # most line breaks in one quoted text; a stray quote swallows more
CODED = {"arm", "seed", "label", "pred", "group", "by"}  # few distinct values: read dictionary-encoded


def read_csv(path: Path, pick: Pick, encoding: str | None = None) -> pa.Table:
    """The requested columns of a CSV file, all as text.

    Args:
        path: of a file with commas, semicolons, tabs or bars between fields and one header line; UTF-8, or UTF-16 with
            a byte order mark.
        pick: function of the column names that returns those to read, as a mapping of name to content.
        encoding: encoding of a file that is not UTF-8.
    Raises:
        AuditError: another encoding, a quote that is never closed, or rows of unequal length.
    """
    refuse_bomb(path)
    with opened(path) as file:
        raw = file.read(HEAD)
    coding = encoding or encoding_of(raw) or "utf-8"
    parsed = find_header(raw, coding, path, pick)
    header, skip, delimiter, wanted = parsed.names, parsed.skip, parsed.delimiter, parsed.wanted
    if not any(header):
        raise AuditError(
            f"{path}: expected a header line with the names of columns, got an empty one. Write the file again."
        )
    if not wanted:
        got = clip(", ".join(map(repr, header)))
        raise AuditError(f"{path}: expected a header line with columns label and pred, got {got}. Add it at the top.")
    first_place = {name: place for place, name in reversed([*enumerate(header)])}
    places = [first_place[name] for name in wanted]
    unique = [f"c{i}" for i in range(len(header))]
    types = {f"c{i}": pa.string() for i in places}
    types |= {f"c{i}": pa.dictionary(pa.int32(), pa.string()) for i in places if wanted[header[i]] in CODED}
    table = _parse(path, coding, delimiter, unique, skip, types)
    if coding in ("utf-8", "utf-8-sig"):
        again = _count(path, table, skip, lambda: _parse(path, coding, delimiter, unique, skip, types, True))
        table = table if again is None else again
    rows = len(table)  # spreadsheets end in rows of empty cells
    while len(wanted) > 1 and rows and not any(str(column[rows - 1]).strip() for column in table.columns):
        rows -= 1
    table = table.slice(0, rows).rename_columns([header[i] for i in places])
    refuse_other_rows(table, path)
    return trimmed(table, {header[i]: parsed.padded[i] for i in places})


def _parse(path, coding, delimiter, names, skip, types, newlines=False) -> pa.Table:
    from pyarrow import csv as arrow

    try:
        return arrow.read_csv(
            for_arrow(path),
            read_options=arrow.ReadOptions(
                use_threads=False,
                column_names=names,
                skip_rows=skip,
                encoding="utf8" if coding == "utf-8-sig" else coding,
            ),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=newlines),
            convert_options=arrow.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except (UnicodeError, LookupError, pa.ArrowException) as error:
        _check_encoding(path, coding, error)
        if isinstance(error, LookupError):
            raise AuditError(
                f"{path}: expected a known encoding, got {clip(coding)!r}. Name it as Python does."
            ) from error
        tally = _lines(path)
        if tally.zero is not None and not coding.startswith(("utf-16", "utf-32")):
            raise AuditError(_zero(path, tally)) from error
        if tally.opens is not None:
            raise AuditError(_unclosed(path, tally, None, 0)) from error
        raise AuditError(
            f"{path}: expected a readable csv file, got {clip(str(error).replace('CSV parse error: ', ''), 160)}. "
            f"Check the rows of the file ({len(names)} columns in its header)."
        ) from error


def _check_encoding(path: Path, coding: str, error: Exception) -> None:
    """Raise an error that says where a file leaves the encoding that it was read in."""
    if coding == "utf-16" or coding == "utf-32":
        return
    number = 0
    try:
        with opened(path) as file:
            for line in file:
                number += 1
                line.decode(coding)
    except LookupError:
        return
    except UnicodeDecodeError as wrong:
        byte = wrong.object[wrong.start]
        raise AuditError(
            f"{path}: expected text in {coding}, got byte 0x{byte:02x} in line {number}. "
            "Save the file as UTF-8, or name its encoding (--encoding cp1252 for files from Windows)."
        ) from error


def _count(path: Path, table: pa.Table, skip: int, again: Callable[[], pa.Table]) -> pa.Table | None:
    """Compare rows with lines of the file: a quote that is never closed swallows rows silently.

    Returns:
        the table, read again, if an unused column holds line breaks in quotes; else None.
    Raises:
        AuditError: fewer rows than lines, with the line where the quote opens.
    """
    tally, rows = _lines(path), len(table)
    if tally.zero is not None:
        raise AuditError(_zero(path, tally))
    with opened(path) as file:
        before = sum(1 for _ in range(skip) if file.readline().strip(b"\xef\xbb\xbf\r\n"))
    # A quote that opens in the last field swallows only the end of its line.
    ended = not any("\n" in str(column[-1]) or "\r" in str(column[-1]) for column in table.columns) if rows else True
    if rows == tally.lines - before and ended:
        return None
    if tally.opens is not None:
        table = again() if tally.longest <= MOST_BREAKS else None
        broken = table is None or any("\n" in str(text) for c in table.columns for text in c.unique().to_pylist())
        if table is not None and len(table) == tally.records - before and not broken:
            return table
        raise AuditError(_unclosed(path, tally, rows, before))
    raise AuditError(
        f"{path}: expected one row per line, got {rows} rows of {tally.lines - before} lines. Write the file again."
    )


@dataclass
class _Lines:
    """What the lines of a file are like.

    Attributes:
        lines: number of lines that are not empty.
        records: number of lines that end outside quotes.
        opens: number of the first line with a quote that opens and does not close there, or None.
        longest: most line breaks within one pair of quotes.
        zero: number of the first line with a zero byte, which disks leave after a crash, or None.
    """

    lines: int = 0
    records: int = 0
    opens: int | None = None
    longest: int = 0
    zero: int | None = None


def _zero(path: Path, tally: _Lines) -> str:
    return f"{path}: expected text, got a zero byte in line {tally.zero}. Write the file again."


def _unclosed(path: Path, tally: _Lines, rows: int | None, before: int) -> str:
    read = "" if rows is None else f"{rows} rows of {tally.lines - before} lines: "
    return (
        f"{path}: expected one row per line, got {read}a quote that opens in line {tally.opens} and does not close "
        "there. Close or remove it."
    )


def _lines(path: Path) -> _Lines:
    tally = _Lines()
    quotes = number = run = 0
    last = mark = 10
    with opened(path) as file:
        while block := file.read(BLOCK):
            data = np.frombuffer(block, np.uint8)
            if not number and not (data == 10).any():
                mark = 13  # lines end as on the first Macintoshes
            ends = (data == 10) | (data == 13)
            ends[1:] &= ~ends[:-1].copy()  # one end per line, none for empty lines
            ends[0] &= last not in (10, 13)
            tally.lines += int(ends.sum())
            if quotes % 2 or (data == 34).any():
                # Counted modulo 256, which keeps what is even.
                odd = ((np.cumsum(data == 34, dtype=np.uint8)[ends] + quotes % 2) % 2).astype(bool)
                tally.records += int((~odd).sum())
                if tally.opens is None and odd.any():
                    at = int(np.flatnonzero(ends)[int(odd.argmax())])
                    tally.opens = number + int((data[:at] == mark).sum()) + 1
                stretch = np.diff(np.flatnonzero(np.concatenate([[True], ~odd, [True]]))) - 1
                stretch[0] += run
                tally.longest = max(tally.longest, int(stretch.max()))
                run = int(stretch[-1])
            else:
                tally.records += int(ends.sum())
                run = 0
            if tally.zero is None and not data.all():
                tally.zero = number + int((data[: int(data.argmin())] == mark).sum()) + 1
            number += int((data == mark).sum())
            quotes += int((data == 34).sum())
            last = int(data[-1])
    tail = last not in (10, 13)
    tally.lines += tail
    tally.records += tail and not quotes % 2
    return tally


def read_lines(path: Path) -> list[str]:
    """The lines of a small text in UTF-8, stripped, without empty ones.

    Raises:
        AuditError: another encoding, zero bytes, or a text that is too long.
    """
    refuse_bomb(path)
    with opened(path) as file:
        raw = file.read(SMALL + 1)
    if len(raw) > SMALL:
        raise AuditError(f"{path}: expected a text with a line per class, got more than {SMALL:,} bytes. Name another.")
    if b"\x00" in raw:
        raise AuditError(f"{path}: expected text with a line per class, got zero bytes. Save it as text in UTF-8.")
    try:
        return [line.strip() for line in raw.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise AuditError(f"{path}: expected UTF-8 text, got {clip(error)}. Save it as UTF-8.") from error


def read_rows(path: Path, encoding: str | None = None) -> list[list[str]]:
    """All rows of a small CSV file, cells stripped, with or without a header.

    Raises:
        AuditError: another encoding, no rows, or rows of unequal length.
    """
    refuse_bomb(path)
    with opened(path) as file:
        raw = file.read(SMALL + 1)
    if len(raw) > SMALL:
        raise AuditError(f"{path}: expected a file with a row per class, got more than {SMALL:,} bytes. Name another.")
    coding = encoding or encoding_of(raw) or "utf-8"
    head = find_header(raw, coding, path)
    skip = head.skip
    try:
        text = raw.decode(coding).removeprefix("\ufeff")
        rows = _small_rows(path, csv.reader(io.StringIO(text, newline=""), delimiter=head.delimiter))
    except UnicodeError as error:
        raise AuditError(
            f"{path}: expected UTF-8 text, got {clip(error)}. Save it as UTF-8, or name the encoding."
        ) from error
    rows = [(number, row) for number, row in rows if number >= skip and any(row)]
    if not rows:
        raise AuditError(f"{path}: expected a row per class, got none. Write the file again.")
    wrong = next((number for number, row in rows if len(row) != len(rows[0][1])), None)
    if wrong is not None:
        raise AuditError(f"{path}: expected {len(rows[0][1])} fields in every row, got others in row {wrong}. Mend it.")
    return [row for _, row in rows]


def _small_rows(path: Path, reader: Any) -> list[tuple[int, list[str]]]:
    """The line in which each row begins, and its cells; no row has two lines, unless a quote swallowed the second."""
    rows: list[tuple[int, list[str]]] = []
    begin = 1
    try:
        for row in reader:
            if any("\n" in cell or "\r" in cell for cell in row):
                break
            rows.append((begin, [cell.strip() for cell in row]))
            begin = reader.line_num + 1
        else:
            return rows
    except csv.Error:  # a field beyond csv's limit
        pass
    raise AuditError(
        f"{path}: expected one row per line, got a quote that opens in line {begin} and does not close there. "
        "Close or remove it."
    )
