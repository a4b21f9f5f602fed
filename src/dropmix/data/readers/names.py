"""Class names of two splits: which are one class, and which print alike."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dropmix.data.readers.walk import Left, class_folders, listed
from dropmix.data.records import DataError

NUMBERED_CLASSES = set("class classes cls category label type kind grade stage level species breed c klasse".split())
"""Words that with a number name a class, as class1 and grade_2 do."""


def class_key(name: str) -> str:
    """A class's name for comparison across splits, without case, Unicode form and blanks at its ends.

    Example:
        >>> class_key("Cafe\\u0301 ") == class_key("caf\\u00e9")
        True
    """
    return unicodedata.normalize("NFC", name).strip().casefold()


def by_class(train: Path, test: Path, left: Left) -> tuple[list[str], list[dict[str, Path]]]:
    """Sorted names of the classes, and for each split the folder of each class.

    A class found in one split only is matched to a class of the other split whose name differs only in case, Unicode
    form or blanks at its ends; it is named as in `train`.

    Raises:
        DataError: two names of one split that print alike.
    """
    parts = [{folder.name: folder for folder in class_folders(split, left)} for split in (train, test)]
    for split, part in zip((train, test), parts):
        check_names(split, list(part), left)
    for other, name in renamed(parts[0], parts[1]).items():
        parts[1][name] = parts[1].pop(other)
        left.remarks.append(same_class(other, name, test.name, train.name))
    return sorted(set(parts[0]) | set(parts[1])), parts


def renamed(train: Iterable[str], test: Iterable[str]) -> dict[str, str]:
    """Names that only `test` has -> the one name that only `train` has and that differs in case, form or blanks alone.

    Example:
        >>> renamed(["cat", "dog"], ["Cat ", "dog"])
        {'Cat ': 'cat'}
    """
    alone = [sorted({*train} - {*test}), sorted({*test} - {*train})]
    keys = [Counter(map(class_key, names)) for names in alone]
    other = {class_key(name): name for name in alone[1]}
    return {other[key]: name for name in alone[0] if keys[0][key := class_key(name)] == keys[1][key] == 1}


def same_class(other: str, name: str, test: str, train: str) -> str:
    """A remark on a class of the test split that is called otherwise in train."""
    show = repr if unicodedata.normalize("NFC", other) != unicodedata.normalize("NFC", name) else ascii
    return f"class {show(other)} of {test} is taken as {show(name)} of {train}"


def check_names(folder: Path, names: list[str], left: Left) -> None:
    """Remark on class names that differ only by case or blanks at their ends.

    Raises:
        DataError: two names that print alike, such as composed and decomposed forms of a letter, or two classes whose
            folders are one, by a link.
    """
    check_links(folder, names)
    check_alike(folder, names, left)


def check_links(folder: Path, names: list[str]) -> None:
    """Raise DataError if two names lead to one folder."""
    places: dict[str, str] = {}
    for name in names:
        other = places.setdefault(os.path.realpath(folder / name), name)
        if other != name:
            raise DataError(
                f"{folder}: expected a folder of its own for each class, got {other!r} and {name!r} as one, by a link. "
                "Remove the link."
            )


def check_alike(folder: Path, names: list[str], left: Left) -> None:
    """Remark on names that differ only by case or blanks at their ends, and refuse those that print alike."""
    keys = Counter(class_key(name) for name in names)
    near = [repr(name) for name in names if keys[class_key(name)] > 1]
    if near:
        left.remarks.append(f"classes that differ only by case or blanks: {listed(near)}. Merge them if they are one")
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise DataError(
                f"{folder}: expected class names that differ, got {other!a} and {name!a}, which print alike. "
                "Merge or rename them."
            )


def refuse_numbered(inside: dict[Path, set[str]]) -> None:
    """Raise DataError if folders taken for classes are numbered alike, and most hold folders of the same names.

    Patients, sessions or cameras that each hold folders of the classes, as patient1/cat and patient2/cat.

    Args:
        inside: folders taken for classes, and the names of the folders in each.
    """
    outer = {_stem(folder.name) for folder in inside}
    count = Counter(class_key(name) for names in inside.values() for name in names)
    shared = [name for name, times in count.items() if 2 * times > len(inside)]
    numbered = len({_stem(name) for name in count}) < 2  # then more patients than classes, as 8863/0 and 8863/1
    common = 2 * len(shared) >= len(count) or sum(count.values()) >= 2 * len(count)
    if len(outer) > 1 or len(inside) < 2 or len(count) < 2 or not common:
        return
    if NUMBERED_CLASSES & {stem.casefold() for stem in outer} or (numbered and len(inside) <= len(count)):
        return
    names = listed([folder.name for folder in inside])
    raise DataError(
        f"{next(iter(inside)).parent}: expected a folder per class, got {names}, which hold folders of the same names: "
        f"{listed(sorted({name for names in inside.values() for name in names}))}. If these are the classes, give "
        "--set 'data.labels=([^/]+)/[^/]+$' and, to keep pictures of one of the outer folders together, --set "
        "'data.group=([^/]+)/[^/]+/[^/]+$'; if the outer ones are, --set 'data.labels=([^/]+)/[^/]+/[^/]+$'."
    )


def _stem(name: str) -> str:
    """A name without its number, or the letter at its end: "patient" for patient_07 and patientB."""
    return re.sub(r"[\W\d_]", "", re.sub(r"(?:(?<=[-_ ])|(?<=[a-z])(?=[A-Z])|^)[A-Za-z]$", "", name))
