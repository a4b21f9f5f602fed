"""A grid whose runs are commands of yours: `recipe: command` in the file of `dropmix run --config`."""

import contextlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropmix.cli.streams import say
from dropmix.grid.command import CommandGrid, CommandSpec

PREDICTIONS = "predictions.parquet"


def command_grid(content: dict[str, Any], given: dict[str, Any], settings: list[str], executor: str) -> CommandGrid:
    """The grid that a configuration file describes, with the number of seeds from the command line if one is given.

    Raises:
        ValueError: no file, or an option that only the program itself could obey.
    """
    if not content:
        raise ValueError(
            "run: expected --config FILE with command, arms and predictions for the recipe command, got no file."
        )
    foreign = [f"--{key.replace('_', '-')}" for key in given if key not in ("recipe", "seeds", "first_seed")]
    foreign += ["--set"] if settings else []
    if foreign:
        raise ValueError(
            f"{foreign[0]}: expected this setting in the command itself, since only your program can obey it."
        )
    if executor != "local":
        raise ValueError(
            f"--executor {executor}: expected local for the recipe command. Start dropmix run once per machine."
        )
    return CommandGrid.model_validate(content | given)


def train_commands(
    grid: CommandGrid,
    place: Path,
    out: Path,
    workers: int | None = None,
    device: str = "auto",
    time_limit: float | None = None,
    dry_run: bool = False,
) -> int:
    """Run a grid of commands with a progress view; returns the exit status.

    Args:
        grid: from the configuration file.
        place: the file's folder, which the commands run in.
        out, workers, device, time_limit: as for `dropmix run`; by default one command at a time on a CPU, since a
            program may use any number of cores, and one per GPU.
        dry_run: list the commands and whether each is done.
    """
    from dropmix.cli.training import plain_view, tell_result
    from dropmix.grid.program import run_commands
    from dropmix.grid.store import check_same_grid, inspect_run

    deadline = None if time_limit is None else time.time() + time_limit
    runs, out, place = grid.runs(place), out.absolute(), place.absolute()
    check_same_grid(out, *runs)
    if dry_run:
        states = [inspect_run(out / spec.folder_name).state for spec in runs]
        for spec, state in zip(runs, states):
            say(f"{spec.folder_name:<44} {state:<12} {' '.join(spec.arguments(out / spec.folder_name))}")
        print(f"{len(runs)} runs, {sum(state != 'done' for state in states)} to do")
        return 0
    devices = _devices(device)
    count = workers or len(devices)
    say(f"{len(runs)} runs, {min(count, len(runs))} at a time, in {out}")
    from rich.console import Console

    from dropmix.grid.view import LiveView

    console = Console()
    with LiveView(console) if console.is_terminal else contextlib.nullcontext(plain_view()) as view:
        result = run_commands(runs, out, place, adopt, view, count, devices, deadline)
    return tell_result(result, len(runs), out)


def adopt(spec: CommandSpec, folder: Path) -> dict[str, Any]:
    """Turn what a program left into `predictions.parquet`; returns its SHA-256 and the accuracy.

    Raises:
        ValueError: no file, predictions of other runs than this one, or of other examples than a finished run's.
    """
    from dropmix.audit.inputs.files import read_path
    from dropmix.audit.inputs.given import Reading
    from dropmix.audit.save import write_run

    path = folder / spec.predictions
    try:
        parts = read_path(path, Reading())
    except ValueError as error:
        sentences = re.split(r"(?<=\.) (?=[A-Z])", str(error))
        advice = [sentence for sentence in sentences if "--" not in sentence]  # the others name options of `audit`
        if len(advice) < len(sentences):
            advice.append("Let the program write the true classes as label and the predicted ones as pred.")
        raise ValueError(" ".join(advice)) from error
    if len(parts) != 1 or len(parts[0].seeds) != 1:
        raise ValueError(
            f"{path}: expected the predictions of one run, got {sum(len(p.seeds) for p in parts)} runs. "
            "Let each call of the program write its own file."
        )
    (predictions,) = parts
    if predictions.seeds_given and int(predictions.seeds[0]) != spec.seed:
        raise ValueError(
            f"{path}: expected seed {spec.seed}, got {predictions.seeds[0]}. Write the seed that the command was given."
        )
    stated = {source.get("arm") for source in predictions.sources} - {None, path.stem}
    if stated - {spec.arm.name}:
        raise ValueError(f"{path}: expected arm {spec.arm.name!r}, got {stated.pop()!r}. Leave out the column arm.")
    digest = write_run(predictions, spec.arm.name, spec.seed, folder / PREDICTIONS)
    _check_examples(folder)
    return {"predictions_sha256": digest, "accuracy_last": float(predictions.correct().mean())}


def _check_examples(folder: Path) -> None:
    """Refuse a run that predicted other examples than the finished runs beside it: no audit could compare them."""
    from dropmix.audit.inputs.align import join
    from dropmix.audit.inputs.files import read_path
    from dropmix.audit.inputs.given import Reading
    from dropmix.grid.store import inspect_run

    others = (path for path in sorted(folder.parent.iterdir()) if path.is_dir() and path != folder)
    lead = next((path for path in others if inspect_run(path).state == "done"), None)
    if lead is None:
        return
    runs = [replace(read_path(path / PREDICTIONS, Reading())[0], arm=path.name) for path in (lead, folder)]
    try:
        join(runs)
    except ValueError as error:
        what = re.split(r"(?<=\.) (?=[A-Z])", str(error))[0]
        raise ValueError(
            f"{what} Let every run predict the same test examples, in one order or with example_id. If those of "
            f"{lead.name} are wrong, delete its folder. Then call dropmix run again."
        ) from error


def _devices(name: str) -> tuple[str, ...]:
    """Devices that commands take in turn; "any" leaves the choice to the program."""
    try:
        from dropmix.train.device import all_devices, resolve_device
    except ImportError:  # a plain install has no torch to ask
        return ("any",) if name == "auto" else (name,)
    return all_devices(resolve_device(name))
