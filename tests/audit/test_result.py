"""What is written: JSON and CSV, whole or not at all."""

import csv
import json

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_grid, audit_predictions


def test_json_has_the_published_keys_and_no_nan(grid, tmp_path):
    audit = audit_grid(grid, refits=0)
    held = json.loads(audit.to_json(tmp_path / "out" / "audit.json").read_text(), parse_constant=pytest.fail)
    assert held["schema_version"] == 1
    assert {"inputs", "settings", "comparisons"} <= set(held)
    assert all(len(i["sha256"]) == 64 for i in held["inputs"])
    comparison = held["comparisons"][0]
    assert {"arm", "summary", "classes", "reasons"} <= set(comparison)
    for key, value in comparison["summary"].items():
        assert value is not None or comparison["reasons"][key], key


def test_csv_is_one_row_a_class(grid, tmp_path):
    audit = audit_grid(grid, refits=0)
    with audit.to_csv(tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4
    assert {r["arm"] for r in rows} == {"mixup", "cutmix"}
    assert float(rows[0]["recall_change"]) == pytest.approx(audit.comparisons[0].classes["recall_change"][0])


def test_csv_quotes_awkward_names(tmp_path):
    names = ['a "quoted", name', "line\nbreak"]
    audit = audit_predictions(([0, 1], [0, 1]), ([0, 1], [1, 1]), classes=names, refits=0)
    with audit.to_csv(tmp_path / "classes.csv").open(newline="") as file:
        assert [r["class"] for r in csv.DictReader(file)] == names


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    audit = audit_predictions(([0, 1], [0, 1]), ([0, 1], [1, 1]), refits=0)
    (tmp_path / "audit.json").write_text("old")

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError):
        audit.to_json(tmp_path / "audit.json")
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]
    assert (tmp_path / "audit.json").read_bytes() == b"old"


def test_summary_of_several_is_an_error(grid):
    with pytest.raises(ValueError, match="expected one comparison, got 2"):
        _ = audit_grid(grid, refits=0).summary


def test_same_input_same_text(grid):
    assert audit_grid(grid, refits=0).dumps() == audit_grid(grid, refits=0).dumps()


def test_numbers_are_plain(grid):
    held = audit_grid(grid, refits=0).comparisons[0].to_dict()
    assert type(held["classes"][0]["n"]) is int
    assert not any(isinstance(v, np.generic) for v in held["summary"].values())


def test_a_set_of_classes_is_named_as_classes_are():
    labels = np.repeat(np.arange(12), 60)
    wrong = np.where((labels == 10) & (np.arange(720) % 2 == 0), 11, labels)
    found = audit_predictions((labels, labels[None]), (labels, wrong[None]), refits=0).only
    # One name is no list of letters: "1" and "0" are other classes.
    assert found.hurt_among("10") == found.hurt_among(["10"]) == found.hurt_among([10]) == (1, 1)
    assert found.hurt_among(np.array([10, 10])) == (1, 1)
    assert found.hurt_among(["1", "0"])[0] == 0
    with pytest.raises(AuditError, match=r"hurt_among: expected classes .* got 13"):
        found.hurt_among(["10", "13"])
