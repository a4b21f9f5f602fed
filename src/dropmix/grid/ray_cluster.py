"""Run a grid on a Ray cluster: one task per run, retried elsewhere when its machine dies.

Machines that see the grid's folder train their runs there, as local workers do. For the others, Ray carries the run's
files to and from the folder: each checkpoint when it is written, the predictions at the end.
"""

import contextlib
import os
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dropmix.data import Dataset
from dropmix.grid.local import GridSettings, Progress, Result, View, job_of, on_signals, plan, summary
from dropmix.grid.store import DONE
from dropmix.train.config import RunSpec
from dropmix.train.files import write_atomic

RETRIES = 10
STOP_SECONDS = 1.0  # how often a task asks whether it should stop


class Home:
    """The grid's folder for machines that do not see it, and the messages of all tasks to the driver.

    Lives as a Ray actor on the driver's machine.
    """

    def __init__(self, out: str) -> None:
        self.out = Path(out)
        self.told: dict[str, tuple[int, int, float | None]] = {}
        self.stopping = False

    def stop(self) -> None:
        """Let every task checkpoint and leave."""
        self.stopping = True

    def should_stop(self) -> bool:
        """Whether `stop` was called."""
        return self.stopping

    def tell(self, name: str, done: int, total: int, accuracy: float | None) -> None:
        """Note a run's progress."""
        self.told[name] = (done, total, accuracy)

    def progress(self) -> dict[str, tuple[int, int, float | None]]:
        """The noted progress of every run."""
        return self.told

    def fetch(self, name: str) -> dict[str, bytes]:
        """Files of a run by name, from which a task goes on."""
        return pack(self.out / name)

    def keep(self, name: str, files: dict[str, bytes]) -> None:
        """Write a run's files into the grid's folder."""
        unpack(self.out / name, files)


def pack(folder: Path) -> dict[str, bytes]:
    """Files of a run's folder by name, without hidden ones, which are unfinished."""
    if not folder.is_dir():
        return {}
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")}


def unpack(folder: Path, files: dict[str, bytes]) -> None:
    """Make a run's folder hold exactly these files; `done` comes last, so a crash leaves no run that looks finished."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == DONE):
        write_atomic(folder / name, files[name])
    for path in folder.iterdir():
        if path.is_file() and path.name not in files and not path.name.startswith("."):
            path.unlink()


def run_on_ray(
    runs: list[RunSpec],
    settings: GridSettings,
    view: View,
    dataset: Dataset,
    *,
    address: str | None = None,
    gpus: float = 1.0,
    by_folder: bool = True,
) -> Result:
    """Train all runs that are not done, as Ray tasks of `settings.loaders` CPUs and `gpus` GPUs each.

    Args:
        runs: specs with the data's fingerprint filled in.
        settings: as for `run_grid`; `workers` are the CPUs of a cluster started here, and the only device is "auto",
            "cpu" or "cuda".
        view: as for `run_grid`.
        dataset: the images, sent to every machine once.
        address: HOST:PORT of a running cluster; None joins this machine's cluster, or starts one.
        gpus: share of a GPU per run, if the cluster has GPUs and the device is not the CPU.
        by_folder: train in the grid's folder on machines that see it.
    Raises:
        ValueError: Ray is not installed, or there is no cluster at the address.
    """
    ray = _connect(address, settings.workers)
    settings.out.mkdir(parents=True, exist_ok=True)
    progress, unfinished = plan(runs, settings.out)
    (device,) = settings.devices
    share = gpus if device != "cpu" and ray.cluster_resources().get("GPU") else 0.0
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    home = ray.remote(num_cpus=0, scheduling_strategy=here)(Home).remote(str(settings.out))
    train = ray.remote(num_cpus=settings.loaders, num_gpus=share, max_retries=RETRIES)(_train)
    images = ray.put(dataset)
    with _token(settings.out) as token, on_signals(lambda: home.stop.remote()):
        waiting = {}
        for spec in unfinished:
            job = job_of(spec, settings, device if share else "cpu") | {"token": token if by_folder else ""}
            waiting[train.remote(job, images, home)] = progress[spec.folder_name]
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=1.0)
            _note(ray.get(home.progress.remote()), waiting.values())
            for task in ready:
                _end(waiting.pop(task), lambda task=task: ray.get(task))
            view(progress)
    view(progress)
    ray.kill(home)
    return summary(progress, settings.out)


def _connect(address: str | None, cpus: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise ValueError("--executor ray: expected Ray to be installed. Run pip install 'dropmix[ray]'.") from None
    if ray.is_initialized():
        return ray
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is not None:
        check_address(address)
        ray.init(address=address, **options)
        return ray
    try:
        ray.init(address="auto", **options)
    except ConnectionError:
        ray.init(num_cpus=cpus, include_dashboard=False, **options)
    return ray


def check_address(address: str) -> None:
    """Raise ValueError unless something answers at HOST:PORT: Ray itself would wait for minutes, and then again."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--ray-address: expected HOST:PORT of a running cluster, got {address!r}.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ValueError(
            f"--ray-address: expected a Ray cluster at {address}, got {error}. Start one with ray start --head."
        ) from None


@contextlib.contextmanager
def _token(out: Path) -> Iterator[str]:
    """A file with a unique name: whoever sees it sees this folder."""
    path = out / f".shared-{uuid.uuid4().hex}"
    path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


def _note(told: dict[str, tuple[int, int, float | None]], running: Any) -> None:
    for run in running:
        if run.name in told:
            run.state = "running"
            run.done, run.total, run.accuracy = told[run.name]


def _end(run: Progress, result: Callable[[], dict[str, Any]]) -> None:
    try:
        outcome = result()
    except Exception as error:  # an error of Ray: the task's machine or process died more often than tasks are retried
        outcome = {"state": "failed", "cause": " ".join(str(error).split())[:300]}
    run.state, run.cause = outcome["state"], outcome.get("cause", "")
    if "accuracy" in outcome:
        run.accuracy = float(outcome["accuracy"])


def _train(job: dict[str, Any], dataset: Dataset, home: Any) -> dict[str, Any]:
    """Train one run on the machine that Ray chose."""
    import ray

    from dropmix.grid.worker import attempt
    from dropmix.train.device import keep_freed_memory, make_deterministic

    keep_freed_memory()
    make_deterministic()
    name, deadline = job["name"], job["deadline"] or float("inf")
    if time.time() >= deadline:
        return {"state": "stopped"}
    asked: Any = home.should_stop.remote()
    stopping, last = False, 0.0

    def should_stop() -> bool:
        nonlocal asked, stopping, last
        now = time.monotonic()
        if now - last >= STOP_SECONDS and ray.wait([asked], timeout=0)[0]:
            stopping, asked, last = bool(ray.get(asked)), home.should_stop.remote(), now
        return stopping or time.time() >= deadline

    def tell(done: int, total: int, accuracy: float | None) -> None:
        home.tell.remote(name, done, total, accuracy)

    if job["token"] and (Path(job["out"]) / job["token"]).is_file():
        return attempt(job, lambda spec: dataset, should_stop, tell)
    with tempfile.TemporaryDirectory(prefix="dropmix-") as place:
        folder = Path(place) / name
        packed: Any = ray.get(home.fetch.remote(name))
        if packed:
            unpack(folder, packed)
        sent = _stamp(folder)

        def tell_and_send(done: int, total: int, accuracy: float | None) -> None:
            nonlocal sent
            tell(done, total, accuracy)
            if (now := _stamp(folder)) != sent:
                sent = now
                home.keep.remote(name, pack(folder))

        outcome = attempt({**job, "out": place}, lambda spec: dataset, should_stop, tell_and_send)
        ray.get(home.keep.remote(name, pack(folder)))
        return outcome


def _stamp(folder: Path) -> int:
    """A number that changes with every new checkpoint."""
    from dropmix.train.checkpoint import NAME

    path = folder / NAME
    return path.stat().st_mtime_ns if path.exists() else 0
