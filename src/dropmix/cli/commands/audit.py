"""The command audit: from predictions of any framework, or a grid's folder, to a decision."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from dropmix.cli.app import Protect, Tolerance, app, refuse_without
from dropmix.cli.reporting import (
    misses_a_protected_class,
    names_of,
    print_audit,
    remark_fraction,
    tolerances_of,
    write_audit,
    write_for_ci,
)
from dropmix.cli.streams import say


@app.command()
def audit(
    context: typer.Context,
    baseline: Annotated[Path, typer.Argument(help="Predictions of the reference arm, or a grid's folder.")],
    treated: Annotated[list[Path] | None, typer.Argument(help="Predictions of the treated arms.")] = None,
    reference: Annotated[
        str | None, typer.Option("--baseline", help="Name of the reference arm. [default: the first file's]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write audit.json, classes.csv and report.html here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print only the JSON.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="With --out: also write every figure as png, pdf and svg.")
    ] = False,
    summary: Annotated[Path | None, typer.Option(help="Write the decision as Markdown, for a pull request.")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write the decision as JUnit XML, one case per protected class.")
    ] = None,
    protect: Protect = None,
    tolerance: Tolerance = None,
    fail_if: Annotated[
        str | None, typer.Option(help='Exit status 3 if this holds, e.g. "decision == do not ship"; in points.')
    ] = None,
    rates: Annotated[
        bool, typer.Option("--rates", help="For a grid: also compare each method with and without DropMix.")
    ] = False,
    drop_seed: Annotated[
        list[str] | None, typer.Option("--drop-seed", help="Seed to leave out, e.g. mixup:3; may be repeated.")
    ] = None,
    paired: Annotated[
        bool | None,
        typer.Option("--paired/--unpaired", help="Whether equal seeds share initial weights; default yes in a grid."),
    ] = None,
    level: Annotated[float, typer.Option(help="Coverage of the intervals in percent.")] = 90.0,
    margin: Annotated[float, typer.Option(help="Smallest drop, in points, that the estimated number counts.")] = 0.5,
    fdr: Annotated[float, typer.Option(help="Accepted fraction of false calls, hurt or safe.")] = 0.1,
    topk: Annotated[int, typer.Option(help="Count a prediction as right if the class is among the top k.")] = 1,
    intersect: Annotated[
        bool, typer.Option("--intersect", help="Keep only the examples that all sources hold.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the audit's own random numbers.")] = 0,
    columns: Annotated[
        str | None, typer.Option(help="Column names in your files, e.g. label=y_true,pred=y_pred.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File of true classes; they replace those of the predictions.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="File of class names: one per line, or JSON.")] = None,
    group: Annotated[
        str | None, typer.Option(help="What groups dependent examples: a column, e.g. patient, FILE:COLUMN, or none.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Slices to audit as well: a column, e.g. camera, FILE:COLUMN, or superclass.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Several labels: lowest score that counts, e.g. 0.5, or AF=0.3,ST=0.2.")
    ] = None,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Several labels: scores that choose thresholds; one, or one per arm.")
    ] = None,
    validation_labels: Annotated[Path | None, typer.Option(help="True labels of the validation scores.")] = None,
    superclasses: Annotated[
        str | None, typer.Option(help="File of each class's superclass: class,superclass; or FILE:COLUMN.")
    ] = None,
    train_counts: Annotated[
        str | None, typer.Option(help="File of each class's number of training examples: class,n; or FILE:COLUMN.")
    ] = None,
    accept: Annotated[Path | None, typer.Option(help="JSON file of acceptable classes per example.")] = None,
    data: Annotated[
        str | None, typer.Option(help="For a grid with --out: folder of the images, where it has moved.")
    ] = None,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="With --out: leave out the pictures that were lost.")
    ] = False,
    encoding: Annotated[str | None, typer.Option(help="Encoding of CSV files that are not UTF-8, e.g. cp1252.")] = None,
) -> None:
    """Find the classes that an augmentation hurts.

    Takes predictions of any framework, or a grid's folder.
    """
    from dropmix.audit import audit_grid, audit_predictions
    from dropmix.audit.fail_rule import check_rule, rule_holds

    if out is None:
        refuse_without(context, "--out", "figures", "data")
    if fail_if is not None:
        check_rule(fail_if)
    if not 0 <= margin < 100:
        raise ValueError(f"--margin: expected points from 0 to below 100, got {margin:g}. 0.5 is usual.")
    remark_fraction("--margin", margin, 0.05)
    if not 1 <= level < 100:
        raise ValueError(f"--level: expected percent between 1 and 100, got {level:g}. 90 is usual.")
    options: dict[str, Any] = {"margin": margin / 100, "fdr": fdr, "topk": topk, "intersect": intersect, "seed": seed}
    options |= {"level": level / 100, "protect": names_of(protect), "drop_seed": drop_seed or []}
    options |= {} if tolerance is None else {"tolerance": tolerances_of(tolerance)}
    options |= {} if paired is None else {"paired": paired}
    reading = {"labels": labels, "classes": classes, "accept": accept, "encoding": encoding}
    options |= {"by": by, "group": group, "superclasses": superclasses, "train_counts": train_counts}
    if (validation is None) != (validation_labels is None):
        raise ValueError("--validation: expected --validation-labels beside it, got one of the two. Give both.")
    reading |= {"threshold": None if threshold is None else _thresholds(threshold)}
    reading |= {"validation": None if validation is None else (validation, validation_labels)}
    if not treated and _is_grid(baseline):
        from dropmix.cli.pictures import lost_pictures
        from dropmix.grid.store import run_card

        _refuse_given({**reading, "columns": columns})
        options |= {} if reference is None else {"baseline": reference}
        result, card = audit_grid(baseline, between="rates" if rates else (), **options), run_card(baseline)
        pictures = None if no_images or out is None else lost_pictures(result, baseline, data)
    else:
        _refuse_again(baseline, treated or [])
        if data is not None or rates:
            given = "--rates" if rates else "--data"
            raise ValueError(f"{given}: expected a grid's folder, got files of predictions. Leave out {given}.")
        columns_of = [Path(text.rpartition(":")[0] or text) for text in (by, superclasses, train_counts) if text]
        read = [
            baseline,
            *(treated or []),
            labels,
            classes,
            accept,
            validation_labels,
            *(validation or []),
            *columns_of,
        ]
        _refuse_overwriting([path for path in read if path is not None], summary, junit, out)
        others = [str(path) for path in treated or []]
        files = {**options, **reading, "columns": _pairs(columns)}
        result = audit_predictions(str(baseline), others or None, reference=reference, **files)
        card, pictures = {}, None
    failed = protect is not None and misses_a_protected_class(result)
    if fail_if is not None:  # a rule that names an unknown class is refused before anything is written
        failed = rule_holds(result, fail_if, points=True) or failed
    write_for_ci(result, summary, junit)
    page = None if out is None else write_audit(result, out, card, figures, pictures)
    if json:
        print(result.dumps())
    else:
        print_audit(result)
        if page is not None:
            say(page)
    raise typer.Exit(3 if failed else 0)


def _thresholds(text: str) -> float | dict[str, float]:
    """One threshold, or the pairs of "AF=0.3,ST=0.2"."""
    try:
        if "=" not in text:
            return float(text)
        pairs = [item.rpartition("=") for item in text.split(",") if item.strip()]
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise ValueError(f"--threshold: expected 0.5 or LABEL=0.3,OTHER=0.2, got {text!r}.") from None


def _is_grid(path: Path) -> bool:
    """Whether a path is a folder of folders (runs), and not one of prediction files."""
    from dropmix.audit.formats.kinds import ENDINGS, ending_of

    if not path.is_dir() or (path / "predictions.parquet").is_file():
        return False
    inside = list(path.iterdir())
    # `run` writes look-alikes.csv beside the runs.
    return any((p / "spec.json").is_file() for p in inside) or not any(
        p.is_file() and ending_of(p) in ENDINGS - {".txt", ".json"} for p in inside
    )


def _refuse_given(options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"--{given[0]}: expected files of predictions, got a grid's folder. Leave out --{given[0]}.")


def _pairs(text: str | None) -> dict[str, str] | None:
    """The pairs of "label=y_true,pred=y_pred"."""
    if text is None:
        return None
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    if not pairs or not all(equals and key.strip() and name.strip() for key, equals, name in pairs):
        raise ValueError(
            f"--columns: expected label=NAME,pred=NAME, got {text!r}. Give KEY=NAME pairs, separated by commas."
        )
    return {key.strip(): name.strip() for key, _, name in pairs}


def _refuse_overwriting(read: list[Path], summary: Path | None, junit: Path | None, out: Path | None) -> None:
    """Refuse to write over a file that is read, or into a folder whose files are all read."""
    if out is not None and any(given.is_dir() and out.is_dir() and given.samefile(out) for given in read):
        raise ValueError(f"--out: expected another folder than that of the predictions, got {out}. Name a new one.")
    beside = [] if out is None else [out / name for name in ("audit.json", "classes.csv", "slices.csv", "table.csv")]
    for path in [*filter(None, (summary, junit)), *beside]:
        if path.is_file() and any(given.is_file() and given.samefile(path) for given in read):
            raise ValueError(f"{path}: expected a new file to write, got one of those that are read. Name another.")


def _refuse_again(baseline: Path, treated: list[Path]) -> None:
    """Refuse the baseline's own file or folder as a treated arm: nothing would be compared."""
    for path in treated:
        if os.path.realpath(path) == os.path.realpath(baseline):  # not resolve(), which ends at a loop of links
            raise ValueError(
                f"treated: expected other predictions than the baseline's, got {path} as both. Give the arm's own."
            )
