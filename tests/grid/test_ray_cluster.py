"""A Ray cluster of two machines on this one: a machine that dies, and one that does not see the grid's folder."""

import itertools
import os
import signal
import threading

import pytest
import torch

from dropmix.data import load
from dropmix.grid.local import GridSettings, job_of, run_grid
from dropmix.grid.ray_cluster import check_address, pack, run_on_ray, unpack
from dropmix.grid.store import scan
from dropmix.grid.worker import attempt

from .test_local import assert_same_grid_outcome, grid, quiet

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'dropmix[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")


@pytest.fixture(scope="module")
def machines():
    """A cluster whose first machine takes one task at a time."""
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27}
    )
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def runs():
    return grid(seeds=2, epochs=120).runs


@pytest.fixture(scope="module")
def alone(tmp_path_factory, runs):
    """The same grid by a local worker."""
    out = tmp_path_factory.mktemp("alone")
    assert len(run_grid(runs, GridSettings(out), quiet).done) == 4
    return out


@pytest.fixture(scope="module")
def images():
    return load("digits", None, train_per_class=6)


def settings(out):
    return GridSettings(out, devices=("auto",), checkpoint_seconds=0.0)


def start_processes():
    """Warm up a process on every machine; otherwise one machine trains all runs while the other still imports."""

    def place():
        import dropmix.grid.worker
        import dropmix.train.device  # noqa: F401

        return ray.get_runtime_context().get_node_id()

    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    tasks = [ray.remote(num_cpus=1, scheduling_strategy=affinity(node, soft=False))(place).remote() for node in nodes]
    assert ray.get(tasks) == nodes


def test_a_machine_that_dies_in_the_middle_costs_nothing(machines, runs, images, alone, tmp_path):
    second = machines.add_node(num_cpus=1, object_store_memory=2**27)
    machines.wait_for_nodes()
    start_processes()
    killed = threading.Event()

    def kill_once(progress):
        at_work = [run for run in progress.values() if run.state == "running" and 0 < run.done < run.total]
        if len(at_work) == 2 and not killed.is_set():
            machines.remove_node(second, allow_graceful=False)
            killed.set()

    result = run_on_ray(runs, settings(tmp_path), kill_once, images)
    assert killed.is_set()
    assert len(result.done) == 4, result
    assert_same_grid_outcome(alone, tmp_path)
    assert {run.state for run in scan(tmp_path)} == {"done"}
    assert not list(tmp_path.glob(".shared*"))


def test_without_a_shared_folder_files_travel_and_a_stopped_run_goes_on(machines, runs, images, alone, tmp_path):
    first = runs[0]
    folder = tmp_path / first.folder_name
    # Half a run, stopped by a local worker: what the other machine must go on from.
    steps = itertools.count()
    job = job_of(first, GridSettings(tmp_path), "cpu")
    stopped = attempt(job, lambda spec: images, lambda: next(steps) >= 25, lambda *told: None)
    assert stopped == {"state": "stopped"}
    place = torch.load(folder / "checkpoint.pt", weights_only=True)["place"]
    assert (place["epoch"], place["step"]) == (12, 1)
    shown = []
    result = run_on_ray(
        runs[:2], settings(tmp_path), lambda p: shown.append(p[first.folder_name].done), images, by_folder=False
    )
    assert len(result.done) == 2, result
    assert min(done for done in shown if done) > 25
    for name in (spec.folder_name for spec in runs[:2]):
        assert sorted(pack(tmp_path / name)) == sorted(pack(alone / name))
        mine, theirs = (torch.load(home / name / "weights.pt", weights_only=True) for home in (tmp_path, alone))
        assert all(torch.equal(mine["model"][key], theirs["model"][key]) for key in theirs["model"])
        assert (tmp_path / name / "metrics.jsonl").read_text() == (alone / name / "metrics.jsonl").read_text()


def test_sigterm_checkpoints_and_the_next_call_goes_on(machines, images, tmp_path):
    runs, cut, alone = grid(seeds=1, epochs=500).runs[:1], tmp_path / "cut", tmp_path / "alone"
    asked = threading.Event()

    def ask_once(progress):
        if not asked.is_set() and any(0 < run.done < run.total for run in progress.values()):
            os.kill(os.getpid(), signal.SIGTERM)
            asked.set()

    result = run_on_ray(runs, settings(cut), ask_once, images)
    assert asked.is_set()
    assert result.left == [runs[0].folder_name]
    assert (cut / runs[0].folder_name / "checkpoint.pt").exists()
    assert len(run_on_ray(runs, settings(cut), quiet, images).done) == 1
    assert len(run_grid(runs, GridSettings(alone), quiet).done) == 1
    assert_same_grid_outcome(alone, cut)


def test_a_deadline_that_has_passed_leaves_everything(machines, runs, images, tmp_path):
    late = GridSettings(tmp_path, devices=("cpu",), deadline=1.0)
    result = run_on_ray(runs[:2], late, quiet, images)
    assert (result.done, len(result.left)) == ([], 2)


def test_files_are_packed_without_unfinished_ones_and_unpacked_exactly(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "done").write_text("{}")
    (folder / ".spec.json.tmp").write_text("half")
    assert pack(folder) == {"done": b"{}"}
    unpack(tmp_path / "b", {"done": b"1", "spec.json": b"2"})
    unpack(tmp_path / "b", {"spec.json": b"3"})
    assert pack(tmp_path / "b") == {"spec.json": b"3"}


@pytest.mark.parametrize(("address", "words"), [("nowhere", "HOST:PORT"), ("127.0.0.1:1", "ray start --head")])
def test_a_cluster_that_is_not_there(address, words):
    with pytest.raises(ValueError, match=words):
        check_address(address)
