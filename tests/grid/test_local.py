"""Real worker processes on a small part of the digits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from dropmix.audit import audit_grid
from dropmix.cli.options import grid_of
from dropmix.data import load
from dropmix.grid.local import GridSettings, _Pool, run_grid
from dropmix.grid.store import inspect_run, scan

OPTIONS = ["run", "digits", "--train-per-class", "6", "--epochs", "3", "--seeds", "1", "--methods", "cutmix"]
DROPMIX = [sys.executable, "-c", "from dropmix.cli import main; main()"]
KILLS = int(os.environ.get("DROPMIX_TEST_KILLS", "3"))


def grid(**options):
    made = grid_of(
        {"recipe": "digits", "train_per_class": 6, "epochs": 3, "seeds": 1, "methods": "cutmix", "rates": "0.5"}
        | options,
        [],
        {},
    )
    found = load("digits", None, train_per_class=6)
    return made.with_settings({"data.fingerprint": found.fingerprint})


def quiet(_):
    pass


def outcome(folder: Path):
    weights = torch.load(folder / "weights.pt", weights_only=True)["model"]
    return weights, pq.read_table(folder / "predictions.parquet"), (folder / "metrics.jsonl").read_text()


def assert_same_grid_outcome(a: Path, b: Path) -> None:
    names = sorted(p.name for p in a.iterdir() if (p / "spec.json").exists())
    assert names == sorted(p.name for p in b.iterdir() if (p / "spec.json").exists())
    for name in names:
        (w1, p1, m1), (w2, p2, m2) = outcome(a / name), outcome(b / name)
        assert all(torch.equal(w1[key], w2[key]) for key in w1)
        assert p1.equals(p2)
        assert m1 == m2


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A grid of two runs that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    result = run_grid(grid().runs, GridSettings(out), quiet)
    assert len(result.done) == 2
    return out


def test_what_is_done_is_skipped(whole):
    states = []
    before = {p: p.stat().st_mtime_ns for p in whole.glob("*/*")}
    result = run_grid(grid().runs, GridSettings(whole), lambda runs: states.append([r.state for r in runs.values()]))
    assert len(result.done) == 2
    assert states == [["done", "done"]]
    assert before == {p: p.stat().st_mtime_ns for p in whole.glob("*/*")}


def test_two_workers_give_what_one_gives(whole, tmp_path):
    shown = {}
    run_grid(grid().runs, GridSettings(tmp_path, workers=2), lambda runs: shown.update(runs))
    assert_same_grid_outcome(whole, tmp_path)
    for name, run in shown.items():  # what a person sees last is the last evaluation, not one in mid-run
        assert run.accuracy == json.loads((tmp_path / name / "done").read_text())["accuracy_last"]


def test_runs_that_share_a_worker_give_what_one_at_a_time_gives(whole, tmp_path):
    together = []

    def look(runs):
        together.append(sum(run.state == "running" and 0 < run.done < run.total for run in runs.values()))

    result = run_grid(grid().runs, GridSettings(tmp_path, pack=2), look)
    assert len(result.done) == 2
    assert max(together) == 2
    assert_same_grid_outcome(whole, tmp_path)


def test_no_worker_takes_what_another_could_train():
    def sizes(runs, workers, pack):
        pool = _Pool(deque(grid(seeds=runs).runs[:runs]), GridSettings(Path(), workers=workers, pack=pack), {})
        return pool.pack

    assert [sizes(4, 1, 8), sizes(4, 2, 8), sizes(5, 2, 8), sizes(4, 1, 2), sizes(4, 8, 8)] == [4, 2, 3, 2, 1]


@pytest.mark.parametrize("together", [1, 2])
def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(tmp_path, together):
    runs = grid().runs
    bad = grid().with_settings({"train.lr": 1e20, "train.epochs": 20}).runs[1]
    result = run_grid([bad, runs[0]], GridSettings(tmp_path, pack=together), quiet)
    assert result.done == [runs[0].folder_name]
    assert "expected a finite loss" in result.failed[bad.folder_name]
    assert inspect_run(tmp_path / bad.folder_name).state == "failed"


def test_changed_images_are_noticed(tmp_path):
    runs = grid().with_settings({"data.fingerprint": "0" * 64}).runs[:1]
    result = run_grid(runs, GridSettings(tmp_path), quiet)
    assert "changed since the run was planned" in next(iter(result.failed.values()))


def test_a_killed_worker_is_told_and_the_rest_goes_on(whole, tmp_path):
    killed = threading.Event()

    def kill_once(runs):
        if not killed.is_set() and any(run.state == "running" and run.done for run in runs.values()):
            found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "dropmix.grid.worker"], capture_output=True)
            for pid in found.stdout.split():
                os.kill(int(pid), signal.SIGKILL)
                killed.set()

    result = run_grid(grid(epochs=40).runs, GridSettings(tmp_path), kill_once)
    assert killed.is_set()
    assert len(result.done) == len(result.failed) == 1
    (cause,) = result.failed.values()
    assert "SIGKILL" in cause
    again = run_grid(grid(epochs=40).runs, GridSettings(tmp_path), quiet)
    assert len(again.done) == 2


def test_a_deadline_leaves_the_rest_for_later(tmp_path):
    result = run_grid(grid().runs, GridSettings(tmp_path, deadline=time.time() - 1), quiet)
    assert (result.done, len(result.left)) == ([], 2)


@pytest.mark.parametrize("step", ["auto", "packed:2"])
def test_sigterm_checkpoints_and_asks_to_be_called_again(tmp_path, step):
    out = tmp_path / "grid"
    command = [*DROPMIX, *OPTIONS, "--epochs", "2000", "--workers", "1", "--executor-step", step, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    expected = 2 if step == "packed:2" else 1
    while len(list(out.glob("*/metrics.jsonl"))) < expected:
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 75
    assert "run the same command again" in text
    states = {found.state for found in scan(out)}
    assert states <= {"interrupted", "new"}
    assert len(list(out.glob("*/checkpoint.pt"))) == expected


def test_a_time_limit_checkpoints_every_run_of_a_pack(tmp_path):
    command = [*DROPMIX, *OPTIONS, "--epochs", "2000", "--workers", "1", "--executor-step", "packed:2"]
    for seconds in ("5", "20", "60"):  # on a busy machine the first may be over before the worker has started
        ended = subprocess.run([*command, "--time-limit", seconds, "--out", str(tmp_path)], capture_output=True)
        assert ended.returncode == 75
        if list(tmp_path.glob("*/spec.json")):
            break
    assert len(list(tmp_path.glob("*/checkpoint.pt"))) == 2


@pytest.mark.parametrize("step", ["auto", "packed:2"])
def test_killed_as_a_group_at_random_moments_ends_the_same(whole, tmp_path, step):
    out = tmp_path / "grid"
    command = [*DROPMIX, *OPTIONS, "--rates", "0.5", "--workers", "1", "--checkpoint-every", "0s", "--out", str(out)]
    command += ["--executor-step", step]
    generator = torch.Generator().manual_seed(KILLS)
    for _ in range(KILLS):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        # Most of a process's life is its start; wait for the first sign of work, then for a random while.
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < 60 and not (out.exists() and list(out.iterdir())):
            time.sleep(0.02)
        time.sleep(float(torch.rand(1, generator=generator)) * 6)
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        assert all(found.state != "damaged" for found in scan(out))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert_same_grid_outcome(whole, out)
    assert {found.state for found in scan(out)} == {"done"}
    assert {p.name for p in out.glob("*/*")} == {p.name for p in whole.glob("*/*")}


def test_a_run_that_cannot_use_its_checkpoint_says_so(whole, tmp_path, capfd):
    made = grid()
    stopped = GridSettings(tmp_path, checkpoint_seconds=0.0)
    folder = tmp_path / made.runs[0].folder_name
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    assert len(run_grid(made.runs, stopped, quiet).done) == 2
    said = capfd.readouterr().err
    assert "warning: checkpoint" in said
    assert f"{folder.name}/checkpoint.pt cannot be used" in said
    assert_same_grid_outcome(whole, tmp_path)


def test_two_commands_on_one_folder_share_the_runs(whole, tmp_path):
    command = [*DROPMIX, *OPTIONS, "--rates", "0.5", "--workers", "1", "--out", str(tmp_path / "grid")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    statuses = {process.returncode for process in both}
    assert statuses <= {0, 75}, said
    assert 0 in statuses, said  # whoever ends last sees that all is done
    assert all("another process" in text for process, text in zip(both, said, strict=True) if process.returncode)
    assert_same_grid_outcome(whole, tmp_path / "grid")


def test_two_folders_copied_together_report_as_one(whole, tmp_path):
    run_grid(grid(first_seed=1).runs, GridSettings(tmp_path / "other"), quiet)
    merged = tmp_path / "merged"
    shutil.copytree(whole, merged)
    shutil.copytree(tmp_path / "other", merged, dirs_exist_ok=True)
    rest = run_grid(grid(seeds=2).runs, GridSettings(tmp_path / "other"), quiet)
    assert len(rest.done) == 4, rest.failed
    one, two = audit_grid(merged, refits=0), audit_grid(tmp_path / "other", refits=0)
    assert one.summary == two.summary
    assert one.comparisons[0].recalls_baseline.shape[0] == 2
