"""A matplotlib figure as SVG inside an HTML page."""

import json
import re
from xml.etree import ElementTree as ET

from matplotlib.figure import Figure

_LONG = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_ROUNDED = ("d", "x", "y", "points")


def inline_svg(figure: Figure, svg: bytes, prefix: str, label: str) -> str:
    """Turn a figure's SVG file into one `<svg>` element of a page.

    Args:
        figure: from a figure function.
        svg: its file.
        prefix: put before every id and reference, so that many figures fit one page.
        label: what a screen reader says.
    Returns:
        Markup without namespace, metadata, style sheet or comments. `data-marks` holds, for each
        axis that shows classes, the columns along x and y and the straight lines from a column's
        value to SVG coordinates: `[{"x": [column, a, b], "y": [column, a, b]}]`, place = a + b value.
    """
    root = ET.fromstring(svg)
    for node in root.iter():
        _plain_names(node)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)
    for node in root.iter():
        _own_references(node, prefix)
        _shorter_numbers(node)
    _set_root(root, figure, label)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _plain_names(node: ET.Element) -> None:
    """Remove namespaces: HTML's parser knows svg without them, and `href` without xlink."""
    node.tag = node.tag.rpartition("}")[2]
    for key in [k for k in node.attrib if "}" in k]:
        node.attrib[key.rpartition("}")[2]] = node.attrib.pop(key)


def _own_references(node: ET.Element, prefix: str) -> None:
    for key, value in node.attrib.items():
        if key == "id":
            node.attrib[key] = prefix + value
        elif key == "href" and value.startswith("#"):
            node.attrib[key] = f"#{prefix}{value[1:]}"
        elif "url(#" in value:
            node.attrib[key] = _REFERENCE.sub(rf"url(#{prefix}\1)", value)


def _shorter_numbers(node: ET.Element) -> None:
    """Round to two decimals of a point, finer than any screen or printer."""
    for key in _ROUNDED:
        if key in node.attrib:
            node.attrib[key] = _LONG.sub(lambda number: f"{float(number[0]):.2f}", node.attrib[key])


def _set_root(root: ET.Element, figure: Figure, label: str) -> None:
    width, height = (72 * inches for inches in figure.get_size_inches())
    root.attrib.clear()
    root.attrib |= {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-label": label,
        # The rules of matplotlib's own style sheet, which would apply to the whole page.
        "style": f"max-width:{width * 1.45:.0f}px;stroke-linejoin:round;stroke-linecap:butt",
    }
    marks = [_marks(axes, height) for axes in figure.axes if (axes.get_gid() or "").startswith("marks:")]
    if marks:
        root.attrib["data-marks"] = json.dumps(marks)


def _marks(axes, height: float) -> dict[str, list]:
    scale = 72 / axes.figure.dpi
    (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (1, 1)]) * scale
    _, x, y = axes.get_gid().split(":")
    return {
        "x": [x, round(x0, 2), round(x1 - x0, 5)],
        "y": [y, round(height - y0, 2), round(y0 - y1, 5)],
    }
