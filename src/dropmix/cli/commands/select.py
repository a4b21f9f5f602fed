"""The command select: choose a DropMix rate on a validation split, then test it once with fresh seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropmix.cli.app import DataOfFinal, DeviceOfFinal, TimeLimit, WorkersOfFinal, app, refuse_without
from dropmix.cli.streams import say
from dropmix.cli.training import train_runs

if TYPE_CHECKING:
    from dropmix.audit.inputs.run_folders import Run
    from dropmix.audit.rate_choice import Candidate, RateChoice
    from dropmix.studies.rate_optimism import Optimism


@app.command()
def select(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A grid run with --validation, at several rates.")],
    method: Annotated[str | None, typer.Option(help="Choose only for this method, e.g. mixup.")] = None,
    select_on: Annotated[
        str, typer.Option(help="Images to choose on: validation, or test as in the paper.")
    ] = "validation",
    halving: Annotated[
        bool, typer.Option("--halving", help="After one seed per rate, train more seeds of the best rates only.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh seeds of the final runs.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Folder for the final runs; default FOLDER-final.")] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Train the missing runs and report the choice on the test set.")
    ] = False,
    data: DataOfFinal = None,
    workers: WorkersOfFinal = None,
    device: DeviceOfFinal = "auto",
    time_limit: TimeLimit = None,
) -> None:
    """Choose a DropMix rate on held-out images.

    Takes the rate with the fewest degraded classes among the most accurate ones, on a validation split,
    and looks at the test set once.
    """
    from dropmix.audit.rate_choice import choose, choose_on_test, halve
    from dropmix.cli.options import seconds_of
    from dropmix.studies.rate_optimism import expected_optimism

    if not run:
        refuse_without(context, "--run", "data", "workers", "device", "time_limit")
    training = {"workers": workers, "device": device, "time_limit": seconds_of(time_limit)}
    while True:
        runs, among = _candidates(folder, method, select_on)
        due = _due(runs, among) if halving else []
        if not due:
            break
        say(f"Next round, in {folder}: {len(due)} runs: {', '.join(spec.folder_name for spec in due)}.")
        if not run:
            print("Add --run (and --data) to train them.")
            return
        status = train_runs(due, folder, data, **training)
        if status:
            raise typer.Exit(status)
    left = {name: halve(candidates).left if halving else candidates for name, candidates in among.items()}
    chosen = {name: (choose if select_on == "validation" else choose_on_test)(some) for name, some in left.items()}
    figures = _draw(chosen, folder / "report")  # before anything is printed: the output may be closed or full
    for name, choice in chosen.items():
        _print(name, choice, expected_optimism(left[name]) if select_on == "test" else None)
    for path in figures:
        say(path)
    clear = {name: choice for name, choice in chosen.items() if choice.told_apart}
    if not clear:
        raise ValueError(
            f"{folder}: expected rates that can be told apart, got differences within noise. "
            "Train more seeds, or hold out more images by dropmix run --validation, and choose again."
        )
    final = _final_runs(runs, clear, seeds)
    where = out or folder.with_name(f"{folder.absolute().name}-final")
    _plan(final, where, seeds, run)
    if run:
        from dropmix.cli.reporting import write_grid_report

        status = train_runs(final, where, data, **training)
        if status == 0:
            write_grid_report(where, where / "report")
        raise typer.Exit(status)


def _candidates(
    folder: Path, method: str | None, select_on: str
) -> "tuple[list[Run], dict[str, tuple[Candidate, ...]]]":
    """The finished runs, and the candidates of each method that was run at two or more rates."""
    from dropmix.audit import audit_grid
    from dropmix.audit.inputs.run_folders import find_runs
    from dropmix.audit.rate_choice import candidates, sweeps
    from dropmix.cli.beside_runs import tell_left_out

    tell_left_out(folder)
    runs, _ = find_runs(folder)
    check_held_out(folder, runs, select_on)
    by_method = sweeps(runs)
    if method is not None and method not in by_method:
        raise ValueError(f"--method: expected one of {', '.join(by_method)}, got {method!r}. Name one that was run.")
    wanted = {name: sweep for name, sweep in by_method.items() if len(sweep) > 1 and method in (None, name)}
    if not wanted:
        raise ValueError(
            f"{folder}: expected a method at two or more rates, got none. "
            "Train more, e.g. by dropmix run --rates 0,0.2,0.4."
        )
    audit = audit_grid(folder)
    return runs, {name: candidates(audit, sweep) for name, sweep in wanted.items()}


def _due(runs: "list[Run]", among: "dict[str, tuple[Candidate, ...]]") -> list[Any]:
    """Specs of the runs that the round of successive halving still needs."""
    from dropmix.audit.rate_choice import halve
    from dropmix.train.config import RunSpec

    specs = {run.arm: RunSpec.model_validate(run.spec) for run in runs}
    first = min(run.spec["seed"] for run in runs)
    finished = {(run.arm, run.spec["seed"]) for run in runs}
    rounds = [halve(candidates) for candidates in among.values()]
    wanted = {(c.arm, first + s): None for due in rounds for s in range(due.seeds) for c in due.left}
    return [specs[arm].model_copy(update={"seed": seed}) for arm, seed in wanted if (arm, seed) not in finished]


def check_held_out(folder: Path, runs: "list[Run]", select_on: str) -> None:
    """Check that there is one setting, and predictions of the images to choose on.

    Args:
        folder: the grid's.
        runs: finished ones.
        select_on: "validation" or "test".
    Raises:
        ValueError: says what to run instead.
    """
    if select_on not in ("validation", "test"):
        raise ValueError(f"--select-on: expected validation or test, got {select_on!r}. Choose one.")
    settings = {run.setting for run in runs}
    if len(settings) > 1:
        raise ValueError(
            f"{folder}: expected one network and data set, got {len(settings)}. Keep each in a folder of its own."
        )
    held_out = bool(runs[0].spec.get("data", {}).get("validation"))
    if select_on == "validation" and not held_out:
        raise ValueError(
            f"{folder}: expected runs on a validation split, got predictions of the test set. "
            "Train it by dropmix run --validation 0.1, or give --select-on test."
        )
    if select_on == "test" and held_out:
        raise ValueError(
            f"{folder}: expected predictions of the test set, got those of a validation split. Leave out --select-on."
        )


def _print(name: str, choice: "RateChoice", optimism: "Optimism | None") -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from dropmix.report.display_names import arm_title

    table = Table(title=arm_title(name), title_justify="left", box=None, pad_edge=False)
    sizes = next(np.asarray(c.comparison.classes["n"]) for c in choice.candidates if c.comparison is not None)
    accuracy = "accuracy, %" if (sizes == sizes[0]).all() else "mean class recall, %"
    for column in ("rate", accuracy, "se", "degraded, estimated", ""):
        table.add_column(column, justify="left" if not column else "right")
    for c in choice.candidates:
        marks = ["most accurate"] if c is choice.best else ["within its se"] if c.rate in choice.eligible else []
        marks += ["chosen"] if c is choice.chosen and choice.told_apart else []
        number = "unknown" if c.n_degraded != c.n_degraded else f"{c.n_degraded:.1f}"
        number += f" [{c.low:.0f}, {c.high:.0f}]" if c.comparison is not None and c.low == c.low else ""
        rate = "1, vanilla" if c.comparison is None else f"{c.rate:g}"
        table.add_row(rate, f"{100 * c.accuracy:.2f}", f"{100 * c.standard_error:.2f}", number, ", ".join(marks))
    Console(width=max(Console().width, 100)).print(table)  # folded to a narrow terminal, it could not be read
    say(choice.why)
    if optimism is not None and choice.told_apart:
        print(
            f"Chosen on the test set itself: expect new seeds to be {100 * optimism.accuracy:.2f} points less "
            f"accurate, and {optimism.n_degraded:.1f} more classes to look degraded (simulated with these runs' noise)."
        )


def _draw(chosen: "dict[str, RateChoice]", out: Path) -> list[Path]:
    """Draw the front of each method whose numbers are known; returns a path per figure."""
    from dropmix.report.display_names import file_stems
    from dropmix.report.figures.rate_front import rate_front
    from dropmix.report.figures.style import save

    out.mkdir(exist_ok=True)
    return [
        save(rate_front(choice, name), out / f"front-{stem}")[0]
        for (name, choice), stem in zip(chosen.items(), file_stems(chosen))
        if any(c.n_degraded == c.n_degraded for c in choice.candidates)
    ]


def _final_runs(runs: "list[Run]", chosen: "dict[str, RateChoice]", seeds: int) -> list[Any]:
    """Vanilla, each method and each choice, on seeds that the choice has not seen, trained on all of train."""
    from dropmix.train.config import Arm, RunSpec

    specs = {run.arm: RunSpec.model_validate(run.spec) for run in runs}
    base = next(iter(specs.values()))
    base = base.model_copy(update={"data": base.data.model_copy(update={"validation": 0.0, "fingerprint": None})})
    names = ["vanilla"]
    for choice in chosen.values():
        plain = choice.candidates[0]
        names += [plain.arm] if plain.rate == 0 else []
        names += [choice.chosen.arm]
    arms: list[Arm] = [specs[name].arm for name in dict.fromkeys(names)]
    first = max(run.spec["seed"] for run in runs) + 1
    return [base.model_copy(update={"arm": arm, "seed": first + s}) for s in range(seeds) for arm in arms]


def _plan(final: list[Any], where: Path, seeds: int, run: bool) -> None:
    arms = list(dict.fromkeys(spec.arm.name for spec in final))
    first = min(spec.seed for spec in final)
    say(f"Final runs, in {where}: {', '.join(arms)}, seeds {first} to {first + seeds - 1}: {len(final)} runs.")
    if not run:
        print("They train on the whole training set and look at test once; add --run (and --data) to train them.")
