"""The command run: train a grid."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dropmix.cli.app import Device, Out, TimeLimit, app, refuse_without, typed
from dropmix.cli.data_summary import data_lines, network_line
from dropmix.cli.launch import launched, train_together
from dropmix.cli.training import judge_precision, layout, train_runs, with_data

UNKNOWN_TO_COMMANDS = ("data", "loaders", "executor_step", "checkpoint_every", "keep_logits", "download")


@app.command()
def run(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="Recipe, e.g. cifar100-wrn28-2; --list shows all.")] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the images.")] = None,
    out: Out = Path("runs"),
    preset: Annotated[str, typer.Option(help="paper or released-code.")] = "paper",
    methods: Annotated[str | None, typer.Option(help="Methods, e.g. mixup,cutmix(alpha=0.2).")] = None,
    rates: Annotated[str | None, typer.Option(help="DropMix rates, e.g. 0,0.4; 0 is the plain method.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit that stays unmixed: batch, sample or count.")] = None,
    per: Annotated[str | None, typer.Option(help="One lam and box per batch or per sample.")] = None,
    arms: Annotated[
        Path | None, typer.Option(help="File that lists the arms, as tailor writes it; no others without --methods.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds per arm.")] = None,
    first_seed: Annotated[int | None, typer.Option(help="First seed.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs; a step schedule's milestones scale with them.")] = None,
    train_per_class: Annotated[int | None, typer.Option(help="Training images per class; default all.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Fraction of train to hold out and evaluate instead of test.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Split all images into K parts and predict each by its own run.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Setting, e.g. train.lr=0.1; may be repeated.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with the recipe, these options, and set.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default one per core, or one per GPU.")
    ] = None,
    loaders: Annotated[
        int | None,
        typer.Option(min=1, help="Threads per run that read image files; default 1, or its share of cores on a GPU."),
    ] = None,
    device: Device = "auto",
    executor: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    executor_step: Annotated[
        str, typer.Option(help="auto, eager, graph, or packed:K for K runs per process; results are the same.")
    ] = "auto",
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a running Ray cluster; default this machine's.")
    ] = None,
    gpus_per_run: Annotated[float, typer.Option(min=0, help="With ray: share of a GPU per run.")] = 1.0,
    time_limit: TimeLimit = None,
    checkpoint_every: Annotated[str, typer.Option(help="Shortest time between two checkpoints of a run.")] = "60s",
    keep_logits: Annotated[bool, typer.Option("--keep-logits", help="Save all logits with the predictions.")] = False,
    download: Annotated[bool, typer.Option("--download", help="Download CIFAR into --data if it is missing.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes and what each needs.")] = False,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds in rounds until each protected class is hurt or safe.")
    ] = False,
    protect: Annotated[str | None, typer.Option(help="With --until-decided: the classes, e.g. fox,lynx.")] = None,
    tolerance: Annotated[
        str | None, typer.Option(help="With --until-decided: points a class may lose, 1 or fox=1,lynx=0.5.")
    ] = None,
    max_seeds: Annotated[int, typer.Option(help="With --until-decided: seeds per arm at most.")] = 12,
    looks: Annotated[
        str, typer.Option(help="With --until-decided: how looks share the 5 %, pocock or obrien-fleming.")
    ] = "pocock",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List runs, FLOPs and an estimate of time.")] = False,
) -> None:
    """Train a grid of arms and seeds, or resume one."""
    from dropmix.cli.config_file import naming, read_arms, read_config

    content = read_config(config)  # before torch is imported: a bad file is refused at once
    written = None if arms is None else read_arms(arms)
    from dropmix.recipes import RECIPES

    if list_:
        list_recipes()
        return
    if recipe is None and config is None:
        raise ValueError(f"run: expected a recipe, got none. Name one of {', '.join(RECIPES)}, or give --config.")
    wanted = {
        "recipe": recipe,
        "preset": preset if preset != "paper" else None,
        "methods": methods,
        "rates": rates,
        "unit": unit,
        "per": per,
        "arms": written,
        "seeds": seeds,
        "first_seed": first_seed,
        "epochs": epochs,
        "train_per_class": train_per_class,
        "validation": validation,
        "folds": folds,
    }
    from dropmix.cli.options import grid_of, parse_duration, parse_executor_step, remarks, seconds_of
    from dropmix.cli.until_decided import DecisionGoal, plan_line, train_until_decided

    question = DecisionGoal(protect, tolerance, max_seeds, looks) if until_decided else None
    if question is None:
        refuse_without(context, "--until-decided", "protect", "tolerance", "max_seeds", "looks")
    if executor != "ray":
        refuse_without(context, "--executor ray", "ray_address", "gpus_per_run")
    if question is not None:
        _ = question.settings
    given = {k: v for k, v in wanted.items() if v is not None}
    limit = seconds_of(time_limit)
    if "command" in (content.get("recipe"), recipe):
        from dropmix.cli.command_grid import command_grid, train_commands

        place = Path() if config is None else config.parent
        with naming(config, given, set_ or []):
            foreign = dict.fromkeys(typed(context, *UNKNOWN_TO_COMMANDS))
            commands = command_grid(content, given | foreign, set_ or [], executor)
        if question is not None and not dry_run:

            def train_commands_of(seeds: int, seconds: float | None) -> int:
                more = commands.model_copy(update={"seeds": seeds})
                return train_commands(more, place, out, workers, device, seconds)

            raise typer.Exit(train_until_decided(train_commands_of, out, question, commands, limit))
        raise typer.Exit(train_commands(commands, place, out, workers, device, limit, dry_run))
    with naming(config, given, set_ or []):
        grid = grid_of(given, set_ or [], content)
        told = remarks(given, set_ or [], content, grid.base)
    _refuse_idle_data(grid.base.data.name, data, download)
    for line in told if not launched() else ():
        print(line)
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
        if question is not None:
            print(plan_line(question.looks(grid.seeds)))
        _dry_run(grid.runs, out, data, device, workers, download)
        return
    if question is not None:
        if launched():
            raise ValueError("--until-decided: expected one process to look, got several. Leave torchrun out.")

        def train_seeds(seeds: int, seconds: float | None) -> int:
            more = grid.model_copy(update={"seeds": seeds})
            return train_runs(more.runs, out, **settings | {"time_limit": seconds, "asked": question.settings})

        raise typer.Exit(train_until_decided(train_seeds, out, question, grid, limit))
    train = train_together if launched() else train_runs
    raise typer.Exit(train(grid.runs, out, **settings))


def _refuse_idle_data(name: str, data: str | None, download: bool) -> None:
    """Refuse --data and --download where the images come with a package, or cannot be downloaded."""
    from dropmix.data import DATASETS

    about = DATASETS.get(name)
    if data is not None and about is not None and not about.needs_path:
        raise ValueError(
            f"--data: expected none for {name}, which ship with scikit-learn, got {data}. Leave it out, or take the "
            "recipe finetune or folder for your own pictures."
        )
    if download and (about is None or not about.download):
        known = [key for key, one in DATASETS.items() if one.download]
        raise ValueError(f"--download: expected one of {', '.join(known)}, got {name}. Leave it out.")


def _dry_run(runs: list[Any], out: Path, data: str | None, device: str, workers: int | None, download: bool) -> None:
    """List runs, FLOPs and an estimate of time, from a few timed steps on random images.

    Times are of idle cores, and of the machine as it is now if other programs take much of it.
    """
    from dropmix.cli.beside_runs import check_grid
    from dropmix.grid.estimate import Sizes, Stopwatch, estimate_run, span
    from dropmix.grid.store import inspect_run
    from dropmix.grid.view import duration
    from dropmix.text import is_text
    from dropmix.train.device import cores, keep_freed_memory, make_deterministic, resolve_device

    target = resolve_device(device)
    judge_precision(runs, target)
    count, threads = layout(target, len(runs))
    keep_freed_memory()
    make_deterministic(threads)
    runs, dataset = with_data(runs, data, download)
    check_grid(out, runs, dataset)
    told = network_line(runs, dataset, target)
    for line in filter(None, [*data_lines(dataset, None, runs[0].data.folds or 0, runs[0].train.batch), told]):
        print(line)
    if is_text(runs[0].data.name):  # what is counted and timed are images
        for spec in runs:
            print(f"{spec.folder_name:<44} {inspect_run(out / spec.folder_name).state}")
        print(f"{len(runs)} runs; no estimate of time for texts: train one run with --seeds 1 --methods vanilla.")
        return
    left, watch = [], Stopwatch()
    for spec in runs:
        state = inspect_run(out / spec.folder_name).state
        cost = estimate_run(spec, Sizes.of(dataset), target)
        assert cost.seconds is not None
        left += [(cost.flops, cost.seconds)] if state != "done" else []
        print(f"{spec.folder_name:<44} {state:<12} {cost.flops:.2e} FLOPs  {duration(cost.seconds)}")
    processes = min(workers or count, len(runs))
    # The workers' start comes on top: they import and read what this process has, after it.
    seconds = 2 * watch.start + span([seconds for _, seconds in left], processes) if left else 0.0
    idle = target.type == "cpu" and threads == 1
    cost = f"{sum(flops for flops, _ in left):.2e} FLOPs, about {duration(seconds)} with {processes} workers"
    cost += " on idle cores" if idle else ""
    if idle and left and (slowdown := watch.slowdown()) > 1.5:
        slowdown += (processes - 1) / cores()  # one process was timed; several also wait for each other
        cost += f", {duration(seconds * slowdown)} while this machine is as busy as now"
    cost += ", without the time to read files" if runs[0].data.resized_crop else ""
    print(f"{len(runs)} runs, {len(left)} to do: {cost}")


# What --data names, by recipe, else by data set; other data sets have names of their own.
NEEDED = {"imagenet-resnet50": "imagenet"}
NEEDED |= {"folder": "your pictures", "parquet": "your parquet files", "text": "your texts"}


def list_recipes() -> None:
    """Print each recipe with its network and what it needs."""
    from dropmix.data import DATASETS
    from dropmix.recipes import RECIPES, get_recipe

    print(f"{'recipe':<24}{'network':<18}{'':>4}        needs (--data)")
    for name in RECIPES:
        grid = get_recipe(name)
        base, about = grid.base, DATASETS.get(grid.base.data.name)
        needs = NEEDED.get(name) or NEEDED.get(base.data.name, base.data.name)
        needs = "nothing" if about is not None and not about.needs_path else needs
        needs += " + weights" if base.weights else ""
        print(f"{name:<24}{base.network:<18}{base.train.epochs:>4} epochs {needs}")
    print(f"{'command':<24}{'your program':<29} --config FILE")
