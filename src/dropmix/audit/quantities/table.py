"""Every number of the audit, declared once: its key, meaning, unit, source, and why it may be missing.

The summary of a comparison, its class columns, the schema of audit.json, the table in the documentation and the reasons
for null derive from this table. A new number is a declaration here and the function that computes it.

Fractions throughout: 0.01 is one percentage point. A quantity with a twin also has the key `<key>_population`, for
new seeds and new examples instead of new seeds on these examples.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

TWIN = "_population"
OF_ARMS = ("ship", "do not ship", "undecided")
OF_CLASSES = ("hurt", "safe", "undecided", "too few examples")


@dataclass(frozen=True)
class Quantity:
    """One number, or text, of a comparison or of a class.

    Args:
        key: name in `summary` or `classes`.
        meaning: for people.
        unit: "fraction", "count", "probability", "ratio", "fraction squared" or "text".
        null: why it may be missing; "" if it never is.
        source: where its definition comes from, if not from the paper or this project.
        twin: whether there is a second key for new examples.
        optional: whether some comparisons lack the key altogether.
        kind: type in JSON.
        words: all values that a text may have; () if they are not known beforehand.
    """

    key: str
    meaning: str
    unit: str
    null: str = ""
    source: str = ""
    twin: bool = False
    optional: bool = False
    kind: Literal["number", "integer", "string"] = "number"
    words: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The key, and its twin's."""
        return (self.key, f"{self.key}{TWIN}") if self.twin else (self.key,)


def number(key: str, meaning: str, unit: str = "fraction", **more: Any) -> Quantity:
    """A number, real unless `kind` says otherwise."""
    return Quantity(key, meaning, unit, **more)


def count(key: str, meaning: str, **more: Any) -> Quantity:
    """A whole number that is never missing."""
    return Quantity(key, meaning, "count", kind="integer", **more)


def text(key: str, meaning: str, **more: Any) -> Quantity:
    """A word."""
    return Quantity(key, meaning, "text", kind="string", **more)


def tidy(values: Mapping[str, Any], table: Iterable[Quantity]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values in the order of the table, and the reasons for missing ones.

    Args:
        values: key -> number, text or None; NaN also counts as missing. A key that is not declared is an error of ours.
        table: `SUMMARY` or `CLASSES`; columns of the latter are arrays and stay as they are.
    Returns:
        values with None if missing, and key -> reason for each None and each column with a NaN.
    """
    tidied: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    left = dict(values)
    for quantity in table:
        for key in quantity.keys:
            if key not in left:
                assert quantity.optional, f"{key} was not computed"
                continue
            value = left.pop(key)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                missing = bool(np.isnan(value).any())
            elif isinstance(value, list):
                missing = None in value
            else:
                missing = value is None or (isinstance(value, float) and math.isnan(value))
                value = None if missing else value
            if missing:
                assert quantity.null, f"{key} is missing without a reason"
                reasons[key] = quantity.null
            tidied[key] = value
    assert not left, f"not declared: {sorted(left)}"
    return tidied, reasons
