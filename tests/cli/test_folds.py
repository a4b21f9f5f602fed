"""Folds and groups: every image predicted once per seed by a run that did not train on it, patients kept whole."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

SHORT = ("--methods", "mixup", "--rates", 0, "--seeds", 1, "--epochs", 1, "--workers", 1, "--out", "g")


def test_folds_are_pooled_for_the_audit(dropmix, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    command = ("run", "digits", "--folds", 3, "--seeds", 2, "--epochs", 1, "--rates", 0, "--out", "g", "--workers", 1)
    status, out, err = dropmix(*command)
    assert status == 0, err
    assert "12 of 12 runs done" in out
    files = sorted((tmp_path / "g").glob("vanilla-s0-f*/predictions.parquet"))
    ids = np.concatenate([pq.read_table(file)["example_id"].to_numpy() for file in files])
    assert len(files) == 3
    assert len(np.unique(ids)) == len(ids) == 1797
    status, out, err = dropmix("audit", "g", "--out", "a")
    assert status == 0, err
    (found,) = (tmp_path / "a").rglob("audit.json")
    text = found.read_text()
    assert "Predictions of 3 folds were pooled" in text
    assert json.loads(text)["settings"] is not None
    status, out, err = dropmix(*command)
    assert "12 of 12 runs done" in out
    shutil_left = next((tmp_path / "g").glob("cutmix-s1-f2-*"))
    (shutil_left / "done").unlink()
    status, out, err = dropmix("audit", "g", "--out", "b")
    assert status == 0, err
    assert (
        "Seed 1 of cutmix has 2 of 3 folds and was left out" in next((tmp_path / "b").rglob("audit.json")).read_text()
    )
    for run in [*(tmp_path / "g").glob("*-f2-*"), *(tmp_path / "g").glob("cutmix-s1-f1-*")]:
        (run / "done").unlink(missing_ok=True)
    status, out, err = dropmix("audit", "g", "--out", "c")
    assert status == 0, err
    held = json.loads(next((tmp_path / "c").rglob("audit.json")).read_text())
    text = json.dumps(held)
    assert "Seed 1 of cutmix has 1 of 3 folds and was left out" in text
    assert "only 2 of 3 were audited, those that every arm has" in text
    assert "every example is predicted once" not in text
    (one,) = held["comparisons"]
    wanted = sum(len(pq.read_table(file)) for file in (tmp_path / "g").glob("cutmix-s0-f[01]-*/predictions.parquet"))
    assert one["summary"]["n_examples"] == wanted == len(ids) - len(pq.read_table(files[2]))


def test_folds_of_texts(dropmix, tmp_path):
    kinds = (("pay", "money"), ("go", "train"))
    rows = [f"{word} again {word} {k};{label}" for k in range(12) for label, word in kinds]
    (tmp_path / "all.csv").write_text("text;intent\n" + "\n".join(rows) + "\n")
    command = "run text --data all.csv --folds 3 --seeds 1 --methods wordmixup --rates 0 --epochs 1 --workers 1".split()
    status, out, err = dropmix(*command, "--out", "g")
    assert status == 0, err
    assert "texts per class: 8 to train on, 4 to predict (16 and 8 in all); 3 folds in turn predict 12" in out
    ids = [pq.read_table(f)["example_id"].to_numpy() for f in (tmp_path / "g").glob("vanilla-*/predictions.parquet")]
    assert sorted(np.concatenate(ids)) == list(range(24))
    status, out, err = dropmix("audit", "g", "--out", "a")
    assert status == 0, err
    told = next((tmp_path / "a").rglob("audit.json")).read_text()
    assert "Predictions of 3 folds were pooled: every example is predicted once per seed" in told
    status, out, err = dropmix(*command, "--set", "data.size=32", "--out", "h")
    assert (status, err.count("\n")) == (2, 1)
    assert "data.size: expected no such setting for texts, got 32. Leave it out." in err
    status, _, err = dropmix("run", "digits", "--set", "data.tokens=8", "--seeds", 1, "--out", "h")
    assert status == 2
    assert "data.tokens: expected no such setting for images" in err


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
