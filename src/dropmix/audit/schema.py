"""The schema of audit.json, and the meaning of every number in it.

python -m dropmix.audit.schema > docs/audit.schema.json
"""

import json
from collections.abc import Iterable

from dropmix.audit.quantities.classes import CLASSES
from dropmix.audit.quantities.slices import SLICE_CLASSES, SLICES
from dropmix.audit.quantities.summary import SUMMARY
from dropmix.audit.quantities.table import TWIN, Quantity
from dropmix.audit.result import SCHEMA_VERSION


def schema() -> dict:
    """JSON Schema (2020-12) of audit.json.

    Example:
        >>> schema()["properties"]["schema_version"]
        {'const': 1}
    """
    texts = {"type": "array", "items": {"type": "string"}}
    list_of_numbers = {"type": "array", "items": {"type": "number"}}
    comparison = {
        "group": {"type": "string", "description": "network or data, if a folder holds several; else empty"},
        "baseline": {"type": "string"},
        "arm": {"type": "string"},
        "method": {"type": "string", "description": "of the arm, with options that are not default"},
        "rate": {"type": "number", "description": "DropMix rate of the arm, in [0, 1]; 0 without DropMix"},
        "summary": _quantities(SUMMARY),
        "reasons": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "why a number of the summary, or of a column (classes.<column>), is null",
        },
        "classes": {"type": "array", "items": _quantities(CLASSES)},
        "slices": {"type": "array", "items": _quantities(SLICES)},
        "slice_classes": {"type": "array", "items": _quantities(SLICE_CLASSES)},
        "recalls_baseline": {"type": "array", "items": list_of_numbers, "description": "seeds x classes"},
        "recalls_treated": {"type": "array", "items": list_of_numbers, "description": "seeds x classes"},
        "accuracies_baseline": list_of_numbers,
        "accuracies_treated": list_of_numbers,
        "notes": texts,
    }
    source = _fields({"path": "as given", "sha256": "of the file", "arm": "name"}, ["string"])
    source["seeds"] = {"type": "array", "items": {"type": "integer"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dropmix audit",
        "description": "Fractions throughout: 0.01 is one percentage point. A number that has no value is null.",
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "dropmix": {"type": "string", "description": "version that wrote the file"},
                "inputs": {"type": "array", "items": _object(source)},
                "settings": {"type": "object"},
                "class_names": texts,
                "comparisons": {"type": "array", "minItems": 1, "items": _object(comparison)},
                "arm_pairs": {"type": "array", "items": {"type": "object"}},
                "notes": texts,
            }
        ),
    }


def _quantities(table: Iterable[Quantity]) -> dict:
    """The object that a table of quantities describes."""
    required, optional = {}, {}
    for quantity in table:
        kind = [quantity.kind, "null"] if quantity.null else quantity.kind
        for key in quantity.keys:
            words = f"{quantity.meaning}; for new examples too" if key.endswith(TWIN) else quantity.meaning
            (optional if quantity.optional else required)[key] = {"type": kind, "description": words}
    return _object(required, optional)


def _fields(descriptions: dict[str, str], kinds: list[str]) -> dict:
    kind = kinds[0] if len(kinds) == 1 else kinds
    return {key: {"type": kind, "description": text} for key, text in descriptions.items()}


def _object(required: dict, optional: dict | None = None) -> dict:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
