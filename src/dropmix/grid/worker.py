"""A worker process: trains the runs that it is sent, one pack after the other.

Reads packs from standard input, one JSON list of jobs per line, and takes one step of each job of a pack in turn.
Writes events, one JSON object per line, to the original standard output. Everything else that the process prints goes
to standard error.
"""

import contextlib
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TextIO

import torch

from dropmix.data import Dataset
from dropmix.grid.data import load_data
from dropmix.grid.store import DONE, FAILED, inspect_run, opened
from dropmix.train.config import RunSpec
from dropmix.train.device import check_precision, keep_freed_memory, make_deterministic, resolve_device
from dropmix.train.distributed import Group
from dropmix.train.executor import cuda_graphs, exhaust, take_turns
from dropmix.train.files import refusal
from dropmix.train.loop import Control, train_steps

PROGRESS_SECONDS = 0.5


class Worker:
    """State that outlives a run: the loaded data set, and whether to stop."""

    def __init__(self, channel: TextIO) -> None:
        self.channel = channel
        self.stopping = False
        self.parent = os.getppid()
        self.datasets: dict[str, Dataset] = {}

    def send(self, **event: Any) -> None:
        self.channel.write(json.dumps(event) + "\n")
        self.channel.flush()

    def serve(self, jobs: TextIO) -> None:
        self.send(event="ready")
        threads = torch.get_num_threads()
        for line in jobs:
            torch.set_num_threads(threads)  # a resumed run may have changed it
            pack = {job["name"]: self._attempt(job) for job in json.loads(line)}
            for name, outcome in take_turns(pack):
                self.send(event="end", run=name, **outcome)
            if self.stopping:
                return

    def _attempt(self, job: dict[str, Any]) -> Generator[None, None, dict[str, Any]]:
        deadline = job["deadline"] or float("inf")

        def should_stop() -> bool:
            # A worker whose parent was killed must stop: nobody would see its events.
            return self.stopping or time.time() >= deadline or os.getppid() != self.parent

        def on_progress(done: int, total: int, accuracy: float | None) -> None:
            self.send(event="progress", run=job["name"], done=done, total=total, accuracy=accuracy)

        return attempt_steps(job, lambda spec: self._dataset(spec, job["data"]), should_stop, on_progress)

    def _dataset(self, spec: RunSpec, path: str | None) -> Dataset:
        data = spec.data
        key = data.model_dump_json()
        if key not in self.datasets:
            dataset = load_data(spec, path)
            if dataset.fingerprint != data.fingerprint:
                raise ValueError(
                    f"data: expected the images of fingerprint {data.fingerprint}, got {dataset.fingerprint}. "
                    "They changed since the run was planned; plan again in another --out."
                )
            self.datasets = {key: dataset}
        return self.datasets[key]


def attempt(
    job: dict[str, Any],
    dataset: Callable[[RunSpec], Dataset],
    should_stop: Callable[[], bool],
    on_progress: Callable[[int, int, float | None], None],
    group: Group | None = None,
) -> dict[str, Any]:
    """Train one run; a failure is written into its folder and returned, never raised.

    Args:
        job: spec, out, device, checkpoint_seconds, keep_logits, graph and loaders of the run.
        dataset: gives a spec's images.
        should_stop: asked before every step.
        on_progress: steps done, all steps, last accuracy; called every half second and after the last step.
        group: processes that train the run together, led by this one.
    Returns:
        {"state": "done", "stopped", "busy" or "failed"}, with "accuracy" or "cause".
    """
    return exhaust(attempt_steps(job, dataset, should_stop, on_progress, group))


def attempt_steps(
    job: dict[str, Any],
    dataset: Callable[[RunSpec], Dataset],
    should_stop: Callable[[], bool],
    on_progress: Callable[[int, int, float | None], None],
    group: Group | None = None,
) -> Generator[None, None, dict[str, Any]]:
    """As `attempt`, but pausing after every step, so that several runs can take turns."""
    spec = RunSpec.model_validate(job["spec"])
    folder = Path(job["out"]) / spec.folder_name
    try:
        with opened(Path(job["out"]), spec) as lock:
            if lock is None:
                return {"state": "busy", "cause": "another process trains it"}
            if inspect_run(folder).state == "done":
                return {"state": "done"}
            (folder / FAILED).unlink(missing_ok=True)
            device = resolve_device(job["device"])
            check_precision(spec.train.precision, device)
            control = Control(
                should_stop,
                _seldom(on_progress),
                job["checkpoint_seconds"],
                job["keep_logits"],
                cuda_graphs() if job["graph"] and device.type == "cuda" else None,
                job["loaders"],
                group,
            )
            state = yield from train_steps(spec, folder, dataset(spec), device, control)
            if state == "done":  # the last evaluation comes after the last step, so no progress event reported it
                return {"state": state, "accuracy": json.loads((folder / DONE).read_text())["accuracy_last"]}
            return {"state": state}
    except Exception as error:
        cause = _one_line(error)
        with contextlib.suppress(OSError):  # a full disk may be the cause; the event still reports it
            (folder / FAILED).write_text(cause + "\n")
        return {"state": "failed", "cause": cause}


def _seldom(tell: Callable[[int, int, float | None], None]) -> Callable[[int, int, float | None], None]:
    last = 0.0

    def on_progress(done: int, total: int, accuracy: float | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS or done == total:
            last = now
            tell(done, total, accuracy)

    return on_progress


def _one_line(error: BaseException) -> str:
    if refused := refusal(error):
        return refused
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of memory on the device: {text}"
    known = isinstance(error, ValueError | RuntimeError | OSError)
    return text if known else f"{type(error).__name__}: {text}"


def main() -> None:
    """Serve jobs until standard input ends or SIGTERM comes."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(channel)

    def stop(*_: object) -> None:
        worker.stopping = True

    def tell(message: Warning | str, category: type[Warning], *place: Any) -> None:
        print(f"{category.__name__}: {message}", file=sys.stderr)
        if str(message).startswith("checkpoint "):  # a run that goes on from less than it had must not be silent
            worker.send(event="warning", text=str(message))

    warnings.showwarning = tell
    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C reaches the whole process group; the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    make_deterministic(int(os.environ.get("OMP_NUM_THREADS", "1")))
    worker.serve(sys.stdin)


if __name__ == "__main__":
    main()
