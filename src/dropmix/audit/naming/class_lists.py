"""Class lists in the forms in which files and users give them."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats.columns import WHOLE
from dropmix.audit.naming.aliases import plain

LISTS = (
    "id2label",
    "idx_to_class",
    "label2id",
    "class_to_idx",
    "classes",
    "class_names",
    "names",
    "labels",
    "categories",
)
HEADS = {"class", "classes", "class_name", "class_names", "label", "labels", "name", "names", "category", "categories"}
HEADS |= {"index", "idx", "id", "class_id", "label_id", "class_idx", "class_index"}


def class_list(content: Any, where: str) -> tuple[str, ...]:
    """Names of the classes by number, from what a file or a user gives.

    Args:
        content: names in order, number -> name (or several names, of which the last counts), name -> number, or one of
            these under a usual key, as in the config.json of Hugging Face.
        where: the source, for errors.
    Raises:
        AuditError: numbers other than 0 to K - 1, a name that is no text, a repeated name, or none.

    Example:
        >>> class_list({"id2label": {"1": "dog", "0": "cat"}}, "config.json")
        ('cat', 'dog')
    """
    if isinstance(content, Mapping):
        inner = next((content[key] for key in LISTS if isinstance(content.get(key), list | Mapping)), None)
        if inner is not None:
            return class_list(inner, where)
        by_name = all(isinstance(v, int) and not isinstance(v, bool) for v in content.values())
        pairs = [(v, k) if by_name else (k, v[-1] if isinstance(v, list) and v else v) for k, v in content.items()]
    elif content and all(isinstance(v, Mapping) and {"id", "name"} <= v.keys() for v in content):
        pairs = [(v["id"], v["name"]) for v in content]
    else:
        pairs = [*enumerate(content)]
    given = {int(n) if WHOLE.fullmatch(str(n)) else n: v for n, v in pairs}
    if {*given} != {*range(len(pairs))}:
        got = first([n for n, _ in pairs])
        raise AuditError(f"{where}: expected classes 0 to {len(pairs) - 1}, got {got}. Number them as predictions do.")
    odd = [v for v in given.values() if not isinstance(v, str | int | float | np.generic) or str(v) in ("", "nan")]
    names = tuple(str(given[n]) for n in range(len(given)))
    odd = odd or [name for name, times in Counter(names).items() if times > 1]
    if odd or not names:
        raise AuditError(f"{where}: expected different names, got {first(odd) or 'none'}. Rename one.")
    return names


def class_lines(lines: list[str], where: str) -> tuple[str, ...]:
    """Names of the classes from the lines of a text, each with a name, or with a number and a name.

    Raises:
        AuditError: as `class_list`; a header or comment before plain names, or all on one line.

    Example:
        >>> class_lines(["index,name", "1,dog", "0,cat"], "classes.csv")
        ('cat', 'dog')
    """
    if len(lines) > 1 and all(re.fullmatch('"[^"]+"', line) for line in lines):
        lines = [line.strip('"') for line in lines]
    cells = re.split("[,;\t]", lines[0]) if lines else []
    head = all(plain(cell.strip('"')) in HEADS for cell in cells)
    if lines and re.fullmatch(r"[\w-]+:( *\[.*)?|.*[{}]", lines[0]) and len(lines) > 1:
        raise AuditError(
            f"{where}: expected a line per class, got {clip(lines[0])!r} first, as of YAML or a map of labels. Save "
            "the names as a JSON list, or one per line."
        )
    for form in (r"(?P<n>\d+) *[,;:\t ] *(?P<name>.+)", r"(?P<name>.+?) *[,;\t ] *(?P<n>\d+)"):
        matches = [re.fullmatch(form, line) for line in lines[head:]]
        pairs = {int(match["n"]): match["name"].strip('" ') for match in matches if match}
        if len(matches) < 2 or len(pairs) < len(matches) or len({*pairs.values()}) < len(pairs):
            continue  # "class 0" and "class 1" are names
        if {*pairs} == {*range(len(matches))}:
            return class_list(pairs, where)
        if {*pairs} == {*range(1, len(matches) + 1)}:
            raise AuditError(
                f"{where}: expected classes 0 to {len(pairs) - 1}, got 1 to {len(pairs)}. Number them as predictions "
                "do, or leave the numbers out; if they belong to the names, save these as a JSON list."
            )
    if (len(lines) > 1 and (head or lines[0].startswith("# "))) or len(lines) == 1 < len(cells):
        raise AuditError(
            f"{where}: expected a line per class, got {clip(lines[0])!r} first. Remove a header or comment, and break "
            "up a list; a class of that name goes into a JSON list."
        )
    return class_list(lines, where)
