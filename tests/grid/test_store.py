import hashlib
import json
import os
import subprocess
import sys
import time

import pytest

from dropmix import METHODS
from dropmix.grid.arm import make_arm
from dropmix.grid.store import StoreError, check_same_grid, create_run, inspect_run, locked, opened, run_card, scan
from dropmix.recipes import get_recipe

SPEC = get_recipe("digits").base


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_arms_of_every_method_are_known_again(tmp_path, method):
    # Options with two values, such as resizemix's scale, come back from a file as lists.
    run = SPEC.model_copy(update={"arm": make_arm(method, 0.4 if method != "vanilla" else 0.0)})
    create_run(tmp_path, run)
    check_same_grid(tmp_path, SPEC, run)


def test_a_new_folder_holds_its_spec_and_is_made_once(tmp_path):
    folder = create_run(tmp_path, SPEC)
    assert folder.name == SPEC.folder_name
    before = (folder / "spec.json").stat().st_mtime_ns
    assert create_run(tmp_path, SPEC) == folder
    assert (folder / "spec.json").stat().st_mtime_ns == before
    assert inspect_run(folder).state == "new"


def test_every_state_is_told_apart(tmp_path):
    folder = create_run(tmp_path, SPEC)
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    assert (inspect_run(folder).state, inspect_run(folder).epoch) == ("interrupted", 2)
    (folder / "failed").write_text("no luck\n")
    assert (inspect_run(folder).state, inspect_run(folder).cause) == ("failed", "no luck")
    with locked(folder) as mine:
        assert mine
        # The lock is asked for by another process: within one process a second open file may take it too.
        code = "import sys; from pathlib import Path; from dropmix.grid.store import inspect_run; "
        code += "print(inspect_run(Path(sys.argv[1])).state)"
        asked = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        assert asked.stdout.strip() == "running"
    (folder / "predictions.parquet").write_bytes(b"PAR1" * 2)
    (folder / "done").write_text("{}")
    assert inspect_run(folder).state == "done"
    (folder / "spec.json").write_text("{")
    assert inspect_run(folder).state == "damaged"
    assert "remove the folder" in inspect_run(folder).cause


@pytest.mark.parametrize(("file", "fields"), [("done", {"format": 99}), ("spec.json", {"sampler": "sobol"})])
def test_a_run_of_a_newer_version_is_not_trained_over(tmp_path, file, fields):
    folder = create_run(tmp_path, SPEC)
    (folder / "predictions.parquet").write_bytes(b"PAR1" * 2)
    (folder / "done").write_text("{}")
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | fields))
    held = (folder / file).read_bytes()
    with pytest.raises(StoreError, match=r"update dropmix.* choose another --out"), opened(tmp_path, SPEC):
        pass
    assert (folder / file).read_bytes() == held


@pytest.mark.parametrize(
    "change", [("train", "epochs", 99), ("arm", "name", "mixup alpha=2"), ("arm", "name", "x\x1b[2J")]
)
def test_a_spec_changed_by_hand_is_not_done(tmp_path, change):
    place, key, value = change
    folder = create_run(tmp_path, SPEC)
    (folder / "predictions.parquet").write_bytes(b"PAR1" * 2)
    (folder / "done").write_text("{}")
    assert inspect_run(folder).state == "done"
    changed = json.loads((folder / "spec.json").read_text())
    changed[place][key] = value
    (folder / "spec.json").write_text(json.dumps(changed))
    (found,) = scan(tmp_path)
    assert (found.state, "was changed" in found.cause) == ("damaged", True)
    renamed = folder.rename(tmp_path / "a-name-of-my-own")  # says no hash, so there is nothing to compare
    assert inspect_run(renamed).state == "done"


def test_a_spec_that_cannot_be_opened_is_not_to_be_deleted(tmp_path):
    folder = create_run(tmp_path, SPEC)
    (folder / "spec.json").unlink()
    (folder / "spec.json").mkdir()  # even root cannot open it as a file
    cause = inspect_run(folder).cause
    assert "check its permissions" in cause
    assert "remove" not in cause


def test_a_folder_left_before_its_spec_is_explained(tmp_path):
    (tmp_path / "mixup-s0-0123456789").mkdir()
    (found,) = scan(tmp_path)
    assert (found.state, "before its spec" in found.cause) == ("new", True)


def test_other_things_in_the_folder_are_left_alone(tmp_path):
    create_run(tmp_path, SPEC)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").touch()
    (tmp_path / "notes.txt").touch()
    assert len(scan(tmp_path)) == 1


def test_a_lock_ends_with_its_process(tmp_path):
    child = os.fork()
    if not child:
        with locked(tmp_path):
            os._exit(0)  # as after a kill: nothing is released by hand
    os.waitpid(child, 0)
    with locked(tmp_path) as mine:
        assert mine


BEGIN = """
import sys, time
from hashlib import sha256
from pathlib import Path
from dropmix.grid.store import opened
from dropmix.recipes import get_recipe
base = get_recipe("digits").base
out, start = Path(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0, start - time.time()))
for seed in range(200):
    with opened(out, base.model_copy(update={"seed": seed})) as lock:
        pass
"""


def test_commands_that_begin_the_same_runs_do_not_disturb_each_other(tmp_path):
    start = str(time.time() + 4)
    both = [
        subprocess.Popen([sys.executable, "-c", BEGIN, str(tmp_path), start], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert [found.state for found in scan(tmp_path)] == ["new"] * 200
    assert not list(tmp_path.glob("*/.*"))


def test_whoever_asks_whether_a_run_is_held_does_not_keep_it_from_its_trainer(tmp_path):
    ask = "import fcntl, os, sys, time; d = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(d, fcntl.LOCK_EX); "
    ask += "print('asked', flush=True); time.sleep(0.05)"
    folder = create_run(tmp_path, SPEC)
    process = subprocess.Popen([sys.executable, "-c", ask, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with opened(tmp_path, SPEC) as lock:
        assert lock is not None
    process.wait()


def test_another_grids_folder_is_refused_with_what_differs(tmp_path):
    create_run(tmp_path, SPEC)
    longer = SPEC.model_copy(update={"train": SPEC.train.model_copy(update={"epochs": 99})})
    with pytest.raises(StoreError, match=rf"train.epochs \({SPEC.train.epochs} there, 99 here\)"):
        check_same_grid(tmp_path, longer)
    check_same_grid(tmp_path, SPEC.model_copy(update={"seed": 5}))
    check_same_grid(tmp_path / "nothing", longer)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="expected a grid's folder, got nothing"):
        scan(tmp_path / "none")


def test_the_card_tells_shared_and_own(tmp_path):
    for seed in (1, 0):
        folder = create_run(tmp_path, SPEC.model_copy(update={"seed": seed}))
        content = b"PAR1" * (2 + seed)
        done = {
            "environment": {"torch": "2"},
            "seconds": 1.5,
            "predictions_sha256": hashlib.sha256(content).hexdigest(),
        }
        (folder / "predictions.parquet").write_bytes(content)
        (folder / "done").write_text(json.dumps(done))
    card = run_card(tmp_path)
    assert (card["seeds"], card["arms"], card["seconds"]) == ([0, 1], ["vanilla"], 3.0)
    assert card["spec"]["network"] == "wrn10-1"
    assert card["environment"] == {"torch": "2"}
