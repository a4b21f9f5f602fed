"""Files that are either complete or absent, small ones read within limits, and what the system refuses, in words."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PATHS = {  # what the system found at a path that the user gave
    errno.EEXIST: ("a folder that is there or can be made", "a file of that name", "Choose another path"),
    errno.ENOTDIR: ("a folder above it", "a file", "Choose another path"),
    errno.EISDIR: ("a file", "a folder", "Choose another path"),
    errno.ENAMETOOLONG: ("a name that the file system can hold", "a longer one", "Shorten it"),
    errno.ELOOP: ("a file or folder", "a loop of links", "Check the path"),
    errno.EROFS: ("a place that can be written", "a read-only file system", "Choose another path"),
    errno.ESTALE: ("a file that is still there", "one that its file server has replaced", "Run again"),
    errno.EMFILE: ("more files open at a time", "the limit of this shell", "Raise it, e.g. ulimit -n 4096"),
}
MOST_BYTES = 100_000_000  # of an audit.json, whose objects take about ten times the memory


def write_atomic(path: Path, write: Callable[[BinaryIO], object] | bytes) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one.

    Args:
        path: of the file; its folder must exist.
        write: its content, or a function that writes into the given binary file.
    Raises:
        OSError: the disk is full or not writable; it names the file, and nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(write) if isinstance(write, bytes) else write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        # A write names no file, an open the hidden one, and torch says that its writer failed, not why.
        system = error if isinstance(error, OSError) else error.__context__
        if isinstance(error, Exception) and isinstance(system, OSError) and system.errno is not None:
            raise OSError(system.errno, system.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def read_regular(path: Path, most: int = 10_000_000, end: bool = False) -> bytes:
    """The content of a file, or its last bytes. A pipe would hang, and a device never end.

    Args:
        path: of the file.
        most: bytes read at most.
        end: read the last bytes of a longer file, instead of refusing it.
    Raises:
        OSError: no regular file, one that cannot be opened, or a longer one.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if size > most and not end:
        raise OSError(errno.EOVERFLOW, f"it is longer than {most:,} bytes", str(path))
    with path.open("rb") as file:
        file.seek(max(0, size - most))
        return file.read(most)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object that a small file holds; None where it is missing or damaged."""
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_whole_parquet(path: Path) -> bool:
    """Whether a file begins and ends as parquet does: one that was cut short does not."""
    if not path.is_file():  # a pipe would hang
        return False
    try:
        with path.open("rb") as file:
            first = file.read(4)
            file.seek(-4, os.SEEK_END)
            return first == file.read(4) == b"PAR1"
    except OSError:
        return False


def damage_of(done: Path, predictions: Path) -> str:
    """What is wrong with the two files that a finished run leaves, and what to do; "" if nothing is."""
    for file in (done, predictions):  # a file that cannot be opened is no reason to train again
        try:
            read_regular(file, 0, end=True)
        except OSError as error:
            return f"{file.name} cannot be opened ({error.strerror}); check its permissions and kind"
    known = read_object(done)
    if known is None:
        return "done cannot be read; remove the folder and run again"
    if known.get("format", 1) != 1:
        return f"done is of format {str(known['format'])[:20]}, which another version of dropmix wrote; update dropmix"
    if not is_whole_parquet(predictions):
        return "predictions.parquet is cut short; run again"
    own = sha256(predictions)
    changed = known.get("predictions_sha256", own) != own
    return "predictions.parquet is not what the run wrote; remove the folder and run again" if changed else ""


def no_space(error: BaseException | None) -> BaseException | None:
    """The error among those that led to this one that says that a disk or a quota is full; None without one.

    Torch tells of it as a writer that failed, and hides the system's own error.
    """
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or "enforce fail at inline_container" in str(error):
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def refusal(error: BaseException) -> str:
    """What the system refused, where, and what to do; "" for errors of other kinds."""
    full = no_space(error)
    if full is not None:
        got = "none of your quota" if getattr(full, "errno", None) == errno.EDQUOT else "none"
        return f"{_place(full)}expected free disk space, got {got}. Free some or choose another --out, then run again."
    if not isinstance(error, OSError):
        return ""
    if isinstance(error, PermissionError):
        where = _closed(error.filename)
        return f"{where}: expected permission to read or write it, got none. Change its permissions."
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename}: expected a file, got nothing there. Check the path."
    if error.errno in PATHS:
        expected, got, advice = PATHS[error.errno]
        return f"{_place(error)}expected {expected}, got {got}. {advice}."
    if isinstance(error.filename, str) and error.strerror:
        return (
            f"{_place(error)}expected it to be read or written, got: {error.strerror}. Check the disk, then run again."
        )
    return ""


def _place(error: BaseException, most: int = 200) -> str:
    """The file that an error of the system is about, before a colon; "" if it names none."""
    where = getattr(error, "filename", None)
    if where is None:
        return ""
    path = os.fsdecode(where) if isinstance(where, str | bytes) else str(where)
    return f"{path if len(path) <= most else f'{path[: most // 2]}...{path[-most // 2 :]}'}: "


def _closed(path: Any) -> Any:
    """What permissions are lacking on: a file, or the folder in which it could not be made or found."""
    places = (Path(path), *Path(path).parents) if isinstance(path, str) else ()
    return next((place for place in places if os.path.lexists(place)), path)


def _sync_folder(folder: Path) -> None:
    # Without this a power cut can lose the rename; file systems that refuse it leave nothing to do.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
