"""The paper's claims with their intervals as lines, Markdown and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from dropmix.audit.spreadsheet import guarded, write_whole
from dropmix.paper.claims import Claim
from dropmix.report.display_names import clean, visible
from dropmix.report.tables.render import Cell, escape_markdown

SCALE = {"points": 100.0, "points squared": 1e4, "fraction": 1.0}
RULE = (
    "Each interval covers its own claim at 95 %. Every measure is 0 if all classes change equally, whatever the gain. "
    "Yes, or no, the reverse: the interval lies on one side of 0."
)


def claims_lines(by_heading: Mapping[str, Sequence[Claim]]) -> list[str]:
    """Lines for a terminal: claim, arms, estimate with interval, verdict, measure.

    Args:
        by_heading: heading -> claims.
    """
    lines = []
    for heading, claims in by_heading.items():
        lines.append(heading)
        for claim in claims:
            lines.append(f"  {claim.claim}: {claim.verdict}")
            lines.append(f"    {claim.about}: {claim.measure}, {_interval(claim)}")
    return [*map(visible, lines), RULE]


def claims_markdown(by_heading: Mapping[str, Sequence[Claim]]) -> str:
    """One table per heading."""
    parts = ["# The paper's claims in words\n"]
    for heading, claims in by_heading.items():
        rows = [["claim", "arms", "measure", "estimate [95 %]", "verdict"], [":--"] * 5]
        rows += [[c.claim, escape_markdown(Cell(clean(c.about))), c.measure, _interval(c), c.verdict] for c in claims]
        parts.append(f"## {clean(heading)}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows))
    return "\n".join([*parts, RULE, ""])


def claims_csv(by_heading: Mapping[str, Sequence[Claim]]) -> str:
    """One line per claim; numbers in the unit that the line names, empty if unknown."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow("runs,claim,arms,measure,unit,estimate,low,high,verdict".split(","))
    for heading, claims in by_heading.items():
        for c in claims:
            numbers = (c.estimate.value, c.estimate.low, c.estimate.high)
            cells = ["" if v != v else f"{SCALE[c.unit] * v:.4f}" for v in numbers]
            texts = map(guarded, (heading, c.claim, c.about, c.measure, c.unit))
            writer.writerow([*texts, *cells, c.verdict])
    return out.getvalue()


def write_claims(by_heading: Mapping[str, Sequence[Claim]], folder: Path) -> list[Path]:
    """Write `claims.md` and `claims.csv`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "claims.md", folder / "claims.csv"]
    for path, text in zip(paths, (claims_markdown(by_heading), claims_csv(by_heading))):
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"))
    return paths


def _interval(c: Claim) -> str:
    e, scale = c.estimate, SCALE[c.unit]
    if e.value != e.value:
        return "-"
    digits = 3 if c.unit == "fraction" else 2
    plus = "" if e.low >= 0 and "sd of" in c.measure else "+"
    low, mid, high = (f"{scale * v:{plus}.{digits}f}" for v in (e.low, e.value, e.high))
    return f"{mid} [{low}, {high}] {c.unit}"
