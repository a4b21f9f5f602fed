"""Copy a folder of pictures with their shorter side resized, so that they are read faster."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from dropmix.data.files import RESIZED
from dropmix.data.picture import read_picture, shorter_side
from dropmix.data.readers.walk import Left, images_below
from dropmix.data.records import DataError

QUALITY = 95
CHUNK = 32
"""Number of pictures that a thread takes at a time."""


@dataclass
class Counts:
    """The outcome for a folder's pictures: numbers; names of those changed since an earlier call (which are resized
    again) and of copies whose picture is gone; a line for each unreadable picture; and what was left out."""

    resized: int = 0
    copied: int = 0
    there: int = 0
    changed: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def resize_folder(
    source: Path, out: Path, size: int, threads: int, on_progress: Callable[[int, int], object] = lambda done, all: None
) -> Counts:
    """Copy a folder of pictures; a second call goes on with the missing ones.

    A picture whose shorter side is longer than `size` becomes a JPEG of quality 95 (4:2:0). It keeps its name, even
    with another ending, so that rows of predictions keep their names. It is turned by its EXIF orientation, which the
    copy does not keep. A smaller picture is copied byte for byte. When all pictures are there, `resized.json` in `out`
    says so; before that, the folder cannot be trained on.

    Args:
        source: the folder; every picture below it is taken.
        out: folder of the copies, at the same paths.
        size: shorter side, pixels.
        threads: number of threads.
        on_progress: called as on_progress(pictures done, all pictures) now and then.
    Returns:
        Counts. Damaged pictures are skipped; replace them and call again to finish.
    Raises:
        DataError: no picture in `source`, `out` lies inside it, or `out` is for another size.
    """
    if not source.is_dir() or Path(os.path.realpath(out)).is_relative_to(os.path.realpath(source)):
        raise DataError(f"resize: expected a folder and one outside of it, got {source} and {out}. Check the paths.")
    left = Left()
    files = list(images_below(str(source), left))
    if not files:
        raise DataError(f"{source}: expected pictures, got none. Check the path.")
    _begin(out, size)
    counts = Counts(notes=left.notes(source))
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            parts = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
            for finished in as_completed([pool.submit(_resize_some, part, source, out, size) for part in parts]):
                part = finished.result()
                counts.resized, counts.copied = counts.resized + part.resized, counts.copied + part.copied
                counts.there, counts.damaged = counts.there + part.there, counts.damaged + part.damaged
                counts.changed += part.changed
                done += part.resized + part.copied + part.there + len(part.damaged)
                on_progress(done, len(files))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if not counts.damaged:
        _write(out / RESIZED, json.dumps(_note(size) | {"complete": True}).encode())
    wanted = {os.path.relpath(file, source) for file in files}
    counts.left_over = sorted({os.path.relpath(file, out) for file in images_below(str(out))} - wanted)
    counts.changed.sort()
    counts.damaged.sort()
    return counts


def _note(size: int) -> dict[str, int]:
    return {"shorter_side": size, "quality": QUALITY}


def _begin(out: Path, size: int) -> None:
    note = out / RESIZED
    if note.is_file():
        try:
            known = json.loads(note.read_bytes())
        except (ValueError, RecursionError):
            known = None
        known = known if isinstance(known, dict) else {}
        if {key: known.get(key) for key in _note(size)} != _note(size):
            raise DataError(f"{note}: expected {_note(size)}, got {known}. Choose another folder, or delete this one.")
    elif out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out}: expected an empty folder, or one of an earlier call, got another. Choose another one.")
    out.mkdir(parents=True, exist_ok=True)
    _write(note, json.dumps(_note(size) | {"complete": False}).encode())


def _resize_some(files: list[str], source: Path, out: Path, size: int) -> Counts:
    counts = Counts()
    for file in files:
        target = out / os.path.relpath(file, source)
        if target.is_file() and (copy := target.stat()).st_size:
            if os.stat(file).st_mtime <= copy.st_mtime:
                counts.there += 1
                continue
            counts.changed.append(os.path.relpath(file, source))
        try:
            picture = read_picture(file, exif=True)
        except DataError as error:
            counts.damaged.append(str(error))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if min(picture.shape[:2]) <= size:
            _write(target, Path(file).read_bytes())
            counts.copied += 1
        else:
            encoded = io.BytesIO()
            Image.fromarray(shorter_side(picture, size)).save(encoded, "JPEG", quality=QUALITY)
            _write(target, encoded.getvalue())
            counts.resized += 1
    return counts


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:  # a write names no file
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
