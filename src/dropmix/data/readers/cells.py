"""A table as text cells, and which of its columns names which picture."""

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from dropmix.data.readers.walk import listed
from dropmix.data.records import DataError

MOST_BYTES = 200_000_000
FEW = 0.5
"""A table is one of the pictures if a column names at least this share of its rows or of the pictures."""
WAYS = 4
"""In how many ways a cell may name a picture: path, path without ending, file name, file name without ending."""
USUAL = ("path", "image_path", "img_path", "filepath", "file_path", "filename", "file_name", "file", "image", "img")
USUAL += ("image_id", "image_name", "img_id", "name", "picture", "photo", "isic_id", "id")
"""What a column of names is called, the surest first."""

Columns = dict[str, list[str]]


def read_table(file: Path) -> Columns:
    """Columns of a CSV or TSV file, with cells as text; columns without a name count if there is one of them.

    Raises:
        DataError: no file, one that is no table, rows of other lengths, or doubled columns.
    """
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            raise OSError("no file there" if not file.exists() else "no file of at most 200 MB")
        stored = file.read_bytes()
        text = stored.decode("utf-16" if stored[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        first = text.partition("\n")[0]
        separator = max(",;\t|", key=first.count)
        rows = [row for _, row in numbered_rows(text, separator, skipinitialspace=True) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "another encoding" if isinstance(error, UnicodeDecodeError) else str(error)
        advice = "Save it in UTF-8" if isinstance(error, UnicodeDecodeError) else "Check it"
        raise DataError(f"{file}: expected a CSV file with a header, in UTF-8, got {reason}. {advice}.") from None
    if len(rows) < 2:
        raise DataError(f"{file}: expected a header and rows, got {len(rows)} rows. Check it.")
    head = [name.strip() for name in rows[0]]
    count = Counter(head)
    if doubled := [name for name, times in count.items() if times > 1 and name]:
        raise DataError(f"{file}: expected columns of different names, got two of {doubled[0]!r}. Rename one.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            raise DataError(
                f"{file}: expected {len(head)} cells in each row, got {len(row)} in row {number}. Check the separators."
            )
    kept = [place for place, name in enumerate(head) if name or count[""] == 1]
    return {head[place]: [row[place].strip() for row in rows[1:]] for place in kept}


def numbered_rows(text: str, separator: str, skipinitialspace: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Rows of CSV, each with the number of the line in which it begins.

    Raises:
        csv.Error: a quote that never closes, or closes in the middle of a cell.
    """
    file, line = io.StringIO(text, newline=""), 1
    reader = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=skipinitialspace)
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error:
        raise csv.Error(f"a stray quote in the row that begins in line {line}") from None


def name_column(columns: Columns, ids: np.ndarray) -> tuple[str | None, list[int | None]]:
    """The column that names pictures, and the picture (row of `ids`) of each of its cells; None if there is none.

    Cells may name pictures as other programs and machines do: by a path from elsewhere, an address, in other case or
    Unicode form, or as a number without the zeros before it. Names as they stand are preferred.

    Raises:
        DataError: a name of several pictures.
    """
    ways = [Names(ids, way) for way in range(WAYS)]
    ranked: list[tuple[int, int, int, int, int, str]] = []
    for column, cells in columns.items():
        texts = {*map(_plain, cells)}
        # Class numbers may be names of pictures too, but stand in many rows each.
        most = len(cells) if all(_alike(text).isdecimal() for text in texts) else len(texts)
        for way, names in enumerate(ways):
            for loose, find in enumerate((names.exact, names.loose)):
                named = len({row for text in texts if (row := find(text)) is not None})
                if named and named >= FEW * min(len(ids), most):
                    # A name with its ending is surer than one without, which may be the number of a row.
                    ranked.append((way % 2, _rank(column), loose, -named, way, column))
                    break
    if not ranked:
        return None, []
    *_, way, column = min(ranked)
    return column, [ways[way].row(_plain(cell), cell) for cell in columns[column]]


def _rank(column: str) -> int:
    """The place of a column's name among those that usually name pictures; the higher, the less sure."""
    plain = column.strip().casefold().replace(" ", "_")
    return USUAL.index(plain) if plain in USUAL else len(USUAL)


class Names:
    """Pictures by one of the ways to name them."""

    def __init__(self, ids: np.ndarray, way: int) -> None:
        shorts = [_short(name, way) for name in ids.tolist()]
        self.count = Counter(shorts)
        self.rows = {short: row for row, short in enumerate(shorts)}
        alike = [_alike(short) for short in shorts]
        count = Counter(alike)
        self.alike = {short: row for row, short in enumerate(alike) if count[short] == 1}

    def exact(self, text: str) -> int | None:
        return self.rows.get(text)

    def loose(self, text: str) -> int | None:
        found = (self.alike.get(form) for form in _forms(text))
        return next((row for row in found if row is not None), None)

    def row(self, text: str, cell: str) -> int | None:
        """The picture of a cell, or None.

        Raises:
            DataError: a name of several pictures.
        """
        if self.count[text] > 1:
            raise DataError(
                f"data: expected names of one picture each, got {cell} for {self.count[text]} of them. "
                "Give paths below the folder, or name the folder of one part."
            )
        exact = self.exact(text)
        return self.loose(text) if exact is None else exact


def _forms(text: str) -> Iterator[str]:
    """A name and its ends after each slash, as `_alike` has them: of /home/me/a/1.jpg also a/1.jpg and 1.jpg."""
    for name in dict.fromkeys((text, unquote(text))):
        parts = name.split("/")
        yield from (_alike("/".join(parts[start:])) for start in range(len(parts)))


def _alike(name: str) -> str:
    """A name without case and Unicode form; numbers without zeros before them and without ".0".

    Example:
        >>> _alike("IMG_1.JPG"), _alike("0007"), _alike("7.0")
        ('img_1.jpg', '7', '7')
    """
    name = unicodedata.normalize("NFC", name).casefold()
    whole = name.removesuffix(".0")
    return str(int(whole)) if whole.isascii() and whole.isdecimal() else name


def _plain(name: str) -> str:
    name = name.strip().replace("\\", "/").removeprefix("./")
    # As we write it: an apostrophe before what a spreadsheet would run as a formula.
    return name[1:] if name[:1] == "'" and name.lstrip("'").lstrip()[:1] in tuple("=+-@＝＋－＠") else name


def _short(path: str, way: int) -> str:
    """A picture's path or file name (ways 0 and 2), or these without their ending (ways 1 and 3)."""
    name = path.rpartition("/")[2] if way > 1 else path
    return os.path.splitext(name)[0] if way % 2 else name


def shown(columns: Columns) -> str:
    return listed([name or "an empty name" for name in columns])
