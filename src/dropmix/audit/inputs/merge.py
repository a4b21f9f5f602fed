"""Bring parts of predictions, and acceptable classes, to one class list, by name; and parts to one record per seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import Predictions

FEW = 0.5  # least share of labels among the acceptable ones, if rows are matched correctly


def unify(parts: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions with one class list: the union of their lists, by name.

    Raises:
        AuditError: numbers in one part and names in another, and no class list that connects them.

    Example:
        >>> a = Predictions("a", np.array([0]), np.array([[1]]), np.array([0]), class_names=("cat", "yak"))
        >>> b = Predictions("b", np.array([0]), np.array([[1]]), np.array([0]), class_names=("cat", "zebra"))
        >>> [(p.class_names, p.pred.tolist()) for p in unify([a, b])]
        [(('cat', 'yak', 'zebra'), [[1]]), (('cat', 'yak', 'zebra'), [[2]])]
    """
    _refuse_two_kinds(parts)
    named = [p for p in parts if p.class_names is not None]
    if not named:
        return list(parts)
    parts = [_as_named(p, named) for p in parts]
    lists = list(dict.fromkeys(p.class_names for p in parts if p.class_names is not None))
    if len(lists) == 1:
        return [replace(p, class_names=lists[0]) if p.class_names is None else p for p in parts]
    union = list(dict.fromkeys(name for names in lists for name in names))
    if all(list(names) == sorted(names) for names in lists):
        union = sorted(union)
    facts = {key: _facts(parts, key, union) for key in ("superclasses", "train_counts")}
    made = []
    for part in parts:
        lacks = [n for n in union if n not in set(part.class_names or ())]
        note = f"{part.arm} does not know {len(lacks)} of {len(union)} classes: {first(lacks, 5)}."
        notes = part.notes if not lacks or part.label_kind == "text" else (*part.notes, note)
        made.append(replace(renumbered(part, union), notes=notes, **facts))
    return made


def _refuse_two_kinds(parts: Sequence[Predictions]) -> None:
    several = [p for p in parts if p.score is not None]
    if several and len(several) < len(parts):
        one = next(p for p in parts if p.score is None)
        where = [p.sources[0].get("path", p.arm) if p.sources else p.arm for p in (one, several[0])]
        raise AuditError(
            f"{where[0]} and {where[-1]}: expected outputs of one kind, got one class per example in the first and a "
            "score in [0, 1] per label, which do not sum to 1, in the second. Save softmax or sigmoid outputs of all."
        )


def _facts(parts: Sequence[Predictions], key: str, union: Sequence[str]) -> tuple | None:
    """What parts know of each class of the union; None unless they know it of all."""
    by_part = [(p.class_names, getattr(p, key)) for p in parts if p.class_names and getattr(p, key)]
    known = {name: value for names, values in by_part for name, value in zip(names, values)}
    return tuple(known[name] for name in union) if all(name in known for name in union) else None


def renumbered(part: Predictions, names: Sequence[str]) -> Predictions:
    """The same predictions with another class list that holds all of its classes."""
    place = {name: i for i, name in enumerate(names)}
    facts: dict[str, Any] = {}
    for key in ("superclasses", "train_counts"):
        known = dict(zip(part.class_names or (), getattr(part, key) or ()))
        facts[key] = tuple(known.get(name) for name in names) if known else None
    lookup = np.array([*(place[name] for name in part.class_names or ()), -1], dtype=np.int32)  # -1 stays
    turn = lambda a: None if a is None else lookup[a]  # noqa: E731
    return replace(
        part,
        labels=lookup[part.labels],
        pred=lookup[part.pred],
        topk=turn(part.topk),
        accept=turn(part.accept),
        class_names=tuple(names),
        **facts,
    )


def onto_classes(part: Predictions, classes: Sequence[str] | None, where: str) -> Predictions:
    """The same predictions with the class list that the user gave, matched by name with the file's own.

    Raises:
        AuditError: the file's own list has classes that the given one lacks.
    """
    own = part.class_names
    if classes is None or own is None or own == tuple(classes):
        return part if classes is None else replace(part, class_names=tuple(classes))
    lacks = [name for name in own if name not in set(classes)]
    if not lacks:
        return renumbered(part, classes)
    if len(lacks) == len(own) == len(classes):
        note = f"The classes of {clip(where)} were renamed, in their order, as given."
        return replace(part, class_names=tuple(classes), notes=(*part.notes, note))
    raise AuditError(
        f"{where}: expected classes of the given list, got {len(lacks)} others in its own: {first(lacks)}. Add them."
    )


def _as_named(part: Predictions, named: Sequence[Predictions]) -> Predictions:
    if part.class_names is not None:
        return part
    if part.label_kind == "digits":
        # Digits beside names are names too: "3" beside "other".
        highest = max(int(a.max()) for a in (part.labels, part.pred))
        if any(p.label_kind == "text" for p in named):
            used = sorted({int(v) for a in (part.labels, part.pred) for v in np.unique(a)})
            lookup = np.zeros(highest + 1, dtype=np.int32)
            lookup[used] = np.arange(len(used))
            turned = replace(part, labels=lookup[part.labels], pred=lookup[part.pred], label_kind="text")
            return replace(turned, class_names=tuple(str(v) for v in used), accept=None, topk=None)
        return part
    text = next((p for p in named if p.label_kind == "text"), None)
    if text is not None and not any(p.label_kind == "number" for p in named):
        raise AuditError(
            f"{part.arm} and {text.arm}: expected classes of one type, got numbers in {part.arm} and names in "
            f"{text.arm} ({first(text.class_names or ())}). Save names in both, or give the class list, classes."
        )
    return part


def whole_seeds(parts: Sequence[Predictions]) -> list[Predictions]:
    """Parts of one arm, with different examples of the same seed joined.

    Files without a common example are parts of one test set (shards, sessions, folds), not seeds, whatever their names.
    """
    if any(p.example_id is None for p in parts):
        return list(parts)
    if len({p.example_id.dtype.kind for p in parts if p.example_id is not None}) > 1:
        return list(parts)
    if all(len(p.seeds) == 1 for p in parts) and _disjoint(parts):
        one = len({int(p.seeds[0]) for p in parts}) == 1
        return [_together(parts if one else [replace(p, seeds=np.zeros(1, int), seeds_given=False) for p in parts])]
    by_seeds: dict[tuple[int, ...], list[Predictions]] = {}
    for part in parts:
        by_seeds.setdefault(tuple(part.seeds.tolist()), []).append(part)
    made = []
    for group in by_seeds.values():
        made += [_together(group)] if len(group) > 1 and _disjoint(group) else group
    return made


def _disjoint(parts: Sequence[Predictions]) -> bool:
    ids = [p.example_id for p in parts if p.example_id is not None and len(p.example_id)]
    if any((other == ids[0][0]).any() for other in ids[1:]):  # seeds of one test set: seen without sorting
        return False
    together = np.concatenate(ids)
    return len(np.unique(together)) == len(together)


def _together(parts: Sequence[Predictions]) -> Predictions:
    """One record from several with different examples, sorted by id."""
    lead = parts[0]
    order = np.argsort(np.concatenate([p.example_id for p in parts if p.example_id is not None]), kind="stable")

    def over(key: str, axis: int) -> np.ndarray | None:
        arrays = [getattr(p, key) for p in parts]
        if any(a is None for a in arrays):
            return None
        if key in ("topk", "accept"):
            width = max(a.shape[-1] for a in arrays)
            arrays = [
                np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, width - a.shape[-1])], constant_values=-1) for a in arrays
            ]
        return np.take(np.concatenate(arrays, axis=axis), order, axis=axis)

    note = f"{len(parts)} sources of {lead.arm} hold different examples and were read as parts of one test set."
    return replace(
        lead,
        **{key: over(key, 0) for key in ("labels", "example_id", "group", "by", "accept")},  # type: ignore[arg-type]
        **{key: over(key, 1) for key in ("pred", "p_true", "p_max", "topk", "score")},  # type: ignore[arg-type]
        sources=tuple(s for p in parts for s in p.sources),
        notes=tuple(dict.fromkeys((*(n for p in parts for n in p.notes), note))),
    )


def acceptable(sets: Any, names: Sequence[str] | None, where: str) -> np.ndarray:
    """Acceptable classes of each example as indices, (N, A), int32, padded with -1.

    Raises:
        AuditError: a class that the class list lacks.
    """
    _check_lists(sets, where)
    width = max((len(s) for s in sets), default=0)
    made = np.full((len(sets), max(width, 1)), -1, dtype=np.int32)
    place = None if names is None else {name: i for i, name in enumerate(names)}
    for row, values in enumerate(sets):
        for at, value in enumerate(values):
            made[row, at] = _class_number(value, place, where)
    return made


def _check_lists(sets: Any, where: str) -> None:
    wrong = next((s for s in sets if not isinstance(s, list | tuple | set | frozenset | np.ndarray)), None)
    if wrong is not None:
        raise AuditError(
            f"{where}: expected a list of acceptable classes per example, got {clip(wrong)}. Write [3], or []."
        )


def _class_number(value: Any, place: dict[str, int] | None, where: str) -> int:
    if isinstance(value, str):
        if place is not None and value in place:
            return place[value]
        if not value.strip().isdigit():
            raise AuditError(
                f"{where}: expected acceptable classes of the class list, got {clip(value)!r}. Check the class list."
            )
        value = int(value)
    plain_number = isinstance(value, int | float | np.integer | np.floating) and np.isfinite(value)
    number = int(value) if plain_number else -1
    if not 0 <= number < 2**31 or number != value or (place is not None and number >= len(place)):
        raise AuditError(
            f"{where}: expected acceptable classes as class numbers or names, got {clip(value)}. Check it."
        )
    return number


def fit_accept(
    accept: Any, labels: np.ndarray, ids: np.ndarray | None, names: Sequence[str] | None, where: str
) -> np.ndarray:
    """Acceptable classes from another source, in the order of the examples.

    A list without ids is in the order of the examples or of their ids. If ids are known, the order is used in which
    more labels are among the acceptable classes.

    Args:
        accept: a boolean (N, K) array, a sequence of N sequences, or a mapping id -> sequence.
        labels: (N,), numbers.
        ids: (N,), or None.
    Raises:
        AuditError: another number of examples, or too few labels among the acceptable classes in either order.
    """
    if isinstance(accept, Mapping):
        texts = [] if ids is None else [str(i) for i in ids.tolist()]
        sets = {str(key): value for key, value in accept.items()}
        missing = [t for t in texts if t not in sets]
        if ids is None or missing:
            raise AuditError(
                f"{where}: expected acceptable classes for every example, got none for "
                f"{first(missing) or 'any, as there are no ids'}. Add them."
            )
        return acceptable([sets[t] for t in texts], names, where)
    if isinstance(accept, np.ndarray) and accept.ndim == 2 and accept.dtype.kind in "biu":
        accept = [np.flatnonzero(row).tolist() for row in accept]
    if len(accept) != len(labels):
        raise AuditError(
            f"{where}: expected acceptable classes for {len(labels)} examples, got {len(accept)}. Give one list each."
        )
    table = acceptable(accept, names, where)
    orders = [table]
    if ids is not None:
        by_id = np.empty_like(table)
        by_id[np.argsort(ids, kind="stable")] = table
        orders.append(by_id)
    fits = []
    for made in orders:
        some = (made >= 0).any(axis=1)
        fits.append(float((made == labels[:, None]).any(axis=1)[some].mean()) if some.any() else 1.0)
    best = int(np.argmax(fits))
    if fits[best] < FEW:
        raise AuditError(
            f"{where}: expected most labels among the acceptable classes, got {fits[best]:.0%}. "
            "Give the lists in the order of the examples or of their ids."
        )
    return orders[best]


def accept_of_runs(accept: Any, values: Mapping, ids, runs, where: str) -> np.ndarray:
    """Acceptable classes for a table of several runs: each run holds the same examples."""
    parts = [
        fit_accept(accept, values["label"][r], None if ids is None else ids[r], values["class_names"], where)
        for _, _, r in runs
    ]
    whole = np.full((len(values["label"]), parts[0].shape[1]), -1, dtype=np.int32)
    for (_, _, rows), part in zip(runs, parts):
        whole[rows] = part
    return whole


def accept_of_arrays(arrays: Mapping, reading: Reading, labels, ids, names, name: str) -> np.ndarray | None:
    """Acceptable classes among named arrays, or from the source that the user named; None without both."""
    if arrays.get("accept") is None:
        return None if reading.accept is None else fit_accept(reading.accept, labels, ids, names, name)
    value = arrays["accept"]
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "iu" and (value < 0).any():
        return value.astype(np.int32)
    sets: Any = [np.flatnonzero(r) for r in value] if getattr(value, "dtype", None) == np.bool_ else value
    if len(sets) != len(labels):
        raise AuditError(f"{name}: expected accept for {len(labels)} examples, got {len(sets)}. Give one list each.")
    return acceptable(sets, names, name)
