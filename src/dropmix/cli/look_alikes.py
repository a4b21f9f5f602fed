"""Pictures on the two sides of a split that look almost the same: listed, and grouped so that they stay together."""

from pathlib import Path

import numpy as np

from dropmix.data import Dataset, Split
from dropmix.data.stratify import ALIKE, brightness_steps

NAME = "look-alikes.csv"

Pairs = list[tuple[str, str]]


def grouped(names: list[str], pairs: Pairs) -> dict[str, str]:
    """Group of each picture: pictures of a pair, and of pairs that share one, have the same; others stand alone.

    Example:
        >>> grouped(["a", "b", "c", "d"], [("a", "c"), ("d", "c")])
        {'a': 'a', 'b': 'b', 'c': 'a', 'd': 'a'}
    """
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return {name: root(name) for name in names}


def write_look_alikes(folder: Path, dataset: Dataset, pairs: Pairs) -> Path:
    """Write `look-alikes.csv`, which `data.group` takes: look-alikes first, then all other pictures.

    Args:
        folder: where; made if it does not exist.
        dataset: gives the names of all pictures.
        pairs: names of a picture to predict and of the training picture that it looks like.
    Returns:
        The file, with columns name, group and looks_like.
    """
    from dropmix.audit.spreadsheet import guarded, write_table

    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if isinstance(split, Split)]
    names = [str(name) for split in splits for name in split.ids]
    groups = grouped(names, pairs + _within(names, np.concatenate([split.images for split in splits])))
    partner = {train: test for test, train in pairs} | dict(pairs)
    rows = sorted((name not in partner, group, name, partner.get(name, "")) for name, group in groups.items())

    folder.mkdir(parents=True, exist_ok=True)
    listed = [[guarded(text) for text in (name, group, like)] for _, group, name, like in rows]
    write_table(folder / NAME, [["name", "group", "looks_like"], *listed])
    return folder / NAME


def _within(names: list[str], images: np.ndarray) -> Pairs:
    """Pairs among all pictures: another split may part those that are on one side now."""
    steps = brightness_steps(images)
    pairs = []
    for row, bits in enumerate(steps[:-1]):
        near = np.flatnonzero(np.bitwise_count(steps[row + 1 :] ^ bits).sum(1) <= ALIKE)
        pairs += [(names[row], names[row + 1 + int(at)]) for at in near]
    return pairs
