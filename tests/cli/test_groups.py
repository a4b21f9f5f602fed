"""Groups that keep pictures or texts on one side of the split count as one example in the audit of their runs."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

SHORT = ("--methods", "mixup", "--rates", 0, "--seeds", 1, "--epochs", 1, "--workers", 1, "--out", "g")


@pytest.fixture
def photographs(tmp_path):
    """Two classes of ten patients with three pictures each, and a table of who is on which."""
    rng, lines = np.random.default_rng(0), ["filename,patient"]
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 255, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
            lines.append(f"{label}/{i}.png,{label}{i // 3}")
    (tmp_path / "photos" / "who.csv").write_text("\n".join(lines))
    return tmp_path


def groups_of_audit(dropmix, *more):
    status, _, err = dropmix("audit", "g", "--out", "a", *more)
    assert status == 0, err
    held = json.loads(next((dropmix.place / "a").rglob("audit.json")).read_text())
    return held["comparisons"][0]["classes"], " ".join(held["notes"])


@pytest.mark.parametrize("setting", ["who.csv:patient", r"\d(?=\d?\.png)"])
@pytest.mark.parametrize("folds", [(), ("--folds", 2)])
def test_pictures(dropmix, photographs, setting, folds):
    dropmix.place = photographs
    asked = ("--set", f"data.group={setting}", "--set", "data.size=16", *folds)
    status, _, err = dropmix("run", "folder", "--data", "photos", *asked, *SHORT)
    assert status == 0, err
    tables = [pq.read_table(f).to_pandas() for f in (photographs / "g").glob("vanilla-*/predictions.parquet")]
    who = dict(line.split(",") for line in (photographs / "photos" / "who.csv").read_text().split()[1:])
    for table in tables:
        wanted = table["example_id"].map(who if "patient" in setting else lambda name: name.split("/")[1][0])
        assert table["group"].tolist() == wanted.tolist()
    classes, notes = groups_of_audit(dropmix)
    assert [row["n_groups"] for row in classes] == [
        len({g for t in tables for g, y in zip(t["group"], t["label"]) if y == k}) for k in (0, 1)
    ]
    assert "Examples of one group count as one" in notes
    assert "n_groups" not in groups_of_audit(dropmix, "--group", "none")[0][0]


def test_texts(dropmix, tmp_path):
    dropmix.place = tmp_path
    kinds = (("pay", "money"), ("go", "bus"))
    rows = [f"{word} again {k};{label};author {k // 3}" for k in range(30) for label, word in kinds]
    (tmp_path / "all.csv").write_text("text;intent;who\n" + "\n".join(rows) + "\n")
    asked = ("--set", "data.group=who", "--methods", "wordmixup", *SHORT[2:])
    status, _, err = dropmix("run", "text", "--data", "all.csv", *asked)
    assert status == 0, err
    table = pq.read_table(next((tmp_path / "g").glob("vanilla-*/predictions.parquet"))).to_pandas()
    assert table["group"].tolist() == [f"author {row // 6}" for row in table["example_id"]]
    assert groups_of_audit(dropmix)[0][0]["n_groups"] == table["group"].nunique()


def test_groups_that_a_program_saves_are_kept(dropmix, tmp_path):
    dropmix.place = tmp_path
    (tmp_path / "p.py").write_text(
        "import sys, numpy as np, dropmix\n"
        "seed, rng = int(sys.argv[2]), np.random.default_rng(len(sys.argv[1]) + int(sys.argv[2]))\n"
        "labels = np.arange(60) % 2\n"
        "pred = np.where(rng.random(60) < 0.8, labels, 1 - labels)\n"
        "dropmix.save_predictions(sys.argv[1] + '/out.parquet', labels, pred, ids=np.arange(60), seed=seed,\n"
        "                         group=np.arange(60) // 4)\n"
    )
    (tmp_path / "grid.yaml").write_text(
        f"recipe: command\ncommand: {sys.executable} p.py {{folder}} {{seed}} {{rate}}\nseeds: 2\n"
        "predictions: out.parquet\narms: {vanilla: {rate: 0}, mixed: {rate: 1}}\n"
    )
    _, out, err = dropmix("run", "--config", "grid.yaml", "--out", "g")
    assert "4 of 4 runs done" in out, err
    assert [row["n_groups"] for row in groups_of_audit(dropmix)[0]] == [15, 15]
