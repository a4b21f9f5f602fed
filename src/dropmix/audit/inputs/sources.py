"""Read sources of predictions (paths, frames, mappings, arrays) in the roles that the user gives them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.align import sort_by_id
from dropmix.audit.inputs.arrays import is_predictions, read_mapping
from dropmix.audit.inputs.files import files_of, prepare, read_matrix, read_path
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.merge import onto_classes, unify
from dropmix.audit.inputs.predictions import Predictions, checked
from dropmix.audit.inputs.roles import (
    NAME_THEM,
    Item,
    arms_of,
    listed,
    name_paths,
    one_arm,
    refuse_copies,
    renamed,
    single,
    split_vanilla,
    tell_apart,
)
from dropmix.audit.inputs.scores import MultiLabel, best_thresholds, multilabel
from dropmix.audit.inputs.tables import from_table


def read(
    source: Any, name: str, classes: Any = None, intersect: bool = False, topk: int = 1, reading: Reading | None = None
) -> list[Predictions]:
    """Every arm that a source holds, one record per arm.

    Args:
        source: path of a file of predictions, of a run folder or of a folder of such files; a `Predictions`; a frame
            (anything with columns: pandas, polars, pyarrow); a mapping of arrays with `labels` and `pred` or `probs`
            (and `p_true`, `p_max`, `topk`, `example_id`, `seeds`, `classes`, `superclasses`, `arm`, `accept`);
            a pair (labels, pred); or a list of these.
        name: name of the arm if the source has none (a file is then named after its path).
        classes, intersect, topk: as in `Reading`.
        reading: everything that the user says, instead of these three.
    Raises:
        AuditError: the source cannot be read; one line says why.

    Example:
        >>> [a.arm for a in read(([0, 1], [0, 0]), "mine")]
        ['mine']
    """
    reading = prepare(reading or Reading(classes, topk, intersect))
    items = _items(source, name)
    _name(items)
    _read_all(items, reading)
    return arms_of(items, name, reading)


def read_roles(baseline: Any, treated: Any, reading: Reading) -> tuple[Predictions, list[Predictions]]:
    """The baseline and the treated arms.

    An arm's name comes from the source, else from its role, else from the part of the path that distinguishes files.

    Args:
        baseline: source of one arm; if `treated` is None, of several arms, one of them named "vanilla".
        treated: source or list of sources of the other arms, or a mapping name -> source.
        reading: what the user says about all sources.
    Raises:
        AuditError: a source that cannot be read, or whose role is not clear.
    """
    base, others = _read_roles(baseline, treated, prepare(reading))
    base, *others = unify([base, *others])
    return base, others


def _read_roles(baseline: Any, treated: Any, reading: Reading) -> tuple[Predictions, list[Predictions]]:
    if treated is None:
        if isinstance(baseline, str | Path):
            baseline = files_of(Path(baseline)) or baseline  # each file in a folder is an arm, or a seed of one
        return split_vanilla(_named_arms(baseline, reading) or read(baseline, "baseline", reading=reading))
    base = _items(baseline, "baseline")
    named = _named_arms(treated, reading)
    if named is not None:
        _name(base)
        _read_all(base, reading)
        return one_arm(base, "baseline", reading, given=False), named
    others = _items(treated, "treated")
    if not others:
        raise AuditError("treated: expected at least one arm, got none. Give a source.")
    _name([*base, *others])
    _read_all([*base, *others], reading)
    if len(base) == len(others) == 1:
        tell_apart(base[0], others[0])
        return single(arms_of(base, "baseline", reading)), arms_of(others, "treated", reading)
    lead = one_arm(base, "baseline", reading, given=False)
    mine = [item for item in others if _is_arm(item, lead.arm)]
    rest = [item for item in others if item not in mine]
    if not rest:
        raise AuditError(
            f"treated: expected an arm beside the baseline {clip(lead.arm)!r}, got only files of that arm: "
            f"{listed(mine)}. {NAME_THEM}."
        )
    if mine:
        lead = one_arm([*base, *mine], "baseline", reading, given=False)
    return lead, arms_of(rest, "treated", reading)


def _is_arm(item: Item, arm: str) -> bool:
    return isinstance(item.source, str | Path) and {p.arm for p in item.parts} == {arm}


def _named_arms(sources: Any, reading: Reading) -> list[Predictions] | None:
    """Arms of a mapping name -> source or list of sources; None for anything else."""
    if not isinstance(sources, Mapping) or is_predictions(sources):
        return None
    made = []
    for name, source in sources.items():
        items = _items(source, str(name))
        _name(items, one_arm=True)
        _read_all(items, reading)
        made.append(one_arm(items, str(name), reading, given=True))
    return made


def _items(source: Any, name: str) -> list[Item]:
    if isinstance(source, str | Path):
        return [Item(source, name, name)]
    if _is_pair(source):
        return [Item({"labels": source[0], "pred": source[1]}, name, name)]
    if isinstance(source, list | tuple):
        return [item for one in source for item in _items(one, name)]
    return [Item(source, name, name)]


def _is_pair(source: Any) -> bool:
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    return not any(isinstance(x, str | Path | Mapping | Predictions | tuple) for x in source)


def _name(items: Sequence[Item], one_arm: bool = False) -> None:
    """Names of all items that are paths, from all their paths together.

    Args:
        one_arm: whether the items are parts of one arm; then repeated numbers are not its seeds.
    """
    paths = [item for item in items if isinstance(item.source, str | Path)]
    named = name_paths([item.source for item in paths])
    seeds = [found.seed for found in named]
    clear = not one_arm or len(set(seeds)) == len(seeds)
    for item, found in zip(paths, named):
        item.name, item.whole, item.unclear = found.arm, found.whole, found.unclear
        item.seed = found.seed if clear else None


def _read_all(items: Sequence[Item], reading: Reading) -> None:
    """Read every item; one error reports the faults of all files."""
    faults = []
    for item in items:
        try:
            item.parts = list(_parts(item, reading))
        except AuditError as error:
            faults.append(str(error))
    if faults:
        more = f" ({len(faults) - 1} more: {' | '.join(faults[1:])})" if len(faults) > 1 else ""
        raise AuditError(clip(faults[0] + more, 2000))


def _parts(item: Item, reading: Reading) -> Iterator[Predictions]:
    source, name = item.source, item.name
    if isinstance(source, Predictions):
        yield onto_classes(checked(sort_by_id(source, source.arm), source.arm), reading.classes, source.arm)
    elif isinstance(source, str | Path):
        folder = files_of(Path(source))
        if folder is not None:
            inner = [Item(path, name, name) for path in folder]
            _name(inner, one_arm=True)
            _read_all(inner, reading)
            yield from _of_folder(inner, item)
            return
        for part in read_path(Path(source), reading):
            yield _with_path(part, item)
    elif isinstance(source, Mapping):
        yield read_mapping(source, name, reading)
    else:
        yield from from_table(_frame(source, name), name, name, reading)


def _with_path(part: Predictions, item: Item) -> Predictions:
    """A part with the arm and seed of its path, if it has none of its own."""
    if not part.arm_given:
        part = renamed(part, item.name)
    if not part.seeds_given and item.seed is not None and len(part.seeds) == 1:
        part = replace(part, seeds=np.array([item.seed]), seeds_given=True)
    return part


def _of_folder(inner: list[Item], folder: Item) -> Iterator[Predictions]:
    """All files in a folder as one arm, unless they say otherwise."""
    # Files that differ only in numbers are seeds or shards, whatever the numbers mean.
    names = {re.sub(r"\d+", "", p.arm) for item in inner for p in item.parts if not p.arm_given}
    if len(names) > 1 and any(item.whole != item.name for item in inner):
        raise AuditError(
            f"{folder.source}: expected a folder with files of one arm, got files of {first(sorted(names))}. "
            f"{NAME_THEM}, or give the files one by one."
        )
    refuse_copies(inner, str(folder.source))
    for item in inner:
        for part in item.parts:
            yield part if part.arm_given else renamed(part, folder.name)


def _frame(source: Any, name: str) -> pa.Table:
    try:
        if isinstance(source, pa.Table):
            return source
        if hasattr(source, "__arrow_c_stream__"):
            return pa.table(source)
        return pa.table({str(key): np.asarray(source[key]) for key in source.columns})
    except (AttributeError, TypeError, KeyError, pa.ArrowException) as error:
        raise AuditError(
            f"{name}: expected a path, a frame, a mapping or arrays, got {type(source).__name__} "
            f"({clip(error)}). See audit_predictions."
        ) from error


def read_multilabel(
    scores: Any, labels: Any, names: Sequence[str] | None = None, thresholds: Any = 0.5, validation: Any = None
) -> MultiLabel:
    """Predictions if an example may have several labels, or none.

    Args:
        scores: path of a file (npy, npz, CSV or parquet with a column per label), an array (N, K) or (S, N, K), or a
            list of these, one per seed.
        labels: the same for the truth, (N, K), 0 or 1.
        names: K names, instead of the labels' own.
        thresholds: one for all labels, or (K,): predicted where the score is at least this.
        validation: a pair (scores, labels) of other examples; the thresholds with the highest F1 there are used.
    Raises:
        AuditError: files that cannot be read, or whose shapes do not fit.

    Example:
        >>> found = read_multilabel([[0.9, 0.2], [0.1, 0.7]], [[1, 0], [0, 0]], names=["AF", "ST"])
        >>> found.binary("ST")[0].tolist(), found.binary("ST")[1].tolist()
        ([0, 0], [[0, 1]])
    """
    truth, own = read_matrix(labels, "labels")
    paths = [one for one in scores if isinstance(one, str | Path)] if isinstance(scores, list | tuple) else []
    parts = scores if paths else [scores]
    found = [read_matrix(one, "scores")[0] for one in parts]
    stack = [a[None] if a.ndim == 2 else a for a in found]
    if len({a.shape[1:] for a in stack}) > 1:
        raise AuditError(f"scores: expected equal shapes, got {first([a.shape for a in stack])}. Save all examples.")
    seeds = name_paths(paths)
    stems = [re.findall(r"\d+", Path(one).stem) for one in paths]
    numbers = (
        [s.seed for s in seeds] if all(s.seed is not None for s in seeds) else [int((n or [-1])[-1]) for n in stems]
    )
    given = np.array(numbers) if len(set(numbers)) == len(paths) == len(stack) and paths else None
    if validation is not None:
        thresholds = best_thresholds(read_matrix(validation[1], "labels")[0], read_matrix(validation[0], "scores")[0])
    titles = tuple(names) if names is not None else own
    return multilabel(truth, np.concatenate(stack), titles, given, thresholds)
