"""Letters are drawn by a font that has them; without one they are code numbers, and the sentence covers nothing."""

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from dropmix.report.figures import catalog, fonts
from dropmix.report.figures.fonts import SAID, use_fonts, without_boxes
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


def squares(path, letters):
    """A font that draws each of some letters as a square."""
    pen = TTGlyphPen(None)
    for move, at in zip((pen.moveTo, pen.lineTo, pen.lineTo, pen.lineTo), ((0, 0), (0, 700), (700, 700), (700, 0))):
        move(at)
    pen.closePath()
    square = pen.glyph()
    glyphs = [".notdef", *(f"g{ord(letter):x}" for letter in letters)]
    font = FontBuilder(1000)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap({ord(letter): f"g{ord(letter):x}" for letter in letters})
    font.setupGlyf(dict.fromkeys(glyphs, square))
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular", "psName": "Squares"})
    font.setupOS2(usWeightClass=400)
    font.setupPost()
    font.save(path)
    return path


@pytest.fixture
def installed(tmp_path):
    """A way to install a font for one test."""
    before = [*font_manager.fontManager.ttflist]

    def forget():
        for kept in (fonts._fonts_for, fonts._font_of, fonts._others):
            kept.cache_clear()

    def install(letters):
        font_manager.fontManager.addfont(squares(tmp_path / "squares.ttf", letters))
        forget()

    yield install
    font_manager.fontManager.ttflist = before
    forget()


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_font_that_has_the_letters_is_used(make_audit, tmp_path, installed, recwarn, ending):
    installed({letter for name in NAMES for letter in name if not letter.isascii()})
    audit = make_audit(8, ("mixup",), inference=True, floor=True, seed=3)
    audit.comparisons[0].classes["class"] = NAMES
    plate = next(plate for plate in catalog.plates(audit) if plate.arm == 0)
    with settings():
        figure = plate.draw()
        use_fonts(figure)
        assert not without_boxes(figure)
        figure.savefig(tmp_path / f"a.{ending}")
    shown = [text for text in figure.findobj(Text) if "\u732b" in text.get_text()]
    assert shown
    assert all("Squares" in text.get_fontfamily() for text in shown)
    assert not [str(warning.message) for warning in recwarn if "missing from" in str(warning.message)]
    if ending == "pdf":
        assert b"Squares" in (tmp_path / "a.pdf").read_bytes()
