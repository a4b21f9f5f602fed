"""A table or figure of the paper from folders of runs: our numbers beside the printed ones, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropmix.paper.exhibits import Exhibit
from dropmix.paper.figures.catalog import FIGURES, Drawing
from dropmix.paper.figures.label import CURVES
from dropmix.paper.notes import notes
from dropmix.paper.printed import printed_table
from dropmix.paper.runs import RunGroup, panels
from dropmix.paper.sheet import Sheet
from dropmix.paper.side_by_side import accuracy_sides, confidence_sides, our_rows
from dropmix.report.figures.catalog import save

FORMATS = ("png", "pdf", "svg")
SMALL = "Runs called small follow another protocol than the paper's; expect numbers outside seed noise."


@dataclass(frozen=True)
class Rendered:
    """A figure of the paper as far as the runs go.

    Args:
        name, title: of the exhibit.
        drawings: empty if nothing could be drawn.
        missing: what the runs lack.
        notes: the paper's inconsistencies.
    """

    name: str
    title: str
    drawings: list[Drawing]
    missing: list[str]
    notes: list[str]

    def write(self, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
        """Write every drawing in every format; returns the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        return [
            path
            for drawing in self.drawings
            for path in save(drawing.figure, folder / f"{self.name}{drawing.part}", tuple(formats))
        ]


def render_table(exhibit: Exhibit, groups: Sequence[RunGroup]) -> Sheet:
    """Table 1, 2, 3 or 4, our numbers beside the printed ones.

    Args:
        exhibit: a table.
        groups: from `find_groups`.
    """
    number = int(exhibit.name.removeprefix("table"))
    usable, missing = panels(exhibit, groups)
    said = notes(exhibit.name) + ([SMALL] if any(not panel.exact for panel in usable) else [])
    if number == 3:
        sides = confidence_sides(usable)
        return Sheet(exhibit.name, exhibit.title, [], [], sides, missing, said)
    ours = [(panel.heading, our_rows(panel, number)) for panel in usable]
    sides = accuracy_sides(usable, number)
    return Sheet(exhibit.name, exhibit.title, printed_table(number), ours, sides, missing, said)


def render_figure(exhibit: Exhibit, groups: Sequence[RunGroup], folders: Sequence[Path]) -> Rendered:
    """A figure of the paper, as far as the runs allow.

    Args:
        exhibit: a figure.
        groups: from `find_groups`.
        folders: as given; figures that need no runs read their files there.
    """
    usable, missing = panels(exhibit, groups)
    drawings = FIGURES[exhibit.name](usable, folders)
    if not exhibit.needs and not drawings:
        missing = [f"{CURVES} in {' or '.join(map(str, folders))}: run dropmix label-info with --out in there"]
    return Rendered(exhibit.name, exhibit.title, drawings, missing, notes(exhibit.name))
