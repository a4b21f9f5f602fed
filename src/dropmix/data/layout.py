"""What a person's folder of pictures means: where its splits and classes are, and what in it is no picture."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dropmix.data.records import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
TRAIN = {"train", "training", "trainset", "trainingset"}
TEST = {"test", "testing", "testset", "testingset"}
VALIDATION = {"validation", "valid", "val", "validationset", "validset", "valset"}
SPLITS = TRAIN | TEST | VALIDATION
JUNK = {"__macosx", "@eadir", "$recycle.bin", "system volume information"}
"""Folders that operating systems leave; a name that begins with a dot is hidden too."""
DEPTH = 4
"""Folders around the data set that are seen through at most."""
NAMED = 3
"""Names that a note gives."""


@dataclass
class Left:
    """What was left out of a folder, by kind, as paths."""

    hidden: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    splits: list[str] = field(default_factory=list)

    def notes(self, root: Path) -> tuple[str, ...]:
        """A line for each kind: how many, and the first names."""
        kinds = (("hidden folder", self.hidden), ("broken link", self.broken), ("split", self.splits))
        lines = [counted(kind, [os.path.relpath(path, root) for path in paths]) for kind, paths in kinds if paths]
        if self.endings:
            names = ", ".join(ending or "no ending" for ending, _ in self.endings.most_common(NAMED))
            count = sum(self.endings.values())
            lines.append(f"{count} {'file' if count == 1 else 'files'} of no picture format left out: {names}")
        return tuple(lines)


def counted(kind: str, names: list[str]) -> str:
    """Example:
    >>> counted("hidden folder", [".a", ".b"])
    '2 hidden folders left out: .a, .b'
    """
    names = sorted(set(names))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} {kind}{'' if len(names) == 1 else 's'} left out: {', '.join(names[:NAMED])}{more}"


def split_of(name: str) -> str:
    """A folder's name as split names are compared: lower case, letters alone.

    Example:
        >>> split_of("Training_set") in TRAIN, split_of("1-val") in VALIDATION, split_of("trains") in SPLITS
        (True, True, False)
    """
    return "".join(letter for letter in name.lower() if letter.isalpha())


def subfolders(path: Path, left: Left | None = None) -> list[Path]:
    """Sorted folders inside a folder; hidden ones and those of operating systems are left out, and told to `left`."""
    found = []
    for entry in sorted(scan(str(path)), key=lambda entry: entry.name):
        if entry.is_dir():
            if not is_hidden(entry.name):
                found.append(Path(entry.path))
            elif left is not None and next(images_below(entry.path), None):
                left.hidden.append(entry.path)
        elif left is not None and is_broken(entry):
            left.broken.append(entry.path)
    return found


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def is_broken(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Entries of a folder, whose names must be UTF-8, since predictions are stored under them."""
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
    """Paths of the images below a folder, in the order of their parts; linked folders are followed.

    Strings and not Path objects: ImageNet has 1.3 million files.

    Args:
        folder: where to look.
        left: is told what was passed over.
        above: device and number of the folders on the way, to notice a link that leads back.
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
        if not hidden and ending in ENDINGS and entry.is_file():
            yield entry.path
        elif entry.is_dir():
            if not hidden:
                yield from images_below(entry.path, left, (*above, here))
            elif left is not None:
                left.hidden.append(entry.path)
        elif left is not None and is_broken(entry):
            left.broken.append(entry.path)
        elif left is not None and not hidden and entry.name.lower() not in ("thumbs.db", "desktop.ini"):
            left.endings[ending] += 1


@dataclass(frozen=True)
class FolderLayout:
    """Where a data set lies.

    Args:
        root: the folder around splits or classes.
        train, test: folders of class folders; test is None where `train` has to be split.
    """

    root: Path
    train: Path
    test: Path | None


def has_classes(path: Path) -> bool:
    """Whether a folder has folders with pictures in them."""
    return any(next(images_below(str(folder)), None) for folder in subfolders(path))


def find_layout(path: Path, left: Left, depth: int = DEPTH) -> FolderLayout:
    """Splits and classes of a folder.

    A folder named like a split counts as one if it holds class folders; beside folders of other names, one with
    pictures directly inside is a class. A single folder around it all is seen through.

    Raises:
        DataError: a split without its other, or two folders for one split.
    """
    folders = subfolders(path, left)
    named = {kind: [f for f in folders if split_of(f.name) in names] for kind, names in KINDS.items()}
    splits = [folder for found in named.values() for folder in found]
    others = [folder for folder in folders if folder not in splits]
    if splits and (any(has_classes(folder) for folder in splits) or not others):
        return find_splits(path, folders, named, left)
    if len(folders) == 1 and depth and not has_pictures(folders[0]) and has_classes(folders[0]):
        inner = subfolders(folders[0])
        if len(inner) > 1 or not has_pictures(inner[0]):
            return find_layout(folders[0], left, depth - 1)
    return FolderLayout(path, path, None)


KINDS = {"train": TRAIN, "test": TEST, "validation": VALIDATION}


def has_pictures(path: Path) -> bool:
    return any(os.path.splitext(e.name)[1].lower() in ENDINGS and e.is_file() for e in scan(str(path)))


def find_splits(path: Path, folders: list[Path], named: dict[str, list[Path]], left: Left) -> FolderLayout:
    """The folders to train on and to test on, of folders that are named like splits."""
    names = ", ".join(folder.name for folder in folders)
    for kind, found in named.items():
        if kind != "validation" and len(found) > 1:
            both = " and ".join(folder.name for folder in found)
            raise DataError(f"{path}: expected one folder for {kind}, got {both}. Remove or rename one.")
    train = next(iter(named["train"]), None)
    order = ["validation", "valid", "val", "validationset", "validset", "valset"]
    validation = sorted(named["validation"], key=lambda folder: order.index(split_of(folder.name)))
    tests = [*named["test"], *validation]
    # A test folder without class folders has no labels, as in competitions.
    test = next((folder for folder in tests if has_classes(folder)), None)
    if train is None or not tests:
        raise DataError(
            f"{path}: expected folders train and test (or val), got {names}. "
            "Add the missing one, or put the class folders directly into one folder."
        )
    if test is None or not has_classes(train):
        lacking = train if test is not None else tests[0]
        raise DataError(
            f"{lacking}: expected folders of images, one a class, got none. Sort its pictures into a folder per class."
        )
    left.splits += [str(folder) for folder in folders if folder not in (train, test)]
    return FolderLayout(path, train, test)
