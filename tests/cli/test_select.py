"""Choosing a rate from the command line, on real if tiny runs of the digits."""

import json

import pytest

TINY = ("--train-per-class", 6, "--epochs", 1, "--rates", "0,0.5", "--workers", 1)


@pytest.fixture
def searched(dropmix, tmp_path):
    """A grid of one seed on a validation split."""
    status, _, _ = dropmix("run", "digits", *TINY, "--seeds", 1, "--validation", 0.5, "--out", "grid")
    assert status == 0
    return tmp_path / "grid"


def test_halving_trains_round_by_round_and_then_looks_at_test_once(dropmix, searched, tmp_path):
    status, out, _ = dropmix("select", "grid", "--halving")
    assert status == 0
    assert "Next round, in grid: 6 runs" in out
    assert len(list(searched.iterdir())) == 3  # planned, not trained

    status, out, _ = dropmix("select", "grid", "--halving", "--seeds", 2, "--workers", 1, "--run")
    assert status == 0, out
    assert "Chosen: " in out
    done = [json.loads((p / "spec.json").read_text()) for p in searched.iterdir() if (p / "done").exists()]
    assert sorted(spec["seed"] for spec in done) == sorted([*range(5)] * 3)
    assert (searched / "report" / "front-cutmix.png").stat().st_size > 10_000
    final = [json.loads(p.read_text()) for p in (tmp_path / "grid-final").glob("*/spec.json")]
    assert {spec["seed"] for spec in final} == {5, 6}  # seeds that the choice has not seen
    assert {spec["data"]["validation"] for spec in final} == {0.0}
    assert {"vanilla", "cutmix"} <= {spec["arm"]["name"] for spec in final}
    assert (tmp_path / "grid-final" / "report" / "report.html").exists()


def test_the_choice_needs_the_images_it_is_said_to_be_made_on(dropmix, searched):
    status, _, error = dropmix("select", "grid", "--select-on", "test")
    assert status == 2
    assert "validation split" in error
    status, _, error = dropmix("select", "grid", "--select-on", "luck")
    assert (status, "expected validation or test, got 'luck'" in error) == (2, True)
    status, _, error = dropmix("select", "grid", "--method", "mixup")
    assert (status, "expected one of cutmix, got 'mixup'" in error) == (2, True)


def test_on_test_the_expected_optimism_is_printed(dropmix):
    dropmix("run", "digits", *TINY, "--seeds", 2, "--out", "grid")
    status, _, error = dropmix("select", "grid")
    assert status == 2
    assert "--validation 0.1" in error
    status, out, _ = dropmix("select", "grid", "--select-on", "test")
    assert status == 0
    assert "expect new seeds to be" in out
    assert "seeds 2 to 6" in out
