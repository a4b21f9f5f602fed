"""Ids of examples: their order, and one way to write them where sources have numbers, text or leading zeros."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.predictions import Predictions

_NUMBER = re.compile(r"-?\d{1,18}(?:\.0*)?\Z")


def sort_by_id(predictions: Predictions, where: str) -> Predictions:
    """Rows in ascending order of their ids; unchanged without ids.

    Raises:
        AuditError: an id occurs twice.
    """
    ids = predictions.example_id
    if ids is None or bool(np.all(ids[1:] > ids[:-1])):
        return predictions
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = ids[1:][ids[1:] == ids[:-1]]
    if len(twice):
        times = len(ids) // (len(ids) - len(twice))
        stacked = times > 1 and np.array_equal(ids[::times], ids[times - 1 :: times])
        advice = f"If {times} runs are stacked: --columns arm=NAME,seed=NAME." if stacked else "Remove repeated rows."
        raise AuditError(f"{where}: expected each example_id once per seed, got duplicates: {first(twice)}. {advice}")
    if np.array_equal(order, np.arange(len(order))):
        return predictions
    return predictions.take(order)


def with_one_type(arms: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions with ids of one type where some have numbers and others text: "7" and "007" are 7."""
    kinds = {a.example_id.dtype.kind for a in arms if a.example_id is not None}
    return list(arms) if len(kinds) < 2 else _retyped(arms) or [_with_ids(a, as_texts(a.example_id)) for a in arms]


def with_like_ids(arms: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions with ids written alike: of one type, and without leading zeros if only then all agree."""
    arms = with_one_type(arms)
    if all(np.array_equal(arms[0].example_id, a.example_id) for a in arms):  # type: ignore[arg-type]
        return arms
    numbers = _retyped(arms)
    agree = numbers and all(np.array_equal(numbers[0].example_id, a.example_id) for a in numbers)  # type: ignore[arg-type]
    return numbers if numbers and agree else arms


def _retyped(arms: Sequence[Predictions]) -> list[Predictions] | None:
    """The same predictions with ids as numbers; None if some are none, or if two would become one."""
    numbers = [None if a.example_id is None else as_numbers(a.example_id) for a in arms]
    if any(of_arm is None for of_arm in numbers):
        return None
    return [_with_ids(a, of_arm) for a, of_arm in zip(arms, numbers)]


def _with_ids(arm: Predictions, ids: np.ndarray | None) -> Predictions:
    old = arm.example_id
    if ids is None or old is None or ids is old:
        return arm
    changed = [str(a) for a, b in zip(old.tolist(), ids.tolist()) if str(a) != str(b)]
    note = f"{arm.arm}: example ids such as {clip(changed[0])} were read as numbers." if changed else ""
    return sort_by_id(replace(arm, example_id=ids, notes=(*arm.notes, note) if note else arm.notes), arm.arm)


def as_numbers(ids: np.ndarray) -> np.ndarray | None:
    """Ids as int64; None if some are no whole numbers, or if different ones would become one ("7" and "007").

    Example:
        >>> as_numbers(np.array(["007", "8", "9.0"], dtype=object))
        array([7, 8, 9])
        >>> as_numbers(np.array(["007", "7"], dtype=object)), as_numbers(np.array(["7.jpg"], dtype=object))
        (None, None)
    """
    if ids.dtype.kind != "O":
        return ids
    place: dict[str, int] = {}
    for text in ids.tolist():
        if text not in place:
            if not _NUMBER.match(str(text).strip()):
                return None
            place[text] = int(str(text).strip().partition(".")[0])
    if len({*place.values()}) < len(place):
        return None
    return np.array([place[text] for text in ids.tolist()], dtype=np.int64)


def as_texts(ids: np.ndarray | None) -> np.ndarray | None:
    """Ids as text, object (str)."""
    return ids if ids is None or ids.dtype.kind == "O" else ids.astype(str).astype(object)


def alike(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids, and those that are known, written alike: as numbers if all are, unless some are known as they stand."""
    if ids.dtype.kind == known.dtype.kind != "O" or (ids.dtype.kind == known.dtype.kind and {*ids} <= {*known}):
        return ids, known
    numbers = as_numbers(ids), as_numbers(known)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0], numbers[1]
    return as_texts(ids), as_texts(known)  # type: ignore[return-value]
