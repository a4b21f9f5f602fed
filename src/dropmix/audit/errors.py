"""The errors of the audit, which its user can fix."""

from collections.abc import Sequence
from difflib import get_close_matches

from dropmix.audit.arm_names import visible


class AuditError(ValueError):
    """An input or setting that cannot be audited; the message is one line and says what to do.

    Example:
        >>> raise AuditError("a.csv: expected a column 'label', got none. Add it.")
        Traceback (most recent call last):
        dropmix.audit.errors.AuditError: a.csv: expected a column 'label', got none. Add it.
    """

    def __init__(self, message: str):
        super().__init__(visible(" ".join(str(message).split())))


class NoPredictionsError(AuditError):
    """No run of a grid has predictions that can be read."""


class FilesError(AuditError):
    """The faults of several files; files with the same fault are named together.

    Args:
        faults: pairs of a file and its fault, which may begin with the file's name.

    Example:
        >>> print(FilesError([("a", "a: got none."), ("b", "b: got none."), ("c", "c: got an empty file.")]))
        a: got none. The same holds of b. (1 more: c: got an empty file.)
    """

    def __init__(self, faults: Sequence[tuple[str, str]]):
        self.faults = faults
        files_by_fault: dict[str, list[str]] = {}
        for file, fault in faults:
            where = f"{file}: " if fault.startswith(f"{file}: ") else ""
            files_by_fault.setdefault(fault.removeprefix(where), []).append(where)
        told = []
        for fault, files in files_by_fault.items():
            others = [where.removesuffix(": ") for where in dict.fromkeys(files[1:]) if where != files[0]]
            told.append(f"{files[0]}{fault}" + (f" The same holds of {', '.join(others)}." if others else ""))
        more = f" ({len(told) - 1} more: {' | '.join(told[1:])})" if len(told) > 1 else ""
        super().__init__(clip(told[0] + more, 4000))


def first(values, limit: int = 3) -> str:
    """The first few of many values, shortened, for an error message.

    Args:
        values: a sized sequence or array.
        limit: how many to show.

    Example:
        >>> first([4, 5, 6, 7])
        '4, 5, 6 and 1 more'
    """
    named = ", ".join(clip(value) for value in values[:limit])
    more = len(values) - limit
    return f"{named} and {more} more" if more > 0 else named


def advice(name: str, among: Sequence[str]) -> str:
    """What may have been meant by a name that is not among the known ones.

    Example:
        >>> advice("foxx", ["dog", "fox"]), advice("bird", ["dog", "fox"])
        ("Did you mean 'fox'?", 'They are dog, fox.')
    """
    near = get_close_matches(name, among, 1)
    return f"Did you mean {clip(near[0])!r}?" if near else f"They are {first(among, 10)}."


def tally(count: int, one: str, many: str) -> str:
    """A count with the words that follow it.

    Example:
        >>> tally(1, "run was", "runs were"), tally(3, "run was", "runs were")
        ('1 run was', '3 runs were')
    """
    return f"{count} {one if count == 1 else many}"


def shown(names) -> str:
    """Names of columns for an error message, "(no name)" for empty ones.

    Example:
        >>> shown(["label", ""])
        "'label', (no name)"
    """
    return first([repr(clip(c)) if c.strip() else "(no name)" for c in names], 12) if len(names) else "no columns"


def clip(value: object, limit: int = 60) -> str:
    """Text of a value, at most `limit` characters, on one line, safe to print: what is invisible is an escape.

    Example:
        >>> clip("a" * 100, limit=8)
        'aaaaaaa…'
    """
    text = str(value.item() if hasattr(value, "item") else value)[: limit + 1]  # pyright: ignore[reportAttributeAccessIssue]
    text = visible(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
