"""What commands print and write: files come first, and no terminal or folder makes a command fail half-way."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dropmix.recipes import get_recipe
from dropmix.train.config import Arm

ARMS = {
    "vanilla": Arm(name="vanilla", method="vanilla"),
    "mixup": Arm(name="mixup", method="mixup"),
    "mixup r=0.4": Arm(name="mixup r=0.4", method="mixup", rate=0.4),
}
WRITTEN = {
    "tailor": (("tailor", "g", "--arm", "mixup", "--out", "out"), {"out/arms.json"}),
    "explain": (("explain", "g", "--out", "out"), {"out/explain.html", "out/explain.json"}),
    "render": (("paper", "render", "table1", "--runs", "g", "--out", "out"), {"out/table1.csv", "out/table1.tex"}),
    "claims": (("paper", "claims", "--runs", "g", "--out", "out"), {"out/claims.csv", "out/claims.md"}),
    "select": (("select", "g", "--out", "out"), {"g/report/front-mixup.png"}),
}


@pytest.fixture
def grid(here: Path) -> Path:
    """A grid of three arms and three seeds on held-out images of ten classes, some of which mixup hurts."""
    rng, base = np.random.default_rng(0), get_recipe("digits").base
    base = base.model_copy(update={"data": base.data.model_copy(update={"validation": 0.2})})
    for arm, seed in [(arm, seed) for arm in ARMS for seed in range(3)]:
        spec = base.model_copy(update={"arm": ARMS[arm], "seed": seed})
        folder = here / "g" / spec.folder_name
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(spec.to_json())
        label = np.arange(2000) % 10
        wrong = {"vanilla": 0.2, "mixup": 0.1 + 0.03 * label, "mixup r=0.4": 0.15}[arm]
        pred = np.where(rng.random(2000) < wrong, rng.integers(0, 10, 2000), label)
        rows = {"arm": [arm] * 2000, "seed": [seed] * 2000, "example_id": np.arange(2000), "label": label, "pred": pred}
        pq.write_table(pa.table(rows), folder / "predictions.parquet")
        (folder / "metrics.jsonl").write_text('{"epoch": 2}\n')
        (folder / "done").write_text(json.dumps({"seconds": 1.5, "environment": {"python": "3"}}))
    return here / "g"


@pytest.mark.parametrize("name", WRITTEN)
def test_files_come_before_what_cannot_be_printed(run, here: Path, grid: Path, name: str) -> None:
    words, files = WRITTEN[name]
    ran = run(*words, stdout="/dev/full")
    assert ran.status == 1
    assert ran.err.startswith("dropmix: standard output: expected free disk space, got none.")
    assert len(ran.err.splitlines()) == 1
    assert not [file for file in files if not (here / file).is_file()]


NARROW = {"COLUMNS": "20", "PYTHONIOENCODING": "ascii", "TERM": "", "NO_COLOR": "1"}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_narrow_terminal_of_few_letters_shows_what_others_show(run, here: Path, grid: Path, name: str) -> None:
    words, files = WRITTEN[name]
    ran = run(*words, env=NARROW)
    assert ran.status == 0, ran.err
    assert "\\u" not in ran.out
    assert not [file for file in files if not (here / file).is_file()]
    if name == "select":
        assert "mean class recall" in ran.out or "accuracy, %" in ran.out
    if name == "render":
        assert "Mixup" in ran.out


@pytest.mark.parametrize("place", ["closed", "file", "loop", "pipe", "device"])
@pytest.mark.parametrize("name", sorted(WRITTEN.keys() - {"select"}))
def test_a_folder_that_cannot_be_written_is_one_line_before_anything_is_printed(
    run, here: Path, grid: Path, name: str, place: str
) -> None:
    out = here / "out"
    {
        "closed": lambda: out.mkdir(mode=0o555),
        "file": lambda: out.write_text("mine"),
        "loop": lambda: out.symlink_to(out),
        "pipe": lambda: os.mkfifo(out),
        "device": lambda: out.symlink_to("/dev/null"),
    }[place]()
    ran = run(*WRITTEN[name][0])
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("dropmix: out")
    assert len(ran.err.splitlines()) == 1
    assert place != "file" or out.read_text() == "mine"


def test_copies_into_a_loop_of_links_are_one_line(run, here: Path) -> None:
    (here / "pictures/cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(here / "pictures/cat/1.png")
    (here / "out").symlink_to("out")
    ran = run("resize", "pictures", "out", "--size", "4")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("dropmix: out: expected a folder")
