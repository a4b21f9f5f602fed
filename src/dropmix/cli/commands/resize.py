"""The command resize: smaller copies of a folder of pictures."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.streams import say

EVERY = 10.0  # seconds between two lines of progress
SHOWN = 20  # damaged pictures that are named


@app.command()
def resize(
    source: Annotated[Path, typer.Argument(help="Folder of pictures, e.g. ImageNet's with train and val.")],
    out: Annotated[Path, typer.Argument(help="Folder for the copies.")],
    size: Annotated[int, typer.Option(min=1, help="Shorter side in pixels.")] = 256,
) -> None:
    """Copy a folder of pictures at a smaller size.

    Scales the shorter side and writes JPEG of quality 95. Run it again to resume.
    """
    from dropmix.audit.arm_names import visible
    from dropmix.data.resize import resize_folder
    from dropmix.train.device import cores

    started = told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= EVERY:
            told = time.monotonic()
            print(f"{done} of {total} pictures, {done / (told - started):.0f} per second", flush=True)

    counts = resize_folder(source, out, size, cores(), tell)
    say(f"{counts.resized} pictures resized, {counts.copied} copied, {counts.there} already there, in {out}")
    for line in counts.notes:
        print(visible(line))
    for what, names in (
        ("changed since the last call, and resized again", counts.changed),
        (f"copies without a picture in {source}, to be removed by you", counts.left_over),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            print(visible(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"))
    for line in counts.damaged[:SHOWN]:
        print(f"failed: {line}", file=sys.stderr)
    if counts.damaged:
        print(f"{len(counts.damaged)} cannot be read. Replace them and run the same command again.", file=sys.stderr)
        raise typer.Exit(1)
