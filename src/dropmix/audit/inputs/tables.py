"""Long tables of predictions, one row per example of one run, split into runs; and wide ones."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats import columns
from dropmix.audit.inputs.class_values import ClassValues, class_array, class_column, is_list, numbered
from dropmix.audit.inputs.example_ids import sort_by_id
from dropmix.audit.inputs.given import Labels, Reading, find_columns
from dropmix.audit.inputs.merge import accept_of_runs, acceptable, onto_classes
from dropmix.audit.inputs.predictions import Predictions, checked
from dropmix.audit.inputs.scores import Array3, reduce_scores
from dropmix.audit.naming.aliases import plain
from dropmix.audit.naming.paths import split_seed
from dropmix.audit.naming.score_columns import refuse_ranked, score_columns, sum_to_one, unpacked, wide_columns
from dropmix.audit.naming.totals import CONFUSION, COUNTS, refuse_counts, refuse_totals, without_predictions

MANY_RUNS = 10_000  # with more changes of arm or seed from row to row, the rows are shuffled
MANY_SEEDS = 50  # stacked without a seed column
SHORTEST = 20  # test set that is told from a pattern of labels if it comes again and again
CHANCE = 1e-3  # that labels repeat; above it, they are not taken for seeds


def wanted_columns(names: list[str], reading: Reading, where: str) -> dict[str, str]:
    """The columns to read from a file: name -> content ("" if that takes a look at the values)."""
    if names and all(re.match(r"-?\d+\.\d+", name) for name in names):
        raise AuditError(f"{where}: expected a header line with the names of columns, got numbers. Add it.")
    named = find_columns(names, reading, where)
    if reading.topk < 2:
        named.pop("topk", None)
    wanted = {name: key for key, name in named.items()}
    if "example_id" not in named:
        wanted |= {name: "" for name in names if plain(name) in COUNTS and name not in wanted}
    if "pred" not in named:
        wanted |= dict.fromkeys(wide_columns(names, named).values(), "pred")
        wanted |= {n: "" for n, times in Counter(names).items() if n.strip() and n not in wanted and times == 1}
    return wanted


def from_table(
    table: pa.Table, where: str, default_arm: str, reading: Reading, source: dict | None = None, typed: bool = True
) -> list[Predictions]:
    """Split a table into one record per (arm, seed).

    Args:
        table: columns as in docs/reading-an-audit.md, one row per example of one run; or one column of predictions per
            run (pred_0, pred_1), or of scores per class (p_cat, p_dog).
        where: what to call it in an error.
        default_arm: the arm if there is no column `arm`.
        reading: what the user says about it.
        source: path and hash, kept with every record.
        typed: False for text whose types must be inferred.
    """
    table = unpacked(table)
    names = table.column_names
    named = find_columns(names, reading, where)
    if "label" not in named and reading.labels is None:
        refuse_totals(names, where)
        _refuse_matrix(table, named, where, lists=False)
        raise without_predictions(names, "label", where)
    key = lambda name: columns.keys(table[named[name]], named[name], where, guess=not typed) if name in named else None  # noqa: E731
    ids = key("example_id")
    if reading.labels is None:
        label = class_column(table[named["label"]], "label", where)
    else:
        if len(table) != len(reading.labels.values) and "pred" not in named:
            refuse_totals(names, where)
        label = class_array(reading.labels.of(ids, len(table), where), "label", reading.labels.where)
    wide, scores = _predicted_columns(table, named, label, reading, where)
    if not ("pred" in named or wide or scores):
        refuse_totals(names, where)
        _refuse_matrix(table, named, where)
        raise without_predictions(names, "pred", where)
    refuse_counts(table, named, where)
    if not len(table):
        raise AuditError(f"{where}: expected at least one prediction, got no rows. Write the file again.")
    meta = columns.metadata(table, where)
    shared = {
        **{key: meta.get(key) and tuple(meta[key]) for key in ("superclasses", "train_counts")},
        "seeds_given": "seed" in named,
        "arm_given": "arm" in named,
    }
    group = reading.group.of(ids, len(table), where) if isinstance(reading.group, Labels) else key("group")
    by = columns.words(table[named["by"]]) if "by" in named else None
    if isinstance(reading.by, Labels):
        by = reading.by.of(ids, len(table), where)
    arm, arms = (
        columns.coded(table[named["arm"]], "arm", where)
        if "arm" in named
        else (np.zeros(len(table), np.int32), [default_arm])
    )
    seed = columns.integers(table[named["seed"]], "seed", where) if "seed" in named else np.zeros(len(table), np.int64)
    own = meta.get("classes") if meta.get("classes") is not None else reading.classes
    runs = _runs(arm, seed)
    if len(runs) == 1 and "seed" not in named:
        _refuse_stacked(ids, label.values, where)
    made = []
    for suffix, values in _per_run(table, named, wide, scores, label, own, reading, where).items():
        if "accept" in named:
            lists = columns.lists(table[named["accept"]], "accept", where)
            values["accept"] = acceptable(lists, values["class_names"], where)
        elif reading.accept is not None:
            values["accept"] = accept_of_runs(reading.accept, values, ids, runs, where)
        values |= {"example_id": ids, "group": group, "by": by}
        if reading.topk > 1 and "topk" in named:
            values["topk"] = columns.ranked(table[named["topk"]], where)
        for a, s, rows in runs:
            made.append(onto_classes(_one_run(values, rows, arms[a], s, where, shared, source), reading.classes, where))
            if suffix is not None:
                made[-1] = _of_wide(made[-1], suffix)
    return made


def _predicted_columns(
    table: pa.Table, named: Mapping[str, str], label: ClassValues, reading: Reading, where: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Columns of predictions per run, or of scores per class, where there is no single column of predictions."""
    if "pred" in named:
        return {}, {}
    wide = wide_columns(table.column_names, named)
    if wide and not sum_to_one(table, list(wide.values()), where):
        return wide, {}
    texts = np.unique(label.values).tolist() if label.texts is None else label.texts
    known = [str(text).strip() for text in texts]
    classes = None if reading.classes is None else [str(name) for name in reading.classes]
    if wide and {*known} <= {*wide}:  # pred_cat and pred_dog hold scores, or 1 for the predicted class
        return {}, wide
    scores = score_columns(table, named, known, classes, where)
    return ({} if scores else wide), scores


def _refuse_matrix(table: pa.Table, named: Mapping[str, str], where: str, lists: bool = True) -> None:
    """Say what tables of numbers or `lists` are that hold neither classes nor scores under a known name."""
    numbers = 0
    for name in (n for n in dict.fromkeys(table.column_names) if n not in named.values() or named.get("p_max") == n):
        if lists and len(table) and is_list(table[name]):
            raise AuditError(
                f"{where}: expected one number per row in column {clip(name)!r}, got a list. Save a column per class, "
                "p_0, p_1, ..., or the best class alone as pred."
            )
        try:
            numbers += columns.floats(table[name], name, where) is not None
        except AuditError:
            continue
    if numbers == len(table) > 1:
        refuse_totals(["confusion"], where)


def _of_wide(part: Predictions, suffix: str) -> Predictions:
    """A run of a wide table: its seed or arm is what follows `pred_`."""
    arm, seed = split_seed(suffix)
    changed: dict[str, Any] = {"arm": arm, "arm_given": True} if arm else {}
    if seed is not None:
        changed |= {"seeds": np.array([seed]), "seeds_given": True}
    made = replace(part, **changed)
    sources = tuple({**s, "arm": made.arm, "seeds": made.seeds.tolist()} for s in made.sources)
    return replace(made, sources=sources)


def _per_run(table, named, wide, scores, label: ClassValues, own, reading, where) -> dict[str | None, dict[str, Any]]:
    """Values of each column of predictions, by what distinguishes the columns (None if there is one)."""
    made: dict[str | None, dict[str, Any]] = {}
    if scores:
        parts = [columns.floats(table[name], name, where) for name in scores.values()]
        empty = [name for name, part in zip(scores.values(), parts) if part is None]
        if empty:
            raise AuditError(f"{where}: expected scores in every class's column, got none in {first(empty)}. Fill it.")
        stack = Array3(np.stack(parts, axis=1)[None])  # type: ignore[arg-type]
        best = [n for n in table.column_names if re.fullmatch(r"(index|label|class|pred|name)_0", plain(n))]
        refuse_ranked(stack.array[0], [str(c) for c in scores], best, where)
        blank = {t.strip(): t for t in label.texts or []}  # names of columns are stripped
        pred = ClassValues(np.arange(len(scores)), [blank.get(c) or str(c) for c in scores])
        numbers, names, kind = numbered({"label": label, "pred": pred}, own, where)
        at = {int(c): i for i, c in enumerate(numbers["pred"])}
        absent = sorted({int(v) for v in np.unique(numbers["label"])} - set(at))
        if absent:
            raise AuditError(
                f"{where}: expected a column of scores for every true class, got none for "
                f"{first([names[a] if names else a for a in absent])}. Add it."
            )
        if "example_id" not in named and len(table) == len(scores) > 2 and len({*label.values.tolist()}) == len(table):
            raise AuditError(
                f"{where}: expected a prediction per example, got one row and one column per class, as in {CONFUSION}. "
                "Save the arrays that it was made of, y_true and y_pred."
            )
        place = np.array([at.get(i, 0) for i in range(max(at) + 1)])
        reduced = reduce_scores(stack, place[numbers["label"]], "auto", where)
        values = {"label": numbers["label"], "pred": numbers["pred"][reduced["pred"][0]]}
        if not np.isin(stack.array, (0, 1)).all():  # ones for the predicted class are no probabilities
            values |= {key: reduced[key][0] for key in ("p_true", "p_max")}
        return {None: {**values, "class_names": names, "label_kind": kind}}
    preds = {None: named["pred"]} if "pred" in named else wide
    coded = {
        suffix: class_column(table[name], "pred" if suffix is None else name, where) for suffix, name in preds.items()
    }
    both = {"label": label, **{f"pred {s}" if s is not None else "pred": v for s, v in coded.items()}}
    numbers, names, kind = numbered(both, own, where)
    for suffix in preds:
        pred = numbers["pred" if suffix is None else f"pred {suffix}"]
        made[suffix] = {"label": numbers["label"], "pred": pred, "class_names": names, "label_kind": kind}
    if "pred" in named:
        made[None] |= {key: _probability(table, named, key, reading, where) for key in ("p_true", "p_max")}
    return made


def _probability(
    table: pa.Table, named: Mapping[str, str], key: str, reading: Reading, where: str
) -> np.ndarray | None:
    if key not in named:
        return None
    if named[key].strip().lower() == key or key in (reading.columns or {}):
        return columns.floats(table[named[key]], key, where)
    try:  # a column that may or may not be meant: used if it holds probabilities
        values = columns.floats(table[named[key]], named[key], where)
    except AuditError:
        return None
    return values if values is not None and bool((values >= 0).all() and (values <= 1.002).all()) else None


def _refuse_stacked(ids: np.ndarray | None, labels: np.ndarray, where: str) -> None:
    """Refuse several seeds stacked without a seed column."""
    times = 0
    if ids is not None:
        if len(ids) > 1 and (ids == ids[0]).all():
            raise AuditError(
                f"{where}: expected an id per example, got {clip(ids[0])} in all {len(ids)} rows. Rename the column, "
                "or name that of the ids (--columns example_id=NAME)."
            )
        if np.count_nonzero(ids == ids[0]) > 1:
            counts = set(Counter(ids.tolist()).values())
            times = counts.pop() if len(counts) == 1 else 0
    else:
        n = len(labels)
        shares = np.unique(labels, return_counts=True)[1] / n
        for s in range(2, MANY_SEEDS + 1):
            part = labels[: n // s]
            if n % s == 0 and len(np.unique(part)) < len(part) and np.array_equal(np.tile(part, s), labels):
                period = next(
                    p for p in _divisors(len(part)) if np.array_equal(np.tile(part[:p], len(part) // p), part)
                )
                # A short pattern is how a set is sorted, and few or very unequal labels repeat by chance.
                by_chance = (shares**2).sum() ** (n - len(part)) > CHANCE
                times = s if len(np.unique(part[:period])) < period >= SHORTEST and not by_chance else 0
                break
    if times > 1:
        raise AuditError(
            f"{where}: expected one run, got the same {len(labels) // times} examples {times} times, as if the rows of "
            f"{times} seeds were stacked. Add a column seed, name the columns (--columns seed=NAME,arm=NAME), or give "
            f"one file per seed{'' if ids is not None else '; if they are different examples, add their ids'}."
        )


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _runs(arm: np.ndarray, seed: np.ndarray) -> list[tuple[int, int, np.ndarray | slice]]:
    """Rows of each (arm, seed): slices if a run's rows are contiguous, which take no memory."""
    cut = np.flatnonzero((arm[1:] != arm[:-1]) | (seed[1:] != seed[:-1])) + 1
    if len(cut) < MANY_RUNS:
        starts = [0, *cut.tolist()]
        runs = [(int(arm[a]), int(seed[a]), slice(a, b)) for a, b in zip(starts, [*starts[1:], len(arm)])]
        if len({run[:2] for run in runs}) == len(runs):
            return sorted(runs, key=lambda run: run[:2])
    order = np.lexsort((seed, arm))
    cut = np.flatnonzero((np.diff(arm[order]) != 0) | (np.diff(seed[order]) != 0)) + 1
    return [(int(arm[rows[0]]), int(seed[rows[0]]), rows) for rows in np.split(order, cut)]


def _one_run(values, rows, arm, seed, where, shared, source) -> Predictions:
    part: dict[str, Any] = {k: v[rows] if isinstance(v, np.ndarray) else v for k, v in values.items()}
    label = f"{where} (arm {clip(arm)}, seed {seed})"
    over = lambda key: None if part.get(key) is None else part[key][None]  # noqa: E731
    made = Predictions(
        arm=arm,
        labels=part["label"],
        pred=part["pred"][None],
        seeds=np.array([seed]),
        example_id=part["example_id"],
        p_true=over("p_true"),
        p_max=over("p_max"),
        topk=over("topk"),
        group=part["group"],
        by=part["by"],
        accept=part.get("accept"),
        class_names=part["class_names"],
        label_kind=part["label_kind"],
        sources=() if source is None else ({**source, "arm": arm, "seeds": [seed]},),
        **shared,
    )
    return sort_by_id(checked(made, label), label)
