import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from dropmix.report.figures.catalog import baseline_against_treated, recall_changes
from dropmix.report.figures.style import rendered
from dropmix.report.page.svg import inline_svg


@pytest.fixture(scope="module")
def comparison(make_audit):
    return make_audit(10, ("mixup",), confusion=False, confidence=False, seed=5).comparisons[0]


@pytest.fixture(scope="module")
def bars(comparison):
    return recall_changes(comparison)


def test_two_copies_share_no_id_and_every_reference_resolves(bars):
    roots = [ET.fromstring(inline_svg(bars, rendered(bars, "svg"), prefix, "l")) for prefix in ("f1-", "f2-")]
    ids = [{n.get("id") for n in root.iter() if n.get("id")} for root in roots]
    assert ids[0]
    assert not ids[0] & ids[1]
    for root, own in zip(roots, ids):
        text = ET.tostring(root, encoding="unicode")
        used = set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'href="#([^"]*)"', text))
        assert used
        assert used <= own


def test_nothing_but_the_drawing_is_left(bars):
    markup = inline_svg(bars, rendered(bars, "svg"), "f-", 'a "label" & <more>')
    for word in ("<metadata", "<style", "<!--", "<?xml", "<!DOCTYPE", "xmlns", "xlink"):
        assert word not in markup
    root = ET.fromstring(markup)
    assert root.tag == "svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", 'a "label" & <more>')
    assert len(markup) < len(rendered(bars, "svg"))


def test_marks_point_at_the_bars(comparison, bars):
    """The straight lines of `data-marks` hit the end of every bar that matplotlib drew."""
    root = ET.fromstring(inline_svg(bars, rendered(bars, "svg"), "f-", "l"))
    (marks,) = json.loads(root.attrib["data-marks"])
    assert (marks["x"][0], marks["y"][0]) == ("rank", "change")
    change = np.sort(comparison.classes["recall_change"])[::-1] * 100
    drawn = []
    for node in root.iter("path"):
        if re.search(r"fill: (#0072b2|url)", node.get("style", "")) and "z" in node.get("d", ""):
            xy = np.array(re.findall(r"-?[\d.]+", node.attrib["d"]), dtype=float).reshape(-1, 2)
            if xy[:, 0].max() - xy[:, 0].min() > 30:  # bars; the legend's patches are narrower
                drawn.append((xy[:, 0].mean(), xy[:, 1]))
    assert len(drawn) == np.count_nonzero(change)
    for x, y in drawn:
        rank = round((x - marks["x"][1]) / marks["x"][2])
        assert np.abs(y - (marks["y"][1] + marks["y"][2] * change[rank])).min() < 0.1


def test_marks_of_both_panels(comparison):
    figure = baseline_against_treated(comparison)
    root = ET.fromstring(inline_svg(figure, rendered(figure, "svg"), "f-", "l"))
    panels = [(m["x"][0], m["y"][0]) for m in json.loads(root.attrib["data-marks"])]
    assert panels == [("base", "treated"), ("base", "change")]
