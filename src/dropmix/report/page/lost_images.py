"""The pictures that hurt classes lost, as the page shows them: small, few, and inside the page."""

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dropmix.report.display_names import clean

if TYPE_CHECKING:
    from dropmix.audit import Audit, Comparison
    from dropmix.audit.measures.lost import LostImage

BYTES = 200_000
"""Largest total size of a page's pictures, encoded as in the page."""
SHOWN = 60
"""Largest number of pictures on a page, over all arms and classes."""
EACH = 7
"""Largest number of pictures per class and arm."""

Key = tuple[str, int | str]


@dataclass(frozen=True)
class Pictures:
    """Thumbnails for the page.

    Args:
        jpeg: (group of the comparison, example id) -> a JPEG file.
        note: why some or all are missing; "" if none is.
    """

    jpeg: Mapping[Key, bytes] = field(default_factory=dict)
    note: str = ""


def chosen(audit: "Audit") -> list[tuple[int, "LostImage"]]:
    """The lost images to show, each with the index of its comparison: one per class, then a second per class, ..."""
    turns: list[tuple[int, int, LostImage]] = []
    for number, comparison in enumerate(audit.comparisons):
        of_class: Counter[int] = Counter()
        for image in comparison.lost:
            turns.append((of_class[image.position], number, image))
            of_class[image.position] += 1
    turns = sorted((entry for entry in turns if entry[0] < EACH), key=lambda entry: entry[0])
    return [(number, image) for _, number, image in turns[:SHOWN]]


def wanted(audit: "Audit") -> list[Key]:
    """Groups and ids of the images in `chosen`, each once."""
    return list(dict.fromkeys((audit.comparisons[number].group, image.id) for number, image in chosen(audit)))


def strips(audit: "Audit", pictures: Pictures | None) -> list[list[dict[str, Any]]]:
    """The classes of each arm that lost images: their names, and per image a caption and the source of its thumbnail.

    Args:
        audit: what was found.
        pictures: None to name the images alone.
    """
    room = BYTES
    arms: list[dict[int, dict[str, Any]]] = [{} for _ in audit.comparisons]
    for number, image in chosen(audit):
        comparison = audit.comparisons[number]
        source = _source(pictures, (comparison.group, image.id))
        if source is not None and len(source) > room:
            source = None
        room -= len(source or "")
        name = clean(comparison.classes["class"][image.position])
        strip = arms[number].setdefault(image.position, {"name": name, "images": []})
        strip["images"].append({"source": source, **_caption(image, comparison)})
    return [list(arm.values()) for arm in arms]


def _source(pictures: Pictures | None, key: Key) -> str | None:
    jpeg = None if pictures is None else pictures.jpeg.get(key)
    return None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _caption(image: "LostImage", comparison: "Comparison") -> dict[str, str]:
    """An image's name, the wrong class, and how many seeds of each arm are wrong."""
    name = image.id if isinstance(image.id, str) else f"no. {image.id}"
    others = image.wrong_treated - image.times
    otherwise = f", otherwise wrong in {others}" if others else ""
    before, after = len(comparison.recalls_baseline), len(comparison.recalls_treated)
    return {
        "name": clean(name),
        "short": clean(name.rpartition("/")[2]),
        "called": clean(image.called),
        "times": f"in {image.times} of {after} seeds{otherwise}",
        "before": f"{clean(comparison.baseline)}: wrong in {image.wrong_baseline} of {before}",
    }
