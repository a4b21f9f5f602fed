"""What the command audit writes and prints: files first, on any terminal, whatever the names are."""

import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

NAMES = ["=cmd|'/c calc'!A1", "fox\x1b[2J", "\u202eowl", "混合🐟"]
FILES = {"audit.json", "classes.csv", "report.html", "table.csv", "table.md", "table.tex"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("arms"), np.random.default_rng(0)
    labels = np.repeat(np.arange(len(NAMES)), 40)
    for arm, share in (("vanilla", 0.9), ("mixup", 0.7), ("cutmix", 0.8)):
        pred = np.where(rng.random((3, len(labels))) < share, labels, rng.integers(0, len(NAMES), (3, len(labels))))
        np.savez(folder / f"{arm}.npz", labels=labels, pred=pred, classes=np.array(NAMES), arm=arm)
    return [str(folder / "vanilla.npz"), str(folder / "mixup.npz")]


def run(arguments, stdout=subprocess.PIPE, **environment):
    program = [sys.executable, "-c", "from dropmix.cli import main; main()", "audit", *arguments]
    names = os.environ | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"} | environment
    return subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, env=names, timeout=120)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_files_are_written_though_nothing_can_be_printed(files, tmp_path):
    with open("/dev/full", "w") as full:
        done = run([*files, "--out", str(tmp_path / "out"), "--summary", str(tmp_path / "s.md")], stdout=full)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "mixup" in (tmp_path / "s.md").read_text("utf-8").lower()
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1


def test_an_ascii_terminal_and_a_narrow_one(files):
    done = run(files, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"change, points" in done.stdout
    several = run([*files, files[1].replace("mixup", "cutmix")], PYTHONIOENCODING="ascii")
    assert several.stdout.isascii()
    assert b"dR_DC" in several.stdout
    narrow = run(files, COLUMNS="20").stdout.decode()
    assert "Vanilla" in narrow
    assert "Mixup" in narrow


def test_nothing_invisible_is_printed_or_run(files, tmp_path):
    done = run([*files, "--out", str(tmp_path / "out"), "--junit", str(tmp_path / "j.xml")])
    text = done.stdout.decode()
    for raw in ("\x1b", "\u202e"):
        assert raw not in text
        assert raw not in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "\"'=cmd|" in (tmp_path / "out" / "classes.csv").read_text("utf-8")
    assert ET.parse(tmp_path / "j.xml").getroot().get("tests") == "1"


def test_figures_are_files_only_where_they_are_asked_for(files, tmp_path):
    assert run([*files, "--out", str(tmp_path), "--figures"]).returncode == 0
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png", ".pdf", ".svg"}
