"""The command plan: how many seeds or test images it takes to decide."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dropmix.cli.app import app, refuse_without, typed
from dropmix.cli.reporting import names_of, remark_fraction
from dropmix.cli.streams import say

MOST_ROWS = 20


@app.command()
def plan(
    context: typer.Context,
    audited: Annotated[
        Path | None,
        typer.Argument(metavar="AUDIT", help="audit.json, its folder, or a grid's; without it, plan from assumptions."),
    ] = None,
    protect: Annotated[str | None, typer.Option(help="Classes to decide, e.g. fox,lynx; default all.")] = None,
    arm: Annotated[str | None, typer.Option(help="Treated arm; default all.")] = None,
    new_images: Annotated[
        bool, typer.Option("--new-images", help="Plan for new images, not these very test images.")
    ] = False,
    power: Annotated[float, typer.Option(help="Chance of a decision to aim for, in percent.")] = 80.0,
    change: Annotated[float, typer.Option(help="Without AUDIT: true change of the class in points.")] = -5.0,
    images: Annotated[int, typer.Option(help="Without AUDIT: test images of the class.")] = 50,
    tolerance: Annotated[float, typer.Option(help="Without AUDIT: tolerated loss in points.")] = 1.0,
    disagreement: Annotated[
        float, typer.Option(help="Without AUDIT: percentage of images on which two seeds disagree.")
    ] = 8.0,
) -> None:
    """Say how many seeds or images would decide a class.

    From an audit, it uses the measured noise, and allows for it in the changes seen so far.
    """
    if not 1 <= power < 100:
        raise ValueError(f"--power: expected percent between 1 and 100, got {power:g}. 80 is usual.")
    if audited is None:
        refuse_without(context, "AUDIT", "protect", "arm", "power")
        for option, value, below in (("--change", change, 0.1), ("--tolerance", tolerance, 0.05)):
            remark_fraction(option, value, below)
        remark_fraction("--disagreement", disagreement, 0.5)
        _assumed(change / 100, images, tolerance / 100, disagreement / 100, new_images)
        return
    if assumed := typed(context, "change", "images", "tolerance", "disagreement"):
        raise ValueError(
            f"--{assumed[0]}: expected no AUDIT beside it, got {audited}, which says it. Leave out one of the two."
        )
    names = None if protect is None else list(names_of(protect))
    comparisons = _comparisons(audited)
    arms = [c["arm"] for c in comparisons]
    if arm is not None and arm not in arms:
        raise ValueError(f"--arm: expected one of {', '.join(arms)}, got {arm!r}.")
    lines: list[str] = []
    for c in comparisons:
        if arm in (None, c["arm"]):
            try:
                lines += _measured(c, names, new_images, power / 100)
            except (LookupError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{audited}: expected the JSON of an audit, got one with {type(error).__name__} in {c['arm']!r}. "
                    "Run dropmix audit again."
                ) from None
    for line in lines:
        say(line)


def _comparisons(path: Path) -> list[dict[str, Any]]:
    import json

    from dropmix.audit.formats.archives import within_limits
    from dropmix.train.files import MOST_BYTES, read_regular

    inside = [path / "audit.json", path / "report" / "audit.json"]  # the second of a grid, once it is reported
    path = next((file for file in inside if file.is_file()), inside[0]) if path.is_dir() else path
    if not path.is_file():
        got = "a device, pipe or folder" if path.exists() else "nothing there"
        raise ValueError(
            f"{path}: expected audit.json, got {got}. Run dropmix audit with --out, or dropmix report, first."
        )
    try:
        comparisons = json.loads(within_limits(read_regular(path, MOST_BYTES).decode()))["comparisons"]
        missing = {"tolerance", "decision", "se_fixed_test"} - set(comparisons[0]["classes"][0])
    except OSError as error:
        raise ValueError(
            f"{path}: expected the JSON of an audit, got a file that cannot be read ({error.strerror}). "
            "Give the audit.json that dropmix audit wrote."
        ) from None
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise ValueError(
            f"{path}: expected the JSON of an audit, got something else. Give the audit.json that dropmix audit wrote."
        ) from None
    if missing:
        raise ValueError(f"{path}: expected an audit with decisions, got an older one. Run dropmix audit again.")
    return comparisons


def _measured(c: dict[str, Any], names: list[str] | None, new_images: bool, power: float) -> list[str]:
    """What a comparison's classes need, line by line."""
    from dropmix.audit.errors import advice
    from dropmix.audit.quantities.words import counted, listed, named, noun
    from dropmix.audit.rows.to_decide import one_seed_each, to_decide
    from dropmix.audit.rows.would_decide import (
        ONE_SEED,
        SEEDS_FIRST,
        decided_alone,
        few_seeds,
        guesses,
        hardly_found,
        near,
        out_of_reach,
    )

    columns = {key: [row[key] for row in c["classes"]] for key in c["classes"][0]}
    if names is not None and "measure" in columns:  # the name of a label stands for all of its rows
        rows_of = {name: [str(x) for x in columns["class"] if str(x).startswith(f"{name} ")] for name in names}
        names = [row for name in names for row in rows_of[name] or [name]]
    unknown = [name for name in names or [] if name not in {str(x) for x in columns["class"]}]
    if unknown:
        known = [str(x) for x in columns["class"]]
        raise ValueError(f"--protect: expected names of classes, got {unknown[0]!r}. {advice(unknown[0], known)}")
    rows = to_decide(c["summary"], columns, names, new_images, power)
    s = c["summary"]
    models = one_seed_each(s)
    kind = "new examples" if new_images or models else "these examples"
    lines = [f"{c['arm']} against {c['baseline']}, {s['seeds_baseline']} v {s['seeds_treated']} seeds, {kind}."]
    lost = hardly_found(columns)
    blind = [row for row in rows if row.open and row.name in lost]
    left = [row for row in rows if row.open and row not in blind]
    if left and guesses(columns):
        lines.append(f"{c['baseline']} may be guessing: train it longer, and audit again, before you follow this plan.")
    still = sorted((row for row in left if row.way), key=lambda row: (min(row.seeds, row.both[0]), row.images))
    if models and left:
        lines.append(ONE_SEED)
    elif left and few_seeds(s):
        lines.append(SEEDS_FIRST)
    if still:
        with_chance = f"{'between these two models ' if models else ''}with a chance of {100 * power:g} %"
        lines.append(
            f"Each class, tested alone (--protect), would be decided {with_chance}, unless its true change lies in the "
            "brackets (points), by:"
        )
    lines += [f"  {named(row.name)}: {row.text} {near(row)}" for row in still[:MOST_ROWS]]
    if len(still) > MOST_ROWS:
        lines.append(f"  and {len(still) - MOST_ROWS} more classes")
    lines += [text for text in (out_of_reach(left, s, power), decided_alone(left)) if text]
    if blind:
        lines.append(f"{c['baseline']} hardly finds {listed([named(row.name) for row in blind])}: train until it does.")
    decided = len(rows) - len(left) - len(blind)
    return [
        *lines,
        f"{decided} of {counted(len(rows), noun(columns))} {'is' if len(rows) == 1 else 'are'} decided.",
    ]


def _assumed(change: float, images: int, tolerance: float, disagreement: float, new_images: bool) -> None:
    from dropmix.audit.inference.planner import assumed_noise, power_of_decision

    if not -1 <= change <= 1:
        raise ValueError(f"--change: expected points from -100 to 100, got {100 * change:g}. -5 is usual.")
    if images < 1 or not 0 < disagreement <= 0.5 or not 0 <= tolerance < 1:
        raise ValueError(
            f"plan: expected images of at least 1, disagreement in (0, 50] percent and tolerance in [0, 100), "
            f"got {images}, {100 * disagreement:g} and {100 * tolerance:g}."
        )
    noise = assumed_noise(disagreement)
    noise = noise if new_images else noise.on_these_images()
    word = "hurt" if change < -tolerance else "safe"
    kind = "new images" if new_images else "these images"
    print(f"Chance that a class is found {word} if its recall changes by {100 * change:+g} points ({kind}):")
    factors = (1, 2, 4, 8)
    print("  seeds per arm" + "".join(f"{f'{factor * images} images':>14}" for factor in factors))
    for seeds in (2, 3, 5, 10, 20):
        cells = []
        for factor in factors:
            hurt, safe = power_of_decision(change, tolerance, noise.variance(seeds, factor * images))
            cells.append(float((hurt if word == "hurt" else safe)[0]))
        print(f"  {seeds:>13}" + "".join(f"{f'{100 * cell:.0f} %':>14}" for cell in cells))
    print(f"Assumed: two seeds of an arm disagree on {100 * disagreement:g} % of the class's images.")
