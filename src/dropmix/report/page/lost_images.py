"""The pictures that hurt classes lost, as the page shows them: small, few, and inside the page."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dropmix.report.display_names import clean

if TYPE_CHECKING:
    from dropmix.audit import Audit
    from dropmix.audit.measures.lost import LostImage

BYTES = 200_000
"""Of all pictures of a page together, as they stand in it."""
SHOWN = 60
"""Pictures of a page at most, all arms and classes together."""
EACH = 7
"""Of one class of one arm."""

Key = tuple[str, int | str]


@dataclass(frozen=True)
class Pictures:
    """Thumbnails for the page.

    Args:
        jpeg: (group of the comparison, example id) -> a JPEG file.
        note: why some or all are missing, "" where none is.
    """

    jpeg: Mapping[Key, bytes] = field(default_factory=dict)
    note: str = ""


def chosen(audit: "Audit") -> list[tuple[int, "LostImage"]]:
    """Which lost images are worth a place, with the number of their comparison: of every class one, then a second."""
    turns: list[tuple[int, int, LostImage]] = []
    for number, comparison in enumerate(audit.comparisons):
        held: dict[int, int] = {}
        for image in comparison.lost:
            turn = held[image.position] = held.get(image.position, -1) + 1
            if turn < EACH:
                turns.append((turn, number, image))
    turns.sort(key=lambda entry: entry[0])
    return [(number, image) for _, number, image in turns[:SHOWN]]


def wanted(audit: "Audit") -> list[Key]:
    """Groups and ids of the images in `chosen`, each once."""
    return list(dict.fromkeys((audit.comparisons[number].group, image.id) for number, image in chosen(audit)))


def strips(audit: "Audit", pictures: Pictures | None) -> list[list[dict[str, Any]]]:
    """For every arm its classes with lost images: name, seeds, and per image its name, what it was called, a source.

    Args:
        audit: what was found.
        pictures: None to name the images alone.
    """
    room, arms = BYTES, [{} for _ in audit.comparisons]
    for number, image in chosen(audit):
        c = audit.comparisons[number]
        jpeg = None if pictures is None else pictures.jpeg.get((c.group, image.id))
        source = None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        if source is not None and len(source) > room:
            source = None
        room -= len(source or "")
        seeds = len(c.recalls_baseline), len(c.recalls_treated)
        strip = arms[number].setdefault(
            image.position, {"name": clean(c.classes["class"][image.position]), "images": []}
        )
        named = image.id if isinstance(image.id, str) else f"no. {image.id}"
        strip["images"].append(
            {
                "source": source,
                "name": clean(named),
                "short": clean(named.rpartition("/")[2]),
                "called": clean(image.called),
                "times": f"in {image.times} of {seeds[1]} seeds{_elsewhere(image)}",
                "before": f"{clean(c.baseline)}: wrong in {image.wrong_baseline} of {seeds[0]}",
            }
        )
    return [list(arm.values()) for arm in arms]


def _elsewhere(image: "LostImage") -> str:
    """Seeds that are wrong on the image with yet another class."""
    others = image.wrong_treated - image.times
    return f", otherwise wrong in {others}" if others else ""
