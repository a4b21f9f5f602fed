"""The audit's benchmarks still run with the audit of today, and print their table."""

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "audit"
SMALLEST = {
    "kinds": ["--only", "20 classes, 3 v 3", "--studies", "1"],
    "lone_seed": ["--studies", "1"],
    "looks": ["--studies", "1"],
    "plan": ["--studies", "7", "--only", "20 images, recall 0.95"],
    "pools": ["--only", "trained, 95 %, 2 classes", "--pools", "1", "--studies", "1"],
    "verdicts": ["--studies", "4"],
}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [name, *SMALLEST[name]])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert len(said) >= (1 if name == "verdicts" else 3)  # below the two lines of a heading
