"""The paper's tables and claims from the command line, from runs that never trained."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.recipes import get_recipe
from dropmix.train.config import Arm


@pytest.fixture
def grid(tmp_path):
    """Folders of three seeds of vanilla and of Mixup, whose predictions are right by a coin."""
    rng, base, folders, label = np.random.default_rng(0), get_recipe("digits").base, [], np.arange(200) % 4
    for arm, seed in [(arm, seed) for arm in ("vanilla", "mixup") for seed in range(3)]:
        spec = base.model_copy(update={"arm": Arm(name=arm, method=arm), "seed": seed})
        folder = tmp_path / "g" / spec.folder_name
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(spec.to_json())
        pred = np.where(rng.random(200) < 0.2, (label + 1) % 4, label)
        rows = {"arm": [arm] * 200, "seed": [seed] * 200, "example_id": np.arange(200), "label": label, "pred": pred}
        pq.write_table(pa.table(rows), folder / "predictions.parquet")
        (folder / "done").write_text("{}")
        folders.append(folder)
    return folders


def test_plan_lists_table1(dropmix):
    status, out, _ = dropmix("paper", "plan", "table1", "--quick")
    lines = out.splitlines()
    assert status == 0
    assert sum("FLOPs  table1" in line for line in lines) == 140
    assert any(line.startswith("140 runs (28 arms), preset paper: ") for line in lines)
    assert any(line.startswith("dropmix run cifar100-preactresnet50 ") for line in lines)


def test_an_unknown_table_is_one_line(dropmix):
    status, _, err = dropmix("paper", "plan", "tabel1")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "Did you mean table1?" in err


def test_no_runs_is_one_line(dropmix, tmp_path):
    status, _, err = dropmix("paper", "render", "table1", "--runs", tmp_path / "none")
    assert status == 2
    assert len(err.splitlines()) == 1


def cut(folder):
    os.truncate(folder / "predictions.parquet", 900)


def change(folder):
    (folder / "done").write_text(json.dumps({"predictions_sha256": "0" * 64}))


def of_another_run(folder):
    other = next(folder.parent.glob("vanilla-s0-*"))
    shutil.copy(other / "predictions.parquet", folder / "predictions.parquet")


def of_a_newer_version(folder):
    (folder / "done").write_text('{"format": 2}')


@pytest.mark.parametrize("damage", [cut, change, of_another_run, of_a_newer_version])
def test_damaged_runs_are_named_and_only_the_others_are_counted(dropmix, grid, damage):
    damage(grid[-1])
    for words in (("claims",), ("render", "table1")):
        status, out, err = dropmix("paper", *words, "--runs", "g")
        assert status == 0, err
        assert f"A damaged run was left out: g/{grid[-1].name}" in out
        assert "2 to 3 seeds" in " ".join(out.split())


def test_where_no_run_can_be_read_all_is_refused(dropmix, grid):
    for folder in grid:
        change(folder)
    status, _, err = dropmix("paper", "claims", "--runs", "g")
    assert status == 2
    assert "g: expected a run whose predictions can be read, got none. A damaged run was left out: g/mixup-s0-" in err
