"""How the commands run, demo and select train a grid: its workers, and the progress that a person sees."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from dropmix.cli.beside_runs import remember_plan
from dropmix.cli.data_summary import data_lines, near_chance, network_line
from dropmix.cli.streams import say

TRY_LATER = 75
MAX_LOADERS = 16  # threads per process; more would only wait for each other


def train_runs(
    runs: list[Any],
    out: Path,
    data: str | None,
    workers: int | None = None,
    loaders: int | None = None,
    device: str = "auto",
    time_limit: float | None = None,
    checkpoint_seconds: float = 60.0,
    keep_logits: bool = False,
    download: bool = False,
    graph: bool = True,
    pack: int = 1,
    ray: dict[str, Any] | None = None,
    asked: Any = None,
) -> int:
    """Train the runs of one grid with a progress view; returns the exit status.

    `asked` are settings of an audit whose classes must be among the data's.
    """
    from rich.console import Console

    from dropmix.cli.beside_runs import check_grid, remember_pictures
    from dropmix.grid.local import GridSettings, run_grid
    from dropmix.grid.store import remember_data
    from dropmix.grid.view import LiveView
    from dropmix.train.device import all_devices, cores, resolve_device

    started = time.time()
    if ray is None:
        target = resolve_device(device)
        devices, (count, threads) = all_devices(target), layout(target, len(runs))
        judge_precision(runs, target)
    else:  # the machines that train decide what they have
        target, devices, count, threads = "a Ray cluster", (device,), cores(), 1
    runs, dataset = with_data(runs, data, download)
    check_grid(out, runs, dataset)
    if asked is not None:
        asked.protected(list(dataset.classes))
        asked.tolerances(list(dataset.classes))
    told = network_line(runs, dataset, target)
    remember_data(out, data)
    remember_plan(out, runs)
    remember_pictures(out, dataset)
    for line in filter(None, [*data_lines(dataset, out, runs[0].data.folds or 0, runs[0].train.batch), told]):
        print(line, flush=True)
    settings = GridSettings(
        out=out.absolute(),
        data=data,
        devices=devices,
        workers=workers or count,
        threads=threads,
        loaders=loaders or loaders_of(target, min((workers or count) * pack, len(runs))),
        deadline=None if time_limit is None else started + time_limit,
        checkpoint_seconds=checkpoint_seconds,
        keep_logits=keep_logits,
        graph=graph,
        pack=pack,
    )
    console = Console()
    beside = f"{min(settings.workers * pack, len(runs))} at a time on {target}" if ray is None else f"on {target}"
    say(f"{len(runs)} runs, {beside}, in {out}")
    with LiveView(console) if console.is_terminal else contextlib.nullcontext(plain_view()) as view:
        if ray is None:
            result = run_grid(runs, settings, view)
        else:
            from dropmix.grid.ray_cluster import run_on_ray

            result = run_on_ray(runs, settings, view, dataset, **ray)
    if unfit := near_chance(runs, out):
        print(unfit)
    return tell_result(result, len(runs), out)


def tell_result(result: Any, runs: int, out: Path) -> int:
    """Print how a grid ended; returns the exit status."""
    from dropmix.audit.arm_names import visible

    for name, cause in result.failed.items():
        print(f"failed: {visible(name)}: {visible(cause)}", file=sys.stderr)
    if result.left:
        busy = f", {len(result.elsewhere)} of them in the hands of another process" if result.elsewhere else ""
        print(
            f"{len(result.done)} runs done, {len(result.left)} left in {out}{busy}; "
            f"run the same command again to {'finish' if busy else 'resume'}."
        )
        return TRY_LATER
    say(f"{len(result.done)} of {runs} runs done in {out}")
    return 1 if result.failed else 0


def plain_view() -> Any:
    """Progress without a terminal: plain lines."""
    from dropmix.audit.arm_names import visible
    from dropmix.grid.view import PlainView

    return PlainView(lambda line: print(visible(line), flush=True))


def with_data(runs: list[Any], data: str | None, download: bool) -> tuple[list[Any], Any]:
    """The runs with the hashes of their data, network and weights filled in and their arms completed, and the data of
    the first run's fold."""
    import numpy as np

    from dropmix.data.decode import HEADS, check_headers
    from dropmix.data.records import Files
    from dropmix.grid.data import load_data
    from dropmix.grid.written_arms import for_data
    from dropmix.nets.trained import digests

    dataset = load_data(runs[0], data, download)
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if isinstance(split, Files)]
    check_headers([split.path(row) for split in splits for row in range(min(len(split), HEADS))])
    known = {"fingerprint": dataset.fingerprint, "resized": dataset.resized}
    of_network = digests(runs[0].network, runs[0].weights)
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes)).tolist()
    made = []
    for spec in runs:
        arm = for_data(spec.arm, dataset.classes, counts)
        made.append(spec.model_copy(update={"arm": arm, "data": spec.data.model_copy(update=known), **of_network}))
    return made, dataset


def layout(target: Any, runs: int) -> tuple[int, int]:
    """Number of worker processes and threads per process. Threads depend on the number of all runs, so that a resumed
    grid keeps its thread count, which shows in the last bits of a run."""
    from dropmix.train.device import all_devices, cores

    if target.type == "cuda":
        return len(all_devices(target)), 1
    return min(cores(), runs), max(1, cores() // runs)


def judge_precision(runs: list[Any], target: Any) -> None:
    """Refuse a precision in which a device does not train, and warn of one in which it is slow."""
    from dropmix.train.device import check_precision, is_slow_in_bf16

    check_precision(runs[0].train.precision, target)

    if runs[0].train.precision == "bf16" and is_slow_in_bf16(target):
        line = "warning: bf16 is slower than fp32 on {}, which has no bf16 hardware. Give --set train.precision=fp32."
        print(line.format("this CPU" if target.type == "cpu" else target), file=sys.stderr)


def loaders_of(target: Any, runs: int) -> int:
    """Threads per run that read pictures: only a GPU trains faster than one thread reads."""
    from dropmix.train.device import cores

    on_gpu = getattr(target, "type", "") == "cuda"
    return min(MAX_LOADERS, max(1, cores() // runs)) if on_gpu else 1
