"""What is known about each picture outside of its folder: in a table beside the pictures, or in their names."""

import csv
import io
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from dropmix.data.readers.walk import ARCHIVES, images_below, listed, scan
from dropmix.data.records import DataError

ENDINGS = (".csv", ".tsv")
MOST_BYTES = 200_000_000
FEW = 0.5
"""A table is one of the pictures if a column names at least this share of its rows or of the pictures."""

WAYS = 4
"""In how many ways a cell may name a picture."""
MOST_HINTS = 20
"""Largest number of tables to look into for a hint."""

Columns = dict[str, list[str]]


def groups_of(group: str, ids: np.ndarray) -> list[str]:
    """The group of each picture.

    Args:
        group: as for `values_of`; a table's column is named "group", or is the only one beside the names.
        ids: N paths below the data set's folder.
    Raises:
        DataError: pictures that belong to no group, counted and named; a file or pattern that cannot be read.
    Example:
        >>> groups_of(r"(cam\\d+)_", np.array(["cat/cam1_7.jpg", "dog/cam2_7.jpg"]))
        ['cam1', 'cam2']
    """
    groups = values_of(group, ids, "data.group", ("group", "groups", "group_id"))
    lost = [name for name, one in zip(ids.tolist(), groups, strict=True) if not one]
    if lost:
        raise DataError(
            f"data.group: expected a group for each picture, got none for {len(lost)} of {len(ids)}: "
            f"{listed(lost)}. Add them to the groups."
        )
    return [str(one) for one in groups]


LABELS = ("label", "labels", "class", "category", "target", "diagnosis", "dx", "species", "breed")


def labels_of(labels: str, ids: np.ndarray) -> list[str | None]:
    """The class of each picture, or None for pictures without one.

    Args:
        labels: as for `values_of`; a table's column has a usual name (`LABELS`), or is the only one beside the names,
            or there is a column of 0 and 1 per class.
        ids: N paths.
    Raises:
        DataError: no picture has a class, or `values_of` refuses the table or pattern.
    """
    if labels == "folder":
        raise DataError(
            "data.labels: expected a table or a pattern, got folder. Leave it out: folders are the classes."
        )
    classes = values_of(labels, ids, "data.labels", LABELS, per_class=True)
    if not any(classes):
        raise DataError(f"data.labels: expected a class for pictures such as {ids[0]}, got none. Check {labels}.")
    return classes


def values_of(
    given: str, ids: np.ndarray, setting: str, usual: tuple[str, ...], per_class: bool = False
) -> list[str | None]:
    """What a setting says of each picture; None where it says nothing.

    Args:
        given: "folder", the folder of a picture; a CSV or TSV file, perhaps with ":" and a column; or a regular
            pattern, whose first bracket (or the whole match) in the path is the value. A table names pictures in any
            column: by path or file name, with or without the ending.
        ids: N paths.
        setting: name of the setting, for messages.
        usual: names of the column, the first that is there is taken.
        per_class: whether columns of 0 and 1, one of which is 1 in each row, may take its place.
    """
    if given == "folder":
        return [str(Path(name).parent) for name in ids.tolist()]
    file = _file_of(given)
    if file is not None:
        return _from_table(Path(file), given[len(file) + 1 :], ids, usual, per_class)
    try:
        matches = [re.search(given, name) for name in ids.tolist()]
    except re.error as error:
        raise DataError(f"{setting}: expected a regular pattern, got {given!r} ({error}). Mend it.") from None
    return [m and (m.group(1) if m.re.groups else m.group()) for m in matches]


def beside(given: str | None, folder: Path | None) -> str | None:
    """A setting with the table's path in full, if it is not found as it stands, but in the folder of the pictures."""
    file = None if given is None else _file_of(given)
    if file is None or folder is None or Path(file).is_file() or not (folder / file).is_file():
        return given
    return str(folder / str(given))


def _file_of(given: str) -> str | None:
    """The file in "FILE.csv" or "FILE.csv:COLUMN"; None for anything else."""
    match = re.match(r"(?is)(.*\.(?:csv|tsv))(?::.*)?$", given)
    return match[1] if match else None


def _from_table(file: Path, column: str, ids: np.ndarray, usual: tuple[str, ...], per_class: bool) -> list[str | None]:
    columns = read_table(file)
    names, match = name_column(columns, ids)
    if names is None:
        raise DataError(
            f"{file}: expected a column that names the pictures, such as {ids[0]}, got {_shown(columns)}. "
            "Give paths below the folder, or file names."
        )
    values = _values(file, columns, names, column, usual, per_class)
    known: dict[int, str] = {}
    for name, row, value in zip(columns[names], match, values, strict=True):
        if row is not None and known.setdefault(row, value) != value:
            raise DataError(f"{file}: expected one value for each picture, got two for {name}. Give full paths.")
    return [known.get(row) or None for row in range(len(ids))]


def _values(
    file: Path, columns: Columns, names: str, column: str, usual: tuple[str, ...], per_class: bool
) -> list[str]:
    """The column that is asked for, or that can be told from the others."""
    if column:
        if column not in columns:
            raise DataError(f"{file}: expected a column {column!r}, got {_shown(columns)}. Name one of them.")
        return columns[column]
    rest = [name for name in columns if name != names]
    plain = {name.strip().casefold(): name for name in reversed(rest)}
    for name in usual:
        if name in plain:
            return columns[plain[name]]
    if len(rest) == 1:
        return columns[rest[0]]
    if per_class and len(rest) > 1 and (classes := _one_of(rest, columns)):
        return classes
    raise DataError(
        f"{file}: expected one column beside {names!r}, or {usual[0]!r}, got {_shown(columns)}. "
        f"Name one, as in {file.name}:{rest[0] if rest else usual[0]}."
    )


def _one_of(rest: list[str], columns: Columns) -> list[str] | None:
    """The column that is 1 in each row; None if there are other values, or several of them."""
    classes = []
    for cells in zip(*(columns[name] for name in rest), strict=True):
        if not {*cells} <= {"0", "1", "0.0", "1.0"} or sum(cell[0] == "1" for cell in cells) != 1:
            return None
        classes.append(rest[[cell[0] for cell in cells].index("1")].strip())
    return classes


def name_column(columns: Columns, ids: np.ndarray) -> tuple[str | None, list[int | None]]:
    """The column that names most pictures, and the picture (row of `ids`) of each of its cells; None if there is none.

    Raises:
        DataError: a name of several pictures.
    """
    paths = {name: row for row, name in enumerate(ids.tolist())}
    shorts = [{_short(name, way): row for name, row in paths.items()} for way in range(WAYS)]
    counts = [Counter(_short(name, way) for name in paths) for way in range(WAYS)]
    best: tuple[int, str, int] = (0, "", 0)
    for column, cells in columns.items():
        for way in range(WAYS):
            named = len({_plain(cell) for cell in cells} & shorts[way].keys())
            best = max(best, (named, column, -way))
    named, column, way = best
    if not named or named < FEW * min(len(ids), len({*columns[column]})):
        return None, []
    for cell in columns[column]:
        if counts[-way][_plain(cell)] > 1:
            raise DataError(
                f"data: expected names of one picture each, got {cell} for {counts[-way][_plain(cell)]} of them. "
                "Give paths below the folder, or name the folder of one part."
            )
    return column, [shorts[-way].get(_plain(cell)) for cell in columns[column]]


def _plain(name: str) -> str:
    name = name.strip().replace("\\", "/").removeprefix("./")
    # As we write it: an apostrophe before what a spreadsheet would run as a formula.
    return name[1:] if name[:1] == "'" and name.lstrip("'")[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def _short(path: str, way: int) -> str:
    """A picture's path or file name (ways 0 and 2), or these without their ending (ways 1 and 3)."""
    name = path.rpartition("/")[2] if way > 1 else path
    return os.path.splitext(name)[0] if way % 2 else name


def _shown(columns: Columns) -> str:
    return listed([name or "an empty name" for name in columns])


def read_table(file: Path) -> Columns:
    """Columns of a CSV or TSV file, with cells as text.

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
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "another encoding" if isinstance(error, UnicodeDecodeError) else str(error)
        raise DataError(f"{file}: expected a CSV file with a header, in UTF-8, got {reason}. Check it.") from None
    if len(rows) < 2:
        raise DataError(f"{file}: expected a header and rows, got {len(rows)} rows. Check it.")
    head = [name.strip() for name in rows[0]]
    if len({*head}) < len(head):
        doubled = next(name for name, count in Counter(head).items() if count > 1)
        raise DataError(f"{file}: expected columns of different names, got two of {doubled!r}. Rename one.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            raise DataError(
                f"{file}: expected {len(head)} cells in each row, got {len(row)} in row {number}. Check the separators."
            )
    return {name: [row[place].strip() for row in rows[1:]] for place, name in enumerate(head)}


def table_hint(folder: Path, ids: np.ndarray) -> str:
    """A sentence on a table that lies in a folder, or beside it, and names its pictures; "" without one."""
    for place in (folder, folder.parent):
        for file in sorted(file for file in place.iterdir() if file.suffix.lower() in ENDINGS)[:MOST_HINTS]:
            try:
                columns = read_table(file)
                names, match = name_column(columns, ids)
            except DataError:
                continue
            if names is None:
                continue
            try:
                _values(file, columns, names, "", LABELS, per_class=True)
                which = ""
            except DataError:
                which = ":COLUMN"
            count = len({row for row in match if row is not None})
            told = f" with one of its columns {_shown(columns)}" if which else ""
            setting = f"--data {folder} --set data.labels={file}{which}{told}"
            return f"{file.name} names {count} of the {len(ids)} pictures. Give {setting}."
    return ""


def what_to_do(path: Path) -> str:
    """Advice for a folder that has no class folders."""
    inside = [entry.name for entry in scan(str(path))]
    if packed := [name for name in inside if os.path.splitext(name)[1].lower() in ARCHIVES]:
        return f"Unpack {listed(sorted(packed))}, and name the folder."
    ids = ids_below(path)
    if not len(ids):
        return "Name the folder above the class folders."
    return table_hint(path, ids) or (
        f"Sort its pictures into a folder per class; or let --set data.labels=PATTERN find the class in names such as "
        f"{ids[0]}, or data.labels=FILE.csv in a table."
    )


def ids_below(path: Path) -> np.ndarray:
    """Paths of all pictures below a folder, relative to it."""
    return ids_of(path, list(images_below(str(path))))


def ids_of(path: Path, files: list[str]) -> np.ndarray:
    above = 0 if path == Path() else len(os.path.join(path, ""))  # Path(".") / "a" is "a"
    return np.array([file[above:].replace(os.sep, "/") for file in files])
