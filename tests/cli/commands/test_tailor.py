"""Rates per class from a grid on a validation split: read by DropMix, and refused where they would flatter."""

import json

import pytest
import torch

from dropmix import DropMix

TRAIN = ["--train-per-class", "20", "--epochs", "2", "--methods", "mixup", "--rates", "0", "--seeds", "3"]


@pytest.fixture(scope="module")
def grids(tmp_path_factory):
    return tmp_path_factory.mktemp("tailor")


@pytest.mark.parametrize("held", [True, False])
def test_rates_are_written_for_a_loop_and_never_from_test_images_unasked(dropmix, grids, held):
    out, file = grids / f"held-{held}", grids / f"rates-{held}.json"
    more = ["--validation", "0.4"] if held else []
    assert dropmix("run", "digits", *TRAIN, *more, "--out", str(out))[0] == 0
    status, text, errors = dropmix("tailor", str(out), "--arm", "mixup", "--mean", "0.4", "--out", str(file))
    if not held:
        assert status == 2
        assert "validation" in errors
        assert not file.exists()
        return
    assert status == 0, errors
    made = json.loads(file.read_text())
    assert len(made["classes"]) == 10
    assert set(made["rates"]) == {"tailored", "uniform", "shuffled 1", "shuffled 2", "shuffled 3", "inverted"}
    assert made["rates"]["uniform"] == pytest.approx(0.4)
    rates = made["rates"]["tailored"]
    assert "2 more classes" in text
    augment = DropMix("mixup", rate=rates, unit=made["unit"], num_classes=10, seed=0)
    y = torch.arange(10).repeat(40)
    mixed, _ = augment(torch.rand(400, 1, 4, 4), y)
    assert mixed.shape == (400, 1, 4, 4)
    status, _, errors = dropmix("tailor", str(out), "--arm", "cutmix")
    assert (status, "--arm: expected one of mixup" in errors) == (2, True)
    status, _, errors = dropmix("tailor", str(out), "--arm", "mixup", "--mean", "1.4")
    assert (status, "floor <= mean rate" in errors) == (2, True)
