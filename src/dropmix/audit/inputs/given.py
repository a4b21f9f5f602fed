"""What a user says about the sources, and what column names mean."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first, shown
from dropmix.audit.inputs.example_ids import alike
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.naming.aliases import ALIASES, ALONE, ALSO, KEYS, bare, plain
from dropmix.audit.naming.totals import refuse_totals

GROUP, NO_GROUPS = "group", "none"  # what our files call groups; what to ask for if there are to be none


# What stands for no group, as in `dropmix.data.stratify`.
UNKNOWN = {"none", "(none)", "na", "n/a", "nan", "<na>", "nat", "null", "unknown", "missing", "?", "-", ""}


class MissingColumnError(AuditError):
    """A column that the user named is not there: not the file's fault, but the question's."""


@dataclass(frozen=True)
class Labels:
    """True classes, or another column of the examples, from another source.

    Attributes:
        values: (N,), numbers or names.
        ids: (N,), int64 or object (str); None if only the order says which is which.
        where: the source, for errors.
        what: a value is, for errors.
    """

    values: np.ndarray
    ids: np.ndarray | None
    where: str
    what: str = "label"

    def of(self, ids: np.ndarray | None, count: int, where: str) -> np.ndarray:
        """The labels of these examples.

        Raises:
            AuditError: examples without a label, another number of examples and no ids, or ids on one side alone.
        """
        if ids is None and self.ids is not None and self.what != "label":
            raise AuditError(
                f"{where}: expected example ids, to find each {self.what} in {self.where}, got none. Save ids, or give "
                f"the {self.what}s as an array in the order of the rows."
            )
        if ids is None or self.ids is None:
            if count != len(self.values):
                raise AuditError(
                    f"{where}: expected a {self.what} in {self.where} for each of {count} rows, got "
                    f"{len(self.values)}. Save ids in both."
                )
            return self.values
        ids, own = alike(ids, self.ids)
        order = np.argsort(own, kind="stable")
        again = own[order][1:] == own[order][:-1]
        unlike = again & (self.values[order][1:] != self.values[order][:-1])
        if unlike.any():
            twice = own[order][1:][unlike]
            raise AuditError(
                f"{self.where}: expected each example once, got {first(np.unique(twice))} with different values. "
                "Leave one row of each."
            )
        at = order[np.searchsorted(own[order], ids).clip(max=len(own) - 1)]
        wrong = np.flatnonzero(own[at] != ids)
        if len(wrong):
            lost = list(dict.fromkeys(ids[wrong].tolist()))
            raise AuditError(
                f"{where}: expected a {self.what} in {self.where} for every example, got none for {len(lost)}: "
                f"{first(lost)}. Check that both write ids the same way."
            )
        return self.values[at]


@dataclass(frozen=True)
class Reading:
    """How to read sources of predictions.

    Args:
        classes: names of the classes, K: a sequence, an array, or the path of a file with one name per line.
        topk: above 1, ranked classes are read.
        intersect: keep only the examples that all sources hold.
        columns: names of the source's columns, by content.
        labels: true classes for sources without them.
        group: what groups the examples, like `by`; None takes the groups that `save_predictions` or a run wrote, or
            that a mapping holds, and "none" takes each example by itself.
        by: what slices the examples: name of a column, or `Labels` from elsewhere.
        accept: further right classes per example.
        encoding: encoding of CSV files that are not UTF-8.
    """

    classes: Sequence[str] | Any = None
    topk: int = 1
    intersect: bool = False
    columns: Mapping[str, str] | None = None
    labels: Any = None
    group: Any = None
    accept: Any = None
    encoding: str | None = None
    by: Any = None


def about_groups(reading: Reading, arms: Iterable[Predictions]) -> list[str]:
    """A note if examples are grouped without having been asked about.

    Raises:
        AuditError: examples lack a group: all of these would count as one.
    """
    grouped = [(arm.arm, arm.group) for arm in arms if arm.group is not None]
    for arm, group in grouped:
        texts = {*group.tolist()} if group.dtype == object else set()
        words = sorted(text for text in texts if str(text).strip().casefold() in UNKNOWN)
        if words:
            missing = int(np.isin(group.astype(str), words).sum())
            raise AuditError(
                f"{arm}: expected a group for every example, got none ({first([repr(word) for word in words])}) for "
                f"{missing} of {len(group)}. Give each its own if it belongs to no other, or count each example by "
                f"itself, by dropmix audit --group {NO_GROUPS}."
            )
    if grouped and reading.group is None:
        note = "Examples of one group count as one, as the predictions say."
        return [f"{note} --group {NO_GROUPS} counts each by itself."]
    return []


def named_group(reading: Reading) -> dict[str, str]:
    """The column of groups, if one is asked for."""
    return {GROUP: reading.group} if isinstance(reading.group, str) and reading.group != NO_GROUPS else {}


def find_columns(names: Sequence[str], reading: Reading, where: str) -> dict[str, str]:
    """Which column holds what.

    Args:
        names: of all columns, in order.
        reading: `columns` and `group` name columns; others are found by their usual names.
    Returns:
        key ("label", "pred", "example_id", ...) -> name of the column.
    Raises:
        AuditError: a named column is missing, or a needed column occurs twice.

    Example:
        >>> find_columns(["file_name", "y_true", "Prediction", ""], Reading(), "a.csv")
        {'example_id': 'file_name', 'label': 'y_true', 'pred': 'Prediction'}
    """
    asked = {**(reading.columns or {}), **named_group(reading)}
    asked |= {"by": reading.by} if isinstance(reading.by, str) else {}
    unknown = [key for key in asked if key not in ALIASES and key not in ("group", "by")]
    if unknown:
        raise AuditError(f"columns: expected keys among {', '.join(ALIASES)}, got {clip(unknown[0])!r}. Rename it.")
    column_of: dict[str, str] = {}
    for key, name in asked.items():
        same = [n for n in names if n == name] or [n for n in names if plain(n) == plain(str(name))]
        if not same:
            raise MissingColumnError(
                f"{where}: expected a column {clip(name)!r} for {key}, got {shown(names)}. {_instead(key, name)}"
            )
        column_of[key] = same[0]
    by_name: dict[str, str] = {}
    for name in names:
        if name.strip():
            by_name.setdefault(bare(name), name)
    for key, aliases in ALIASES.items():
        if key not in column_of:
            known = [by_name[a] for a in map(bare, aliases) if a in by_name]
            free = [name for name in known if name not in column_of.values()]
            column_of |= {key: free[0]} if free else {}
    if reading.labels is not None and "pred" not in column_of:
        if column_of.get("label") and "label" not in asked:
            column_of["pred"] = column_of.pop("label")
        else:
            known = [by_name[a] for a in map(bare, ALONE) if a in by_name]
            candidates = [name for name in known if name not in column_of.values()]
            rest = [n for n in names if n.strip() and n not in column_of.values()]
            candidates = candidates or (rest if len(rest) == 1 else [])  # a file with ids and one other column
            column_of |= {"pred": candidates[0]} if candidates else {}
    if reading.labels is not None and "label" not in asked:
        column_of.pop("label", None)
    twice = [name for name in column_of.values() if list(names).count(name) > 1]
    if twice:
        raise AuditError(f"{where}: expected each column once, got {clip(twice[0])!r} twice. Rename the columns.")
    return {key: column_of[key] for key in ("group", "by", *ALIASES) if key in column_of}


def _instead(key: str, name: str) -> str:
    """What to do about a column that the user named and that is not there."""
    parents = key == "by" and plain(str(name)) in ("superclass", "superclasses")
    return f"Name one of these{', or give the superclass of each class (--superclasses FILE)' if parents else ''}."


def by_key(source: Mapping, reading: Reading, name: str, strict: bool = True) -> dict[str, Any]:
    """The arrays under our names, without empty keys.

    Args:
        strict: refuse other keys, as misspelt ones; a file may hold what else it likes.
    """
    asked = {str(column): key for key, column in (reading.columns or {}).items()}
    asked |= {reading.by: "by"} if isinstance(reading.by, str) else {}
    asked |= {column: key for key, column in named_group(reading).items()}
    lost = [c for c in asked if c not in {str(k) for k in source}]
    if lost and asked[lost[0]] not in ("label",):
        raise MissingColumnError(
            f"{name}: expected an array {clip(lost[0])!r} for {asked[lost[0]]}, got "
            f"{clip(', '.join(map(str, source)))}. {_instead(asked[lost[0]], lost[0])}"
        )
    arrays: dict[str, Any] = {}
    for key, value in source.items():
        ours = asked.get(str(key)) or ALSO.get(bare(str(key)))
        ours = "labels" if ours == "label" else "seeds" if ours == "seed" else ours
        if ours is None or (ours in arrays and bare(str(key)) != bare(ours)):
            if ours is None and strict:
                raise AuditError(f"{name}: expected keys among {', '.join(KEYS)}, got {clip(str(key))!r}. Rename it.")
            continue
        arrays[ours] = value
    if isinstance(reading.group, str) and reading.group == reading.by:
        arrays["by"] = arrays["group"]
    if isinstance(reading.group, str) and reading.group == NO_GROUPS:
        arrays.pop(GROUP, None)
    if reading.labels is not None:
        arrays.pop("labels", None)
    missing = "labels" not in arrays and reading.labels is None
    if not missing and len(source) == 1 and not arrays:  # numpy.savez(file, pred)
        arrays = {"pred": next(iter(source.values()))}
    if missing or not {"pred", "probs", "logits", "scores"} & set(arrays):
        refuse_totals(list(source), name)
        only = np.shape(arrays["pred"]) if arrays.get("pred") is not None else ()
        if not strict and len(only) == 2 and only[0] == only[1] > 1 and np.asarray(arrays["pred"]).dtype.kind in "iu":
            refuse_totals(["confusion"], name)
        hint = "Give the true classes, labels (--labels FILE)." if missing else "Name it pred or probs."
        if any(re.fullmatch(r"arr_\d+", str(key)) for key in source):
            hint = "Name the arrays: numpy.savez(file, labels=y_true, pred=y_pred)."
        raise AuditError(
            f"{name}: expected labels with pred or probs, got {clip(', '.join(map(str, source)))!r}. {hint}"
        )
    return arrays
