"""Run a grid on this machine, in worker processes that train one run at a time, or a pack of runs in turns."""

import contextlib
import itertools
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dropmix.grid.store import FAILED, inspect_run
from dropmix.train.config import RunSpec


@dataclass(frozen=True)
class GridSettings:
    """How a grid is run; nothing here changes its outcome.

    Args:
        out: the grid's folder.
        data: folder of the images; None for sets that need no path.
        devices: names of devices; workers take them in turn.
        workers: processes side by side.
        threads: per process on the CPU; OMP_NUM_THREADS in the environment takes precedence.
        deadline: time, in seconds since 1970, at which runs checkpoint and stop; or None.
        checkpoint_seconds: least time between two checkpoints of a run.
        keep_logits: save all logits with the predictions.
        graph: on a GPU, replay steps as CUDA graphs.
        pack: number of runs that a worker trains in turns, one step each.
        loaders: threads per run that read pictures, if these stay in their files.
    """

    out: Path
    data: str | None = None
    devices: tuple[str, ...] = ("cpu",)
    workers: int = 1
    threads: int = 1
    deadline: float | None = None
    checkpoint_seconds: float = 60.0
    keep_logits: bool = False
    graph: bool = True
    pack: int = 1
    loaders: int = 1


@dataclass
class Progress:
    """The progress of a run that a view shows."""

    name: str
    state: str = "waiting"
    done: int = 0
    total: int = 0
    accuracy: float | None = None
    cause: str = ""


@dataclass
class Result:
    """How a grid ended: names of runs by state, and the runs left that another process trains."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


View = Callable[[dict[str, Progress]], None]


def run_grid(runs: list[RunSpec], settings: GridSettings, view: View) -> Result:
    """Train all runs that are not done; a failed run does not stop the others.

    Args:
        runs: specs with the data's fingerprint filled in.
        settings: see `GridSettings`.
        view: called with every run's progress after each change, and at least once per second.
    Returns:
        Result. On a deadline, SIGTERM or Ctrl-C, unfinished runs are checkpointed and counted as left.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    progress, unfinished = plan(runs, settings.out)
    pool = _Pool(deque(unfinished), settings, progress)
    with on_signals(pool.stop):
        pool.run(view)
    return summary(progress, settings.out)


def plan(runs: list[RunSpec], out: Path) -> tuple[dict[str, Progress], list[RunSpec]]:
    """Progress of every run by name, and the runs that are not done."""
    progress = {spec.folder_name: Progress(spec.folder_name) for spec in runs}
    unfinished = []
    for spec in runs:
        if inspect_run(out / spec.folder_name).state == "done":
            progress[spec.folder_name].state = "done"
        else:
            unfinished.append(spec)
    return progress, unfinished


def summary(progress: dict[str, Progress], out: Path) -> Result:
    """How a grid ended. A run in the hands of another process is done if that has finished it, else elsewhere."""
    result = Result()
    for name, run in progress.items():
        if run.state == "done" or (run.state == "busy" and inspect_run(out / name).state == "done"):
            result.done.append(name)
        elif run.state == "failed":
            result.failed[name] = run.cause
        else:
            result.left.append(name)
            if run.state == "busy":
                result.elsewhere.append(name)
    return result


def job_of(spec: RunSpec, settings: GridSettings, device: str) -> dict[str, Any]:
    """The job that a worker gets for one run, as plain values for JSON."""
    return {
        "name": spec.folder_name,
        "spec": spec.model_dump(mode="json"),
        "out": str(settings.out),
        "data": settings.data,
        "device": device,
        "deadline": settings.deadline,
        "checkpoint_seconds": settings.checkpoint_seconds,
        "keep_logits": settings.keep_logits,
        "graph": settings.graph,
        "loaders": settings.loaders,
    }


class _Process:
    """A worker process; a thread turns its events into items of a queue."""

    def __init__(self, events: "queue.Queue[tuple[_Process, dict[str, Any]]]", device: str, threads: int) -> None:
        self.device = device
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)) | dict(os.environ)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dropmix.grid.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        self.names: set[str] = set()  # of its runs
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: "queue.Queue[tuple[_Process, dict[str, Any]]]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                events.put((self, json.loads(line)))
        events.put((self, {"event": "gone"}))

    def send(self, specs: list[RunSpec], settings: GridSettings) -> None:
        self.names = {spec.folder_name for spec in specs}
        jobs = [job_of(spec, settings, self.device) for spec in specs]
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; its "gone" event is on the way
            self.process.stdin.write(json.dumps(jobs) + "\n")
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """Send no more jobs: the process ends after its current one."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def cause_of_death(self) -> str:
        """One line on how the process ended, from its exit status and its last output."""
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        if code < 0:
            hint = ", often for lack of memory" if -code == signal.SIGKILL else ""
            return f"worker ended by {signal.Signals(-code).name}{hint}{last}"
        return f"worker ended with status {code}{last}"


class _Pool:
    def __init__(self, unfinished: deque[RunSpec], settings: GridSettings, progress: dict[str, Progress]) -> None:
        self.unfinished, self.settings, self.progress = unfinished, settings, progress
        self.events: queue.Queue[tuple[_Process, dict[str, Any]]] = queue.Queue()
        self.processes: set[_Process] = set()
        self.stopping = False
        # No worker takes so many runs that another has none.
        self.pack = min(settings.pack, math.ceil(len(unfinished) / settings.workers))

    def stop(self) -> None:
        """Take no new runs and let every worker checkpoint; a second call kills."""
        for process in self.processes:
            process.process.kill() if self.stopping else process.process.terminate()
        self.stopping = True

    def run(self, view: View) -> None:
        devices = itertools.cycle(self.settings.devices)
        for device in itertools.islice(devices, min(self.settings.workers, len(self.unfinished))):
            self.processes.add(_Process(self.events, device, self.settings.threads))
        while self.processes:
            view(self.progress)
            with contextlib.suppress(queue.Empty):
                self._handle(*self.events.get(timeout=1.0))
                while True:
                    self._handle(*self.events.get_nowait())
        view(self.progress)

    def _handle(self, process: _Process, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "gone":
            self._bury(process)
        elif kind == "warning":
            print(f"warning: {event['text']}", file=sys.stderr, flush=True)
        elif kind == "progress":
            run = self.progress[event["run"]]
            run.state, run.done, run.total = "running", event["done"], event["total"]
            run.accuracy = event["accuracy"]
        elif kind == "ready":
            self._feed(process)
        else:
            run = self.progress[event["run"]]
            run.state, run.cause = event["state"], event.get("cause", "")
            run.accuracy = event.get("accuracy", run.accuracy)
            process.names.discard(run.name)
            if run.state == "stopped":
                self.stopping = True
            if not process.names:
                self._feed(process)

    def _feed(self, process: _Process) -> None:
        late = self.settings.deadline is not None and time.time() >= self.settings.deadline
        if self.unfinished and not self.stopping and not late:
            specs = [self.unfinished.popleft() for _ in range(min(self.pack, len(self.unfinished)))]
            for spec in specs:
                self.progress[spec.folder_name].state = "running"
            process.send(specs, self.settings)
        else:
            process.dismiss()

    def _bury(self, process: _Process) -> None:
        """Account for a process that ended; if it died at work, its runs have failed and a new process replaces it."""
        self.processes.discard(process)
        cause = process.cause_of_death()
        if not process.names:
            if process.process.returncode and not self.processes and not self.stopping:
                self._give_up(cause)
            return
        for name in process.names:
            run = self.progress[name]
            run.state, run.cause = ("stopped", "") if self.stopping else ("failed", cause)
            if run.state == "failed":
                with contextlib.suppress(OSError):
                    (self.settings.out / name / FAILED).write_text(cause + "\n")
        if self.unfinished and not self.stopping:
            self.processes.add(_Process(self.events, process.device, self.settings.threads))

    def _give_up(self, cause: str) -> None:
        """Fail all runs that are left: workers that end before their first job would do so again."""
        for spec in self.unfinished:
            run = self.progress[spec.folder_name]
            run.state, run.cause = "failed", cause
        self.unfinished.clear()


@contextlib.contextmanager
def on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on SIGTERM and Ctrl-C, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, lambda *_: stop()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
