"""The committed runs give the committed numbers: what the paper measures never moves with the code."""

import csv
import json
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


def recalls(grid: Path, arm: str) -> tuple[np.ndarray, int]:
    """Right predictions of each class, summed over seeds, and the images of each class times the seeds."""
    right, seeds = np.zeros(100, int), 0
    for run in (run for run in RUNS if run.parent == grid):
        if json.loads((run / "spec.json").read_text())["arm"]["name"] == arm:
            table = pq.read_table(run / "predictions.parquet").to_pydict()
            for label, pred in zip(table["label"], table["pred"]):
                right[label] += label == pred
            seeds += 1
    return right, 100 * seeds


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


def test_the_expected_numbers_are_those_of_a_plain_count() -> None:
    grid = ROOT / "results" / "cifar100-wrn10-2"
    (base, n), (mixup, m) = recalls(grid, "vanilla"), recalls(grid, "mixup")
    row = next(row for row in EXPECTED if (row["grid"], row["arm"]) == (grid.name, "mixup"))
    assert n == m
    assert int(row["n_degraded"]) == (mixup < base).sum()
    assert float(row["mean_degraded_change"]) == pytest.approx(((mixup - base)[mixup < base] / n).mean(), abs=1e-9)
    assert float(row["accuracy_treated"]) == pytest.approx(mixup.mean() / m, abs=1e-9)


def test_every_folder_is_named_after_the_hash_of_its_spec() -> None:
    assert len(RUNS) >= 80
    for run in RUNS:
        spec = RunSpec.model_validate(json.loads((run / "spec.json").read_text(encoding="utf-8")))
        assert run.name == spec.folder_name
        assert run.name.endswith(f"-{spec.hash}")
