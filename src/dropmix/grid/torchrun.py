"""Run a grid in processes started by torchrun: one run after the other, each trained by all processes together."""

import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from dropmix.data import Dataset
from dropmix.grid.local import GridSettings, Result, View, job_of, plan, summary
from dropmix.grid.worker import attempt
from dropmix.train.config import RunSpec
from dropmix.train.distributed import Group, PeerError
from dropmix.train.loop import Control, train_run


def run_together(
    runs: list[RunSpec], settings: GridSettings, view: View, dataset: Dataset, group: Group, device: torch.device
) -> Result:
    """Train all runs that are not done, as the leading process, while the others `follow`.

    Args:
        runs: specs with the data's fingerprint filled in.
        settings: as for `run_grid`; devices and workers are not used.
        view: as for `run_grid`.
        dataset: the images.
        group: all processes.
        device: of this process.
    Returns:
        Result. On a deadline, or a signal to any process, the current run is checkpointed and counted as left.
    """
    stopped = stop_on_signals()
    settings.out.mkdir(parents=True, exist_ok=True)
    progress, unfinished = plan(runs, settings.out)

    def should_stop() -> bool:
        return stopped() or time.time() >= (settings.deadline or math.inf)

    for spec in unfinished:
        if should_stop() or group.broken:
            break
        run = progress[spec.folder_name]
        run.state = "running"
        view(progress)

        def begin(spec: RunSpec) -> Dataset:
            group.share(spec.model_dump(mode="json"))
            return dataset

        def on_progress(done: int, total: int, accuracy: float | None, run=run) -> None:
            run.done, run.total, run.accuracy = done, total, accuracy
            view(progress)

        outcome = attempt(job_of(spec, settings, str(device)), begin, should_stop, on_progress, group)
        run.state, run.cause = outcome["state"], outcome.get("cause", "")
        run.accuracy = outcome.get("accuracy", run.accuracy)
        view(progress)
        if run.state == "stopped":
            break
    if not group.broken:
        group.share(None)
    return summary(progress, settings.out)


def follow(dataset: Dataset, group: Group, device: torch.device, loaders: int = 1) -> None:
    """Train the leader's runs until it has no more; write only failures that the leader cannot report."""
    stopped = stop_on_signals()
    while not group.broken and (spec := group.share()) is not None:
        control = Control(stopped, checkpoint_seconds=math.inf, group=group, loaders=loaders)
        try:
            train_run(RunSpec.model_validate(spec), Path(), dataset, device, control)
        except PeerError:
            pass
        except Exception as error:
            if group.broken:
                print(f"dropmix: process {group.rank} of {group.size}: {error}", file=sys.__stderr__, flush=True)


def stop_on_signals() -> Callable[[], bool]:
    """Return a function that says whether SIGTERM or Ctrl-C came; from now on they do nothing else.

    They stay caught to the end, because torchrun sends SIGTERM to the others when one process has left.
    """
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: came.append(1))
    return lambda: bool(came)
