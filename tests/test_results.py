"""The committed runs give the committed numbers: what the paper measures never moves with the code."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dropmix.audit import audit_grid
from dropmix.train.config import RunSpec

ROOT = Path(__file__).parents[1]
RUNS = sorted(path.parent for path in ROOT.glob("results/*/*/spec.json"))
with (ROOT / "tests" / "golden" / "results.csv").open(encoding="utf-8") as file:
    EXPECTED = list(csv.DictReader(file))
GRIDS = list(dict.fromkeys(row["grid"] for row in EXPECTED))
MEASURES = ("mean_degraded_change", "accuracy_baseline", "accuracy_treated")


def counts(grid: str, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """Right predictions and examples of each class, summed over an arm's runs, counted from its files alone."""
    right, held = np.zeros(0, int), np.zeros(0, int)
    for run in (run for run in RUNS if run.parent.name == grid):
        if json.loads((run / "spec.json").read_text(encoding="utf-8"))["arm"]["name"] == arm:
            table = pq.read_table(run / "predictions.parquet", columns=["label", "pred"])
            label, pred = (table[name].to_numpy().astype(int) for name in ("label", "pred"))
            k = int(label.max()) + 1
            right = np.bincount(label[label == pred], minlength=k) + (right if len(right) else 0)
            held = np.bincount(label, minlength=k) + (held if len(held) else 0)
    return right, held


@pytest.mark.parametrize("grid", GRIDS)
def test_the_paper_s_measures_stay(grid: str) -> None:
    audit = audit_grid(ROOT / "results" / grid, refits=0)
    wanted = {row["arm"]: row for row in EXPECTED if row["grid"] == grid}
    assert {c.arm for c in audit.comparisons} == set(wanted)
    for c in audit.comparisons:
        row = wanted[c.arm]
        assert c.summary["n_degraded"] == int(row["n_degraded"])
        for key in MEASURES:
            assert c.summary[key] == pytest.approx(float(row[key]), abs=1e-9), (c.arm, key)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_expected_numbers_are_those_of_a_plain_count(grid: str) -> None:
    base, n = counts(grid, "vanilla")
    for row in (row for row in EXPECTED if row["grid"] == grid):
        right, m = counts(grid, row["arm"])
        assert np.array_equal(n, m), row["arm"]
        lost = right < base
        assert int(row["n_degraded"]) == lost.sum(), row["arm"]
        found = {
            "mean_degraded_change": ((right - base) / n)[lost].mean(),
            "accuracy_baseline": base.sum() / n.sum(),
            "accuracy_treated": right.sum() / m.sum(),
        }
        for key in MEASURES:
            assert found[key] == pytest.approx(float(row[key]), abs=1e-9), (row["arm"], key)


def test_every_folder_is_described_and_every_grid_is_counted() -> None:
    folders = {path.name for path in (ROOT / "results").iterdir() if path.is_dir()}
    described = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert folders == set(re.findall(r"^## (\S+)$", described, re.MULTILINE))
    arms = {run.parent.name: set() for run in RUNS}
    for run in RUNS:
        arms[run.parent.name].add(json.loads((run / "spec.json").read_text(encoding="utf-8"))["arm"]["name"])
    assert {name for name, found in arms.items() if len(found) > 1} == set(GRIDS)
    assert sum(path.stat().st_size for path in (ROOT / "results").rglob("*") if path.is_file()) < 80e6
    kinds = {path.suffix for run in RUNS for path in run.iterdir()} | {path.suffix for path in ROOT.glob("results/*/*")}
    assert not kinds & {".pt", ".ckpt", ".jpg", ".jpeg"}


def test_every_folder_is_named_after_the_hash_of_its_spec() -> None:
    assert len(RUNS) >= 80
    for run in RUNS:
        spec = RunSpec.model_validate(json.loads((run / "spec.json").read_text(encoding="utf-8")))
        assert run.name == spec.folder_name
        assert run.name.endswith(f"-{spec.hash}")
