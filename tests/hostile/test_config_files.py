"""Configs that no one would write by hand."""

from pathlib import Path

import pytest

from dropmix.cli.config_file import read_yaml

CONTENT = {
    "flow": (b"[" * 100_000, "nested at most 50 deep"),
    "indented": (b"- " * 100_000, "nested at most 50 deep"),
    "long": (b"# " + b"x" * 1_000_000, "at most 1,000,000 bytes"),
    "latin": ("recipe: dig\u00eets".encode("latin-1"), "UTF-8"),
    "digits": (b"seeds: " + b"9" * 5_000, "at most 300 digits"),
    "sixty": (b"seeds: 1" + b":59" * 300_000, "at most 300 digits"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_a_hostile_config_is_refused(refused, here: Path, name: str) -> None:
    content, expected = CONTENT[name]
    (here / "bad.yaml").write_bytes(content)
    said = refused("run", "--config", "bad.yaml", "--dry-run", names="bad.yaml")
    assert expected in said
    assert "sys." not in said


WRONG = {
    "recipe: digits\nseeds: yes\n": "seeds: expected a number, got true",
    "recipe: digits\nrates: true\n": "rates: expected a number, got true",
    "recipe: digits\nset: {train.batch: true}\n": "train.batch: expected a number, got true",
    "recipe: digits\nset: {data.train_per_class: on}\n": "data.train_per_class: expected a number, got true",
    "recipe: digits\nseeds: 1\nseeds: 2\n": "'seeds' twice",
    "recipe: digits\nset:\n  train.lr: 1\n  train.lr: 2\n": "'train.lr' twice",
    "recipe: [digits]\n": "recipe: expected a valid string",
    "recipe: digits\nrates: high\n": "rates: expected numbers",
    "recipe: digits\nmethods: {a: 1}\n": "methods",
    "recipe: command\ncommand: 3\n": "command: expected a valid string",
    "recipe: digits\nset: {train.lr: .nan}\n": "train.lr: expected a finite number",
    "recipe: digits\nset: {<<: {train.lr: 1}, <<: 3}\n": "YAML",
    "recipe: !!python/name:os.system\n": "YAML",
    "".join(f"k{i}: 1\n" for i in range(80_000)): "no such setting",
}


@pytest.mark.parametrize("content", WRONG, ids=lambda content: content[:40])
def test_what_a_config_says_wrongly_is_refused_by_the_name_of_the_file(refused, here: Path, content: str) -> None:
    (here / "bad.yaml").write_text(content)
    assert WRONG[content] in refused("run", "--config", "bad.yaml", "--dry-run", names="bad.yaml: ")


def test_what_is_within_the_limits_is_read() -> None:
    assert read_yaml("[" * 50 + "]" * 50, "here") == eval("[" * 50 + "]" * 50)
    assert read_yaml("a: " + "x" * 1_000, "here") == {"a": "x" * 1_000}
    with pytest.raises(ValueError, match="here: expected YAML, got month must be in"):
        read_yaml("2020-13-01", "here")


@pytest.mark.parametrize("seeds", ["1", "100"])
def test_too_many_runs_are_refused_before_they_are_built(refused, seeds: str) -> None:
    rates = ",".join(str(number / 10_000) for number in range(10_000))
    methods = ",".join(["mixup(alpha=0.2)"] * 20)
    words = ("--rates", rates, "--methods", methods, "--seeds", seeds, "--dry-run")
    assert "at most 100,000 runs" in refused("run", "digits", *words, names="--rates")
