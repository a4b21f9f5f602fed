"""Bring predictions onto the same examples: join on ids, or insist on equal labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.class_values import CHECK, unlike
from dropmix.audit.inputs.example_ids import sort_by_id, with_like_ids, with_one_type
from dropmix.audit.inputs.merge import unify, whole_seeds
from dropmix.audit.inputs.predictions import Predictions

Folds = Mapping[str, Mapping[int, Mapping[int | None, Predictions]]]
NO_IDS = "No example ids: rows were matched by position, which is right only if every file keeps one order."


def join(arms: Sequence[Predictions], intersect: bool = False) -> list[Predictions]:
    """The same arms on the same examples in the same order.

    Args:
        arms: predictions, each sorted by id.
        intersect: keep only the examples that all arms hold, instead of refusing different sets.
    Raises:
        AuditError: missing ids (unless `intersect`), differing labels, ids in some arms only, no
            example in common, or differing label vectors without ids.

    Example:
        >>> import numpy as np
        >>> a = Predictions("a", np.array([0, 1]), np.array([[0, 1]]), np.array([0]), np.array([5, 7]))
        >>> b = Predictions("b", np.array([1]), np.array([[1]]), np.array([0]), np.array([7]))
        >>> [p.labels.tolist() for p in join([a, b], intersect=True)]
        [[1], [1]]
    """
    arms = unify(arms)
    lead = arms[0]
    without = [a for a in arms if a.example_id is None]
    if without and len(without) < len(arms):
        named = next(a for a in arms if a.example_id is not None)
        raise AuditError(
            f"{without[0].arm}: expected example_id as {named.arm} has it, got none. Give ids to all or to none."
        )
    if without:
        arms = [_matched_by_position(lead, a) for a in arms]
        by, group = _agreed_on("by", arms), _agreed_on("group", arms)
        return [replace(a, by=by, group=group) for a in arms]
    arms = with_like_ids(arms)
    lead = arms[0]
    same = [np.array_equal(lead.example_id, a.example_id) for a in arms]  # type: ignore[arg-type]
    if not all(same):
        if not intersect:
            raise AuditError(_missing(lead, arms[same.index(False)]))
        arms = _intersection(arms)
    for arm in arms[1:]:
        _check_labels(arms[0], arm)
    # All arms share one array of ids, since strings are the largest part of a long table.
    shared = {"example_id": arms[0].example_id, "labels": arms[0].labels}
    shared |= {key: _agreed_on(key, arms) for key in ("by", "group")}
    return [replace(a, **shared) for a in arms]


def _agreed_on(key: str, arms: Sequence[Predictions]) -> np.ndarray | None:
    """The slice ("by") or group of each example, which all that know it have to agree on."""
    known = [(a, values) for a in arms if (values := getattr(a, key)) is not None]
    if not known:
        return None
    lead, own = known[0]
    for other, values in known[1:]:
        alike = own.dtype == values.dtype  # numbers may stand as text in one of the files
        at = np.flatnonzero(own != values if alike else own.astype(str) != values.astype(str))
        if len(at):
            what = "slice" if key == "by" else "group"
            raise AuditError(
                f"{_label(lead)} and {_label(other)}: expected one {what} per example, got {len(at)} that differ (the "
                f"first: {clip(own[at[0]])} and {clip(values[at[0]])}). Name what belongs to examples, not to runs."
            )
    return own


def merge_seeds(parts: Sequence[Predictions], intersect: bool = False) -> Predictions:
    """One arm from parts that hold different seeds, or different examples of one seed.

    Raises:
        AuditError: as `join`, or two parts with the same seed and the same examples.
    """
    if len(parts) == 1:
        return parts[0]
    parts = whole_seeds(with_one_type(unify(parts)))
    if len(parts) == 1:
        return parts[0]
    parts = join(parts, intersect)
    seeds_given = all(p.seeds_given for p in parts)
    seeds = np.concatenate([p.seeds for p in parts])
    if not seeds_given:
        seeds = np.arange(len(seeds), dtype=np.int64)
    values, counts = np.unique(seeds, return_counts=True)
    if (counts > 1).any():
        twice = [s["path"] for p in parts if np.isin(p.seeds, values[counts > 1]).any() for s in p.sources]
        raise AuditError(
            f"{parts[0].arm}: expected every seed once, got seed {first(values[counts > 1])} in two sources"
            f"{f' ({first(twice)})' if twice else ''}. Leave one out."
        )
    stack = lambda key: _stacked([getattr(p, key) for p in parts])  # noqa: E731
    lead = parts[0]
    return replace(
        lead,
        # Copies, since views would keep the columns of all seeds in memory.
        labels=lead.labels.copy(),
        example_id=None if lead.example_id is None else lead.example_id.copy(),
        pred=np.concatenate([p.pred for p in parts]),
        seeds=seeds,
        p_true=stack("p_true"),
        p_max=stack("p_max"),
        topk=stack("topk"),
        score=stack("score"),
        group=_agreed_on("group", parts),
        by=_agreed_on("by", parts),
        accept=next((p.accept for p in parts if p.accept is not None), None),
        superclasses=next((p.superclasses for p in parts if p.superclasses is not None), None),
        train_counts=_agreed([p.train_counts for p in parts if p.train_counts is not None]),
        sources=_sources(parts, seeds),
        seeds_given=seeds_given,
        arm_given=all(p.arm_given for p in parts),
        notes=tuple(dict.fromkeys(n for p in parts for n in p.notes)),
    )


def _sources(parts: Sequence[Predictions], seeds: np.ndarray) -> tuple[dict, ...]:
    """The sources of all parts, each with its seeds' numbers among `seeds`, those of all parts in order."""
    made, start = [], 0
    for p in parts:
        number = dict(zip(p.seeds.tolist(), seeds[start : start + len(p.seeds)].tolist(), strict=True))
        made += [{**s, "seeds": [number.get(seed, seed) for seed in s["seeds"]]} for s in p.sources]
        start += len(p.seeds)
    return tuple(made)


def _agreed(counts: list[tuple]) -> tuple | None:
    """The training counts that all runs share; folds and draws of their own have none."""
    return counts[0] if counts and all(other == counts[0] for other in counts) else None


def _stacked(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    present = [a for a in arrays if a is not None]
    if len(present) < len(arrays):
        return None  # a mean over some of the seeds would be another quantity
    if present[0].ndim == 3:
        width = min(a.shape[2] for a in present)
        present = [a[:, :, :width] for a in present]
    return np.concatenate(present)


def _matched_by_position(lead: Predictions, arm: Predictions) -> Predictions:
    if len(lead.labels) != len(arm.labels):
        raise AuditError(
            f"{lead.arm} and {arm.arm}: expected equally many examples when there is no example_id, "
            f"got {len(lead.labels)} and {len(arm.labels)}. Save example_id."
        )
    at = np.flatnonzero(lead.labels != arm.labels)
    if len(at):
        raise AuditError(
            f"{lead.arm} and {arm.arm}: expected identical labels when there is no example_id, "
            f"got differing ones at rows {first(at)}. Save example_id."
        )
    return replace(arm, notes=tuple(dict.fromkeys((*arm.notes, NO_IDS))))


def _missing(lead: Predictions, arm: Predictions) -> str:
    for one, other in ((lead, arm), (arm, lead)):
        absent = np.setdiff1d(one.example_id, other.example_id)  # type: ignore[arg-type]
        if len(absent):
            alike = unlike(str(absent[0]), other.example_id.tolist()) if isinstance(absent[0], str) else ""  # type: ignore[union-attr]
            advice = alike if alike and alike != CHECK else ""
            if not advice and isinstance(absent[0], str) and _one_is_a_path(str(absent[0]), other.example_id):  # type: ignore[arg-type]
                advice = "One holds paths and the other names of files: write them alike."
            kept = {*other.labels.tolist()} if other.class_names == one.class_names else {*one.labels.tolist()}
            lost = [c if one.class_names is None else one.class_names[c] for c in {*one.labels.tolist()} - kept]
            of = f", all of {first(lost)} among them" if lost else ""
            usual = "Predict the same examples, or keep the common ones (--intersect, or intersect=True in Python)."
            if len(absent) == len(one.example_id):  # type: ignore[arg-type]
                usual = f"None is in both (there: {first(other.example_id)}). Write ids alike in both."
            return (
                f"{_label(other)}: expected the examples of {_label(one)}, got {len(absent)} missing{of}, "
                f"example_id {first(absent)}. {advice.replace('The list', 'It') or usual}"
            )
    raise AssertionError("called with equal ids")


def _one_is_a_path(lost: str, ids: np.ndarray) -> bool:
    """Whether a name that is missing differs from another one only by the folders in front of it."""
    base = re.split(r"[\\/]", lost)[-1]
    return any(re.split(r"[\\/]", str(other))[-1] == base for other in ids.tolist())


def _label(p: Predictions) -> str:
    return f"{p.arm} (seed {first(p.seeds)})"


def _intersection(arms: Sequence[Predictions]) -> list[Predictions]:
    common = arms[0].example_id
    for arm in arms[1:]:
        common = np.intersect1d(common, arm.example_id, assume_unique=True)  # type: ignore[arg-type]
    if common is None or not len(common):
        raise AuditError(
            f"{arms[0].arm} and {arms[-1].arm}: expected examples in common, got none. Check the example ids."
        )
    note = f"Kept the {len(common)} examples that all sources hold."
    had = np.unique(np.concatenate([np.unique(a.labels) for a in arms]))
    kept = np.unique(arms[0].labels[np.searchsorted(arms[0].example_id, common)])  # type: ignore[arg-type]
    lost = [arms[0].class_names[c] if arms[0].class_names else c for c in np.setdiff1d(had, kept)]
    if lost:
        were = "class was" if len(lost) == 1 else "classes were"
        note += f" With the others, {len(lost)} {were} lost: {first(lost, 20)}."
    taken = [a.take(np.searchsorted(a.example_id, common)) for a in arms]  # type: ignore[arg-type]
    return [replace(a, notes=tuple(dict.fromkeys((*a.notes, note)))) for a in taken]


def _check_labels(lead: Predictions, arm: Predictions) -> None:
    at = np.flatnonzero(lead.labels != arm.labels)
    if len(at):
        ids = lead.example_id[at]  # type: ignore[index]
        names = lead.class_names
        one, other = (p.labels[at[0]] if names is None else names[p.labels[at[0]]] for p in (lead, arm))
        alike = CHECK if names is None else unlike(str(other), [str(one)])
        raise AuditError(
            f"{_label(lead)} and {_label(arm)}: expected one label per example, got differing ones for example_id "
            f"{first(ids)} (the first: {clip(one)} and {clip(other)}). "
            + ("Audit arms on one test set." if alike == CHECK else alike.replace("The list", "The first"))
        )


def pool_folds(parts: Sequence[Predictions]) -> Predictions:
    """One seed's predictions from its folds, each of which predicts other pictures, sorted by id.

    Raises:
        AuditError: two folds predict the same picture.
    """
    if len(parts) == 1:
        return parts[0]
    lead = parts[0]

    def joined(key: str) -> Any:
        values = [getattr(part, key) for part in parts]
        if any(value is None for value in values):
            return None
        return np.concatenate(values, axis=0 if key in ("labels", "example_id", "group", "by") else 1)

    arrays = {key: joined(key) for key in ("labels", "pred", "example_id", "group", "by", "p_true", "p_max", "topk")}
    counts = [part.train_counts for part in parts if part.train_counts is not None]
    if len(counts) == len(parts):  # each fold trains on the others: the mean over folds
        arrays["train_counts"] = tuple(round(sum(of_class) / len(counts)) for of_class in zip(*counts))
    sources = tuple(source for part in parts for source in part.sources)
    return sort_by_id(replace(lead, **arrays, sources=sources), f"folds of {lead.arm}")


def chosen_folds(parts: Folds, count: int) -> tuple[dict[str, dict[int, list[Predictions]]], list[str]]:
    """The folds of each arm and seed to pool: all; while fewer than two arms have all, those that every arm has.

    Args:
        parts: arm -> seed -> fold -> predictions.
        count: folds of a whole seed.
    Returns:
        arm -> seed -> its folds, the same everywhere, and notes on what was left out.
    """
    wanted: set[int | None] = set()
    whole = [any(len(folds) == count for folds in seeds.values()) for seeds in parts.values()]
    if parts and sum(whole) < min(2, len(parts)):
        common = sorted(set.intersection(*map(set, parts.values())))
        shared = [set.intersection(*({*seeds[seed]} for seeds in parts.values())) for seed in common]
        wanted = max(shared, key=len, default=wanted)
    kept: dict[str, dict[int, list[Predictions]]] = {name: {} for name in parts}
    notes: list[str] = []
    for name, seeds in parts.items():
        for seed, folds in sorted(seeds.items()):
            if wanted <= {*folds} if wanted else len(folds) == count:
                kept[name][seed] = [part for fold, part in folds.items() if not wanted or fold in wanted]
            else:
                notes.append(f"Seed {seed} of {name} has {len(folds)} of {count} folds and was left out.")
    if wanted:
        notes.append(
            f"No two arms have all {count} folds of a seed yet: only {len(wanted)} of {count} were audited, those that "
            "every arm has. Run the grid to its end for the other pictures."
        )
    return kept, notes
