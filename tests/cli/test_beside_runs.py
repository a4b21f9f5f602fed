"""Notes beside the runs: what is left by name, and pictures that changed since a grid was trained."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dropmix.cli.beside_runs import PICTURES, differences, pictures_of, planned, remember_plan
from dropmix.data import load

COMMAND = ["run", "digits", "--methods", "vanilla", "--seeds", 3, "--epochs", 1, "--train-per-class", 2]
SMALL = ["--set", "network=wrn10-1", "--methods", "vanilla", "--seeds", "1", "--epochs", "1", "--out", "runs"]


def test_runs_that_have_not_begun_are_listed(dropmix, tmp_path):
    status, _, error = dropmix(*COMMAND, "--out", "g")
    assert status == 0, error
    names = sorted(folder.name for folder in (tmp_path / "g").iterdir() if folder.is_dir())
    assert "3 runs: 3 done" in dropmix("status", "g")[1]
    shutil.rmtree(tmp_path / "g" / names[1])
    _, out, _ = dropmix("status", "g")
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        [names[0], "done"],
        [names[2], "done"],
        [names[1], "left"],
    ]
    assert "3 runs: 2 done, 1 left" in out
    (tmp_path / "g" / "planned.txt").write_bytes(b"\xff\xfe\x1b[2J")  # not ours: no matter
    assert "2 runs: 2 done" in dropmix("status", "g")[1]


def test_a_grid_that_grows_keeps_its_list(tmp_path):
    runs = [SimpleNamespace(folder_name=name) for name in ("b", "a", "c")]
    remember_plan(tmp_path / "g", runs[:2])
    assert planned(tmp_path / "g") == ["a", "b"]
    remember_plan(tmp_path / "g", runs[2:])
    assert planned(tmp_path / "g") == ["a", "b", "c"]


def test_commands_that_plan_at_once_do_not_disturb_each_other(tmp_path):
    runs = [SimpleNamespace(folder_name=f"run-{i}") for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: remember_plan(tmp_path / str(i // 8), runs), range(400)))
    for folder in tmp_path.iterdir():
        assert len(planned(folder)) == 50
        assert [path.name for path in folder.iterdir()] == ["planned.txt"]


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("daisy", "rose"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / f"photos/{name}/{i}.png")
    return tmp_path / "photos"


def test_changed_missing_and_new_pictures_are_named(dropmix, pictures, tmp_path):
    command = ["run", "folder", "--data", "photos", "--set", "data.size=8"]
    assert dropmix(*command, *SMALL)[0] == 0
    status, out, err = dropmix(*command, *SMALL, "--set", "train.lr=0.5", "--dry-run")
    assert (status, out) == (2, "")
    assert "train.lr" in err
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(pictures / "rose/3.png")
    (pictures / "daisy/4.png").rename(pictures / "daisy/zebra.png")
    for more in ([], ["--dry-run"]):
        status, out, err = dropmix(*command, *SMALL, *more)
        assert (status, out) == (2, "")
        assert "1 changed (rose/3.png), 1 missing (daisy/4.png), 1 new (daisy/zebra.png)" in err
    (tmp_path / "runs" / PICTURES).write_text("[" * 100_000)
    status, _, err = dropmix(*command, *SMALL)
    assert (status, err.count("\n")) == (2, 1)
    assert "data.fingerprint" in err


def test_pictures_that_stay_in_their_files_are_compared_by_size(pictures):
    before = pictures_of(load("folder", pictures, size=8, resized_crop=True))
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(pictures / "rose/3.png")
    now = pictures_of(load("folder", pictures, size=8, resized_crop=True))
    assert differences(before, now) == "1 changed (rose/3.png)"
    assert len(before) == 20


def test_processes_started_together_note_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(16):
        file = tmp_path / "set" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file)
    words = "run folder --data set --out out --methods mixup --rates 0 --seeds 1 --epochs 1 --device cpu".split()
    for setting in ("network=wrn10-1", "train.batch=4", "train.shards=2", "data.crop_padding=0"):
        words += ["--set", setting]
    start = "-m torch.distributed.run --standalone --nproc-per-node 2 -m dropmix".split()
    ran = subprocess.run([sys.executable, *start, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.count("2 classes; images per class: ") == 1
    assert "2 of 2 runs done" in ran.stdout
    assert len(json.loads((tmp_path / "out/pictures.json").read_text())) == 16
    assert len((tmp_path / "out/planned.txt").read_text().split()) == 2
