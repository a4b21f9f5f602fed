"""Names that spreadsheets, Markdown, LaTeX, HTML, XML and terminals would take for more than names."""

import csv
import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NAMES = ("=cmd|'/c calc'!A1", "@SUM(1)|$x^2$", "</script><b>&", "[x](javascript:a)\u202e\x1b[2J")
FORMULAS = ("  =1+1", "\t+1", "\uff1d1+1", "'\u00a0-1")
LONG = tuple(f"{letter * 10_000}" for letter in "abcd")


def test_names_are_only_shown(run, here: Path, predictions) -> None:
    for seed, file in enumerate(("a.csv", "b.csv")):
        predictions(here / file, seed, NAMES)
    words = ("--summary", "s.md", "--junit", "j.xml", "--protect", "@SUM(1)|$x^2$")
    ran = run("audit", "a.csv", "b.csv", "--out", "out", *words)
    assert ran.status in (0, 3), ran.err
    for path in [here / "s.md", here / "j.xml", *(p for p in (here / "out").rglob("*") if p.is_file())]:
        held = path.read_text(encoding="utf-8", errors="surrogateescape")
        if path.name != "classes.csv":  # data for programs, whose readers need the very name
            assert "\u202e" not in held, path
            assert "\x1b" not in held, path
        if path.suffix == ".html":
            assert "</script><b>" not in held
    ET.parse(here / "j.xml")
    with (here / "out/classes.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "\t", "\r"))]
    assert all(c.isprintable() or c == "\n" for c in ran.out)


@pytest.mark.parametrize("names", [NAMES, FORMULAS])
def test_written_classes_are_read_back(run, here: Path, names) -> None:
    """`classes.csv` names the same classes as before, and none as a spreadsheet would run it."""
    for seed, file in enumerate(("a.parquet", "b.parquet")):
        rng, label = np.random.default_rng(seed), np.arange(400) % 4
        pred = np.where(rng.random(400) < 0.2, rng.integers(0, 4, 400), label)
        columns = {"id": np.arange(400), "label": [names[i] for i in label], "pred": [names[i] for i in pred]}
        pq.write_table(pa.table(columns), here / file)
    assert run("audit", "a.parquet", "b.parquet", "--out", "out").status == 0
    audited = json.loads((here / "out/audit.json").read_text())
    assert {row["class"] for row in audited["comparisons"][0]["classes"]} == set(names)
    from dropmix.audit.spreadsheet import unguarded

    with (here / "out/classes.csv").open(newline="") as file:
        cells = [row["class"] for row in csv.DictReader(file)]
    assert {unguarded(cell) for cell in cells} == set(names)
    assert not [cell for cell in cells if cell.strip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20")]


def test_long_names_cost_little(run, here: Path, predictions) -> None:
    for seed, file in enumerate(("a.csv", "b.csv")):
        predictions(here / file, seed, LONG)
    ran = run("audit", "a.csv", "b.csv", "--out", "out", "--summary", "s.md", "--junit", "j.xml")
    assert ran.status == 0, ran.err[:300]
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("option", ["--summary", "--junit", "--out"])
@pytest.mark.parametrize("kind", ["pipe", "loop", "file", "below a file", "long"])
def test_outputs_replace_nothing_but_files(refused, here: Path, pair, option: str, kind: str) -> None:
    path = here / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "file":
        path = here / "a.csv"  # an input, which must stay as it is
    elif kind == "below a file":
        path = here / "a.csv/x"
    else:
        path = here / ("x" * 5_000)
    before = (here / "a.csv").read_bytes()
    refused("audit", *pair, option, str(path))
    assert (here / "a.csv").read_bytes() == before
    assert kind != "pipe" or not path.is_file()


def test_a_link_to_a_device_is_not_written_over(refused, here: Path, pair) -> None:
    (here / "x").symlink_to("/dev/null")
    refused("audit", *pair, "--summary", "x", names="x")
    assert (here / "x").is_symlink()
