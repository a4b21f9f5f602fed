"""Parts of sources put together as arms, by what they say of themselves and by the role that they were given."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dropmix.audit.errors import AuditError, first
from dropmix.audit.inputs.align import merge_seeds
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import BASELINE, Predictions

NAME_THEM = 'Give a mapping of names to files, {"name": [files]}, or save a column arm'


@dataclass
class Item:
    """One source of a role, with what its path says.

    Attributes:
        source: a path, a mapping, a frame or a record.
        name: the arm where the source names none.
        whole: the same with the seed, for an arm of this file alone.
        seed: from the path; or None.
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
    """Arms of a list of sources, by what they say or their paths say."""
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
    """Sources that are seeds of one arm by their role.

    Args:
        given: whether the role is a name that the user gave.
    """
    if not items:
        raise AuditError(f"{role}: expected at least one source, got none. Give a file or arrays.")
    own = list(dict.fromkeys(p.arm for item in items for p in item.parts if p.arm_given))
    filed = {p.arm for item in items for p in item.parts if p.arm_given and p.sources}  # only files are held to it
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
    """One file given twice, under its own name, as a link or as a copy, would count as two seeds."""
    seen: dict[str, str] = {}
    for item in items:
        for digest, path in dict.fromkeys((s["sha256"], s["path"]) for p in item.parts for s in p.sources):
            if digest in seen and not (seen[digest] == path and not isinstance(item.source, str | Path)):
                twice = (
                    f"{path} given twice" if seen[digest] == path else f"{seen[digest]} and {path} with the same bytes"
                )
                raise AuditError(f"{name}: expected each run once, got {twice}. Leave one out.")
        for part in item.parts:
            seen |= {s["sha256"]: s["path"] for s in part.sources}


def renamed(arm: Predictions, name: str) -> Predictions:
    return replace(arm, arm=name, sources=tuple({**s, "arm": name} for s in arm.sources))


def listed(items: Sequence[Item]) -> str:
    return first([str(i.source) if isinstance(i.source, str | Path) else type(i.source).__name__ for i in items])


def tell_apart(base: Item, other: Item) -> None:
    """Two files of one arm by their paths: as the user gives them, under their whole names."""
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


def split_vanilla(arms: list[Predictions]) -> tuple[Predictions, list[Predictions]]:
    base = [a for a in arms if a.arm == BASELINE]
    others = [a for a in arms if a.arm != BASELINE]
    if not base or not others:
        raise AuditError(
            f"audit: expected an arm named {BASELINE!r} and another one, got {first([a.arm for a in arms])}. "
            "Give the treated predictions as a second argument."
        )
    return base[0], others
