"""Grids of commands: what is refused, and what names a run."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from dropmix.grid.command import CommandArm, CommandGrid, CommandSpec

GOOD = {
    "command": "fit --rate {rate} --seed {seed} --out {folder}",
    "arms": {"vanilla": {"rate": 0}, "mixed": {"rate": 0.4}},
    "predictions": "p.csv",
    "seeds": 2,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": {"mixed": {"rate": 1}}}, "expected 'vanilla' and another arm"),
        ({"arms": {"vanilla": {}, "mixed": {"rate": 1}}}, "a value for {rate}"),
        ({"arms": {"vanilla": {"rate": 0, "alpha": 1}, "mixed": {"rate": 1, "alpha": 1}}}, "got 'alpha'"),
        ({"arms": {"vanilla": {"rate": 0}, "mixed": {"rate": 0}}}, "with equal values"),
        ({"arms": {"vanilla": {"rate": 0, "seed": 1}, "mixed": {"rate": 1}}}, "expected other names"),
        ({"command": "fit --rate {rate} --out {folder}"}, "expected {seed}"),
        ({"command": "fit --rate {rate} --seed {seed}"}, "expected {folder}"),
        ({"command": "fit 'open {rate} {seed} {folder}"}, "No closing quotation"),
        ({"command": "fit {} {rate} {seed} {folder}"}, "names in braces"),
        ({"predictions": "../p.csv"}, "a name inside {folder}"),
        ({"seeds": 10**9}, "less than or equal to 100000"),
        ({"epochs": 3}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    with pytest.raises(ValidationError, match=".*".join(words.split("*"))) as error:
        CommandGrid.model_validate(GOOD | change)
    assert words in str(error.value)


def test_a_value_is_one_word_whatever_it_holds():
    spec = CommandSpec(
        arm=CommandArm(name="a b", values={"text": "two words; rm -rf *"}),
        seed=3,
        command="p '{text} and more' {{x}} {arm} {seed} {folder}",
        predictions="p.csv",
    )
    words = ["p", "two words; rm -rf * and more", "{x}", "a b", "3", "/o u t"]
    assert spec.arguments(Path("/o u t")) == words


def test_a_changed_file_is_another_run(tmp_path):
    (tmp_path / "train.py").write_text("one")
    grid = CommandGrid.model_validate(GOOD | {"files": ["train.py"]})
    before = [spec.folder_name for spec in grid.runs(tmp_path)]
    assert before == [spec.folder_name for spec in grid.runs(tmp_path)]
    (tmp_path / "train.py").write_text("two")
    assert not {*before} & {spec.folder_name for spec in grid.runs(tmp_path)}
    with pytest.raises(ValueError, match=r"expected a file at .*none\.py"):
        CommandGrid.model_validate(GOOD | {"files": ["none.py"]}).runs(tmp_path)
