"""Which runs a grid is to have: noted beside them, so that `dropmix status` can list those not begun."""

from pathlib import Path
from typing import Any

PLANNED = "planned.txt"
MOST_BYTES = 10_000_000


def remember_plan(out: Path, runs: list[Any]) -> None:
    """Add the folder names of runs to those noted in `out`; a resumed or larger grid keeps what was there."""
    from dropmix.audit.spreadsheet import write_whole

    known = planned(out)
    names = sorted({*known, *(spec.folder_name for spec in runs)})
    if names != known:
        text = "".join(f"{name}\n" for name in names)
        write_whole(out / PLANNED, lambda part: part.write_text(text, encoding="utf-8"))


def planned(out: Path) -> list[str]:
    """The sorted folder names noted in `out`; none where there is no note, or one that we did not write."""
    file = out / PLANNED
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            return []
        return sorted({name for name in file.read_text(encoding="utf-8").split("\n") if name})
    except (OSError, UnicodeDecodeError):
        return []
