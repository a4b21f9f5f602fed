"""A grid's folder: one self-explanatory folder per run. Imports no torch."""

import fcntl
import json
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from dropmix.grid.command import CommandSpec
from dropmix.train.config import RunSpec, Spec
from dropmix.train.files import damage_of, read_object, read_regular, write_atomic

State = Literal["done", "running", "interrupted", "failed", "new", "damaged"]
SPEC, DONE, FAILED, METRICS = "spec.json", "done", "failed", "metrics.jsonl"
DATA = "data-path.txt"
"""File beside the runs: the folder of the images on the machine that trained last. Not part of any run."""
_NAMED = re.compile(r".+-s\d+(?:-f\d+)?-[0-9a-f]{10}", re.DOTALL)
_TRIES = 100  # of 10 ms: on a busy machine, who only asks may hold the lock for a while


class StoreError(ValueError):
    """A folder is not what was expected; the message is one line for its user."""


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and its state.

    Args:
        path: the folder.
        state: "done", "running" (a process holds its lock), "interrupted" (resumes), "failed" (tried again by the next
            `run`), "new" (planned, no epoch finished), "damaged" (no readable spec).
        spec: None if damaged.
        epoch: finished epochs: all of a finished run, else from the metrics.
        cause: why it failed or is damaged.
    """

    path: Path
    state: State
    spec: Spec | None
    epoch: int = 0
    cause: str = ""


def create_run(out: Path, spec: Spec) -> Path:
    """Return the run's folder; create it with its `spec.json` if needed.

    Raises:
        StoreError: the folder holds another spec, or a run of a newer version.
        OSError: the disk is full or not writable.
    """
    folder = out / spec.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    found = inspect_run(folder)
    if "update dropmix" in found.cause:  # training again would overwrite it
        raise StoreError(f"{folder}: {found.cause}, or choose another --out.")
    if found.spec is not None and found.spec.hash != spec.hash:
        raise StoreError(f"{folder}: expected the spec {spec.hash}, got {found.spec.hash}. Choose another --out.")
    if found.spec is None:
        write_atomic(folder / SPEC, spec.to_json().encode())
    return folder


@contextmanager
def opened(out: Path, spec: Spec) -> Iterator[int | None]:
    """Hold a run, creating its folder if needed; yield its lock's descriptor, or None if another process holds it.

    Only the holder writes the spec: two commands that begin the same run would write the same temporary file.

    Raises:
        StoreError: the folder holds another spec.
        OSError: the disk is full or not writable.
    """
    folder = out / spec.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder) as lock:
        if lock is not None:
            create_run(out, spec)
        yield lock


def scan(out: Path) -> list[RunFolder]:
    """Return every run folder in `out`, sorted by name. Other folders and files are ignored.

    Raises:
        StoreError: `out` is not a folder.
    """
    if not out.is_dir():
        raise StoreError(
            f"{out}: expected a grid's folder, got {'a file' if out.exists() else 'nothing'}. Check the path."
        )
    folders = sorted(p for p in out.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [inspect_run(p) for p in folders if _looks_like_run(p)]


def inspect_run(folder: Path) -> RunFolder:
    """Return one run folder and its state."""
    try:
        there = (folder / SPEC).exists()
    except OSError as error:
        cause = f"it cannot be opened ({error.strerror}); check its permissions"
        return RunFolder(folder, "damaged", None, cause=cause)
    if not there:
        return RunFolder(folder, "new", None, cause="stopped before its spec was written; run again makes it anew")
    spec, cause = _read_spec(folder / SPEC)
    if spec is None:
        return RunFolder(folder, "damaged", None, cause=cause)
    if _NAMED.fullmatch(folder.name) and folder.name != spec.folder_name:
        own = spec.folder_name[-80:]
        cause = f"spec.json was changed by hand (it is that of {own}); put it back, or remove the folder and run again"
        return RunFolder(folder, "damaged", spec, cause=cause)
    if (folder / DONE).exists() and (folder / "predictions.parquet").exists():
        cause = damage_of(folder / DONE, folder / "predictions.parquet")
        epochs = spec.train.epochs if isinstance(spec, RunSpec) else 0
        return RunFolder(folder, "damaged" if cause else "done", spec, epochs, cause)
    epoch = _epochs(folder / METRICS)
    if is_locked(folder):
        return RunFolder(folder, "running", spec, epoch)
    if (folder / FAILED).exists():
        return RunFolder(folder, "failed", spec, epoch, _text(folder / FAILED) or "why could not be written; run again")
    return RunFolder(folder, "interrupted" if epoch or (folder / "checkpoint.pt").exists() else "new", spec, epoch)


@contextmanager
def held(folder: Path) -> Iterator[int | None]:
    """Hold a run; yield the descriptor of its lock, or None if another process holds it.

    The system frees the lock when this process, and every program that got the descriptor, has ended.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        mine = _try_lock(descriptor)
        for _ in range(_TRIES):
            if mine:
                break
            time.sleep(0.01)  # a command that asks whether the run is held holds it for a moment itself
            mine = _try_lock(descriptor)
        yield descriptor if mine else None
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a run; yield False if another process holds it."""
    with held(folder) as lock:
        yield lock is not None


def is_locked(folder: Path) -> bool:
    """Whether a living process holds a run."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems cannot lock a folder; two processes on one run then only waste time
    return True


def run_card(out: Path) -> dict[str, Any]:
    """Return the origin of a report's numbers: settings that the finished runs share, and those of each run.

    Returns:
        {"environment": ..., "spec": shared settings by dotted path, "arms": ..., "seeds": ..., "runs": name -> hash of
        its predictions}. What a run's `done` lacks is left out.
    """
    card: dict[str, Any] = {"environment": {}, "spec": {}, "arms": [], "seeds": [], "seconds": 0.0, "runs": {}}
    for run in scan(out) if out.is_dir() else []:
        done = read_object(run.path / DONE)
        if run.state != "done" or run.spec is None or done is None:
            continue
        environment, seconds = done.get("environment"), done.get("seconds")
        for key, value in environment.items() if isinstance(environment, dict) else ():
            values = card["environment"].setdefault(key, [])
            values += [value] if value not in values else []
        for key, value in _flat(run.spec).items():
            values = card["spec"].setdefault(key, [])
            values += [value] if value not in values else []
        card["arms"] += [run.spec.arm.name] if run.spec.arm.name not in card["arms"] else []
        card["seeds"] += [run.spec.seed] if run.spec.seed not in card["seeds"] else []
        card["seconds"] += seconds if isinstance(seconds, int | float) and 0 <= seconds < math.inf else 0.0
        card["runs"][run.path.name] = str(done.get("predictions_sha256", "not noted"))[:16]
    card["seeds"].sort()
    for part in ("environment", "spec"):
        card[part] = {key: ", ".join(map(str, values)) for key, values in card[part].items()}
    return card


def check_same_grid(out: Path, spec: Spec, *others: Spec) -> None:
    """Refuse a folder whose runs belong to another grid.

    Args:
        out: the folder.
        spec, others: runs of one grid.
    Raises:
        StoreError: names the settings that differ, or an arm that goes by the name of another one.
    """
    if not out.is_dir():
        if os.path.lexists(out):
            raise StoreError(f"{out}: expected a folder for the runs, got no folder. Choose another --out.")
        return
    arms = {run.arm.name: run.arm.model_dump(mode="json") for run in (spec, *others)}
    for run in (entry.spec for entry in scan(out) if entry.spec is not None):
        if run.group != spec.group:
            ours, theirs = _flat(spec), _flat(run)
            keys = [k for k in sorted(ours | theirs) if ours.get(k) != theirs.get(k) and k != "data.fold"]
            shown = ", ".join(f"{k} ({theirs.get(k)} there, {ours.get(k)} here)" for k in keys[:3])
            raise StoreError(f"{out}: expected runs of this grid, got others: {shown}. Choose another --out.")
        there = run.arm.model_dump(mode="json")  # pairs are lists in a file
        if there != arms.get(there["name"], there):
            raise StoreError(
                f"{out}: expected {there['name']!r} to be the arm that was run there, got another of that name. "
                "Choose another --out or another name."
            )


def remember_data(out: Path, data: str | None) -> None:
    """Note the folder of the images beside the runs, for commands that show or predict them."""
    if data is not None:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out) as mine:
            if mine:  # else another command is writing it
                write_atomic(out / DATA, f"{Path(data).expanduser().absolute()}\n".encode(errors="surrogateescape"))


def data_folder(out: Path) -> str | None:
    """The folder of a grid's images when it was trained, or None if unknown."""
    try:
        return os.fsdecode(read_regular(out / DATA)).strip() or None
    except OSError:
        return None


def _flat(spec: Spec) -> dict[str, object]:
    flat: dict[str, object] = {}

    def walk(value: object, path: str) -> None:
        if not isinstance(value, dict):
            flat[path] = value
            return
        for key, inner in value.items():
            walk(inner, f"{path}.{key}" if path else str(key))

    walk(spec.model_dump(mode="json", exclude={"arm", "seed"}), "")
    return flat


def _looks_like_run(folder: Path) -> bool:
    try:
        names = {p.name for p in folder.iterdir()}
    except OSError:
        return True  # closed to us: listed as a damaged run, so that nobody misses it
    return not names or bool({SPEC, DONE} & names) or names <= {f".{SPEC}.tmp"}


def _read_spec(path: Path) -> tuple[Spec | None, str]:
    """A run's spec, or why there is none."""
    try:
        content = json.loads(read_regular(path))
        kind = CommandSpec if isinstance(content, dict) and "command" in content else RunSpec
        return kind.model_validate_json(json.dumps(content)), ""
    except OSError as error:  # nothing is known to be wrong with the run itself
        return None, f"spec.json cannot be opened ({error.strerror}); check its permissions and kind"
    except (ValueError, RecursionError) as error:  # what a newer version trained must not be thrown away
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else ""
        newer = f" ({where[:80]}); update dropmix if a newer version wrote it, else" if where else ";"
        return None, f"spec.json cannot be read{newer} remove the folder and run again"


def _text(path: Path) -> str:
    try:
        return read_regular(path, 10_000, end=True).decode(errors="replace").strip()
    except OSError as error:
        return error.strerror or type(error).__name__


def _epochs(path: Path) -> int:
    try:
        last = read_regular(path, 65_536, end=True).strip().splitlines()[-1]
        epoch = json.loads(last)["epoch"]
        return epoch if isinstance(epoch, int) and 0 <= epoch < 10**9 else 0
    except (OSError, IndexError, ValueError, KeyError, TypeError, RecursionError):
        return 0
