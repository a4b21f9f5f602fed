"""Run the commands of a grid: subprocesses side by side, each with the lock of its run's folder."""

import contextlib
import json
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dropmix.grid.command import CommandSpec
from dropmix.grid.local import Progress, Result, View, on_signals, summary
from dropmix.grid.store import DONE, FAILED, inspect_run, opened
from dropmix.train.files import refusal, write_atomic

LOG = "log"
AGAIN = 75  # exit status of a program that wants to be called again
GRACE = 30.0  # seconds from SIGTERM to SIGKILL
POLL = 0.1
LINES, WIDTH = 3, 160  # of the log, in the cause of a failure

_ONE_ENDS = threading.Lock()  # a run that ends is compared with those that have ended
Adopt = Callable[[CommandSpec, Path], dict[str, Any]]


def run_commands(
    runs: Sequence[CommandSpec],
    out: Path,
    place: Path,
    adopt: Adopt,
    view: View,
    workers: int = 1,
    devices: Sequence[str] = ("cpu",),
    deadline: float | None = None,
) -> Result:
    """Run all commands that are not done; a failed command does not stop the others.

    Args:
        runs: from `CommandGrid.runs`.
        out: the grid's folder, absolute.
        place: working directory of the commands.
        adopt: reads the output in a program's folder and writes `predictions.parquet`; returns the entries of `done`.
        view: called with every run's progress, at least once a second.
        workers: commands side by side; each keeps one of `devices` and sees no other GPU.
        devices: "cpu" hides all GPUs, "cuda:0" all but one, "any" none.
        deadline: time, in seconds since 1970, at which programs are stopped (SIGTERM, SIGKILL 30 s later).
    Returns:
        Result. A program that exits with 75, or was stopped, counts as left.
    """
    out.mkdir(parents=True, exist_ok=True)
    progress = {spec.folder_name: Progress(spec.folder_name, total=1) for spec in runs}
    waiting = []
    for spec in runs:
        if inspect_run(out / spec.folder_name).state == "done":
            progress[spec.folder_name].state, progress[spec.folder_name].done = "done", 1
        else:
            waiting.append(spec)
    waiting.reverse()
    stop = threading.Event()
    late = deadline or float("inf")

    def should_stop() -> bool:
        return stop.is_set() or time.time() >= late

    def work(device: str) -> None:
        while not should_stop():
            try:
                spec = waiting.pop()
            except IndexError:
                return
            run = progress[spec.folder_name]
            run.state = "running"
            outcome = attempt_command(spec, out, place, adopt, should_stop, device)
            run.state, run.cause, run.accuracy = outcome["state"], outcome.get("cause", ""), outcome.get("accuracy")
            run.done = int(run.state == "done")

    threads = [
        threading.Thread(target=work, args=(devices[i % len(devices)],)) for i in range(min(workers, len(waiting)))
    ]
    with on_signals(stop.set):
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            view(progress)
            for thread in threads:
                thread.join(1.0 / len(threads))
    view(progress)
    return summary(progress, out)


def attempt_command(
    spec: CommandSpec, out: Path, place: Path, adopt: Adopt, should_stop: Callable[[], bool], device: str = "cpu"
) -> dict[str, Any]:
    """Run one command; a failure is written into its folder and returned, never raised.

    Returns:
        {"state": "done", "stopped", "busy" or "failed"}, with "accuracy" or "cause".
    """
    folder = out / spec.folder_name
    started = time.monotonic()
    try:
        with opened(out, spec) as lock:
            if lock is None:
                return {"state": "busy", "cause": "another process runs it"}
            if inspect_run(folder).state == "done":
                return {"state": "done"}
            (folder / FAILED).unlink(missing_ok=True)
            code, stopped = _call(spec, folder, place, should_stop, device, lock)
            if stopped or code == AGAIN:
                return {"state": "stopped"}
            if code:
                return _failed(folder, f"the program ended with {_status(code)}{_last_lines(folder / LOG)}")
            seconds = round(time.monotonic() - started, 3)
            with _ONE_ENDS:
                about = adopt(spec, folder) | {"seconds": seconds, "environment": _environment()}
                write_atomic(folder / DONE, (json.dumps(about, indent=1) + "\n").encode())
            return {"state": "done", "accuracy": about.get("accuracy_last")}
    except (OSError, ValueError) as error:
        return _failed(folder, refusal(error) or " ".join(str(error).split()))


def _call(
    spec: CommandSpec, folder: Path, place: Path, should_stop: Callable[[], bool], device: str, lock: int
) -> tuple[int, bool]:
    """Exit status of the program, and whether it was stopped."""
    kind, _, number = device.partition(":")
    visible = {"cpu": {"CUDA_VISIBLE_DEVICES": ""}, "cuda": {"CUDA_VISIBLE_DEVICES": number}}.get(kind, {})
    environment = dict(os.environ) | visible
    with (folder / LOG).open("ab") as log:
        # Its own process group, so that Ctrl-C reaches only us; and the lock, which the program keeps if we die.
        process = subprocess.Popen(
            spec.arguments(folder),
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            pass_fds=(lock,),
        )
    asked = 0.0
    while process.poll() is None:
        if not asked and should_stop():
            asked = time.monotonic()
            _signal(process, signal.SIGTERM)
        elif asked and time.monotonic() - asked > GRACE:
            _signal(process, signal.SIGKILL)
        time.sleep(POLL)
    # A program that finished although it was stopped is done.
    return process.returncode, bool(asked) and process.returncode != 0


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _failed(folder: Path, cause: str) -> dict[str, Any]:
    with contextlib.suppress(OSError):
        (folder / FAILED).write_text(cause + "\n")
    return {"state": "failed", "cause": cause}


def _status(code: int) -> str:
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


def _last_lines(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [" ".join(line.split()) for line in log.read_text(errors="replace").splitlines()]
        last = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines if line][-LINES:]
        return ": " + " | ".join(last) if last else ", and printed nothing"
    return ""


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "dropmix": version("dropmix"),
    }
