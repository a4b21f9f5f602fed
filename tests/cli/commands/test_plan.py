"""The command plan on assumed noise and on an audit."""

import json

import pytest
from typer.testing import CliRunner

import dropmix.cli  # noqa: F401  (registers the commands)
from dropmix.cli.app import app


def run(*arguments):
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def test_power_grows_with_seeds_and_images():
    lines = run("--change", "-6", "--images", 40).stdout.splitlines()
    assert "found hurt" in lines[0]
    table = [[int(cell) for cell in line.replace("%", "").split()] for line in lines[2:7]]
    for row in table:
        assert row[1:] == sorted(row[1:])
    for column in zip(*table):
        assert list(column) == sorted(column)


@pytest.fixture
def audit(tmp_path):
    rows = [
        {"class": "fox", "n": 50, "se_fixed_test": 0.02, "se_population": 0.03, "recall_change": -0.03},
        {"class": "owl", "n": 90, "se_fixed_test": 0.01, "se_population": 0.02, "recall_change": 0.05},
    ]
    for row, decision in zip(rows, ("undecided", "safe")):
        row |= {"recall_baseline": 0.9, "recall_treated": 0.9 + row["recall_change"], "tolerance": 0.01}
        row |= {"decision": decision, "decision_population": decision}
    summary = {"seed_variance_ratio": 1.2, "seeds_baseline": 3, "seeds_treated": 3}
    content = {"comparisons": [{"arm": "mixup", "baseline": "vanilla", "summary": summary, "classes": rows}]}
    (tmp_path / "audit.json").write_text(json.dumps(content))
    return tmp_path


def test_from_an_audit(audit):
    text = run(audit).stdout
    assert "fox: about" in text
    assert "owl" not in text
    assert "1 of 2 classes are decided" in text


def test_a_class_that_the_baseline_never_finds_is_not_planned_for(audit):
    content = json.loads((audit / "audit.json").read_text())
    content["comparisons"][0]["classes"][0] |= {"recall_baseline": 0.0, "recall_treated": 0.0, "recall_change": 0.0}
    (audit / "audit.json").write_text(json.dumps(content))
    text = run(audit).stdout
    assert "vanilla hardly finds fox: train until it does." in text
    assert "fox: about" not in text
    assert "1 of 2 classes are decided" in text


def test_a_baseline_that_guesses_is_told_first(audit):
    assert "guessing" not in run(audit).stdout
    content = json.loads((audit / "audit.json").read_text())
    for row, recall in zip(content["comparisons"][0]["classes"], (0.1, 0.92)):
        row["recall_baseline"] = recall
    (audit / "audit.json").write_text(json.dumps(content))
    assert run(audit).stdout.splitlines()[1].startswith("vanilla may be guessing: train it longer")


def test_a_grid_that_was_reported(audit, tmp_path):
    (tmp_path / "g").mkdir()
    with pytest.raises(ValueError, match=r"expected audit\.json, got nothing there"):
        raise run(tmp_path / "g").exception
    (tmp_path / "g" / "report").mkdir()
    (audit / "audit.json").rename(tmp_path / "g" / "report" / "audit.json")
    assert "1 of 2 classes are decided" in run(tmp_path / "g").stdout


def test_unknown_names_are_one_line(audit):
    for arguments in ((audit, "--protect", "wolf"), (audit, "--arm", "cutmix"), (audit / "none.json",)):
        error = run(*arguments).exception
        assert isinstance(error, ValueError)
        assert "\n" not in str(error)
    assert "Did you mean 'fox'?" in str(run(audit, "--protect", "fx").exception)


def test_one_seed_each_asks_for_seeds_first_and_never_speaks_of_these_images(audit):
    content = json.loads((audit / "audit.json").read_text())
    content["comparisons"][0]["summary"] |= {"seed_variance_ratio": None, "seeds_baseline": 1, "seeds_treated": 1}
    (audit / "audit.json").write_text(json.dumps(content))
    lines = run(audit, "--protect", "fox").stdout.splitlines()
    assert lines[0] == "mixup against vanilla, 1 v 1 seeds, new examples."
    assert "train at least two more seeds per arm first" in lines[1]
    assert "decided between these two models with a chance of 80 %" in lines[2]
    assert "more test examples of the class" in lines[3]
    assert "train at least" not in run(audit, "--protect", "owl").stdout


@pytest.mark.parametrize(("seeds", "few"), [((2, 2), True), ((3, 1), True), ((3, 3), False)])
def test_fewer_than_three_seeds_in_an_arm_are_filled_up_first(audit, seeds, few):
    content = json.loads((audit / "audit.json").read_text())
    content["comparisons"][0]["summary"] |= dict(zip(("seeds_baseline", "seeds_treated"), seeds))
    (audit / "audit.json").write_text(json.dumps(content))
    assert ("Train until both arms have three seeds, then ask again" in run(audit).stdout) == few
