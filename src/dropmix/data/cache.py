"""Decoded pictures kept on disk, so that the workers of a grid decode a set once and not once each.

A file holds one array in NumPy's format followed by the SHA-256 of its pixels. It is written beside its place and
renamed, so that a reader sees all of it or nothing. If the cache fails (a damaged file, no write permission, a full
disk), the pictures are decoded as without it; deleting it loses nothing. `DROPMIX_CACHE=off` turns it off.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

WORTH = 0.5
"""An array is kept if decoding took at least this many seconds."""
LIMIT = 4 * 2**30
"""Cache limit in bytes; least recently used arrays are evicted. An array over half of it is not kept."""
STALE = 86_400
"""Seconds after which an unfinished file is deleted."""


def folder() -> Path | None:
    """Folder of the cached arrays, or None if the cache is off."""
    if os.environ.get("DROPMIX_CACHE", "").lower() == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Without a home, as in some containers, the path keeps its "~".
    return None if home.startswith("~") else Path(home) / "dropmix"


def key(files: Sequence[str | Path], rows: np.ndarray, *settings: object) -> str:
    """Name of an entry: changes with place, size and time of any file, the rows, the settings, the decoder."""
    from PIL import __version__

    stats = [(os.path.abspath(file), (stat := os.stat(file)).st_size, stat.st_mtime_ns) for file in files]
    digest = hashlib.sha256(repr((1, __version__, settings, stats)).encode())
    digest.update(np.ascontiguousarray(rows, np.int64).data)
    return digest.hexdigest()[:32]


def cached(
    files: Sequence[str | Path], rows: np.ndarray, settings: tuple, decode: Callable[[], np.ndarray]
) -> np.ndarray:
    """The array that `decode` returns, from the cache if it is there.

    Args:
        files: all files that the pixels come from.
        rows: int64 (n,), the chosen pictures.
        settings: everything else that the pixels depend on, with a stable `repr`.
        decode: makes the array, uint8 of any shape.
    Returns:
        The array. From the cache it is mapped copy-on-write, so processes share its pages.
    """
    root = folder()
    if root is None:
        return decode()
    file = root / f"{key(files, rows, *settings)}.npy"
    stored = fetch(file)
    if stored is not None:
        return stored
    start = time.perf_counter()
    array = decode()
    if time.perf_counter() - start >= WORTH and array.nbytes <= LIMIT // 2:
        store(file, array)
    return array


def digest(array: np.ndarray) -> bytes:
    """SHA-256 of shape and pixels, 32 bytes."""
    made = hashlib.sha256(repr(array.shape).encode())
    made.update(np.ascontiguousarray(array).data)
    return made.digest()


def fetch(file: Path) -> np.ndarray | None:
    """The array of an entry, or None if it is missing or damaged; a damaged one is removed."""
    try:
        array = np.load(file, mmap_mode="c", allow_pickle=False)
        with file.open("rb") as stored:
            stored.seek(-32, os.SEEK_END)
            whole = array.dtype == np.uint8 and stored.read() == digest(array)
        if whole:
            os.utime(file)  # marks it as used, for `prune`
            return np.asarray(array)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError):
        pass
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
    return None


def store(file: Path, array: np.ndarray) -> None:
    """Write a whole entry or nothing; failing to write is no error."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        prune(file.parent, array.nbytes)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as out:
            temporary = Path(out.name)
            np.lib.format.write_array(out, np.ascontiguousarray(array), allow_pickle=False)
            out.write(digest(array))
        os.replace(temporary, file)
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def prune(root: Path, needed: int) -> None:
    """Make room for `needed` bytes: delete unfinished files older than a day, then the least recently used entries."""
    now = time.time()
    entries = []
    for file in root.iterdir():
        stat = file.stat()
        if file.suffix == ".tmp" and now - stat.st_mtime > STALE:
            file.unlink(missing_ok=True)
        elif file.suffix == ".npy":
            entries.append((stat.st_mtime, stat.st_size, file))
    total = needed + sum(size for _, size, _ in entries)
    for _, size, file in sorted(entries):
        if total <= LIMIT:
            return
        file.unlink(missing_ok=True)
        total -= size
