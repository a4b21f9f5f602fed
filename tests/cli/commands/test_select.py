"""Choosing a rate from the command line, on real but tiny runs of the digits."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TINY = ("--train-per-class", 6, "--epochs", 1, "--rates", "0,0.5", "--workers", 1)


@pytest.fixture
def searched(dropmix, tmp_path):
    """A grid of one seed on a validation split."""
    status, _, _ = dropmix("run", "digits", *TINY, "--seeds", 1, "--validation", 0.5, "--out", "grid")
    assert status == 0
    return tmp_path / "grid"


def test_halving_trains_round_by_round_and_then_looks_at_test_once(dropmix, searched, tmp_path, monkeypatch):
    # So short runs may not be told apart; what is tested here are the rounds.
    monkeypatch.setattr("dropmix.audit.rate_choice.told_apart", lambda found: True)
    status, out, _ = dropmix("select", "grid", "--halving")
    assert status == 0
    assert "Next round, in grid: 6 runs" in out
    assert len(list(searched.glob("*/spec.json"))) == 3  # planned, not trained

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
    status, out, error = dropmix("select", "grid", "--select-on", "test")
    assert status == 2  # two seeds of so short runs tell nothing apart
    assert "No choice: " in out
    assert "chosen" not in out
    assert "expected rates that can be told apart" in error

    for run in Path("grid").glob("cutmix-r0.5-*"):
        mend(run / "predictions.parquet")
    status, out, error = dropmix("select", "grid", "--select-on", "test")
    assert status == 0, error
    assert "Chosen: rate 0.5, " in out
    assert "expect new seeds to be" in out
    assert "seeds 2 to 6" in out


def mend(path):
    """Make two of three predictions right, so that the arm stands out."""
    table = pq.read_table(path)
    columns = table.to_pydict()
    pred = [label if i % 3 else pred for i, (label, pred) in enumerate(zip(columns["label"], columns["pred"]))]
    place = table.schema.get_field_index("pred")
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array(pred, field.type)), path)
    done = json.loads((path.parent / "done").read_text())
    done["predictions_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "done").write_text(json.dumps(done))
