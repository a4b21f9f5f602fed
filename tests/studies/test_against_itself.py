"""An arm against itself: the splits, and floors that agree with simulated noise."""

import json
from math import comb

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, Predictions
from dropmix.studies.against_itself import against_itself, study, table
from dropmix.studies.simulate import World, simulate


def arm_of(seeds, classes, per_class):
    """Seeds of one arm under the simulator."""
    half = seeds // 2
    world = World(classes=classes, per_class=per_class, seeds=(half, seeds - half))
    s = simulate(world, np.asarray(0.0), np.random.default_rng(0))
    labels = np.repeat(np.arange(classes), per_class)
    right = np.concatenate([s.correct0, s.correct1]).reshape(seeds, -1)
    return Predictions("vanilla", labels, np.where(right, labels, (labels + 1) % classes), np.arange(seeds))


def test_every_split_occurs_both_ways():
    s = against_itself(arm_of(6, 10, 36))
    assert len(s.number) == comb(6, 3)
    assert s.gain.sum() == pytest.approx(0, abs=1e-9)
    # Degraded in one order is improved in the other: a split and its mirror image count every class that is not tied.
    right = arm_of(6, 10, 36).correct().reshape(6, 10, 36).sum(axis=2)
    brute = []
    for i in range(6):
        for j in range(i + 1, 6):
            for k in range(j + 1, 6):
                one = right[[i, j, k]].sum(axis=0)
                brute.append(int((right.sum(axis=0) - one < one).sum()))
    assert s.number.tolist() == brute


def test_floors_agree_with_noise():
    s = against_itself(arm_of(10, 30, 100), most=30)
    assert len(s.number) == 30
    for floor in (s.floor, s.floor_own):
        inside = (floor[:, 1] <= s.number) & (s.number <= floor[:, 2])
        assert inside.mean() > 0.8
    assert np.nanmean(s.floor[:, 3]) == pytest.approx(np.nanmean(s.change), rel=0.15)
    assert s.in_order.mean() > 0.85
    assert s.hurt.mean() < 1


def write_run(folder, arm, seed):
    """A run's folder as a grid writes it."""
    folder.mkdir()
    n = len(arm.labels)
    columns = {"seed": [seed] * n, "example_id": np.arange(n), "label": arm.labels, "pred": arm.pred[seed]}
    pq.write_table(pa.table({"arm": [arm.arm] * n, **columns}), folder / "predictions.parquet")
    (folder / "spec.json").write_text(json.dumps({"format": 1, "arm": {"name": arm.arm}, "seed": seed}))
    (folder / "done").write_text("{}")


def test_a_folder_becomes_a_table(tmp_path):
    arm = arm_of(10, 10, 36)
    for seed in range(10):
        write_run(tmp_path / f"v{seed}", arm, seed)
    text = study(tmp_path, most=20)
    assert "20 splits, 5 v 5 seeds, 10 classes" in text
    assert "nan" not in text
    assert text.splitlines()[6].count("|") == text.splitlines()[7].count("|")
    with pytest.raises(AuditError, match="mixup"):
        study(tmp_path, "mixup")


def test_three_seeds_are_too_few():
    with pytest.raises(AuditError, match="at least 4"):
        against_itself(arm_of(3, 10, 36))


def test_no_class_ever_degraded_reads():
    labels = np.repeat(np.arange(10), 20)
    text = table(against_itself(Predictions("vanilla", labels, np.tile(labels, (4, 1)), np.arange(4))))
    assert "none" in text
    assert "nan" not in text
