"""The header line of a CSV file: which line it is, what divides it, and what programs put before or beside it."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dropmix.audit.errors import AuditError, clip

MARKS = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"))
MARKS += ((b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
COMMENT = ("#", "%")
TITLES = 5  # most lines above a header, such as a title
SAMPLE = 1_000  # rows whose fields are counted
MEANT = ("label", "pred")
Pick = Callable[[Sequence[str]], dict[str, str]]


@dataclass(frozen=True)
class Header:
    """Names of columns, and how to read what follows.

    Attributes:
        names: of the columns, without blanks around them; "" for a column without one.
        skip: lines before the first row.
        delimiter: between fields.
        padded: the fields as they stand, with their blanks.
        wanted: what `pick` made of the names.
    """

    names: list[str]
    skip: int
    delimiter: str
    padded: list[str]
    wanted: dict[str, str]


def encoding_of(raw: bytes) -> str | None:
    """The encoding that the first bytes of a text tell by a mark, or by the zero bytes of UTF-16; None if neither."""
    marked = next((name for mark, name in MARKS if raw.startswith(mark)), None)
    head = raw[:200]
    if marked is None and len(head) > 8 and 0 in head:
        for name, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
            if zeros.count(0) > 0.8 * len(zeros) and letters.count(0) == 0:
                return name
    return marked


def find_header(raw: bytes, coding: str, path: Path, pick: Pick | None = None) -> Header:
    """The header of a text that begins with these bytes.

    A line that begins with # or % is a comment, or the header itself, whichever `pick` finds more in. Lines without
    anything that is looked for, above one that names labels and predictions, are titles.

    Args:
        raw: bytes from the beginning of the file.
        coding: encoding.
        path: for errors.
        pick: function of the names that returns those to read, as a mapping of name to content.
    Raises:
        AuditError: an unknown encoding, zero bytes, or what `pick` raises.
    """
    try:
        text = io.TextIOWrapper(io.BytesIO(raw), coding, errors="replace").read()
    except LookupError as error:
        raise AuditError(f"{path}: expected a known encoding, got {clip(coding)!r}. Name it as Python does.") from error
    lines = re.split(r"\r\n|\n|\r", text.lstrip("\ufeff"))
    at, given = 0, None
    while at < len(lines) - 1 and (not lines[at].strip() or re.fullmatch(r"sep=.", lines[at])):
        given = lines[at][-1] if lines[at].strip() else given  # Excel's first line, sep=;
        at += 1
    if "\x00" in lines[at]:
        raise AuditError(f"{path}: expected text, got a file with zero bytes. Save it as UTF-8, or name the encoding.")
    if pick is None:
        return _parsed(lines, at, lines[at], given, path)
    best, faults = None, []
    for place, line, least in _candidates(lines, at):
        for delimiter in _delimiters(line, given):
            header = _parsed(lines, place, line, delimiter, path)
            try:
                header = replace(header, wanted=pick(header.names))
            except AuditError as error:
                faults.append(error)
                continue
            if _meant(header) >= least and (best is None or _rank(header) > _rank(best)):
                best = header
    if best is None:
        raise faults[0]
    return best


def _candidates(lines: list[str], at: int) -> Iterator[tuple[int, str, int]]:
    """Lines that may be the header: place, text, and how many of label and pred it has to name."""
    if not lines[at].startswith(COMMENT):
        yield at, lines[at], 0
        for place in range(at + 1, min(at + TITLES, len(lines))):
            yield place, lines[place], 2
        return
    after = last = at
    while after < len(lines) - 1 and (lines[after].startswith(COMMENT) or not lines[after].strip()):
        last = after if lines[after].strip() else last
        after += 1
    yield last, re.sub(r"^[#%]+\s*", "", lines[last]), 0
    yield after, lines[after], 0
    yield at, lines[at], 0


def _meant(header: Header) -> int:
    return len({*header.wanted.values()} & {*MEANT})


def _rank(header: Header) -> tuple[int, int]:
    """How much a line looks like the header: of equal ones, the first is it."""
    return _meant(header), len(header.wanted) if _meant(header) else 0


def _delimiters(line: str, given: str | None) -> list[str]:
    plain = re.sub(r'"[^"]*"', "", line)
    usual = given or max(",;\t|", key=plain.count)
    return [usual, " "] if given is None and usual not in plain and " " in plain else [usual]


def _parsed(lines: list[str], at: int, line: str, delimiter: str | None, path: Path) -> Header:
    delimiter = delimiter or _delimiters(line, None)[0]
    try:
        padded = next(csv.reader([line], delimiter=delimiter), [])
        rows = [row for row in csv.reader(lines[at + 1 : at + 1 + SAMPLE][:-1], delimiter=delimiter) if row]
    except csv.Error as error:
        raise AuditError(f"{path}: expected a header line, got {clip(error)}. Write the file again.") from error
    if rows and all(len(row) == len(padded) + 1 for row in rows):
        if not any(row[-1].strip() for row in rows):  # a delimiter at the end of each row
            padded = [*padded, ""]
        elif len({row[0] for row in rows}) == len(rows) > 1:  # names of rows, as R writes them
            padded = ["", *padded]
    return Header([_name(name) for name in padded], at + 1, delimiter, padded, {})


def _name(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell
