"""What `dropmix audit` writes and prints: files first, on any terminal, with any names."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from dropmix.audit import audit_predictions

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
    assert b"All arms" in several.stdout
    assert several.stdout.startswith(b"Mixup: ")
    assert b"\nKeep Vanilla: neither arm should be shipped." in several.stdout
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


@pytest.mark.parametrize("option", ["--superclasses", "--train-counts", "--classes"])
def test_a_file_that_an_option_names_is_not_written_over(files, tmp_path, option):
    about = tmp_path / "out" / "classes.csv"
    about.parent.mkdir()
    about.write_text("class,parent\nfox,canine\n")
    done = run([*files, option, f"{about}", "--out", str(about.parent)])
    assert done.returncode == 2
    assert b"expected a new file to write, got one of those that are read" in done.stderr
    assert [path.name for path in about.parent.iterdir()] == ["classes.csv"]


def test_a_folder_of_predictions_is_not_written_into(files, tmp_path):
    for file in files:
        (tmp_path / Path(file).name).write_bytes(Path(file).read_bytes())
    done = run([str(tmp_path), "--out", str(tmp_path)])
    assert done.returncode == 2
    assert b"--out: expected another folder than that of the predictions" in done.stderr
    assert len([*tmp_path.iterdir()]) == len(files)
    assert run([str(tmp_path), "--out", str(tmp_path / "audit")]).returncode == 0
    assert run([str(tmp_path), "--json"]).returncode == 0  # the folder within is no arm


def test_figures_are_files_only_where_they_are_asked_for(files, tmp_path):
    assert run([*files, "--out", str(tmp_path), "--figures"]).returncode == 0
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png", ".pdf", ".svg"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tolerance", "200"], "--tolerance: expected points from 0 to below 100, got 200. 1 is usual."),
        (["--tolerance", "0=1,1=-2"], "--tolerance: expected points from 0 to below 100, got -2. 1 is usual."),
        (["--tolerance", "nan"], "--tolerance: expected points from 0 to below 100, got nan. 1 is usual."),
        (["--margin", "200"], "--margin: expected points from 0 to below 100, got 200. 0.5 is usual."),
        (["--classes", "nosuch.txt"], "nosuch.txt: expected a file, got nothing there. Check the path."),
        (["--seed", "-1"], "audit: expected seed as a whole number from 0, got -1. 0 is the default."),
    ],
)
def test_options_are_refused_in_the_units_of_the_shell(dropmix, files, options, message):
    code, _, error = dropmix("audit", *files, *options)
    assert (code, error.strip()) == (2, f"dropmix: {message}")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("bogus", "unfinished comparison"),
        ("n_hurtt > 0", "Did you mean 'n_hurt'?"),
        ("class[0].m > 0", "'m'"),
        ("n ==", ""),
    ],
)
def test_a_bad_rule_is_refused_before_anything_is_read(dropmix, rule, message):
    code, _, error = dropmix("audit", "nosuch.csv", "neither.csv", "--fail-if", rule)
    assert code == 2
    assert message in error
    assert "nosuch" not in error


def test_a_rule_on_an_unknown_class_writes_nothing(dropmix, files, tmp_path):
    code, out, error = dropmix(
        "audit", *files, "--out", str(tmp_path / "out"), "--fail-if", "class[nobody].recall_change < -5"
    )
    assert (code, out) == (2, "")
    assert "expected a class, got 'nobody'" in error
    assert not (tmp_path / "out").exists()


def test_a_file_is_not_compared_with_itself(dropmix, files):
    base, _ = files
    code, _, error = dropmix("audit", base, Path(base).parent / "." / Path(base).name)
    assert code == 2
    assert "expected other predictions than the baseline's" in error
    same = audit_predictions(str(base), str(base), refits=0)  # in Python it may be meant: the answer says so
    assert "nothing changed" in same.only.verdict()
