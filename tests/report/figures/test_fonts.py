"""Letters that no font has are code numbers, and the sentence that says so covers nothing."""

import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from dropmix.report.figures import catalog
from dropmix.report.figures.fonts import SAID, without_boxes
from dropmix.report.figures.style import settings

WORDS = "\u732b|\U0001f436 dog|\u05e9\u05dc\u05d5\u05dd|\u6df7\u5408\u30b5|\u0939\u093f|\ud55c|e\u0301te\u0301|\u0e44"
NAMES = WORDS.split("|")


@pytest.fixture(scope="module")
def letters():
    """Letters of all fonts but those that draw a box for every letter there is."""
    charmaps = (FT2Font(entry.fname).get_charmap() for entry in font_manager.fontManager.ttflist)
    return {letter for known in charmaps if len(known) < 200_000 for letter in known}


@pytest.mark.parametrize("place", range(4))
def test_no_boxes_and_nothing_beneath_the_sentence(make_audit, letters, place):
    audit = make_audit(8, ("mixup",), inference=True, floor=True, seed=3)
    comparison = audit.comparisons[0]
    comparison.classes["class"] = NAMES
    plate = [p for p in catalog.plates(audit) if p.arm == 0][place]
    with settings():
        figure = plate.draw()
        changed = without_boxes(figure)
        assert without_boxes(figure) == changed  # the next format needs the wider frame too
        figure.draw_without_rendering()
    texts = [text for text in figure.findobj(lambda found: hasattr(found, "get_text")) if text.get_text()]  # type: ignore[attr-defined]
    assert all(ord(c) in letters or c in "\n\u200d" for text in texts for c in text.get_text())
    assert changed or not any(ord(c) not in letters for name in NAMES for c in name)
    if changed and any(name in text.get_text() for name in ("\\u732b", "\\u1f436") for text in texts):
        (said,) = [text for text in texts if text.get_text() == SAID]
        box = said.get_window_extent()
        assert not any(box.overlaps(t.get_window_extent()) for t in texts if t is not said and t.get_visible())
