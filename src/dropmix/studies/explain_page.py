"""`dropmix explain`: read a grid, correlate, and write explain.html and explain.json."""

import base64
import html
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dropmix.audit.arm_names import visible
from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.align import join
from dropmix.audit.inputs.predictions import Predictions, number_of_classes
from dropmix.audit.inputs.run_folders import ANYHOW, BASELINE, find_runs, group_runs, read_arms
from dropmix.audit.measures.recall import class_sizes, correct_counts
from dropmix.audit.spreadsheet import write_whole
from dropmix.report.figures.style import TIED, figure_function, grid, new_figure, rendered
from dropmix.studies.explain import Explained, Predictor, as_json, explain
from dropmix.studies.explain_words import in_words
from dropmix.studies.predictors import constant, from_labels, from_runs


def explain_grid(
    folder: Path,
    given: dict[str, np.ndarray],
    baseline: str = BASELINE,
    networks: dict[str, np.ndarray] | None = None,
    accept: Path | None = None,
) -> tuple[dict[str, Explained], list[str]]:
    """Explain every treated arm of a grid against its baseline.

    Args:
        folder: run folders.
        given: predictors from elsewhere, (K,) each.
        baseline: name of the baseline arm.
        networks: predictors from the baseline's networks, (S, K) each, in the order of its seeds.
        accept: JSON file of acceptable classes per test example, as `audit_predictions` reads it; adds "label
            ambiguity". Recalls stay those of the labels.
    Returns:
        arm -> what was found; and a sentence on each arm that was left out.
    Raises:
        AuditError: no finished runs, several grids, or no arm of two seeds beside the baseline.
    """
    groups = group_runs(find_runs(folder)[0])
    if len(groups) != 1:
        raise AuditError(f"{folder}: expected the runs of one grid, got {len(groups)}. Name a folder with one.")
    arms, _ = read_arms(next(iter(groups.values())), folder, None, False, 1, replace(ANYHOW, accept=accept))
    if baseline not in arms:
        raise AuditError(f"{folder}: expected an arm {baseline!r}, got {', '.join(arms)}. Name it with --baseline.")
    explained, left_out = {}, []
    for name, arm in arms.items():
        if name != baseline and min(len(arm.seeds), len(arms[baseline].seeds)) >= 2:
            explained[name] = explain_arm(arms[baseline], arm, given, networks)
        elif name != baseline:
            left_out.append(f"{name} has one seed and was left out: train it with another.")
    if not explained:
        raise AuditError(f"{folder}: expected two seeds or more of {baseline} and another arm, got fewer. Train more.")
    return explained, left_out


def explain_arm(
    baseline: Predictions,
    treated: Predictions,
    given: dict[str, np.ndarray],
    networks: dict[str, np.ndarray] | None = None,
) -> Explained:
    """Explain one arm, without classes that lack test examples and predictors that are nearly constant."""
    baseline, treated = join([baseline, treated])
    k = number_of_classes([baseline, treated])
    sizes = class_sizes(baseline.labels, k)
    present = sizes > 0
    before, after = (correct_counts(a.labels, a.correct(), k)[:, present] / sizes[present] for a in (baseline, treated))
    runs = {name: values[:, present] for name, values in {**from_runs(baseline, k), **(networks or {})}.items()}
    given = {**from_labels(baseline, k), **given}
    given = {name: values[present] for name, values in given.items() if not constant(values[present])}
    runs = {name: values for name, values in runs.items() if not constant(values.mean(0))}
    groups = None if baseline.superclasses is None else np.array(baseline.superclasses)[present]
    names = baseline.class_names or treated.class_names or tuple(str(c) for c in range(k))
    explained = explain(before, after, runs, given, groups)
    return replace(explained, names=tuple(name for name, here in zip(names, present, strict=True) if here))


@figure_function
def panels(explained: Explained) -> Figure:
    """One panel per predictor: its values against the recall change, a dot per class."""
    columns = min(3, len(explained.predictors))
    rows = -(-len(explained.predictors) // columns)
    figure = new_figure(2.6 * columns, 2.3 * rows)
    for number, one in enumerate(explained.predictors, 1):
        axes = figure.add_subplot(rows, columns, number)
        axes.axhline(0, color=TIED, linewidth=0.8)
        axes.scatter(one.values, 100 * explained.change, s=9, color="#0072B2", alpha=0.7, linewidths=0)
        axes.set_xlabel(one.name)
        axes.set_title(f"{one.correlation:+.2f} [{one.low:+.2f}, {one.high:+.2f}]", fontsize=8)
        if (number - 1) % columns == 0:
            axes.set_ylabel("recall change, points")
        grid(axes)
    return figure


def write_explained(arms: dict[str, Explained], out: Path, source: str) -> list[Path]:
    """Write explain.html and explain.json; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"format": 1, "source": source, "arms": {arm: as_json(explained) for arm, explained in arms.items()}}
    paths = [out / "explain.html", out / "explain.json"]
    parts = [f"<h2>{html.escape(visible(arm))}</h2>{_section(arm, explained)}" for arm, explained in arms.items()]
    page = _PAGE.format(source=html.escape(visible(source)), body="\n".join(parts))
    for path, text in zip(paths, (page, json.dumps(content, indent=1) + "\n")):
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8", errors="replace"))
    return paths


def _section(arm: str, explained: Explained) -> str:
    words = (
        f"<p>{html.escape(visible(in_words(arm, explained)))}</p>"
        f"<p>{len(explained.change)} classes. Reliability of the change: {explained.reliability:.2f}.</p>"
    )
    if not explained.predictors:
        return words
    cells = "".join(_row(one) for one in explained.predictors)
    picture = base64.b64encode(rendered(panels(explained), "png")).decode()
    alt = html.escape(visible(f"One panel per predictor of the recall change under {arm}."))
    return (
        f"{words}"
        "<table><tr><th>predictor<th>rank correlation<th>corrected for noise<th>beyond baseline recall<th>p (Holm)</tr>"
        f'{cells}</table><img alt="{alt}" src="data:image/png;base64,{picture}">'
    )


def _row(one: Predictor) -> str:
    def interval(middle: float | None, low: float | None, high: float | None) -> str:
        return "none: too noisy" if middle is None else f"{middle:+.2f} [{low:+.2f}, {high:+.2f}]"

    beyond = "" if one.beyond_recall is None else f"{one.beyond_recall:+.2f}"
    values: list[Any] = [
        html.escape(visible(one.name)),
        interval(one.correlation, one.low, one.high),
        interval(one.corrected, one.corrected_low, one.corrected_high),
        beyond,
        f"{one.holm:.3f}" if one.holm >= 0.001 else "&lt; 0.001",
    ]
    return "<tr>" + "".join(f"<td>{value}" for value in values) + "</tr>"


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>What predicts the hurt classes</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}}
img{{max-width:100%}}</style>
<h1>What predicts which classes are hurt</h1><p>Runs: {source}</p>
<p>A predictor is compared with each class's recall change by rank. Above 0: classes with higher values gain more or
lose less. A predictor that comes from the baseline's runs is taken from one half of the seeds and the change from the
other half, so that shared noise (regression to the mean) makes no correlation. Intervals are 95 %, over classes;
p-values are adjusted for the number of predictors. Both halves share their test examples, so peculiarities of
these are not averaged out. A correlation is not a cause.</p>
{body}
</html>
"""
