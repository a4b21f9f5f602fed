"""Folders of runs: what is used, what is left out and named, what is refused."""

import json
import shutil

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_grid


def test_every_arm_against_vanilla(grid):
    audit = audit_grid(grid, refits=0)
    assert [(c.baseline, c.arm, c.group) for c in audit.comparisons] == [
        ("vanilla", "cutmix", ""),
        ("vanilla", "mixup", ""),
    ]
    assert audit.class_names == list("abcd")
    assert audit.comparisons[0].recalls_baseline.shape == (3, 4)
    assert len(audit.inputs) == 9
    assert audit.inputs[0]["path"].startswith("vanilla-0")
    assert len(audit.notes) == 1
    assert "share their noise" in audit.notes[0]


def test_other_folders_and_unfinished_runs_are_named(grid):
    (grid / "notes").mkdir()
    (grid / "readme.txt").write_text("not a folder")
    (grid / "mixup-2" / "done").unlink()
    audit = audit_grid(grid, refits=0)
    mixup = audit.comparisons[1]
    assert mixup.summary["seeds_treated"] == 2
    assert any("mixup-2" in note and "unfinished" in note for note in audit.notes)
    assert any("notes" in note and "ignored" in note for note in audit.notes)


def test_groups_have_their_own_vanilla(grid, rng, draw, write_run):
    labels = np.repeat(np.arange(4), 10)
    for arm in ("vanilla", "mixup"):
        write_run(grid / f"big-{arm}", arm, 0, labels, draw(rng, labels, 1, 0.9, 4)[0], spec={"network": "big"})
    audit = audit_grid(grid, refits=0)
    groups = [(c.group, c.arm, c.summary["seeds_baseline"]) for c in audit.comparisons]
    assert groups == [("network=big", "mixup", 1), ("network=tiny", "cutmix", 3), ("network=tiny", "mixup", 3)]


def test_two_grids_copied_together_report_as_one(grid, tmp_path_factory, rng, draw, write_run):
    other = tmp_path_factory.mktemp("other")
    labels = np.repeat(np.arange(4), 10)
    for seed in (3, 4):
        write_run(other / f"mixup-{seed}", "mixup", seed, labels, draw(rng, labels, 1, 0.7, 4)[0], classes=list("abcd"))
    shutil.copytree(other, grid, dirs_exist_ok=True)
    assert audit_grid(grid, refits=0).comparisons[1].summary["seeds_treated"] == 5


def test_a_run_copied_twice_counts_once(grid):
    shutil.copytree(grid / "mixup-0", grid / "mixup-0-copy")
    audit = audit_grid(grid, refits=0)
    assert audit.comparisons[1].summary["seeds_treated"] == 3
    assert any("mixup-0-copy" in note for note in audit.notes)


def remove_vanilla(grid):
    for path in grid.glob("vanilla-*"):
        shutil.rmtree(path)


def only_vanilla(grid):
    for path in [*grid.glob("mixup-*"), *grid.glob("cutmix-*")]:
        shutil.rmtree(path)


def unfinish(grid):
    for path in grid.glob("*/done"):
        path.unlink()


def break_spec(grid):
    (grid / "mixup-0" / "spec.json").write_text('{"arm":')


def spec_without_seed(grid):
    (grid / "mixup-0" / "spec.json").write_text('{"arm": {"name": "mixup"}}')


def truncate(grid):
    file = grid / "mixup-0" / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:200])


def lose_predictions(grid):
    (grid / "mixup-0" / "predictions.parquet").unlink()


def change_after_done(grid):
    (grid / "mixup-0" / "done").write_text(json.dumps({"predictions_sha256": "0" * 64}))


def clash(grid):
    (grid / "mixup-1" / "spec.json").write_text((grid / "mixup-0" / "spec.json").read_text())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_vanilla, "finished runs of the arm 'vanilla'"),
        (only_vanilla, "expected an arm beside 'vanilla'"),
        (unfinish, "expected finished runs, got none"),
        (break_spec, "expected JSON"),
        (spec_without_seed, "integer seed"),
        (truncate, "readable parquet"),
        (lose_predictions, "predictions.parquet, got none"),
        (change_after_done, "a changed file"),
        (clash, "one run with seed 0"),
    ],
)
def test_damage_is_one_clear_line(grid, damage, message):
    damage(grid)
    with pytest.raises(AuditError, match=message) as caught:
        audit_grid(grid, refits=0)
    assert "\n" not in str(caught.value)


def test_no_such_folder(tmp_path):
    with pytest.raises(AuditError, match="expected the folder of a grid"):
        audit_grid(tmp_path / "nowhere")


def test_the_report_beside_the_runs_is_no_stranger(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "figures").mkdir()
    (tmp_path / "holiday").mkdir()
    with pytest.raises(AuditError, match=r"1 folders are no runs and were ignored: holiday"):
        audit_grid(tmp_path)
