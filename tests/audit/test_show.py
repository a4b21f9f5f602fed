"""What an audit shows of itself."""

import sys

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions


@pytest.fixture
def audit(rng, draw):
    labels = np.repeat(np.arange(12), 30)
    base, *arms = ({"labels": labels, "pred": draw(rng, labels, 3, 0.7, 12)} for _ in range(12))
    names = [f"<arm {i}>" for i in range(11)]
    return audit_predictions(base | {"classes": list("abcdefghijk<")}, dict(zip(names, arms)), refits=0)


def test_at_most_ten_lines(audit):
    lines = repr(audit).splitlines()
    assert len(lines) == 10
    assert "and 3 more" in lines[-1]
    assert repr(audit.comparisons[0]).count("\n") == 0


def test_a_notebook_gets_safe_html(audit):
    page = audit._repr_html_()
    assert "<arm" not in page
    only = type(audit)(audit.comparisons[:1], audit.class_names, [], {})
    page = only._repr_html_()
    assert page.count("<tr>") == 13
    assert "<td>&lt;</td>" in page


def test_a_row_by_its_class(audit):
    c = audit.comparisons[0]
    assert c.by_class["c"]["recall_change"] == pytest.approx(c.classes["recall_change"][2])


def test_a_frame_has_a_row_per_class_and_comparison(audit):
    pd = pytest.importorskip("pandas")
    frame = audit.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 11 * 12
    assert set(frame["arm"]) == {c.arm for c in audit.comparisons}


def test_without_pandas_it_is_one_line(audit, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(AuditError, match="pip install pandas"):
        audit.to_pandas()


def test_report_writes_the_page(audit, tmp_path):
    page = audit.report(tmp_path / "out")
    assert page.is_file()
    assert (tmp_path / "out" / "audit.json").is_file()
    assert (tmp_path / "out" / "classes.csv").is_file()


def test_verdict_has_a_paragraph_per_comparison(audit):
    assert audit.verdict().count("\n\n") == 11  # and what to do, first
