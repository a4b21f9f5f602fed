"""Configs that no one would write by hand."""

from pathlib import Path

import pytest

from dropmix.cli.config_file import read_yaml

CONTENT = {
    "flow": (b"[" * 100_000, "nested at most 50 deep"),
    "indented": (b"- " * 100_000, "nested at most 50 deep"),
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
