import csv
import os

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.report import write
from dropmix.report.figures.catalog import plates
from dropmix.report.page import html
from dropmix.report.write import write_report


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def small(real_audit):
    return real_audit(3, ("mixup",), seeds=1, confidence=False)


def test_a_report_is_whole_and_written_the_same_twice(small, tmp_path):
    path = write_report(small, tmp_path / "a" / "b", {"seeds": [0]})
    assert path == tmp_path / "a" / "b" / "report.html"
    first = contents(path.parent)
    assert set(first) == {"report.html", "table.csv", "table.md", "table.tex"}
    write_report(small, path.parent, {"seeds": [0]})
    assert contents(path.parent) == first


def test_figures_are_written_where_they_are_asked_for(small, tmp_path):
    path = write_report(small, tmp_path, figures=True)
    first = contents(path.parent)
    stems = [plate.stem for plate in plates(small)]
    assert {"mixup-best-and-worst", "mixup-confusion-flow", "mixup-recall-changes"} <= {*stems}
    figures = {f"figures/{stem}.{end}" for stem in stems for end in ("pdf", "png", "svg")}
    assert set(first) == figures | {"report.html", "table.csv", "table.md", "table.tex"}
    write_report(small, path.parent, figures=True)
    assert contents(path.parent) == first


def test_other_files_stay_and_known_ones_are_linked(small, tmp_path):
    for name in ("classes.csv", "notes.txt"):
        (tmp_path / name).write_text("mine")
    text = write_report(small, tmp_path).read_text()
    assert 'href="classes.csv"' in text
    assert 'href="audit.json"' not in text
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert 'href="x%20y.csv"' in write_report(small, tmp_path, downloads=["x y.csv"]).read_text()


@pytest.mark.parametrize("where", ["page", "replace"])
def test_a_failure_leaves_the_earlier_report_as_it_was(small, tmp_path, monkeypatch, where):
    write_report(small, tmp_path, figures=True, formats=("svg",))
    before = contents(tmp_path)

    def fail(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(*((write, "page", fail) if where == "page" else (os, "replace", fail)))
    with pytest.raises(OSError, match="no space"):
        write_report(small, tmp_path, figures=True, formats=("svg",))
    assert contents(tmp_path) == before


def test_an_empty_audit_writes_nothing(small, tmp_path):
    import dataclasses

    with pytest.raises(ValueError, match="with comparisons, got none"):
        write_report(dataclasses.replace(small, comparisons=[]), tmp_path / "x")
    assert contents(tmp_path) == {}


def test_a_real_audit_becomes_a_report(tmp_path):
    """The audit package's own result carries every key that the report reads."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    guess = lambda share: np.where(rng.random((3, 120)) < share, labels, rng.integers(0, 4, (3, 120)))  # noqa: E731
    found = audit_predictions((labels, guess(0.6)), (labels, guess(0.8)))
    text = write_report(found, tmp_path, figures=True, formats=("svg",)).read_text()
    (comparison,) = found.comparisons
    with (tmp_path / "table.csv").open() as lines:
        row = list(csv.DictReader(lines))[1]
    assert int(row["without_n_dc"]) == comparison.summary["n_degraded"]
    assert float(row["without_acc"]) == pytest.approx(100 * comparison.summary["accuracy_treated"], abs=0.0051)
    assert f"{100 * comparison.summary['accuracy_treated']:.2f} %" in text
    for note in comparison.notes:
        assert str(html.escape(note)) in text
