"""Which sources are arms, and which are seeds of one arm: by their contents, their role, and their paths."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, first
from dropmix.audit.inputs.align import merge_seeds
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import Predictions

NAME_THEM = 'Give a mapping of names to files, {"name": [files]}, or save a column arm'
ERRORS = 8  # fewest errors of two runs with equal predictions that count as copies


@dataclass
class Item:
    """One source of a role, and what its path says.

    Attributes:
        source: a path, a mapping, a frame or a record.
        name: the arm if the source names none.
        whole: the same with the seed, for an arm of this file alone.
        seed: from the path, or None.
        unclear: whether the path leaves open if its number is a seed.
        parts: what was read.
    """

    source: Any
    name: str
    whole: str
    seed: int | None = None
    unclear: bool = False
    parts: list[Predictions] = field(default_factory=list)


def arms_of(items: Sequence[Item], role: str, reading: Reading) -> list[Predictions]:
    """Arms of a list of sources, by their contents or their paths."""
    unclear = [item for item in items if item.unclear and not any(p.arm_given for p in item.parts)]
    if unclear and len(items) > 1:
        raise AuditError(
            f"{role}: expected files of different arms or of different seeds, got {listed(unclear)}, which may be "
            f"either. {NAME_THEM}, or call them name-seed0 and name-seed1."
        )
    arms: dict[str, list[Item]] = {}
    for item in items:
        for name in dict.fromkeys(part.arm for part in item.parts):
            arms.setdefault(name, []).append(replace(item, parts=[p for p in item.parts if p.arm == name]))
    if not arms:
        raise AuditError(f"{role}: expected at least one source, got none. Give a file or arrays.")
    return [_merged(group, name, reading) for name, group in arms.items()]


def one_arm(items: Sequence[Item], role: str, reading: Reading, given: bool) -> Predictions:
    """Sources whose role makes them seeds of one arm.

    Args:
        given: whether the role is a name that the user gave.
    """
    if not items:
        raise AuditError(f"{role}: expected at least one source, got none. Give a file or arrays.")
    own = list(dict.fromkeys(p.arm for item in items for p in item.parts if p.arm_given))
    filed = {p.arm for item in items for p in item.parts if p.arm_given and p.sources}  # only files must agree
    wrong = [arm for arm in own if arm in filed and arm != role] if given else own[1:]
    if wrong:
        where = f"{role}: expected predictions of one arm" if not given else f"{role}: expected the arm {role!r}"
        raise AuditError(
            f"{where}, got {first(own)} in {listed(items)}. Give each arm alone, or change the arm in the file."
        )
    paths = list(dict.fromkeys(p.arm for item in items for p in item.parts if not p.arm_given))
    seeds = {item.seed for item in items}
    if len(paths) > 1 and len(seeds) > 1 and None not in seeds and not own:
        raise AuditError(
            f"{role}: expected predictions of one arm, got the files of {first(paths)}. Give each arm alone."
        )
    name = role if given else (own or (paths if len(paths) == 1 else [role]))[0]
    return renamed(_merged([replace(i, parts=[renamed(p, name) for p in i.parts]) for i in items], name, reading), name)


def _merged(items: Sequence[Item], name: str, reading: Reading) -> Predictions:
    refuse_copies(items, name)
    return merge_seeds([part for item in items for part in item.parts], reading.intersect)


def refuse_copies(items: Sequence[Item], name: str) -> None:
    """Refuse a file given twice, by name, as a link or as a copy, which would count as two seeds."""
    seen: dict[str, str] = {}
    paths: list[str] = []
    for item in items:
        for digest, path in dict.fromkeys((s["sha256"], s["path"]) for p in item.parts for s in p.sources):
            if digest in seen and _has_few_errors(item) and not any(_same_file(path, other) for other in paths):
                continue  # runs without errors are alike
            if digest in seen and not (seen[digest] == path and not isinstance(item.source, str | Path)):
                twice = (
                    f"{path} given twice" if seen[digest] == path else f"{seen[digest]} and {path} with the same bytes"
                )
                raise AuditError(f"{name}: expected each run once, got {twice}. Leave one out.")
        for part in item.parts:
            seen |= {s["sha256"]: s["path"] for s in part.sources}
            paths += [s["path"] for s in part.sources]


def _has_few_errors(item: Item) -> bool:
    return all(np.count_nonzero(part.pred != part.labels) < ERRORS for part in item.parts)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # a name that is not UTF-8 is kept as an escape
        return one == other


def same_examples(items: Sequence[Item]) -> bool:
    """Whether some example stands in two of several files, or may, since they have no ids."""
    seen: set[Any] = set()
    for item in items:
        ids = [p.example_id for p in item.parts]
        own = {i for part in ids if part is not None for i in part.tolist()}
        if len(own) == 0 or any(part is None for part in ids) or seen & own:
            return True
        seen |= own
    return False


def renamed(arm: Predictions, name: str) -> Predictions:
    kept = arm.spec_arm if arm.arm == name else None
    return replace(arm, arm=name, spec_arm=kept, sources=tuple({**s, "arm": name} for s in arm.sources))


def listed(items: Sequence[Item]) -> str:
    return first([str(i.source) if isinstance(i.source, str | Path) else type(i.source).__name__ for i in items])


def tell_apart(base: Item, other: Item) -> None:
    """Name two files of one arm by their whole paths, as the user gave them."""
    if base.name == other.name and base.whole != other.whole:
        for item in (base, other):
            item.parts = [p if p.arm_given else renamed(p, item.whole) for p in item.parts]


def single(arms: list[Predictions]) -> Predictions:
    if len(arms) > 1:
        raise AuditError(
            f"baseline: expected one arm, got {len(arms)}: {first([a.arm for a in arms])}. "
            "Give the baseline's predictions alone, or name the arms alike."
        )
    return arms[0]


def is_arm(item: Item, arm: str) -> bool:
    return isinstance(item.source, str | Path) and {p.arm for p in item.parts} == {arm}


def with_path(part: Predictions, item: Item) -> Predictions:
    """A part with the arm and seed of its path, if it has none of its own."""
    if not part.arm_given:
        part = renamed(part, item.name)
    if not part.seeds_given and item.seed is not None and len(part.seeds) == 1:
        sources = tuple({**s, "seeds": [item.seed]} for s in part.sources)
        part = replace(part, seeds=np.array([item.seed]), seeds_given=True, sources=sources)
    return part


def as_list(source: Any) -> list[Any]:
    return source if isinstance(source, list) else [source]
