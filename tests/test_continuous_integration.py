"""The workflow of docs/continuous-integration.md: YAML of the right structure; its audit runs, its files exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml

PAGE = Path(__file__).parents[1] / "docs" / "continuous-integration.md"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    return yaml.safe_load(block)


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    return job["steps"]


def command(workflow: dict[Any, Any]) -> list[str]:
    (line,) = [s["run"] for s in steps(workflow) if s.get("run", "").startswith("dropmix audit")]
    return shlex.split(line)[1:]


def test_the_workflow_has_the_structure_that_github_reads(workflow: dict[Any, Any]) -> None:
    assert workflow[True] == "pull_request"  # YAML 1.1 reads the key `on` as true; GitHub does not
    assert set(workflow) == {"name", True, "permissions", "jobs"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert set(step) <= {"name", "run", "uses", "with", "if", "env"}
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
    assert workflow["permissions"]["pull-requests"] == "write"


def test_what_comes_after_the_audit_runs_though_it_failed_and_finds_its_files(workflow: dict[Any, Any]) -> None:
    names = [step.get("run", "").split(" ")[0] for step in steps(workflow)]
    after = steps(workflow)[names.index("dropmix") + 1 :]
    assert [step["if"] for step in after] == ["always()"] * 3
    arguments = command(workflow)
    summary, junit, out = (arguments[arguments.index(f"--{name}") + 1] for name in ("summary", "junit", "out"))
    assert all(summary in step["run"] for step in after[:2])
    assert after[2]["with"]["path"].split() == [out, junit]


@pytest.mark.parametrize(("lost", "status"), [(0, 0), (12, 3)])
def test_the_audit_of_the_workflow_stops_the_build_when_a_protected_class_falls(
    workflow: dict[Any, Any], tmp_path: Path, lost: int, status: int
) -> None:
    rng = np.random.default_rng(0)
    for arm, wrong in (("base", 0), ("mixup", lost)):
        write_predictions(tmp_path / f"{arm}.parquet", arm, wrong, rng)
    program = [sys.executable, "-c", "from dropmix.cli import main; main()", *command(workflow)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr + done.stdout
    names = {case.get("name") for case in ET.parse(tmp_path / "audit.xml").iter("testcase")}
    assert names == {"decision", "protected class 1", "protected class 3"}
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert ("do not ship" in text) == bool(status)
    assert len(text.splitlines()) <= 20
    assert (tmp_path / "audit" / "report.html").exists()


def write_predictions(path: Path, arm: str, wrong: int, rng: np.random.Generator) -> None:
    """Three seeds of four classes of 400 examples: the same 5 % are wrong, `wrong` points more in class 3, few flip."""
    import pyarrow as pa
    from pyarrow import parquet

    labels, place = np.repeat(np.arange(4), 400), np.tile(np.arange(400), 4)
    hard = place < np.where(labels == 3, 20 + 4 * wrong, 20)
    parts = [np.where(hard ^ (rng.random(1600) < 0.002), (labels + 1) % 4, labels) for _ in range(3)]
    columns = {"label": np.tile(labels, 3), "pred": np.concatenate(parts), "seed": np.repeat(np.arange(3), 1600)}
    ids = np.tile(np.arange(1600), 3)
    parquet.write_table(pa.table({**columns, "example_id": ids, "arm": [arm] * len(ids)}), path)
