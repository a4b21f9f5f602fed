"""Seeds in rounds until the protected classes are decided, with a program of a few lines in place of a trainer."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from dropmix.audit import audit_grid, audit_predictions
from dropmix.audit.inference.looks import Looks
from dropmix.cli.until_decided import _told, plan_line, still_open

PROGRAM = """
import csv, pathlib, random, sys
folder, seed, falls = pathlib.Path(sys.argv[1]), int(sys.argv[2]), [float(x) for x in sys.argv[3].split("_")]
stop = pathlib.Path(__file__).parent / "stop"
if stop.exists() and seed >= int(stop.read_text()):
    sys.exit("stopped by the test")
rng = random.Random(f"{seed} {falls}")
with open(folder / "out.csv", "w", newline="") as file:
    out = csv.writer(file)
    out.writerow(["example_id", "label", "pred"])
    for i in range(240):
        label = i % 3
        right = rng.random() < (0.9 if i % 5 else 0.5) - falls[label]
        out.writerow([i, "fox lynx owl".split()[label], "fox lynx owl".split()[label if right else (label + 1) % 3]])
"""


@pytest.fixture
def grid(tmp_path):
    """A configuration in which the classes fall by these amounts under `mixed`."""

    def make(falls: str, **more: object) -> Path:
        (tmp_path / "p.py").write_text(PROGRAM)
        content = {
            "recipe": "command",
            "command": f"{sys.executable} p.py {{folder}} {{seed}} {{falls}}",
            "arms": {"vanilla": {"falls": "0_0_0"}, "mixed": {"falls": falls}},
            "seeds": 2,
            "predictions": "out.csv",
        }
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content | more))
        return tmp_path / "grid.yaml"

    return make


def asked(dropmix, config, out, *more):
    return dropmix("run", "--config", config, "--out", out, "--until-decided", "--max-seeds", 6, *more)


def seeds_of(out):
    return sorted({int(path.name.split("-s")[1].split("-")[0]) for path in out.glob("mixed-s*")})


def test_a_clear_class_ends_it_at_the_first_look(dropmix, grid, tmp_path):
    out = tmp_path / "runs"
    status, text, _ = asked(dropmix, grid("0.4_0_0"), out, "--protect", "fox", "--workers", 2)
    assert status == 0
    assert "Looks at 2, 4, 6 seeds per arm until fox is decided" in text
    assert "Every protected class is decided." in text
    assert seeds_of(out) == [0, 1]
    held = json.loads((out / "report" / "audit.json").read_text())["comparisons"][0]
    assert held["summary"]["protected_level"] == pytest.approx(0.0232, abs=1e-4)  # Pocock, three looks
    assert {row["class"]: row["decision"] for row in held["classes"]}["fox"] == "hurt"


def test_what_stays_open_takes_all_rounds_and_later_audits_keep_the_level(dropmix, grid, tmp_path):
    out = tmp_path / "runs"
    options = ("--protect", "owl", "--tolerance", "0", "--looks", "obrien-fleming", "--workers", 2)
    status, text, _ = asked(dropmix, grid("0_0_0.001"), out, *options)
    assert (status, seeds_of(out)) == (0, [0, 1, 2, 3, 4, 5])
    assert text.count("Still open: mixed: owl.") == 3
    assert text.count("owl. That was the last look: the level is spent") == 1
    found = audit_grid(out)
    assert found.settings["protect"] == ["owl"]
    assert found.summary["tolerance"] == 0.0
    assert found.summary["protected_level"] == pytest.approx(Looks((), 0.0, "obrien-fleming", (2, 4, 6)).level(3))
    assert any("Look 3 of at most 3 (6 of at most 6 seeds per arm)" in note for note in found.notes)
    assert audit_grid(out, protect=["fox"]).settings["protect"] == ["fox"]
    assert audit_grid(out, alone=0.05).summary["protected_level"] == 0.05


@pytest.mark.slow
def test_killed_and_called_again_ends_the_same(dropmix, grid, tmp_path):
    config, cut, whole = grid("0_0_0.001"), tmp_path / "cut", tmp_path / "whole"
    options = ("--protect", "owl", "--tolerance", "0", "--workers", 2)
    (tmp_path / "stop").write_text("4")
    assert asked(dropmix, config, cut, *options)[0] == 1
    assert json.loads((cut / "looks.json").read_text())["done"] == 2
    (tmp_path / "stop").unlink()
    assert asked(dropmix, config, cut, *options)[0] == 0
    assert asked(dropmix, config, whole, *options)[0] == 0
    assert asked(dropmix, config, whole, *options)[0] == 0  # once more on what is finished
    one, other = (json.loads((out / "report" / "audit.json").read_text()) for out in (cut, whole))
    assert one["comparisons"] == other["comparisons"]
    assert (cut / "looks.json").read_text() == (whole / "looks.json").read_text()


def test_audits_before_the_first_look_keep_its_level(dropmix, grid, tmp_path):
    out = tmp_path / "runs"
    (tmp_path / "stop").write_text("1")
    assert asked(dropmix, grid("0.4_0_0"), out, "--protect", "fox", "--workers", 2)[0] == 1
    found = audit_grid(out)
    assert found.summary["protected_level"] == pytest.approx(Looks((), 0.01, "pocock", (2, 4, 6)).level(1))
    assert any("Before the first look of at most 3 (2 of at most 6 seeds per arm)" in note for note in found.notes)


def test_an_early_look_does_not_see_later_seeds(dropmix, grid, tmp_path):
    config, out, few = grid("0.4_0_0"), tmp_path / "runs", tmp_path / "few"
    assert dropmix("run", "--config", config, "--out", out, "--seeds", 5, "--workers", 2)[0] == 0
    for folder in (out, few):
        assert asked(dropmix, config, folder, "--protect", "fox", "--workers", 2)[0] == 0
    one, other = (json.loads((o / "report" / "audit.json").read_text())["comparisons"][0] for o in (out, few))
    np.testing.assert_array_equal(one["recalls_treated"], other["recalls_treated"])
    assert one["classes"] == other["classes"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "expected the classes to decide"),
        (("--protect", "fox", "--max-seeds", 1), "expected two seeds at first"),
        (("--protect", "fox", "--looks", "daily"), "expected one of pocock"),
        (("--protect", "fox", "--tolerance", "much"), "expected points"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_training(dropmix, grid, tmp_path, options, said):
    status, _, error = asked(dropmix, grid("0_0_0.1"), tmp_path / "runs", *options)
    assert (status, said in error) == (2, True), error
    assert not (tmp_path / "runs").exists()


def test_a_class_that_the_data_lacks_is_refused_before_training(dropmix, tmp_path):
    small = ("--epochs", 1, "--train-per-class", 5, "--set", "network=wrn10-1", "--seeds", 2)
    status, _, error = dropmix(
        "run", "digits", "--out", tmp_path / "runs", *small, "--until-decided", "--protect", "eleven"
    )
    assert (status, "protect: expected classes with examples, got eleven" in error) == (2, True), error
    assert not list(tmp_path.glob("runs/*/checkpoint.pt"))


def test_names_that_could_be_read_as_several_are_quoted():
    line = plan_line(Looks(("tench, Tinca tinca", "fox"), 0.01, "pocock", (2, 4)))
    assert line.startswith('Looks at 2, 4 seeds per arm until "tench, Tinca tinca", fox are decided')


def test_no_seeds_are_added_for_a_class_that_the_baseline_never_finds():
    labels = np.repeat(np.arange(3), 40)
    runs = np.random.default_rng(0).random((2, 3, len(labels))) < 0.1
    before, after = (np.where((labels == 1) | wrong, 0, labels) for wrong in runs)
    found = audit_predictions((labels, before), (labels, after), protect=["1"], refits=0)
    assert still_open(found) == ({}, ["1"])
    told = _told(*still_open(found), last=False)
    assert told == "More seeds would decide nothing: the baseline hardly finds 1. Train longer."
