"""The page on solar cells: its folder at full size, and the grid that its command stands for."""

import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest

from dropmix.cli.options import grid_of
from dropmix.data import load

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/solar-cells.md").read_text(encoding="utf-8")


def test_the_folder_is_the_package_at_full_size(tmp_path):
    pytest.importorskip("elpv_dataset")
    counts = runpy.run_path(str(ROOT / "examples/solar_cells.py"))["make_folder"](tmp_path)
    rows = dict(re.findall(r"^\| ((?:mono|poly)-[\w-]+) \| (\d+) \|", PAGE, re.MULTILINE))
    assert {name: str(count) for name, count in counts.items()} == rows
    assert sum(counts.values()) == 2624
    seen = set()
    for fold in range(3):
        found = load("folder", tmp_path, size=32, exif=True, split="hash", folds=3, fold=fold)
        assert found.test.images.shape[1:] == (32, 32, 1)
        assert not seen & {*found.test.ids.tolist()}
        seen |= {*found.test.ids.tolist()}
        shares = np.bincount(found.test.labels) / np.bincount(np.r_[found.train.labels, found.test.labels])
        assert np.abs(shares - 1 / 3).max() < 0.02
    assert len(seen) == 2624


def test_the_command_trains_twelve_runs():
    line = next(line for line in PAGE.splitlines() if line.startswith("dropmix run"))
    words = shlex.split(line)[2:]
    given = dict(zip(words[1::2], words[2::2]))
    options = {key: given[f"--{key}"] for key in ("methods", "rates", "seeds", "epochs", "folds")}
    grid = grid_of({"recipe": words[0], **options}, [given["--set"]], {})
    assert len(grid.runs) == 12
    assert {spec.arm.name for spec in grid.runs} == {"vanilla", "cutmix"}
    assert grid.base.data.size == 64
