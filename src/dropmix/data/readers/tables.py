"""What is known about each picture outside of its folder: in a table beside the pictures, or in their names."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dropmix.data.readers.cells import Columns, name_column, read_table, shown
from dropmix.data.readers.walk import ARCHIVES, STORES, Left, images_below, listed, scan
from dropmix.data.records import DataError
from dropmix.data.stratify import check_known

ENDINGS = (".csv", ".tsv")
OTHER = re.compile(
    r"(?i)\.(?:xlsx?|ods|json[l]?|txt|parquet|arrow|feather|pkl|npz|mat|xml|ya?ml|db|zip|gz|md)(?::[^:]*)?$"
)
"""Endings of files that may hold a table and are not read as one."""
MOST_HINTS = 20
"""Largest number of tables to look into for a hint."""


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
    check_known([one and Path(one).name for one in groups] if group == "folder" else groups, ids.tolist())
    return [str(one) for one in groups]


SPLITS = ("split", "subset", "partition", "set")
"""Columns that may name the split of each picture."""
MISSING = {"", "nan", "<na>", "nat"}
"""How programs write a value that is not there."""
LABELS = ("label", "labels", "class", "category", "target", "diagnosis", "dx", "species", "breed", "choice")


def labels_of(labels: str, ids: np.ndarray, root: Path | None = None) -> list[str | None]:
    """The class of each picture, or None for pictures without one.

    Args:
        labels: as for `values_of`; a table's column has a usual name (`LABELS`), or is the only one beside the names,
            or there is a column of 0 and 1 per class.
        ids: N paths.
        root: the folder of the pictures; a table that lies in each folder of a split is read for the pictures there.
    Raises:
        DataError: no picture has a class, or `values_of` refuses the table or pattern.
    """
    if labels == "folder":
        raise DataError(
            "data.labels: expected a table or a pattern, got folder. Leave it out: folders are the classes."
        )
    classes: list[str | None] = [None] * len(ids)
    for given, rows in tables_within(labels, ids, root) or [(labels, range(len(ids)))]:
        values = values_of(given, ids[list(rows)], "data.labels", LABELS, per_class=True)
        for row, value in zip(rows, values, strict=True):
            classes[row] = value
    if not any(classes):
        raise DataError(f"data.labels: expected a class for pictures such as {ids[0]}, got none. Check {labels}.")
    return classes


def tables_within(given: str, ids: np.ndarray, root: Path | None) -> list[tuple[str, Sequence[int]]]:
    """The tables of one name in the folders of the pictures, each with the rows of the pictures below its folder."""
    file = _file_of(given)
    if file is None or root is None or Path(file).is_file() or os.path.isabs(file):
        return []
    found = sorted(path for depth in ("*/", "*/*/") for path in root.glob(depth + file))
    made = []
    for path in found:
        below = path.parent.relative_to(root).as_posix() + "/"
        rows = [row for row, name in enumerate(ids.tolist()) if name.startswith(below)]
        made += [(f"{path}{given[len(file) :]}", rows)] if rows else []
    return made


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
    if OTHER.search(given):
        raise DataError(f"{given}: expected a table as CSV or TSV, got another kind of file. Save it as CSV.")
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
            f"{file}: expected a column that names the pictures, such as {ids[0]}, got {shown(columns)}. "
            "Give paths below the folder, or file names."
        )
    values = _values(file, columns, names, column, usual, per_class)
    known: dict[int, str] = {}
    for name, row, value in zip(columns[names], match, values, strict=True):
        if len((name + value).splitlines()) > 1:  # what follows a stray quote, up to the next one
            raise DataError(f"{file}: expected one row per line, got {name + ',' + value!r:.80}. Close its quotes.")
        if row is not None and known.setdefault(row, value) != value:
            raise DataError(f"{file}: expected one value for each picture, got two for {name}. Give full paths.")
    return [None if known.get(row, "").casefold() in MISSING else known[row] for row in range(len(ids))]


def splits_of(labels: str, ids: np.ndarray) -> list[str | None]:
    """The split of each picture by a column of the table that gives the classes; nothing without such a column."""
    file = _file_of(labels)
    columns = {} if file is None or not Path(file).is_file() else read_table(Path(file))
    column = next((name for name in columns if name.strip().casefold() in SPLITS), None)
    return [] if column is None or file is None else _from_table(Path(file), column, ids, (), False)


def _values(
    file: Path, columns: Columns, names: str, column: str, usual: tuple[str, ...], per_class: bool
) -> list[str]:
    """The column that is asked for, or that can be told from the others."""
    if column:
        if column not in columns:
            raise DataError(f"{file}: expected a column {column!r}, got {shown(columns)}. Name one of them.")
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
        f"{file}: expected one column beside {names!r}, or {usual[0]!r}, got {shown(columns)}. "
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


def table_hint(folder: Path, ids: np.ndarray, splits: Sequence[Path] = ()) -> str:
    """A sentence on a table that lies in a folder, or beside it, and names its pictures; "" without one.

    Args:
        folder: of the pictures.
        ids: their paths.
        splits: folders of splits beside it, which may hold tables of that name.
    """
    hints: list[tuple[int, str]] = []
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
            told = f" with one of its columns {shown(columns)}" if which else ""
            holding = [one.name for one in {folder, *splits} if (one / file.name).is_file()]
            if place == folder and len(holding) > 1:
                whole = f"--data {folder.parent} --set data.labels={file.name}{which}{told}"
                return f"{file.name} in each of {listed(sorted(holding))} names pictures. Give {whole}."
            setting = f"--data {folder} --set data.labels={file}{which}{told}"
            hints.append((-count, f"{file.name} names {count} of the {len(ids)} pictures. Give {setting}."))
    return min(hints, key=lambda hint: hint[0], default=(0, ""))[1]


def what_to_do(path: Path, splits: Sequence[Path] = ()) -> str:
    """Advice for a folder that has no class folders; `splits` as for `table_hint`."""
    inside = [entry.name for entry in scan(str(path))]
    if packed := [name for name in inside if os.path.splitext(name)[1].lower() in ARCHIVES]:
        return f"Unpack {listed(sorted(packed))}, and name the folder."
    ids = ids_below(path)
    if not len(ids):
        left = Left()
        list(images_below(str(path), left))
        stored = sorted({*left.endings} & STORES)
        if stored:
            return f"Save what the files of {listed(stored)} hold as pictures in class folders, or as parquet."
        return "Name the folder above the class folders."
    return table_hint(path, ids, splits) or (
        f"Sort its pictures into a folder per class; or let --set data.labels=PATTERN find the class in names such as "
        f"{ids[0]}, or data.labels=FILE.csv in a table."
    )


def ids_below(path: Path) -> np.ndarray:
    """Paths of all pictures below a folder, relative to it."""
    return ids_of(path, list(images_below(str(path))))


def ids_of(path: Path, files: list[str]) -> np.ndarray:
    above = 0 if path == Path() else len(os.path.join(path, ""))  # Path(".") / "a" is "a"
    return np.array([file[above:].replace(os.sep, "/") for file in files])
