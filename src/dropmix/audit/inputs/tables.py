"""Long tables of predictions, one row an example of one run, split into runs."""

from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.inputs import columns
from dropmix.audit.inputs.align import sort_by_id
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import Predictions, checked

MANY_RUNS = 10_000  # more changes of arm or seed from row to row: the rows are shuffled
WANTED = ("arm", "seed", "example_id", "label", "pred", "p_true", "p_max", "topk")


def from_table(
    table: pa.Table,
    where: str,
    default_arm: str,
    reading: Reading,
    source: dict | None = None,
) -> list[Predictions]:
    """Split a long table into one record an (arm, seed).

    Args:
        table: columns as in docs/reading-an-audit.md, one row an example of one run.
        where: what to call it in an error.
        default_arm: the arm where there is no column `arm`.
        reading: what the user says of it.
        source: path and hash, kept with every record.
    """
    missing = [c for c in ("label", "pred") if c not in table.column_names]
    if missing:
        raise AuditError(
            f"{where}: expected columns label and pred, got {clip(', '.join(table.column_names))}. Add {missing[0]}."
        )
    if not len(table):
        raise AuditError(f"{where}: expected at least one prediction, got no rows. Write the file again.")
    meta = columns.metadata(table, where)
    numbers, names = columns.classes(
        table, where, reading.classes if reading.classes is not None else meta.get("classes")
    )
    values = {**numbers, "example_id": columns.ids(table, where)}
    values |= {key: columns.probabilities(table, key, where) for key in ("p_true", "p_max")}
    values["topk"] = columns.ranked(table, where) if reading.topk > 1 else None
    has_arm, has_seed = ("arm" in table.column_names), ("seed" in table.column_names)
    arm, arms = columns.texts(table, "arm", where) if has_arm else (np.zeros(len(table), np.int32), [default_arm])
    seed = columns.integers(table, "seed", where) if has_seed else np.zeros(len(table), np.int64)
    shared = {
        "class_names": None if names is None else tuple(names),
        "superclasses": None if meta.get("superclasses") is None else tuple(meta["superclasses"]),
        "seeds_given": has_seed,
        "arm_given": has_arm,
    }
    return [_one_run(values, rows, arms[a], s, where, shared, source) for a, s, rows in _runs(arm, seed)]


def _runs(arm: np.ndarray, seed: np.ndarray) -> list[tuple[int, int, np.ndarray | slice]]:
    """Rows of each (arm, seed), by arm and seed: slices where a run's rows lie together, which take no memory."""
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
    part: dict[str, Any] = {key: None if v is None else v[rows] for key, v in values.items()}
    label = f"{where} (arm {clip(arm)}, seed {seed})"
    made = Predictions(
        arm=arm,
        labels=part["label"],
        pred=part["pred"][None],
        seeds=np.array([seed]),
        example_id=part["example_id"],
        p_true=None if part["p_true"] is None else part["p_true"][None],
        p_max=None if part["p_max"] is None else part["p_max"][None],
        topk=None if part["topk"] is None else part["topk"][None],
        sources=() if source is None else ({**source, "arm": arm, "seeds": [seed]},),
        **shared,
    )
    return sort_by_id(checked(made, label), label)
