"""The list of look-alikes holds names that no spreadsheet runs, and `data.group` finds every picture in it."""

from pathlib import Path

import numpy as np
from PIL import Image

from dropmix.cli.look_alikes import write_look_alikes
from dropmix.data import load
from dropmix.data.readers.tables import groups_of

NAMES = ("=1+1.png", "@a.png", "+b.png", "-c.png", "'=d.png", "e, f.png")


def test_names_that_begin_like_formulas_are_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("=cat", "dog"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for name in NAMES:
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / "pictures" / label / name)
    found = load("folder", str(tmp_path / "pictures"), size=8, split="hash")
    file = write_look_alikes(tmp_path, found, [])
    assert not [line for line in file.read_text().splitlines() if line.lstrip('"').startswith(("=", "@", "+", "-"))]
    names = np.concatenate([split.ids for split in (found.train, found.test)])
    assert len(names) == 12
    assert len(groups_of(str(file), names)) == 12
    load("folder", str(tmp_path / "pictures"), size=8, split="hash", group=str(file))
