"""Streams and terminals that a command may begin with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

FILES = {"audit.json", "classes.csv", "report.html", "table.csv", "table.md", "table.tex"}
NAMES = ("Siberian husky", "Gro\u00dfer M\u00fcnsterl\u00e4nder", "red wolf", "fox")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with predictions of two arms."""
    for seed, arm in enumerate(("plain", "mixup")):
        rng, label = np.random.default_rng(seed), np.arange(400) % 4
        pred = np.where(rng.random(400) < 0.1 + 0.2 * seed, rng.integers(0, 4, 400), label)
        rows = [f"{i},{NAMES[a]},{NAMES[b]}\n" for i, (a, b) in enumerate(zip(label, pred))]
        (tmp_path / f"{arm}.csv").write_text("id,label,pred\n" + "".join(rows), encoding="utf-8")
    return tmp_path


def shell(here: Path, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = f'dropmix() {{ "{sys.executable}" -m dropmix "$@"; }}; set -o pipefail; {line}'
    given = os.environ | {"OMP_NUM_THREADS": "1"} | env
    return subprocess.run(["bash", "-c", command], cwd=here, env=given, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_neither_files_nor_status(here: Path, closed: str) -> None:
    ran = shell(here, f"dropmix audit plain.csv mixup.csv --protect fox --out out {closed}")
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr == ""
    assert {path.name for path in (here / "out").iterdir()} == FILES


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_leaves_does_not_hide_the_decision(here: Path, reader: str) -> None:
    ran = shell(here, f"dropmix audit plain.csv mixup.csv --protect fox --out out | {reader}")
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr == ""
    assert {path.name for path in (here / "out").iterdir()} == FILES


@pytest.mark.parametrize("columns", [20, 40])
def test_a_narrow_terminal_in_ascii_shows_names_and_decisions(here: Path, columns: int) -> None:
    env = {"COLUMNS": str(columns), "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb"}
    ran = shell(here, "dropmix audit plain.csv mixup.csv", **env)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert "\\u2026" not in ran.stdout  # the sign for what was cut
    listed = [line.strip() for line in lines]
    assert "Siberian husky" in listed
    assert sum(line in ("hurt", "safe", "undecided", "too few examples") for line in listed) == len(NAMES)
    assert "Gro\\xdferM\\xfcnsterl\\xe4nder" in "".join(ran.stdout.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_audit_leaves_no_half_file(here: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dropmix", "audit", "plain.csv", "mixup.csv", "--out", "out"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (here / "out/audit.json").exists() and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    left = {path.name for path in (here / "out").iterdir()}
    assert left <= FILES
    assert (process.returncode, err) == (128 + number, "stopped\n") or left == FILES


@pytest.mark.parametrize("module", ["typer", "numpy.linalg", "pyarrow.csv"])
def test_ctrl_c_while_libraries_are_loaded_ends_without_a_traceback(here: Path, module: str) -> None:
    (here / "sitecustomize.py").write_text(f"""
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background leaves it ignored
""")
    path = f"{here}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    ran = shell(here, "dropmix audit plain.csv mixup.csv --out out", PYTHONPATH=path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "stopped\n")
    assert {path.name for path in here.glob("out/*")} <= FILES
