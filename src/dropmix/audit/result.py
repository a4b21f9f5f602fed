"""What an audit found, and how it is saved."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.inference.guaranteed import Guarantee
from dropmix.audit.measures.lost import LostImage
from dropmix.audit.settings import refuse_unknown
from dropmix.audit.spreadsheet import indented, write_rows, write_whole

SCHEMA_VERSION = 1
# Controls of terminals and of the direction of text, which JSON may hold raw; as escapes they mean the same.
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, repr=False)
class Comparison:
    """One treated arm against a baseline, on the same examples. Fractions, not points.

    Args:
        baseline: name of the baseline arm.
        arm: name of the treated arm.
        method: its method, with options that are not default; from the run's spec.json, or the name of a foreign arm.
        rate: its DropMix rate, in [0, 1], from the same source.
        summary: one number per key; None if it could not be computed, with the cause in `reasons`.
        classes: columns of length M (the audited classes); NaN if a number could not be computed.
        recalls_baseline: recall of each seed, (S0, M).
        recalls_treated: (S1, M).
        accuracies_baseline: (S0,).
        accuracies_treated: (S1,).
        notes: sentences for people.
        confusion_change: (M, M), treated minus baseline confusion counts, mean over seeds, rows = true class,
            columns = audited classes; None above 2000 classes.
        group: label of the network or data if a folder holds several; else "".
        reasons: why a key of `summary` is None, or a column of `classes` (as "classes.<column>") is NaN.
        guarantee: what `hurt_among` computes from.
        slices: columns with a row per slice; empty where none were asked for.
        slice_classes: columns with a row per class within a slice; empty where none were asked for.
        lost: images that hurt classes, and protected ones that are not safe, lost; see `LostImage`.
    """

    baseline: str
    arm: str
    method: str
    rate: float
    summary: dict[str, Any]
    classes: dict[str, Any]
    recalls_baseline: np.ndarray
    recalls_treated: np.ndarray
    accuracies_baseline: np.ndarray
    accuracies_treated: np.ndarray
    notes: list[str] = field(default_factory=list)
    confusion_change: np.ndarray | None = None
    group: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    guarantee: Guarantee | None = field(default=None, repr=False)
    slices: dict[str, Any] = field(default_factory=dict)
    slice_classes: dict[str, Any] = field(default_factory=dict)
    lost: list[LostImage] = field(default_factory=list, repr=False)

    def hurt_among(self, classes: Iterable[object]) -> tuple[int, int]:
        """The smallest and the largest number of hurt classes in a set; each holds at 95 %, even if picked afterwards.

        Args:
            classes: names; class 3 is called "3".
        Raises:
            AuditError: a class that was not audited.

        Example:
            >>> from dropmix.audit import audit_predictions
            >>> labels = [0] * 50 + [1] * 50
            >>> audit = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 35 + [0] * 15))
            >>> audit.only.hurt_among(["1"]), audit.only.hurt_among(["0", "1"])
            ((1, 1), (1, 2))
        """
        if self.guarantee is None:
            raise ValueError(
                "hurt_among: expected an audit, got numbers read from a file. Audit the predictions again."
            )
        place = {name: i for i, name in enumerate(self.classes["class"])}
        chosen = dict.fromkeys([classes] if isinstance(classes, str) else map(str, classes))
        refuse_unknown(chosen, list(place), "hurt_among")
        return self.guarantee.hurt_among(np.array([place[name] for name in chosen], dtype=int))

    @property
    def by_class(self) -> dict[str, dict[str, Any]]:
        """The row of each class by its name, as plain Python values."""
        return {row["class"]: row for row in self.rows()}

    def verdict(self) -> str:
        """The finding in words."""
        from dropmix.audit.wording import verdict

        return verdict(self)

    def __repr__(self) -> str:
        from dropmix.audit.show import line

        return f"<Comparison {line(self)}>"

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per class, as plain Python values; NaN becomes None."""
        return rows_of(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, as in docs/audit.schema.json."""
        return {
            "group": self.group,
            "baseline": self.baseline,
            "arm": self.arm,
            "method": self.method,
            "rate": self.rate,
            "summary": plain(self.summary),
            "reasons": dict(self.reasons),
            "classes": self.rows(),
            "slices": rows_of(self.slices),
            "slice_classes": rows_of(self.slice_classes),
            "recalls_baseline": plain(self.recalls_baseline),
            "recalls_treated": plain(self.recalls_treated),
            "accuracies_baseline": plain(self.accuracies_baseline),
            "accuracies_treated": plain(self.accuracies_treated),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False)
class Audit:
    """All comparisons of one audit.

    Args:
        comparisons: one per treated arm.
        class_names: K names of the (first) data set.
        inputs: one dict per file: path, sha256, arm, seeds.
        settings: settings of the audit.
        notes: sentences on the whole audit, such as folders left out.
        arm_pairs: likeness of every two arms that share a baseline, from `dropmix.audit.several_arms.likeness`.
    """

    comparisons: list[Comparison]
    class_names: list[str]
    inputs: list[dict]
    settings: dict
    notes: list[str] = field(default_factory=list)
    arm_pairs: list[dict] = field(default_factory=list)

    @property
    def only(self) -> Comparison:
        """The only comparison.

        Raises:
            ValueError: there are several.
        """
        if len(self.comparisons) != 1:
            raise ValueError(
                f"Audit: expected one comparison, got {len(self.comparisons)}. Choose one of audit.comparisons."
            )
        return self.comparisons[0]

    @property
    def summary(self) -> dict[str, Any]:
        """Summary of the only comparison."""
        return self.only.summary

    @property
    def classes(self) -> dict[str, Any]:
        """Class columns of the only comparison."""
        return self.only.classes

    @property
    def by_class(self) -> dict[str, dict[str, Any]]:
        """The row of each class of the only comparison, by its name."""
        return self.only.by_class

    def verdict(self) -> str:
        """What to do, if arms share a baseline, and the finding in words, a paragraph per comparison."""
        from dropmix.audit.several_arms import answer

        return "\n\n".join(filter(None, [answer(self.comparisons), *(c.verdict() for c in self.comparisons)]))

    def report(self, folder: str | Path) -> Path:
        """Write audit.json, classes.csv (and slices.csv), and the page with its tables.

        Args:
            folder: created if missing.
        Returns:
            path of the page.
        """
        from dropmix.report import write_report

        folder = Path(folder)
        self.to_json(folder / "audit.json")
        self.to_csv(folder / "classes.csv")
        self.slices_to_csv(folder / "slices.csv")
        return write_report(self, folder)

    def to_pandas(self) -> Any:
        """One row per class and comparison, as a data frame.

        Raises:
            AuditError: pandas is not installed.
        """
        from dropmix.audit.show import frame

        return frame(self)

    def __repr__(self) -> str:
        from dropmix.audit.show import text

        return text(self)

    def _repr_html_(self) -> str:
        from dropmix.audit.show import html

        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """The audit as plain values, as in docs/audit.schema.json."""
        from dropmix import __version__

        return {
            "schema_version": SCHEMA_VERSION,
            "dropmix": __version__,
            "inputs": plain(self.inputs),
            "settings": plain(self.settings),
            "class_names": list(self.class_names),
            "comparisons": [c.to_dict() for c in self.comparisons],
            "arm_pairs": plain(self.arm_pairs),
            "notes": list(self.notes),
        }

    def dumps(self) -> str:
        """The audit as JSON text; NaN is null, infinities do not occur, and nothing in it steers a terminal."""
        return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", indented(self.to_dict())) + "\n"

    def to_json(self, path: str | Path) -> Path:
        """Write the audit as JSON; the file appears whole or not at all."""
        text = self.dumps()
        return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))

    def to_csv(self, path: str | Path) -> Path:
        """Write one row per class and comparison; a number that could not be computed is an empty field.

        A name that a spreadsheet would run as a formula gets a leading apostrophe, which `unguarded` of
        `dropmix.audit.spreadsheet` removes.
        """
        rows = [
            {"group": c.group, "arm": c.arm, "baseline": c.baseline, **row}
            for c in self.comparisons
            for row in c.rows()
        ]
        return write_whole(path, lambda part: write_rows(part, rows))

    def slices_to_csv(self, path: str | Path) -> Path:
        """Write one row per slice and per class within it (`class` is empty for whole slices), if there are any."""
        rows = []
        for c in self.comparisons:
            for row in [*rows_of(c.slices), *rows_of(c.slice_classes)]:
                about = {"group": c.group, "arm": c.arm, "baseline": c.baseline, "slice": row["slice"], "class": ""}
                rows.append(about | row)
        return write_whole(path, lambda part: write_rows(part, rows)) if rows else Path(path)


def rows_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """One dictionary per row of columns, plain Python values, NaN as None.

    Example:
        >>> rows_of({"class": ["fox"], "n": np.array([3])})
        [{'class': 'fox', 'n': 3}]
    """
    made = {key: plain(values) for key, values in columns.items()}
    return [dict(zip(made, row)) for row in zip(*made.values())]


def plain(value: Any) -> Any:
    """Numpy and nested values as plain Python ones; NaN as None.

    Example:
        >>> plain({"a": np.array([1.0, np.nan]), "b": np.int64(3)})
        {'a': [1.0, None], 'b': 3}
    """
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return list(value) if all(type(v) is str for v in value) else [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        finite = value.dtype.kind in "biu" or (value.dtype.kind == "f" and np.isfinite(value).all())
        return value.tolist() if finite else plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
