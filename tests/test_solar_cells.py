"""The page on solar cells: its folder at full size, and the grid that its command stands for."""

import json
import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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


def test_the_committed_runs_give_the_numbers_of_their_page():
    """Broken and sound cells that are called sound, counted from the files alone; a seed predicts each cell once."""
    arms: dict[str, dict] = {}
    for file in (ROOT / "results/solar-cells").glob("*/predictions.parquet"):
        spec = json.loads((file.parent / "spec.json").read_text(encoding="utf-8"))
        table = pq.read_table(file)
        classes = json.loads(table.schema.metadata[b"dropmix"])["classes"]
        rows = zip(*(table[key].to_pylist() for key in ("example_id", "label", "pred")))
        for cell, label, pred in rows:
            held = arms.setdefault(spec["arm"]["name"], {})
            assert held.setdefault((spec["seed"], cell), (classes[label], classes[pred]))[1] == classes[pred]
    page = " ".join((ROOT / "results/solar-cells/README.md").read_text(encoding="utf-8").split())
    assert {len(held) for held in arms.values()} == {3 * 2624}
    called = {}
    for truth in ("broken", "sound"):
        cells = sorted({cell for (_, cell), (label, _) in arms["vanilla"].items() if label.endswith(f"-{truth}")})
        cells = [cell for cell in cells if not arms["vanilla"][0, cell][0].endswith("likely-broken")]
        called[truth] = {
            name: np.array([[held[seed, c][1].endswith("sound") for seed in (0, 1, 2)] for c in cells])
            for name, held in arms.items()
        }
    names = ("vanilla", "cutmix", "cutmix r=0.4")
    broken, sound = ([called[truth][name].sum(axis=0) for name in names] for truth in ("broken", "sound"))
    assert (
        "of {} broken cells, {}, {} and {} are called sound by vanilla (seeds 0, 1 and 2), {}, {} and {} with CutMix, "
        "and {}, {} and {} with CutMix at r = 0.4".format(len(called["broken"]["vanilla"]), *np.ravel(broken))
    ) in page
    said = "Of {} sound cells, {}, {} and {}, {}, {} and {}, and {}, {} and {} are called sound"
    assert said.format(len(called["sound"]["vanilla"]), *np.ravel(sound)) in page
    for first, second in (("cutmix", "vanilla"), ("cutmix", "cutmix r=0.4")):
        change = 100 * (called["broken"][first].mean(axis=1) - called["broken"][second].mean(axis=1))
        half = 1.96 * change.std(ddof=1) / np.sqrt(len(change))
        said = f"{change.mean():.1f}", f"[{change.mean() - half:+.1f}, {change.mean() + half:+.1f}]"
        assert all(text in page for text in said), said
