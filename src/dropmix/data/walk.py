"""The pictures and folders below a folder, read entry by entry, and notes on what was skipped."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dropmix.data.records import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
JUNK = {"__macosx", "@eadir", "$recycle.bin", "system volume information"}
"""Folders that operating systems create; names that begin with a dot are hidden too."""
NAMED = 3
"""Number of names in a note."""


@dataclass
class Left:
    """Paths left out of a folder, by kind, and other remarks."""

    hidden: list[str] = field(default_factory=list)
    hidden_files: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    splits: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def notes(self, root: Path) -> tuple[str, ...]:
        """A line per remark, and a line per kind of path left out, with their number and the first names."""
        kinds = {
            "hidden folder": self.hidden,
            "hidden picture": self.hidden_files,
            "broken link": self.broken,
            "split": self.splits,
            "folder": self.folders,
            "picture outside of the class folders": self.stray,
        }
        lines = list(dict.fromkeys(self.remarks))
        lines += [counted(kind, [os.path.relpath(p, root) for p in paths]) for kind, paths in kinds.items() if paths]
        if self.endings:
            names = ", ".join(ending or "no ending" for ending, _ in self.endings.most_common(NAMED))
            count = sum(self.endings.values())
            lines.append(
                f"{count} {'file' if count == 1 else 'files'} left out, of no format that is read here: {names}"
            )
        return tuple(lines)


def counted(kind: str, names: list[str]) -> str:
    """Example:
    >>> counted("hidden folder", [".a", ".b"])
    '2 hidden folders left out: .a, .b'
    """
    names = sorted(set(names))
    noun, outside, rest = kind.partition(" outside")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}{outside}{rest} left out: {listed(names)}"


def listed(names: list[str]) -> str:
    """The first names, and the number of others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def subfolders(path: Path, left: Left | None = None) -> list[Path]:
    """Sorted folders inside a folder, except hidden ones and those of operating systems, which `left` collects."""
    found = []
    for entry in sorted(scan(str(path)), key=lambda entry: entry.name):
        if entry.is_dir():
            if not is_hidden(entry.name):
                found.append(Path(entry.path))
            elif left is not None and next(images_below(entry.path), None):
                left.hidden.append(entry.path)
        elif left is not None and is_broken(entry):
            left.broken.append(entry.path)
        elif left is not None and is_picture(entry):
            left.stray.append(entry.path)
    return found


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def is_broken(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Entries of a folder. Their names must be UTF-8, because predictions are stored under them."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise DataError(
            f"{folder}: expected a folder that can be read, got {error.strerror}. Check its permissions and links."
        ) from error
    for entry in found:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            shown = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise DataError(f"{folder}: expected names in UTF-8, got {shown}. Rename it.") from None
    return found


def images_below(folder: str, left: Left | None = None, above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Paths of the images below a folder, sorted by their parts; linked folders are followed.

    Strings, not Path objects, because ImageNet has 1.3 million files.

    Args:
        folder: to search.
        left: collects what was skipped.
        above: device and inode of the folders on the way, to notice a link that leads back.
    Raises:
        DataError: links in a circle, a name that is not UTF-8, a folder that cannot be read.
    """
    try:
        stat = os.stat(folder)
    except OSError as error:
        raise DataError(f"{folder}: expected a folder, got {error.strerror}. Remove the link.") from error
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        raise DataError(f"{folder}: expected a folder, got a link to a folder around it. Remove the link.")
    for entry in sorted(scan(folder), key=lambda entry: entry.name):
        hidden, ending = is_hidden(entry.name), os.path.splitext(entry.name)[1].lower()
        if ending in ENDINGS and entry.is_file():
            if not hidden:
                yield entry.path
            elif left is not None:
                left.hidden_files.append(entry.path)
        elif entry.is_dir():
            if not hidden:
                yield from images_below(entry.path, left, (*above, here))
            elif left is not None:
                left.hidden.append(entry.path)
        elif left is not None and is_broken(entry):
            left.broken.append(entry.path)
        elif left is not None and not hidden and entry.name.lower() not in ("thumbs.db", "desktop.ini"):
            left.endings[ending] += 1


def has_classes(path: Path) -> bool:
    """Whether a folder has folders with pictures in them."""
    return any(next(images_below(str(folder)), None) for folder in subfolders(path))


def has_pictures(path: Path) -> bool:
    return any(is_picture(entry) for entry in scan(str(path)))


def is_picture(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in ENDINGS and not entry.name.startswith(".") and entry.is_file()
