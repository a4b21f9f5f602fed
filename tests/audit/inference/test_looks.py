"""Levels of several looks against printed tables and simulation, and the file that keeps them."""

import json

import numpy as np
import pytest
from scipy.special import ndtri

from dropmix.audit import AuditError
from dropmix.audit.inference.looks import RULES, Looks, crossed, levels, read_looks, rounds

# Jennison & Turnbull 2000, Tables 2.1 and 2.3: two-sided 5 %, so that each side has 2.5 %.
TABLES = {
    "pocock": {2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 10: 2.555},
    "obrien-fleming": {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087},
}


@pytest.mark.parametrize(("rule", "looks"), [(rule, k) for rule in RULES for k in TABLES[rule]])
def test_the_last_boundary_is_the_printed_one(rule, looks):
    found = levels(range(1, looks + 1), rule, alpha=0.025)
    assert -ndtri(found[-1]) == pytest.approx(TABLES[rule][looks], abs=1e-3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seeds", [[3, 6, 9, 12], [2, 4, 6, 7], [5]])
def test_all_looks_together_keep_the_level(rule, seeds):
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((400_000, len(seeds))) * np.sqrt(np.diff([0, *seeds]))
    z = np.cumsum(steps, axis=1) / np.sqrt(seeds)
    over = (z > -ndtri(levels(seeds, rule))).any(axis=1).mean()
    assert over == pytest.approx(0.05, abs=0.0015)


def test_a_boundary_far_out_is_never_crossed():
    assert crossed(np.array([7.0, 7.0]), np.array([0.5, 1.0])) < 1e-10


def test_rounds_end_at_the_maximum():
    assert (rounds(3, 3), rounds(3, 7), rounds(2, 8)) == ([3], [3, 6, 7], [2, 4, 6, 8])


@pytest.mark.parametrize("seeds", [[], [3, 3], [5, 2], [0, 2]])
def test_looks_have_to_rise(seeds):
    with pytest.raises(ValueError, match="expected rising numbers"):
        levels(seeds)


def test_looks_are_read_as_written(tmp_path):
    assert read_looks(tmp_path) is None
    looks = Looks(("fox", "lynx"), {"fox": 0.02}, "obrien-fleming", (3, 6), 2)
    looks.write(tmp_path)
    assert read_looks(tmp_path) == looks
    assert [p.name for p in tmp_path.iterdir()] == ["looks.json"]
    assert "Look 2 of at most 2 (6 of at most 6 seeds per arm)" in looks.note


@pytest.mark.parametrize("change", [{"done": 3}, {"rule": "mine"}, {"seeds": [6, 3]}, {"protect": None}, "[]", "{"])
def test_a_damaged_file_is_refused(tmp_path, change):
    Looks(("fox",), 0.01, "pocock", (3, 6), 1).write(tmp_path)
    path = tmp_path / "looks.json"
    path.write_text(change if isinstance(change, str) else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AuditError, match=r"looks\.json: expected"):
        read_looks(tmp_path)
