"""Specs, folder names and bits from before a field was added stay what they were."""

import hashlib
import json
import platform
from pathlib import Path

import pytest
import torch

from dropmix.grid.data import load_data
from dropmix.grid.grid import Grid
from dropmix.recipes import get_recipe
from dropmix.train.config import RunSpec
from dropmix.train.device import make_deterministic
from dropmix.train.loop import train_run

RESULTS = Path(__file__).parents[2] / "results"
KNOWN = {
    "cifar100-wrn10-2-50-epochs/cutmix-s0-3c795ebbfd": "3c795ebbfd",
    "cifar100-wrn10-2-50-epochs/vanilla-s0-3925cf385f": "3925cf385f",
    "cifar100-wrn10-1-vanilla/vanilla-s0-32262cd16a": "32262cd16a",
}
# Of a short grid on the digits, recorded before networks, optimisers and augmentations of others were taken in.
DIGITS = {
    "vanilla-s0-d87a172dfd": "7c3707e90f777d83",
    "cutmix-s0-72091c2d73": "109349a2f48d79de",
    "cutmix-r0.5-s0-bbcb4340f8": "70c94c76aae99bc1",
}  # name of the run -> SHA-256 of its weights
RECORDED_ON = ("2.14.1+cu130", "AVX512", "x86_64")
RECIPES = {
    "digits": "f0e48a12ec1e25a9",
    "fashion-mnist": "d3ae297986834a0f",
    "cifar100-wrn28-2": "c150f6f30e173668",
    "cifar100-preactresnet18": "810b02f8c2babc8b",
    "cifar100-preactresnet34": "738db887bfaefa8f",
    "cifar100-preactresnet50": "05f9060a6d627b4f",
    "cifar100-resnet18": "5f2f8c2e3c2f0efb",
    "cifar10-resnet18": "6c08c1563470c3bc",
    "imagenet-resnet50": "84ec8457fee03d4a",
    "folder": "f2311f3d2f7ecb0d",
    "parquet": "186a3b39b1430f3f",
}


def test_recorded_specs_keep_their_hash_and_their_fields() -> None:
    files = sorted(RESULTS.glob("*/*/spec.json"))
    assert len(files) >= 80
    for file in files:
        spec = RunSpec.from_json(file.read_bytes())
        assert spec.folder_name == file.parent.name
        assert json.loads(spec.to_json()) == json.loads(file.read_text())
    for name, known in KNOWN.items():
        assert RunSpec.from_json((RESULTS / name / "spec.json").read_bytes()).hash == known


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_keep_their_hashes(recipe: str) -> None:
    # What recipes of own pictures set since; without it they are the runs that they were.
    runs = get_recipe(recipe).with_settings({"data.exif": False, "data.split": "seed"}).runs
    assert hashlib.sha256(" ".join(run.hash for run in runs).encode()).hexdigest()[:16] == RECIPES[recipe]


def short_digits() -> Grid:
    settings = {"train.epochs": 2, "data.train_per_class": 12}
    return get_recipe("digits").with_settings(settings).model_copy(update={"seeds": 1})


def weights_digest(folder: Path) -> str:
    state = torch.load(folder / "weights.pt", weights_only=True)["model"]
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def train_digits(folder: Path) -> dict[str, str]:
    make_deterministic()
    found = {}
    try:
        for spec in short_digits().runs:
            place = folder / spec.folder_name
            place.mkdir()
            dataset = load_data(spec, None)
            assert train_run(spec, place, dataset, torch.device("cpu")) == "done"
            found[spec.folder_name] = weights_digest(place)
    finally:
        torch.use_deterministic_algorithms(False)
    return found


def this_machine() -> tuple[str, str, str]:
    return torch.__version__, torch.backends.cpu.get_cpu_capability(), platform.machine()


def test_a_short_grid_keeps_its_bits(tmp_path: Path) -> None:
    found = train_digits(tmp_path)
    assert list(found) == list(DIGITS)
    if this_machine() != RECORDED_ON:
        pytest.skip(f"the bits were recorded on {RECORDED_ON}")
    assert found == DIGITS
