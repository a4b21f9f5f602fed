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
        "img_path",
    ),
    "label": (
        *("label", "labels", "y_true", "ytrue", "true_label", "true_class", "true", "target", "targets", "label_ids"),
        *("y_test", "gt_label", "gt_labels", "truth"),
        *("label_id", "ground_truth", "groundtruth", "gt", "actual", "reference", "references", "y"),
    ),
    "pred": (
        *("pred", "preds", "prediction", "predictions", "y_pred", "ypred", "predicted", "predicted_class"),
        *("predicted_label", "pred_label", "pred_class", "y_hat", "yhat", "_pred_class", "estimate"),
    ),
    "p_true": ("p_true",),
    "p_max": ("p_max", "predicted_probability", "confidence", "probability", "prob"),
    "topk": ("topk",),
    "accept": ("accept", "acceptable", "acceptable_labels"),
}
# Names of predictions in a file without labels, such as a submission.
ALONE = ("label", "class", "category", "target", "index", "class_id", "label_id")
SCORES = re.compile(r"(?:p|prob|probs|proba|probability|score|scores|logit|logits)([_ .:-]+)(.+)", re.IGNORECASE)
METRIC = re.compile(
    r"(?:.*[/_. -])?(?:epoch|step|loss|acc|accuracy|top[-_]?[15](?:[-_]err)?|lr|runtime|f1|precision|recall|auc)"
    r"(?:[/_. -].*)?"
)
CONFUSION = "a confusion matrix"
COUNTS = {"count", "counts", "n", "npredictions", "n_predictions", "freq", "frequency", "total", "support"}
WIDE = re.compile(r"(?:pred|preds|prediction|predictions|y_pred|predicted)([_ .:-]+)(.+)", re.IGNORECASE)


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
    """A column's name without case, spaces, dashes and characters that do not show."""
    return re.sub(r"[\s.-]+", "_", re.sub("[\u200b-\u200f\u2060\ufeff]", "", name).strip().lower())


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
            rest = [n for n in names if n.strip() and n not in found.values()]
            held = held or (rest if len(rest) == 1 else [])  # a file with ids and one other column
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


def refuse_totals(names: Sequence[str], where: str) -> None:
    """Refuse what was computed from predictions: metrics, reports and confusion matrices, told by their names.

    Raises:
        AuditError: such names.
    """
    flat = [plain(str(name)) for name in names]
    metrics = [str(name) for name, text in zip(names, flat) if METRIC.fullmatch(text)]
    if {"precision", "recall"} <= {*flat}:
        kind, advice = "a classification report, which holds totals per class", "the two arrays that it was made of"
    elif any(text in ("cm", "conf_mat") or "confusion" in text for text in flat):
        kind, advice = CONFUSION, "the two arrays that it was made of"
    elif len(metrics) > 1 and 3 * len(metrics) >= len([text for text in flat if text]):
        kind, advice = f"metrics ({first(metrics)})", "the predictions on the test set that they were computed from"
    else:
        return
    raise AuditError(f"{where}: expected a prediction per example, got {kind}. Save {advice}, y_true and y_pred.")


def without_predictions(names: Sequence[str], missing: str, where: str) -> AuditError:
    """The error for a table without true classes (`missing` is "label") or predictions ("pred")."""
    refuse_totals(names, where)
    also = ", or give the labels (--labels FILE)" if missing == "label" else ""
    if missing == "pred" and any(plain(name) in ("label", "class", "target") for name in names):
        also = ", or if label holds predictions, give the true classes (--labels FILE)"
    elif missing == "pred" and sum(name.strip().isdigit() for name in names) > 1:
        also = ", or name scores of class 0 p_0 or logit_0, and so on"
    return AuditError(
        f"{where}: expected columns label and pred, got {shown(names)}. Add {missing}, name it "
        f"(--columns {missing}=NAME){also}."
    )


def refuse_counts(table: Any, found: Mapping[str, str], where: str) -> None:
    """Refuse a table of counts: a row per pair of true and predicted class, with a column of how often it came.

    Raises:
        AuditError: such a table.
    """
    counts = [n for n in table.column_names if plain(n) in COUNTS and n not in found.values()]
    if not counts or "example_id" in found or not {"label", "pred"} <= found.keys() or len(table) < 2:
        return
    pairs = zip(table[found["label"]].to_pylist(), table[found["pred"]].to_pylist())
    if len({*pairs}) == len(table):
        raise AuditError(
            f"{where}: expected a row per example, got a row per pair of classes with its number ({clip(counts[0])}), "
            f"as in {CONFUSION}. Save the arrays that it was made of, y_true and y_pred."
        )


def rows_of(held: Any, where: str) -> Any:
    """The rows of a JSON table as pandas writes it, by row, by column or `split`; else what was given.

    Raises:
        AuditError: a classification report, or several classes per example.

    Example:
        >>> rows_of({"a.jpg": {"index": 3}}, "a.json")
        [{'example_id': 'a.jpg', 'index': 3}]
    """
    if isinstance(held, list) and held and isinstance(held[0], list) and held[0] and isinstance(held[0][0], dict):
        raise AuditError(f"{where}: expected a class per example, got lists of ranked ones. Save the best of each.")
    if not isinstance(held, dict) or not held:
        return held
    if isinstance(held.get("schema"), dict) and isinstance(held.get("data"), list):
        return held["data"]
    if isinstance(held.get("columns"), list) and isinstance(held.get("data"), list):
        return [dict(zip(held["columns"], row)) for row in held["data"] if isinstance(row, list)]
    if any(isinstance(row, dict) and {"precision", "recall"} <= {*row} for row in held.values()):
        refuse_totals(["precision", "recall"], where)
    if not all(isinstance(row, dict) for row in held.values()):
        return held
    if find_columns(list(held), Reading(), ""):
        return [{key: held[key].get(row) for key in held} for row in next(iter(held.values()))]
    rows = list(held.values())
    numbered = list(held) == [str(i) for i in range(len(held))]
    named = any("example_id" in find_columns(list(row), Reading(), "") for row in rows)
    return rows if numbered or named else [{"example_id": name, **row} for name, row in held.items()]


def json_values(values: Sequence[Any], name: str, key: str, where: str) -> list[Any]:
    """The values of one column of JSON rows; NaN is a gap, and a list of one class, as of a tensor, that class.

    Raises:
        AuditError: text beside numbers.
    """
    one = key in ("label", "pred")
    values = [v[0] if one and isinstance(v, list) and len(v) == 1 else None if v != v else v for v in values]
    texts, numbers = ([v for v in values if isinstance(v, kind)] for kind in (str, int | float))
    if texts and numbers:
        raise AuditError(
            f"{where}: expected numbers or text in {clip(name)!r}, got {clip(texts[0])!r} and {clip(numbers[0])}. "
            "Save one kind."
        )
    return values
