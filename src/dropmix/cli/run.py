"""Commands that train: demo, run, status."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .app import Out, app
from .audit import write_grid_report
from .launch import launched, train_together

TRY_LATER = 75
MAX_LOADERS = 16  # threads of one process; more would only wait for each other


@app.command()
def demo(
    out: Out = Path("demo"), workers: Annotated[int | None, typer.Option(help="Processes side by side.")] = None
) -> None:
    """Train vanilla, CutMix and CutMix + DropMix on the digits that ship with scikit-learn, and report."""
    from dropmix.recipes import get_recipe

    status = train_runs(get_recipe("digits").runs, out, data=None, workers=workers)
    write_grid_report(out, out / "report")
    raise typer.Exit(status)


@app.command()
def run(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe, e.g. cifar100-wrn28-2; `dropmix run` lists them.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the images.")] = None,
    out: Out = Path("runs"),
    preset: Annotated[str, typer.Option(help="paper or released-code.")] = "paper",
    methods: Annotated[str | None, typer.Option(help="E.g. mixup,cutmix(alpha=0.2).")] = None,
    rates: Annotated[str | None, typer.Option(help="DropMix rates, e.g. 0,0.4; 0 is the plain method.")] = None,
    unit: Annotated[str | None, typer.Option(help="What is dropped: batch, sample or count.")] = None,
    per: Annotated[str | None, typer.Option(help="One lam and box a batch, or a sample.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds.")] = None,
    first_seed: Annotated[int | None, typer.Option(help="Seeds are counted from here.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Length; milestones of a step schedule move along.")] = None,
    train_per_class: Annotated[int | None, typer.Option(help="Train on so many images of each class.")] = None,
    validation: Annotated[float | None, typer.Option(help="Share of train that is predicted instead of test.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. train.lr=0.1; may be repeated.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with recipe, these options and set.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes side by side; default one a core, one a GPU.")] = None,
    loaders: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of a run that read image files; default 1, on a GPU its share of cores."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    executor: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    executor_step: Annotated[
        str, typer.Option(help="auto, eager, graph, or packed:K for K runs a process; the outcome is the same.")
    ] = "auto",
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster; default this machine's.")] = None,
    gpus_per_run: Annotated[float, typer.Option(min=0, help="With ray: share of a GPU that a run takes.")] = 1.0,
    time_limit: Annotated[str | None, typer.Option(help="E.g. 9m: checkpoint, leave, exit status 75.")] = None,
    checkpoint_every: Annotated[str, typer.Option(help="Least time between two checkpoints of a run.")] = "60s",
    keep_logits: Annotated[bool, typer.Option("--keep-logits", help="Save all logits with the predictions.")] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch CIFAR into --data if it is not there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List runs, FLOPs and an estimate of time.")] = False,
) -> None:
    """Train a grid of arms x seeds; skips what is done, resumes what is broken."""
    from dropmix.recipes import RECIPES

    if recipe is None and config is None:
        raise ValueError(f"run: expected a recipe, got none. Name one of {', '.join(RECIPES)}, or give --config.")
    wanted = {
        "recipe": recipe,
        "preset": preset if preset != "paper" else None,
        "methods": methods,
        "rates": rates,
        "unit": unit,
        "per": per,
        "seeds": seeds,
        "first_seed": first_seed,
        "epochs": epochs,
        "train_per_class": train_per_class,
        "validation": validation,
    }
    from dropmix.cli.options import grid_of, parse_duration, parse_executor_step, read_config

    grid = grid_of({k: v for k, v in wanted.items() if v is not None}, set_ or [], read_config(config))
    limit = None if time_limit is None else parse_duration(time_limit)
    settings: dict[str, Any] = {
        "data": data,
        "workers": workers,
        "loaders": loaders,
        "device": device,
        "time_limit": limit,
        "checkpoint_seconds": parse_duration(checkpoint_every),
        "keep_logits": keep_logits,
        "download": download,
        **parse_executor_step(executor_step, executor),
    }
    if executor not in ("local", "ray"):
        raise ValueError(f"--executor: expected local or ray, got {executor!r}. Choose one.")
    if executor == "ray":
        settings["ray"] = {"address": ray_address, "gpus": gpus_per_run}
    if dry_run:
        _dry_run(grid.runs, out, data, device, workers, download)
        return
    train = train_together if launched() else train_runs
    raise typer.Exit(train(grid.runs, out, **settings))


@app.command()
def status(folder: Annotated[Path, typer.Argument(help="A grid's folder.")]) -> None:
    """Show what is done, broken and left in a grid's folder."""
    from dropmix.grid.store import scan

    runs = scan(folder)
    for found in runs:
        length = f"epoch {found.epoch} of {found.spec.train.epochs}" if found.spec else ""
        cause = f"  {found.cause}" if found.cause else ""
        print(f"{found.path.name:<44} {found.state:<12} {length}{cause}")
    states = [found.state for found in runs]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    print(f"{len(runs)} runs: {', '.join(parts)}" if runs else f"{folder}: no runs")


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
) -> int:
    """Train the runs of one grid with a progress view; returns the exit status."""
    from rich.console import Console

    from dropmix.grid.run import Settings, run_grid
    from dropmix.grid.store import check_same_grid
    from dropmix.grid.view import LiveView
    from dropmix.train.device import all_devices, cores, resolve_device

    started = time.time()
    if ray is None:
        target = resolve_device(device)
        devices, (count, threads) = all_devices(target), _layout(target, len(runs))
        _warn_of_slow_bf16(runs, target)
    else:  # the machines that will train say what they have
        target, devices, count, threads = "a Ray cluster", (device,), cores(), 1
    runs, dataset = with_data(runs, data, download)
    check_same_grid(out, runs[0])
    settings = Settings(
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
    print(f"{len(runs)} runs, {beside}, in {out}", flush=True)
    with LiveView(console) if console.is_terminal else contextlib.nullcontext(plain_view()) as view:
        if ray is None:
            result = run_grid(runs, settings, view)
        else:
            from dropmix.grid.cluster import run_on_ray

            result = run_on_ray(runs, settings, view, dataset, **ray)
    return tell_result(result, len(runs), out)


def tell_result(result: Any, runs: int, out: Path) -> int:
    """Print how a grid of so many runs ended; returns the exit status."""
    for name, cause in result.failed.items():
        print(f"failed: {name}: {cause}", file=sys.stderr)
    if result.left:
        print(f"{len(result.done)} runs done, {len(result.left)} left in {out}; run the same command again to go on.")
        return TRY_LATER
    print(f"{len(result.done)} of {runs} runs done in {out}")
    return 1 if result.failed else 0


def plain_view() -> Any:
    """What is shown where there is no terminal."""
    from dropmix.grid.view import PlainView

    return PlainView(lambda line: print(line, flush=True))


def _dry_run(runs: list[Any], out: Path, data: str | None, device: str, workers: int | None, download: bool) -> None:
    """List runs, FLOPs and an estimate of time; trains a few steps on random images, vanilla and with saliency."""
    from dropmix.grid.estimate import Sizes, estimate_run
    from dropmix.grid.store import inspect_run
    from dropmix.grid.view import duration
    from dropmix.train.device import keep_freed_memory, make_deterministic, resolve_device

    target = resolve_device(device)
    _warn_of_slow_bf16(runs, target)
    count, threads = _layout(target, len(runs))
    keep_freed_memory()
    make_deterministic(threads)
    runs, dataset = with_data(runs, data, download)
    left = []
    for spec in runs:
        state = inspect_run(out / spec.folder_name).state
        cost = estimate_run(spec, Sizes.of(dataset), target)
        assert cost.seconds is not None
        left += [(cost.flops, cost.seconds)] if state != "done" else []
        print(f"{spec.folder_name:<44} {state:<12} {cost.flops:.2e} FLOPs  {duration(cost.seconds)}")
    processes = min(workers or count, len(runs))
    seconds = sum(seconds for _, seconds in left) / processes
    flops = sum(flops for flops, _ in left)
    cost = f"{flops:.2e} FLOPs, about {duration(seconds)} with {processes} workers"
    print(f"{len(runs)} runs, {len(left)} to do: {cost}")


def with_data(runs: list[Any], data: str | None, download: bool) -> tuple[list[Any], Any]:
    """The runs with their data's fingerprint filled in, and the data."""
    from dropmix.grid.worker import load_data

    dataset = load_data(runs[0], data, download)
    known = runs[0].data.model_copy(update={"fingerprint": dataset.fingerprint, "resized": dataset.resized})
    return [spec.model_copy(update={"data": known}) for spec in runs], dataset


def _layout(target: Any, runs: int) -> tuple[int, int]:
    """Worker processes, and threads of each, for so many runs: by the number of all runs, and not of those left or of
    workers, since the number of threads shows in the last bits of a run."""
    from dropmix.train.device import all_devices, cores

    if target.type == "cuda":
        return len(all_devices(target)), 1
    return min(cores(), runs), max(1, cores() // runs)


def _warn_of_slow_bf16(runs: list[Any], target: Any) -> None:
    from dropmix.train.device import is_slow_in_bf16

    if runs[0].train.precision == "bf16" and is_slow_in_bf16(target):
        line = "warning: bf16 is slower than fp32 on {}, whose hardware lacks it: say --set train.precision=fp32."
        print(line.format("this CPU" if target.type == "cpu" else target), file=sys.stderr)


def loaders_of(target: Any, runs: int) -> int:
    """Threads that read pictures for each of so many runs side by side: only a GPU trains faster than one reads."""
    from dropmix.train.device import cores

    on_gpu = getattr(target, "type", "") == "cuda"
    return min(MAX_LOADERS, max(1, cores() // runs)) if on_gpu else 1
