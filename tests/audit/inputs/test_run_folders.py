"""Folders of runs: what is used, what is left out and named, what is refused."""

import hashlib
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_grid, audit_predictions
from dropmix.audit.inputs.run_folders import find_runs


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
    assert "confirms little" in audit.notes[0]


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
    ],
)
def test_what_leaves_nothing_to_compare_is_one_clear_line(grid, damage, message):
    damage(grid)
    with pytest.raises(AuditError, match=message) as caught:
        audit_grid(grid, refits=0)
    assert "\n" not in str(caught.value)


def nest(grid):
    (grid / "mixup-0" / "done").write_text("[" * 100_000)


def other_arm(grid):
    spec = json.loads((grid / "mixup-0" / "spec.json").read_text())
    (grid / "mixup-0" / "spec.json").write_text(json.dumps(spec | {"arm": {"name": "cutmix"}, "seed": 9}))


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (break_spec, "mixup-0", "expected JSON"),
        (spec_without_seed, "mixup-0", "integer seed"),
        (truncate, "mixup-0", "readable parquet"),
        (lose_predictions, "mixup-0", "predictions.parquet, got none"),
        (change_after_done, "mixup-0", "a changed file"),
        (clash, "mixup-1", "one run with seed 0"),
        (nest, "mixup-0", "expected JSON"),
        (other_arm, "mixup-0", "one run with seed 9"),
    ],
)
def test_a_damaged_run_is_named_and_the_rest_is_shown(grid, damage, name, message):
    damage(grid)
    audit = audit_grid(grid, refits=0)
    assert audit.comparisons[1].arm == "mixup"
    assert audit.comparisons[1].summary["seeds_treated"] == 2
    (note,) = [n for n in audit.notes if "damaged run was left out" in n]
    assert name in note
    assert message in note


@pytest.mark.parametrize("unnamed", [False, True])
@pytest.mark.parametrize("change", [None, {"network": "big"}, {"arm": {"name": "other"}}, {"seed": 5}])
def test_a_spec_edited_in_place_does_not_fit_its_folder(tmp_path, write_run, unnamed, change):
    spec = {"arm": {"name": "mixup r=0.4", "method": "mixup"}, "seed": 3, "network": "tiny"}
    said = {**spec, "arm": {"method": "mixup"}} if unnamed else spec
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]
    folder = tmp_path / f"mixup-r0.4-s3-{digest}"
    write_run(folder, "mixup r=0.4", 3, [0, 1], [0, 1])
    (folder / "spec.json").write_text(json.dumps({**spec, **(change or {})}, indent=2))
    if change is None:
        assert len(find_runs(tmp_path)[0]) == 1
    else:
        with pytest.raises(AuditError, match=r"left out: .*mixup-r0\.4-s3.*as if the file had been edited"):
            find_runs(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(AuditError, match="expected the folder of a grid"):
        audit_grid(tmp_path / "nowhere")


def test_the_report_beside_the_runs_is_no_stranger(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "figures").mkdir()
    (tmp_path / "holiday").mkdir()
    with pytest.raises(AuditError, match=r"1 folder is no run and was ignored: holiday"):
        audit_grid(tmp_path)


NAMED_OTHERWISE = {"name": "strong r=0.9", "method": "mixup", "rate": 0.4, "options": {"alpha": 4.0}}


def named_otherwise(grid):
    for seed in range(3):
        spec = grid / f"mixup-{seed}" / "spec.json"
        table = pq.read_table(spec.with_name("predictions.parquet"))
        arms = pa.array([NAMED_OTHERWISE["name"]] * len(table))
        pq.write_table(table.set_column(0, "arm", arms), spec.with_name("predictions.parquet"))
        spec.write_text(json.dumps(json.loads(spec.read_text()) | {"arm": NAMED_OTHERWISE}))


def test_method_and_rate_are_those_of_the_spec_and_not_of_the_name(grid):
    named_otherwise(grid)
    whole = {c["arm"]: c for c in json.loads(audit_grid(grid, refits=0).dumps())["comparisons"]}
    one = audit_predictions(*[[grid / f"{arm}-{seed}" for seed in range(3)] for arm in ("vanilla", "mixup")], refits=0)
    file = audit_predictions(grid / "vanilla-0", grid / "mixup-0" / "predictions.parquet", refits=0)
    for found in (whole["strong r=0.9"], one.only.to_dict(), file.only.to_dict()):
        assert (found["method"], found["rate"]) == ("mixup alpha=4.0", 0.4)
    assert (whole["cutmix"]["method"], whole["cutmix"]["rate"]) == ("cutmix", 0.0)


def test_a_name_that_agrees_with_the_file_keeps_what_the_spec_says(grid):
    named_otherwise(grid)
    made = audit_predictions(grid / "vanilla-0", {"strong r=0.9": grid / "mixup-0"}, refits=0)
    assert (made.only.method, made.only.rate) == ("mixup alpha=4.0", 0.4)


@pytest.mark.parametrize("rate", [1.5, -0.1, "0.4", True, None])
def test_a_rate_that_is_none_is_a_damaged_run(grid, rate):
    spec = grid / "mixup-1" / "spec.json"
    spec.write_text(
        json.dumps(json.loads(spec.read_text()) | {"arm": {"name": "mixup", "method": "mixup", "rate": rate}})
    )
    audit = audit_grid(grid, refits=0)
    assert audit.comparisons[1].summary["seeds_treated"] == 2
    assert any("expected the arm's rate in [0, 1]" in note for note in audit.notes)
