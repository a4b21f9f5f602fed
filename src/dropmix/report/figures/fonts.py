"""Letters that the figures' own font lacks: drawn with another installed font, or written as escapes.

An SVG keeps names as text, which the reader's browser draws with its own fonts. PNG and PDF hold the letters
themselves; a letter that no installed font has would be an empty box there, so it is written as an escape.
"""

from collections.abc import Iterator
from functools import cache

from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

OWN = "DejaVu Sans"
SAID = "Letters that no installed font can draw are written as their code numbers, such as \\u6df7."


def use_fonts(figure: Figure) -> None:
    """Give every text with letters beyond our own font the installed fonts that have them."""
    for text in _texts(figure):
        if rare := frozenset(_lacking(text.get_text())):
            text.set_fontfamily([OWN, *_fonts_for(rare)])


def without_boxes(figure: Figure) -> bool:
    """Write escapes for the letters that no font has; returns whether the figure has any.

    This changes the figure: draw it again to get the letters themselves.
    """
    changed = any(text.get_text() == SAID for text in figure.texts)
    if changed:
        return True
    for axis in _axes_of(figure):
        if any(_unknown(label.get_text()) for label in axis.get_ticklabels()):
            old = axis.get_major_formatter()
            axis.set_major_formatter(FuncFormatter(lambda value, place, old=old: _escaped(old(value, place))))
            changed = True
    for text in _texts(figure):
        if _unknown(text.get_text()):
            text.set_text(_escaped(text.get_text()))
            changed = True
    if changed:
        figure.draw_without_rendering()
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        low = min(drawn.y0, 0) - 0.1
        for legend in figure.legends:  # else it would follow the frame, which grows by the sentence
            legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
        figure.text(drawn.x0 / width, low / height, SAID, fontsize=6.5, va="top")
    return changed


def _texts(figure: Figure) -> Iterator[Text]:
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isascii():
            yield text


def _axes_of(figure: Figure) -> Iterator[Axis]:
    for axes in figure.axes:
        yield axes.xaxis
        yield axes.yaxis


def _lacking(text: str) -> set[str]:
    """Letters of a text that our own font lacks."""
    return set() if text.isascii() else {c for c in text if c != "\n" and ord(c) not in _own()}


def _unknown(text: str) -> set[str]:
    """Letters of a text that no installed font has."""
    return {c for c in _lacking(text) if not _font_of(c)}


def _escaped(text: str) -> str:
    unknown = _unknown(text)
    return "".join(f"\\u{ord(c):04x}" if c in unknown else c for c in text)


@cache
def _own() -> frozenset[int]:
    return frozenset(FT2Font(font_manager.findfont(OWN)).get_charmap())


@cache
def _fonts_for(letters: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted({name for c in letters if (name := _font_of(c))}))


@cache
def _font_of(letter: str) -> str:
    """An installed font that draws a letter; "" if there is none."""
    for name, known in _others():
        if ord(letter) in known:
            return name
    return ""


@cache
def _others() -> tuple[tuple[str, frozenset[int]], ...]:
    """Every other font that matplotlib can draw with, and its letters; read once, when needed."""
    fonts: dict[str, frozenset[int]] = {}
    for entry in font_manager.fontManager.ttflist:
        regular = entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
        if entry.name in fonts or not regular or entry.name == OWN or entry.name.startswith("Last Resort"):
            continue
        try:
            font = FT2Font(entry.fname)
            font.set_size(8, 72)  # fonts of coloured pictures have no outlines and raise here
            known = font.get_charmap()
            font.load_char(next(iter(known)))
        except (OSError, RuntimeError, StopIteration):
            continue
        fonts[entry.name] = frozenset(known)
    return tuple(fonts.items())
