"""The published schema is what is written, key by key and type by type."""

import json
from pathlib import Path

import numpy as np
import pytest

from dropmix.audit import audit_grid, audit_predictions
from dropmix.audit.schema import schema

KINDS = {"number": (int, float), "integer": int, "string": str, "null": type(None), "object": dict, "array": list}


def check(value, rule, where="$"):
    """The part of JSON Schema that the schema uses."""
    if "const" in rule:
        assert value == rule["const"], where
        return
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    assert any(isinstance(value, KINDS[k]) for k in kinds), (where, value, kinds)
    if isinstance(value, dict) and "properties" in rule:
        assert set(rule["required"]) <= set(value), (where, set(rule["required"]) - set(value))
        assert set(value) <= set(rule["properties"]), (where, set(value) - set(rule["properties"]))
        for key, inner in value.items():
            check(inner, rule["properties"][key], f"{where}.{key}")
    elif isinstance(value, dict) and isinstance(rule.get("additionalProperties"), dict):
        for key, inner in value.items():
            check(inner, rule["additionalProperties"], f"{where}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            check(inner, rule["items"], f"{where}[{i}]")


def test_published_file_is_current():
    path = Path(__file__).parents[2] / "docs" / "audit.schema.json"
    assert json.loads(path.read_text()) == schema(), "run python -m dropmix.audit.schema > docs/audit.schema.json"


def test_a_grid_fits(grid):
    check(json.loads(audit_grid(grid, between=[("mixup", "cutmix")], refits=0).dumps()), schema())


@pytest.mark.parametrize(("m", "seeds", "refits"), [(25, 3, 10), (25, 1, 10), (3, 2, 0), (1, 1, 0)])
def test_every_size_fits(rng, draw, m, seeds, refits):
    labels = np.repeat(np.arange(m), 12)
    arms = [{"labels": labels, "pred": draw(rng, labels, seeds, 0.7, m)} for _ in range(2)]
    groups = [str(i % 2) for i in range(m)]
    check(json.loads(audit_predictions(*arms, refits=refits, superclasses=groups).dumps()), schema())


def test_the_check_can_fail():
    with pytest.raises(AssertionError):
        check({"schema_version": 1}, schema())
