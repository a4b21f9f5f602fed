"""Notes beside the runs of a grid: which runs it is to have, for `dropmix status`; and its pictures, by which a changed
one can be named."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

MOST_BYTES = 100_000_000
MOST_PLANNED = 20_000_000
PLANNED = "planned.txt"
PICTURES = "pictures.json"
SHOWN = 3


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
        if not file.is_file() or file.stat().st_size > MOST_PLANNED:
            return []
        return sorted({name for name in file.read_text(encoding="utf-8").split("\n") if name})
    except (OSError, UnicodeDecodeError):
        return []


def tell_left_out(folder: Path) -> None:
    """Say on standard error which runs of a grid are not finished or damaged, for commands that read the others."""
    from dropmix.audit.arm_names import visible
    from dropmix.grid.store import scan

    left = [run for run in scan(folder) if run.state != "done"] if folder.is_dir() else []
    for run in left[:SHOWN]:
        why = f": {run.cause}" if run.cause else ""
        print(visible(f"left out: {run.path.name} is {run.state}{why}"), file=sys.stderr)
    if len(left) > SHOWN:
        print(f"and {len(left) - SHOWN} more; dropmix status lists all", file=sys.stderr)


def check_grid(out: Path, runs: list[Any], dataset: Any) -> None:
    """Refuse a folder whose runs belong to another grid, or were trained on other pictures.

    Raises:
        StoreError: names the pictures that differ, else the settings.
    """
    from dropmix.audit.arm_names import visible
    from dropmix.grid.store import StoreError, check_same_grid

    try:
        check_same_grid(out, *runs)
    except StoreError as error:
        changed = differences(_noted(out), pictures_of(dataset)) if "data.fingerprint" in str(error) else ""
        if not changed:
            raise
        raise StoreError(
            f"{out}: expected the pictures that its runs were trained on, got others: {visible(changed)}. "
            "Put them back, or choose another --out."
        ) from error


def remember_pictures(out: Path, dataset: Any) -> None:
    """Note the pictures of a grid in `out`, unless they are noted already."""
    from dropmix.audit.spreadsheet import write_whole

    if not (out / PICTURES).exists() and (pictures := pictures_of(dataset)):
        text = json.dumps(pictures, indent=0)
        write_whole(out / PICTURES, lambda part: part.write_text(text, encoding="utf-8"))


def pictures_of(dataset: Any) -> dict[str, str]:
    """Name of each picture, and a digest of its pixels or the size of its file; {} for texts and numbered pictures."""
    from dropmix.data import Split
    from dropmix.data.files import file_sizes
    from dropmix.data.records import Files

    digests: dict[str, str] = {}
    for split in (dataset.train, dataset.validation, dataset.test):
        if isinstance(split, Split) and split.ids.dtype.kind == "U":
            contents = [hashlib.blake2b(image.tobytes(), digest_size=6).hexdigest() for image in split.images]
        elif isinstance(split, Files):
            contents = [f"{size} bytes" for size in file_sizes(split)]
        else:
            continue
        digests |= zip((str(name) for name in split.ids), contents)
    return digests


def differences(before: dict[str, str], now: dict[str, str]) -> str:
    """What differs between two notes of pictures, in words; "" if nothing does or one of them is empty.

    Example:
        >>> differences({"a/1.png": "x", "a/2.png": "y"}, {"a/1.png": "z"})
        '1 changed (a/1.png), 1 missing (a/2.png)'
    """
    if not before or not now:
        return ""
    kinds = {
        "changed": [name for name in before.keys() & now.keys() if before[name] != now[name]],
        "missing": list(before.keys() - now.keys()),
        "new": list(now.keys() - before.keys()),
    }
    return ", ".join(f"{len(names)} {kind} ({_first(sorted(names))})" for kind, names in kinds.items() if names)


def _first(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _noted(out: Path) -> dict[str, str]:
    """What `remember_pictures` wrote; {} where there is nothing, or something that it did not write."""
    from dropmix.audit.formats.archives import within_limits

    file = out / PICTURES
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            return {}
        known = json.loads(within_limits(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) and all(isinstance(value, str) for value in known.values()) else {}
