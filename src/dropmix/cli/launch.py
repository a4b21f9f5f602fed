"""The command line under torchrun: all processes train the same run, one run after the other."""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from dropmix.cli.streams import say


def launched() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= {*os.environ}


def hush_followers() -> None:
    """Silence every process but the first of those that were started together."""
    if launched() and os.environ["RANK"] != "0":
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  to the end of the process


def train_together(
    runs: list[Any],
    out: Path,
    data: str | None,
    workers: int | None = None,
    device: str = "auto",
    time_limit: float | None = None,
    download: bool = False,
    pack: int = 1,
    loaders: int | None = None,
    ray: dict[str, Any] | None = None,
    **settings: Any,
) -> int:
    """As `train_runs`, called in every process; returns the same exit status in all."""
    from rich.console import Console

    from dropmix.cli.beside_runs import check_grid, remember_pictures, remember_plan
    from dropmix.cli.data_summary import data_lines, network_line
    from dropmix.cli.training import judge_precision, loaders_of, plain_view, tell_result
    from dropmix.grid.local import GridSettings
    from dropmix.grid.store import remember_data
    from dropmix.grid.torchrun import follow, run_together
    from dropmix.grid.view import LiveView
    from dropmix.train.device import keep_freed_memory, make_deterministic
    from dropmix.train.distributed import joined

    started, processes, shards = time.time(), int(os.environ["WORLD_SIZE"]), runs[0].train.shards
    if ray is not None or pack > 1 or (workers or 1) > 1:
        raise ValueError(
            f"run: expected one run at a time, trained by the {processes} processes that were started together, got "
            "several. Leave out --executor, --executor-step and --workers."
        )
    if shards != processes:
        raise ValueError(
            f"run: expected train.shards={processes}, one shard of each batch per process, got {shards}. "
            f"Add --set train.shards={processes}, or start {shards} processes."
        )
    target = _own_device(device)
    loaders = loaders or loaders_of(target, int(os.environ.get("LOCAL_WORLD_SIZE", processes)))
    judge_precision(runs, target)
    keep_freed_memory()
    make_deterministic(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with joined(target) as group:
        runs, dataset = _load(runs, data, download, group)
        with group.together():
            check_grid(out, runs, dataset)
            told = network_line(runs, dataset, target)
        if not group.leads:
            follow(dataset, group, target, loaders)
            return 1 if group.broken else group.share()
        remember_data(out, data)
        remember_plan(out, runs)
        remember_pictures(out, dataset)
        for line in filter(None, [*data_lines(dataset, out, runs[0].data.folds or 0, runs[0].train.batch), told]):
            print(line, flush=True)
        deadline = None if time_limit is None else started + time_limit
        options = GridSettings(out=out.absolute(), data=data, deadline=deadline, loaders=loaders, **settings)
        say(f"{len(runs)} runs, one at a time by {processes} processes on {target.type}, in {out}")
        console = Console()
        with LiveView(console) if console.is_terminal else contextlib.nullcontext(plain_view()) as view:
            result = run_together(runs, options, view, dataset, group, target)
        status = tell_result(result, len(runs), out)
        return status if group.broken else group.share(status)


def _load(runs: list[Any], data: str | None, download: bool, group: Any) -> tuple[list[Any], Any]:
    """As `with_data`; the leader goes first, since it may have to download or unpack the images."""
    from dropmix.cli.training import with_data

    loaded: Any = None
    for turn in (True, False):
        with group.together():
            if group.leads == turn:
                loaded = with_data(runs, data, download and turn)
    with group.together():
        own, first = loaded[1].fingerprint, group.share(loaded[1].fingerprint)
        if own != first:
            raise ValueError(
                f"data: expected the same images in all processes, got fingerprints {first} and {own}. "
                "Copy them to every machine."
            )
    return loaded


def _own_device(name: str) -> Any:
    from dropmix.train.device import all_devices, resolve_device

    device = resolve_device(name)
    if device.type == "cpu":
        return device
    if device.index is not None:
        raise ValueError(f"--device: expected auto, cpu or cuda (each process takes its own GPU), got {name}.")
    devices = all_devices(device)
    # A launcher may show each process only its own GPU, or all of them.
    return resolve_device(devices[int(os.environ.get("LOCAL_RANK", os.environ["RANK"])) % len(devices)])
