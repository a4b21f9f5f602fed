"""What run says of its data and of its outcome; bombs in settings and files are refused at once."""

import csv
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from dropmix.cli.config_file import read_config
from dropmix.cli.data_summary import data_lines, near_chance, network_line
from dropmix.cli.options import grid_of
from dropmix.data import Dataset, Split, load
from dropmix.nets import build
from dropmix.nets.weights import head_of
from dropmix.recipes import get_recipe


def dataset(train: list[int], test: list[int]) -> Dataset:
    rng = np.random.default_rng(0)

    def split(counts: list[int]) -> Split:
        labels = np.repeat(np.arange(len(counts)), counts)
        images = rng.integers(0, 256, (len(labels), 4, 4, 1), dtype=np.uint8)
        return Split(images, labels, np.arange(len(labels)))

    return Dataset("x", split(train), split(test), list("abcdef")[: len(train)], (0.5,), (0.5,), "f")


def test_counts_and_what_looks_wrong() -> None:
    lines = data_lines(dataset([20, 3], [12, 2]))
    assert lines[0].startswith("2 classes; images per class: 3 to 20 to train on, 2 to 12 to predict (23 and 14")
    assert any("fewer than 5 images to train on: b (3)" in line for line in lines)
    assert any("too few to judge: b (2)" in line and "--folds 5" in line for line in lines)
    assert len(data_lines(dataset([20, 20], [12, 12]))) == 1
    assert "only one class" in data_lines(dataset([20], [12]))[1]
    first, *others = data_lines(dataset([20, 7], [12, 2]), folds=3)
    assert first.endswith("(27 and 14 in all); 3 folds in turn predict 9 to 32 (41)")
    assert len(others) == 1  # the folds predict 9 of b
    assert others[0].endswith("too few to judge: b (9).")


def test_groups_are_what_an_audit_counts(tmp_path: Path, dropmix) -> None:
    """60 pictures of each class; those of b come from 6 cameras, of which folds predict each once."""
    rng = np.random.default_rng(0)
    for name, cameras in (("a", 30), ("b", 6)):
        (tmp_path / "trap" / name).mkdir(parents=True)
        for i in range(60):
            file = tmp_path / "trap" / name / f"cam{i % cameras}_{i}.bmp"
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(file)
    line = ["run", "folder", "--data", str(tmp_path / "trap"), "--set", "data.size=9", "--dry-run"]
    assert "too few to judge" not in dropmix(*line)[1]
    grouped = [*line, "--set", r"data.group=(cam\d+)_"]
    assert re.search(r"10 groups of images to predict, too few to judge: .*b \(\d\)\. --folds 5", dropmix(*grouped)[1])
    assert "10 groups of images to predict, too few to judge: b (6).\n" in dropmix(*grouped, "--folds", "3")[1]


def test_copies_across_the_split_are_counted() -> None:
    found = dataset([20, 20], [12, 12])
    images = found.test.images.copy()
    images[:3] = found.train.images[5:8]
    line = data_lines(replace(found, test=replace(found.test, images=images)))[1]
    assert "3 of the images to predict are also in train" in line


def test_an_image_in_two_classes_is_named() -> None:
    found = dataset([20, 20], [12, 12])
    images = found.train.images.copy()
    images[[1, 30]] = images[[0, 5]]  # a copy within a class, and one in the other
    (line,) = [line for line in data_lines(replace(found, train=replace(found.train, images=images))) if "two" in line]
    assert line == "warning: 1 image stands in two classes, pixel for pixel, e.g. 5 and 30. Leave one of them out."


def test_copies_among_pictures_that_stay_in_their_files_are_counted(tmp_path: Path, dropmix) -> None:
    rng = np.random.default_rng(0)
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "set" / place).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / "set" / place / f"{i}.bmp")
    (tmp_path / "set/test/a/5.bmp").write_bytes((tmp_path / "set/train/a/1.bmp").read_bytes())
    (tmp_path / "set/test/b/5.bmp").write_bytes((tmp_path / "set/train/a/2.bmp").read_bytes())
    found = load("folder", tmp_path / "set", size=8, resized_crop=True)
    told = "\n".join(data_lines(found))
    assert "2 of the images to predict are also in train, byte for byte" in told
    assert "1 image stands in two classes, byte for byte, e.g. train/a/2.bmp and test/b/5.bmp" in told
    (tmp_path / "set/test/a/0.bmp").write_bytes(b"")
    (tmp_path / "set/train/b/0.bmp").write_text("<html>404</html>")
    options = ("--set", "network=wrn10-1", "--set", "data.size=8", "--set", "data.resized_crop=true", "--out", "out")
    for dry in (("--dry-run",), ()):
        status, _, err = dropmix("run", "folder", "--data", tmp_path / "set", *options, *dry)
        assert status == 2
        assert "2 pictures cannot be used" in err
        assert "test/a/0.bmp: expected a picture that Pillow can read, got an empty file" in err


def test_look_alikes_are_listed_and_their_file_keeps_them_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(20):  # every picture has a twin, a little brighter
            pixels = rng.integers(0, 200, (48, 48, 3), dtype=np.uint8)
            for twin in range(2):
                place = tmp_path / "pictures" / label / f"{i}-{twin}.png"
                Image.fromarray(pixels + np.uint8(3 * twin)).save(place)
    found = load("folder", str(tmp_path / "pictures"), size=48, split="hash")
    listed = [line for line in data_lines(found) if line.startswith("  ")]
    assert len(listed) > 1
    assert all(line.split(" and ")[0][2:-5] == line.split(" and ")[1][:-5] for line in listed)
    (line,) = [line for line in data_lines(found, tmp_path / "out") if "look almost the same" in line]
    file = tmp_path / "out" / "look-alikes.csv"
    assert f"--set data.group={file}" in line
    rows = list(csv.DictReader(file.open()))
    assert len(rows) == 80
    assert {(row["name"], row["looks_like"]) for row in rows} >= {tuple(text[2:].split(" and ")) for text in listed}
    kept = load("folder", str(tmp_path / "pictures"), size=48, split="hash", group=str(file))
    assert not any("look almost the same" in line for line in data_lines(kept))


@pytest.mark.parametrize(("accuracy", "unfit"), [(0.5, True), (0.58, True), (0.95, False)])
def test_a_model_near_chance_is_named(tmp_path: Path, accuracy: float, unfit: bool) -> None:
    runs = get_recipe("digits").runs[:2]
    folder = tmp_path / runs[0].folder_name
    folder.mkdir()
    label = np.repeat([0, 1], 50)
    pred = np.where(np.arange(100) % 50 < 50 * accuracy, label, 1 - label)
    table = pa.table({"example_id": np.arange(100), "label": label, "pred": pred})
    pq.write_table(table, folder / "predictions.parquet")
    assert bool(near_chance(runs, tmp_path)) == unfit


def test_what_trained_weights_fill_is_told_before_any_run(tmp_path: Path) -> None:
    found, spec = dataset([20, 20], [12, 12]), get_recipe("digits").runs[0]
    assert network_line([spec], found, torch.device("cpu")) == ""
    net = build("wrn10-1", 7, 3)
    state = net.state_dict()
    (name,) = head_of(net)
    torch.save({**state, "teacher.weight": torch.zeros(1)}, tmp_path / "w.pt")
    spec = spec.model_copy(update={"network": "wrn10-1", "weights": str(tmp_path / "w.pt")})
    before = torch.get_rng_state()
    line = network_line([spec], found, torch.device("cpu"))
    assert torch.equal(before, torch.get_rng_state())
    assert "\n" not in line
    assert f"weights: {len(state) - 2} of {len(state)} tensors from {tmp_path / 'w.pt'}" in line
    assert "summed over its colours" in line
    assert f"a new head in place of {name}.bias, {name}.weight" in line
    assert "no place for them: teacher.weight" in line
    torch.save({key: value for key, value in state.items() if key != next(iter(state))}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="1 missing"):
        network_line([spec], found, torch.device("cpu"))


def test_a_network_is_tried_only_where_it_is_trained(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def forward(self, x):\n"
        "        raise RuntimeError('no kernel for this device')\n"
        "def net(num_classes, in_channels):\n"
        "    return Net(8, num_classes)\n"
    )
    found = dataset([20, 20], [12, 12])
    spec = get_recipe("digits").runs[0].model_copy(update={"network": f"{tmp_path / 'net.py'}:net"})
    assert network_line([spec], found, torch.device("cuda", 0)) == network_line([spec], found, "a Ray cluster") == ""
    with pytest.raises(ValueError, match="got: no kernel for this device"):
        network_line([spec], found, torch.device("cpu"))


BOMB = "a: &a [1, 1]\nb: &b [*a, *a]\nmethods: [*b, *b]\n"


def test_bombs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(BOMB)
    with pytest.raises(ValueError, match=r"bomb.yaml: expected YAML without aliases"):
        read_config(tmp_path / "bomb.yaml")
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    with pytest.raises(ValueError, match="expected YAML"):
        read_config(tmp_path / "deep.yaml")
    (tmp_path / "large.yaml").write_text("a: 1\n" * 300_000)
    with pytest.raises(ValueError, match="at most 1,000,000 bytes"):
        read_config(tmp_path / "large.yaml")
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ValueError, match="device, pipe or folder"):
            read_config(place)
    with pytest.raises(ValueError, match="at most 100,000 runs"):
        grid_of({"recipe": "digits", "seeds": 10**9}, [], {})
    with pytest.raises(ValueError, match="less than or equal to 100000"):
        grid_of({"recipe": "digits"}, ["train.epochs=1000000000000"], {})
    with pytest.raises(ValueError, match="without aliases"):
        grid_of({"recipe": "digits"}, ["train.epochs=[&a 1, *a]"], {})


def test_recipes_are_listed(dropmix) -> None:
    status, out, _ = dropmix("run", "--list")
    assert status == 0
    needs = {line.split()[0]: line[54:] for line in out.splitlines()}
    assert needs["recipe"] == "needs (--data)"
    assert needs["digits"] == "nothing"
    assert needs["finetune"] == "your pictures + weights"
    assert needs["imagenet-resnet50"] == "imagenet"
    assert needs["clinc150"] == "clinc150"
    assert max(map(len, out.splitlines())) <= 80
