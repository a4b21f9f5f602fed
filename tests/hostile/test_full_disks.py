"""Disks that fill up while a command writes: one line that names what was to be written, and no half of a file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = 1_000  # bytes that a file may reach

COMMANDS = {
    "audit": (("audit", "a.csv", "b.csv", "--out", "out"), "out/audit.json"),
    "summary": (("audit", "a.csv", "b.csv", "--summary", "s.md"), "s.md"),
    "junit": (("audit", "a.csv", "b.csv", "--junit", "j.xml", "--protect", "fox"), "j.xml"),
    "report": (("report", "g", "--out", "out"), "out/audit.json"),
    "show": (("show", "cutmix", "--out", "x.png"), "x.png"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_half_is_left(run, here: Path, pair, grid, name: str) -> None:
    words, path = COMMANDS[name]
    before = {*here.rglob("*")}
    ran = run(*words, disk=300 if name in ("summary", "junit") else SMALL)
    assert ran.status == 1, ran.err
    assert ran.err.startswith(f"dropmix: {path}: expected free disk space, got none. Free some")
    assert len(ran.err.splitlines()) == 1
    assert not [path for path in here.rglob("*") if path not in before and path.is_file()]


@pytest.mark.parametrize("words", [("audit", "a.csv", "b.csv"), ("status", "g"), ("plan",), ("run", "--list")])
def test_a_full_device_as_standard_output_is_one_line(run, here: Path, pair, grid, words: tuple[str, ...]) -> None:
    ran = run(*words, stdout="/dev/full")
    assert (ran.status, ran.err.count("\n")) == (1, 1), ran.err
    assert ran.err.startswith("dropmix: standard output: expected free disk space, got none.")


def test_files_come_before_the_table_that_cannot_be_printed(run, here: Path, pair) -> None:
    assert run("audit", *pair, "--out", "out", stdout="/dev/full").status == 1
    assert {path.name for path in (here / "out").iterdir()} >= {"audit.json", "classes.csv", "report.html"}


@pytest.mark.parametrize("words", [(*COMMANDS["audit"][0],), (*COMMANDS["report"][0],)], ids=lambda words: words[0])
def test_a_folder_that_may_not_be_written_is_one_line(refused, here: Path, pair, grid, words: tuple[str, ...]) -> None:
    (here / "out").mkdir(mode=0o555)
    assert "expected permission to read or write it" in refused(*words, names="out")
    assert not [*(here / "out").iterdir()]


def test_a_picture_that_does_not_fit_is_named_and_the_next_call_goes_on(run, here: Path) -> None:
    (here / "p" / "cat").mkdir(parents=True)
    for name in "ab":
        Image.fromarray(np.full((40, 40, 3), ord(name), np.uint8)).save(here / "p" / "cat" / f"{name}.png")
    words = ("resize", "p", "out", "--size", "8")
    ran = run(*words, disk=600)
    assert (ran.status, ran.err.count("\n")) == (1, 1), ran.err
    assert "out/cat/a.png: expected free disk space, got none. Free some" in ran.err
    assert not [*here.rglob(".*")]
    assert run(*words).status == 0
    assert len([*here.glob("out/cat/*")]) == 2
