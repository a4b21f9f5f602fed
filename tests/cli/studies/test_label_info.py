"""Label information from the command line: a network of ours on its test images, and any network on pictures."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from dropmix.studies.pretrained import of_pictures

NETWORK = '''
import torch
from torch import nn

class Colour(nn.Module):
    """Says class k where colour channel k is the strongest."""
    def forward(self, x):
        return 10 * x.mean((2, 3))

def colour():
    return Colour(), 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

def nothing():
    return None
'''


@pytest.fixture
def pictures(tmp_path):
    """Three plain pictures, red, green and blue, one per class, and a network that tells them apart."""
    (tmp_path / "net.py").write_text(NETWORK)
    for place, name in enumerate(("a_red", "b_green", "c_blue")):
        pixels = np.zeros((40, 24, 3), np.uint8)
        pixels[..., place] = 200
        folder = tmp_path / "pictures"
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return "pictures"


def test_pictures_one_a_class_and_the_users_own_network(dropmix, pictures, tmp_path):
    rows = [{"class": c, "recall_change": v} for c, v in (("a_red", 0.1), ("b_green", -0.1), ("c_blue", -0.2))]
    comparison = {"arm": "mixup", "classes": [*rows, {"class": "x", "recall_change": None}]}
    (tmp_path / "audit.json").write_text(json.dumps({"comparisons": [comparison]}))
    status, out, error = dropmix("label-info", pictures, "--network", "net.py:colour", "--partners", 2, "--out", "o")
    assert (status, error) == (0, "")
    assert "6 pairs, 3 classes" in out
    table = list(csv.DictReader((tmp_path / "o" / "classes.csv").open()))
    assert [row["class"] for row in table] == ["a_red", "b_green", "c_blue"]
    # Unmixed: normalised channels 200/255 and 0 -> softmax of 10 * (0.5686, -1, -1).
    expected = torch.tensor([5.686, -10.0, -10.0]).softmax(0)[0].item()
    assert float(table[0]["confidence_unmixed"]) == pytest.approx(expected, abs=1e-4)
    # Two pictures in turn are told apart at s = 0.5: the area is a half, by symmetry.
    assert float(table[0]["area"]) == pytest.approx(0.5, abs=0.01)
    assert Image.open(tmp_path / "o" / "label-information.png").size[0] > 300


def test_a_run_of_ours_with_an_audit(dropmix, tmp_path):
    tiny = ("--train-per-class", 6, "--epochs", 1, "--rates", "0", "--workers", 1, "--seeds", 1)
    dropmix("run", "digits", *tiny, "--out", "grid")
    dropmix("audit", "grid", "--out", "audit")
    run = next((tmp_path / "grid").glob("vanilla*"))
    options = ("--per-class", 3, "--partners", 1, "--audit", "audit", "--out", "o")
    status, out, _ = dropmix("label-info", "--network", run, *options, "--arm", "cutmix")
    assert status == 0
    assert "30 pairs, 10 classes" in out
    assert "Rank correlation of the share of the label kept" in out
    status, _, error = dropmix("label-info", "--network", run, *options)
    assert (status, "expected the arm 'mixup', got cutmix" in error) == (2, True)
    stored = torch.load(run / "weights.pt")
    next(iter(stored["model"].values())).mul_(1.1)
    torch.save(stored, run / "weights.pt")
    for words in (("label-info", "--network", run), ("export", run, "--to", "net.safetensors")):
        status, _, error = dropmix(*words)
        assert status == 2
        assert "weights.pt: expected the weights of the run" in error
        assert "got others than it wrote" in error


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("net.py:none", "expected a function 'none'"),
        ("net.py:nothing", "(model, size, mean, std)"),
        ("no.py:colour", "expected a run's folder"),
        ("pictures", "expected a finished run with spec.json"),
    ],
)
def test_networks_that_cannot_be_had(dropmix, pictures, network, words):
    status, _, error = dropmix("label-info", pictures, "--network", network)
    assert status == 2
    assert words in error
    assert error.count("\n") == 1


def test_other_classes_than_the_networks(dropmix, pictures, tmp_path):
    (tmp_path / "pictures" / "c_blue.png").unlink()
    status, _, error = dropmix("label-info", pictures, "--network", "net.py:colour")
    assert status == 2
    assert "expected the network's 3 classes, sorted, got 2" in error


def test_pictures_are_looked_for_before_weights_are_loaded(dropmix, tmp_path):
    (tmp_path / "net.py").write_text("raise SystemExit('weights were loaded')")
    status, _, error = dropmix("label-info", "nosuch", "--network", "net.py:colour")
    assert status == 2
    assert error.startswith("dropmix: nosuch: expected pictures")


def test_pictures_are_turned_as_their_tag_says(tmp_path):
    """A picture stored on its side, with the tag that says so, is asked about like the upright one."""
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    tag = Image.Exif()
    tag[0x0112] = 6  # to be turned by 90 degrees clockwise
    for name, image, exif in (("up", pixels, None), ("side", np.rot90(pixels), tag)):
        for own in "ab":
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / name / f"{own}.png", exif=exif)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 14 * 14, 2))
    up, side = (
        of_pictures(net, 14, (0, 0, 0), (1, 1, 1), tmp_path / name, torch.device("cpu")) for name in ("up", "side")
    )
    rows = torch.arange(2)
    torch.testing.assert_close(side.batch(rows), up.batch(rows), rtol=0, atol=0)
