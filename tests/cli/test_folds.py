"""Folds through the command line: every image predicted once per seed, by a run that did not train on it."""

import json

import numpy as np
import pyarrow.parquet as pq
import torch


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
