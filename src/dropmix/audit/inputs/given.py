"""What a user says about the sources, and what column names mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first

# Usual names of what we need, best first; compared without case, spaces and dashes.
ALIASES: dict[str, tuple[str, ...]] = {
    "arm": ("arm",),
    "seed": ("seed",),
    "example_id": (
        *(
            "example_id",
            "id",
            "ids",
            "example",
            "image_id",
            "imageid",
            "sample_id",
            "filename",
            "file_name",
            "imagename",
        ),
        *("image_name", "file", "path", "filepath", "file_path", "image_path", "image", "img", "uid", "key"),
    ),
    "label": (
        *("label", "labels", "y_true", "ytrue", "true_label", "true_class", "true", "target", "targets", "label_ids"),
        *("label_id", "ground_truth", "groundtruth", "gt", "actual", "reference", "references", "y"),
    ),
    "pred": (
        *("pred", "preds", "prediction", "predictions", "y_pred", "ypred", "predicted", "predicted_class"),
        *("predicted_label", "pred_label", "pred_class", "y_hat", "yhat"),
    ),
    "p_true": ("p_true",),
    "p_max": ("p_max", "predicted_probability", "confidence", "probability", "prob"),
    "topk": ("topk",),
    "accept": ("accept", "acceptable", "acceptable_labels"),
}
# Names of predictions in a file without labels, such as a submission.
ALONE = ("label", "class", "category", "target", "index", "class_id", "label_id")
SCORES = re.compile(r"(?:p|prob|probs|proba|probability|score|scores|logit|logits)([_ .:-]+)(.+)", re.IGNORECASE)
WIDE = re.compile(r"(?:pred|preds|prediction|predictions|y_pred|predicted)([_ .:-]+)(.+)", re.IGNORECASE)
FEW = 0.5  # least share of labels among the acceptable ones, if rows are matched correctly


class MissingColumnError(AuditError):
    """A column that the user named is not there: not the file's fault, but the question's."""


@dataclass(frozen=True)
class Labels:
    """True classes, or another column of the examples, from another source.

    Attributes:
        values: (N,), numbers or names.
        ids: (N,), int64 or object (str); None if only the order says which is which.
        where: the source, for errors.
    """

    values: np.ndarray
    ids: np.ndarray | None
    where: str

    def of(self, ids: np.ndarray | None, count: int, where: str) -> np.ndarray:
        """The labels of these examples.

        Raises:
            AuditError: examples without a label, or another number of examples and no ids.
        """
        if ids is None or self.ids is None:
            if count != len(self.values):
                raise AuditError(
                    f"{where}: expected as many examples as {self.where} has labels, {len(self.values)}, got {count}. "
                    "Save ids in both."
                )
            return self.values
        if ids.dtype.kind != self.ids.dtype.kind:
            ids, own = ids.astype(str).astype(object), self.ids.astype(str).astype(object)
        else:
            own = self.ids
        order = np.argsort(own, kind="stable")
        at = order[np.searchsorted(own[order], ids).clip(max=len(own) - 1)]
        wrong = np.flatnonzero(own[at] != ids)
        if len(wrong):
            raise AuditError(
                f"{where}: expected a label in {self.where} for every example, got none for {len(wrong)}: "
                f"{first(ids[wrong])}. Check that both write ids the same way."
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
        group: name of the column of groups.
        by: what slices the examples: name of a column, or `Labels` from elsewhere.
        accept: further right classes per example.
        encoding: encoding of CSV files that are not UTF-8.
    """

    classes: Sequence[str] | Any = None
    topk: int = 1
    intersect: bool = False
    columns: Mapping[str, str] | None = None
    labels: Any = None
    group: str | None = None
    accept: Any = None
    encoding: str | None = None
    by: Any = None


def plain(name: str) -> str:
    """A column's name without case, spaces and dashes."""
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


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
    asked = {**(reading.columns or {}), **({"group": reading.group} if reading.group else {})}
    asked |= {"by": reading.by} if isinstance(reading.by, str) else {}
    unknown = [key for key in asked if key not in ALIASES and key not in ("group", "by")]
    if unknown:
        raise AuditError(f"columns: expected keys among {', '.join(ALIASES)}, got {clip(unknown[0])!r}. Rename it.")
    found: dict[str, str] = {}
    for key, name in asked.items():
        same = [n for n in names if n == name] or [n for n in names if plain(n) == plain(str(name))]
        if not same:
            raise MissingColumnError(
                f"{where}: expected a column {clip(name)!r} for {key}, got {shown(names)}. Name one of these."
            )
        found[key] = same[0]
    by_plain: dict[str, str] = {}
    for name in names:
        if name.strip():
            by_plain.setdefault(plain(name), name)
    for key, aliases in ALIASES.items():
        if key not in found:
            free = [by_plain[a] for a in aliases if a in by_plain and by_plain[a] not in found.values()]
            found |= {key: free[0]} if free else {}
    if reading.labels is not None and "pred" not in found:
        if found.get("label") and "label" not in asked:
            found["pred"] = found.pop("label")
        else:
            held = [by_plain[a] for a in ALONE if a in by_plain and by_plain[a] not in found.values()]
            found |= {"pred": held[0]} if held else {}
    if reading.labels is not None and "label" not in asked:
        found.pop("label", None)
    twice = [name for name in found.values() if list(names).count(name) > 1]
    if twice:
        raise AuditError(f"{where}: expected each column once, got {clip(twice[0])!r} twice. Rename the columns.")
    return {key: found[key] for key in ("group", "by", *ALIASES) if key in found}


def wide_columns(names: Sequence[str], found: Mapping[str, str], pattern: re.Pattern) -> dict[str, str]:
    """Columns such as pred_0 or p_cat: what follows the prefix -> name of the column."""
    matches = [(name, pattern.fullmatch(name.strip())) for name in names if name not in found.values()]
    parts = [(name, match[1], match[2]) for name, match in matches if match]
    mark = min((separator for _, separator, _ in parts), key=len, default="")
    made: dict[str, str] = {}
    for name, separator, rest in parts:  # beside p_cat, "p_-2 deg" is the score of "-2 deg"
        made.setdefault((separator[len(mark) :] + rest).strip(), name)
    return made


def shown(names: Sequence[str]) -> str:
    """Column names for an error, with "(no name)" for empty ones."""
    return first([repr(clip(c)) if c.strip() else "(no name)" for c in names], 12) if len(names) else "no columns"


def acceptable(sets: Any, names: Sequence[str] | None, where: str) -> np.ndarray:
    """Acceptable classes of each example as indices, (N, A), int32, padded with -1.

    Raises:
        AuditError: a class that the class list lacks.
    """
    _check_lists(sets, where)
    width = max((len(s) for s in sets), default=0)
    made = np.full((len(sets), max(width, 1)), -1, dtype=np.int32)
    place = None if names is None else {name: i for i, name in enumerate(names)}
    for row, values in enumerate(sets):
        for at, value in enumerate(values):
            made[row, at] = _class_number(value, place, where)
    return made


def _check_lists(sets: Any, where: str) -> None:
    wrong = next((s for s in sets if not isinstance(s, list | tuple | set | frozenset | np.ndarray)), None)
    if wrong is not None:
        raise AuditError(
            f"{where}: expected a list of acceptable classes per example, got {clip(wrong)}. Write [3], or []."
        )


def _class_number(value: Any, place: dict[str, int] | None, where: str) -> int:
    if isinstance(value, str):
        if place is not None and value in place:
            return place[value]
        if not value.strip().isdigit():
            raise AuditError(
                f"{where}: expected acceptable classes of the class list, got {clip(value)!r}. Check the class list."
            )
        value = int(value)
    plain_number = isinstance(value, int | float | np.integer | np.floating) and np.isfinite(value)
    number = int(value) if plain_number else -1
    if not 0 <= number < 2**31 or number != value or (place is not None and number >= len(place)):
        raise AuditError(
            f"{where}: expected acceptable classes as class numbers or names, got {clip(value)}. Check it."
        )
    return number


def fit_accept(
    accept: Any, labels: np.ndarray, ids: np.ndarray | None, names: Sequence[str] | None, where: str
) -> np.ndarray:
    """Acceptable classes from another source, in the order of the examples.

    A list without ids is in the order of the examples or of their ids. If ids are known, the order is used in which
    more labels are among the acceptable classes.

    Args:
        accept: a boolean (N, K) array, a sequence of N sequences, or a mapping id -> sequence.
        labels: (N,), numbers.
        ids: (N,), or None.
    Raises:
        AuditError: another number of examples, or too few labels among the acceptable classes in either order.
    """
    if isinstance(accept, Mapping):
        texts = [] if ids is None else [str(i) for i in ids.tolist()]
        sets = {str(key): value for key, value in accept.items()}
        missing = [t for t in texts if t not in sets]
        if ids is None or missing:
            raise AuditError(
                f"{where}: expected acceptable classes for every example, got none for "
                f"{first(missing) or 'any, as there are no ids'}. Add them."
            )
        return acceptable([sets[t] for t in texts], names, where)
    if isinstance(accept, np.ndarray) and accept.ndim == 2 and accept.dtype.kind in "biu":
        accept = [np.flatnonzero(row).tolist() for row in accept]
    if len(accept) != len(labels):
        raise AuditError(
            f"{where}: expected acceptable classes for {len(labels)} examples, got {len(accept)}. Give one list each."
        )
    table = acceptable(accept, names, where)
    orders = [table]
    if ids is not None:
        by_id = np.empty_like(table)
        by_id[np.argsort(ids, kind="stable")] = table
        orders.append(by_id)
    fits = []
    for made in orders:
        some = (made >= 0).any(axis=1)
        fits.append(float((made == labels[:, None]).any(axis=1)[some].mean()) if some.any() else 1.0)
    best = int(np.argmax(fits))
    if fits[best] < FEW:
        raise AuditError(
            f"{where}: expected most labels among the acceptable classes, got {fits[best]:.0%}. "
            "Give the lists in the order of the examples or of their ids."
        )
    return orders[best]
