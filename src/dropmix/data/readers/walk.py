"""The pictures and folders below a folder, read entry by entry, and notes on what was skipped."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dropmix.data.records import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
CONVERTIBLE = {
    ".heic",
    ".heif",
    ".avif",
    ".jp2",
    ".dcm",
    ".dicom",
    ".cr2",
    ".cr3",
    ".nef",
    ".arw",
    ".dng",
    ".raf",
    ".orf",
}
CONVERTIBLE |= {".psd", ".tga", ".exr", ".svg", ".npy", ".nii", ".pbm", ".pnm", ".ico", ".jxl"}
"""Formats of pictures that are not read here."""
PAPERS = {".txt", ".xml", ".json", ".csv", ".tsv", ".xls", ".xlsx", ".pdf", ".mat", ".yaml", ".yml"}
"""Endings of files that describe pictures."""
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"}
STORES = {".arrow", ".tfrecord", ".tfrecords", ".h5", ".hdf5", ".npz", ".npy", ".mat", ".pkl", ".lmdb", ".mdb", ".rec"}
"""Endings of files that hold many pictures and are not read here."""
MASKS = {"mask", "masks", "annotations", "groundtruth", "ground_truth", "segmentation", "segmentations"}
MASKS |= {"segmentationclass", "segmentationobject"}
PHOTOGRAPHS = {"jpegimages"} | {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"}
MASK_OF = re.compile(r"(.+?)[-_ ]*(?:mask|segmentation)(?:[-_ ]?\d+)?", re.IGNORECASE)
JUNK = {"__macosx", "@eadir", "$recycle.bin", "recycler", "system volume information", "lost+found", "found.000"}
JUNK |= {"#recycle", "@recycle", "#snapshot", "@recently-snapshot"}
"""Folders that operating systems and network drives create; names that begin with a dot are hidden too."""
DEBRIS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", "thumbs.db:encryptable"}
"""Files that they create."""
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
    stores: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    papers: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def notes(self, root: Path) -> tuple[str, ...]:
        """A line per remark, and a line per kind of path left out, with their number and the first names."""
        kinds = {
            "hidden folder(s)": self.hidden,
            "hidden picture(s)": self.hidden_files,
            "broken link(s)": self.broken,
            "split(s)": self.splits,
            "folder(s)": self.folders,
            "folder(s) without pictures": self.papers,
            "folder(s) with the same folders once more": self.repeated,
            "mask(s)": self.masks,
            "picture(s) that iCloud has not downloaded": self.absent,
            "device(s) or pipe(s)": self.special,
            "picture(s) without a label": self.unlabelled,
            "picture(s) outside of the class folders": self.stray,
            "archive(s) or data file(s) beside the class folders": self.stores,
        }
        lines = list(dict.fromkeys(self.remarks))
        lines += [counted(kind, [os.path.relpath(p, root) for p in paths]) for kind, paths in kinds.items() if paths]
        if self.endings:
            names = ", ".join(ending or "no ending" for ending, _ in self.endings.most_common(NAMED))
            count = sum(self.endings.values())
            lines.append(
                f"{count} {'file' if count == 1 else 'files'} left out, of no format that is read here: {names}"
                f"{'. Convert pictures among them to PNG or JPEG' if CONVERTIBLE & {*self.endings} else ''}"
            )
        return tuple(lines)


def counted(kind: str, names: list[str]) -> str:
    """How many of a kind were left out; its plural's "s" stands in brackets.

    Example:
        >>> counted("hidden folder(s)", [".a", ".b"])
        '2 hidden folders left out: .a, .b'
    """
    names = sorted(set(names))
    return f"{len(names)} {kind.replace('(s)', '' if len(names) == 1 else 's')} left out: {listed(names)}"


def listed(names: list[str]) -> str:
    """The first names, and the number of others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def subfolders(path: Path, left: Left | None = None) -> list[Path]:
    """Sorted folders inside a folder, except hidden ones, those of operating systems, and masks beside images; `left`
    collects what was skipped."""
    folders = []
    entries = sorted(scan(str(path)), key=lambda entry: entry.name)
    masks = masks_among(entries)
    for entry in entries:
        if entry.name in masks:
            if left is not None:
                left.masks += images_below(entry.path) if entry.is_dir() else [entry.path]
        elif entry.is_dir():
            if not is_hidden(entry.name):
                folders.append(Path(entry.path))
            elif left is not None and next(images_below(entry.path), None):
                left.hidden.append(entry.path)
        elif left is not None and is_broken(entry):
            left.broken.append(entry.path)
        elif left is not None and is_picture(entry):
            left.stray.append(entry.path)
        elif left is not None and os.path.splitext(entry.name)[1].lower() in ARCHIVES | STORES | {".parquet"}:
            left.stores.append(entry.path)
    return folders


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def is_broken(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Entries of a folder. Their names must be UTF-8, because predictions are stored under them."""
    try:
        with os.scandir(folder) as entries:
            listing = list(entries)
    except OSError as error:
        raise DataError(
            f"{folder}: expected a folder that can be read, got {error.strerror}. Check its permissions and links."
        ) from error
    for entry in listing:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            shown = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise DataError(f"{folder}: expected names in UTF-8, got {shown}. Rename it.") from None
    return listing


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
    entries = sorted(scan(folder), key=lambda entry: entry.name)
    masks = masks_among(entries)
    for entry in entries:
        hidden, ending = is_hidden(entry.name), os.path.splitext(entry.name)[1].lower()
        if entry.name in masks:
            if left is not None:
                left.masks += images_below(entry.path, None, (*above, here)) if entry.is_dir() else [entry.path]
        elif ending in ENDINGS and entry.is_file():
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
        elif left is not None and not entry.is_file():
            left.special.append(entry.path)
        elif left is not None and hidden and ending == ".icloud":  # .1.jpg.icloud stands for 1.jpg
            left.absent.append(entry.path)
        elif left is not None and not hidden and entry.name.lower() not in DEBRIS and entry.name[:2] != "~$":
            left.endings[ending] += 1


def masks_among(entries: list[os.DirEntry[str]]) -> set[str]:
    """Names of masks: folders such as "masks" beside "images", and pictures such as "1_mask.png" beside "1.jpg"."""
    names = {entry.name.lower() for entry in entries}
    masks = {entry.name for entry in entries if entry.name.lower() in MASKS and entry.is_dir() and names & PHOTOGRAPHS}
    if not any("mask" in name or "segmentation" in name for name in names):
        return masks
    stems = {os.path.splitext(name)[0] for name in names if os.path.splitext(name)[1] in ENDINGS}
    for entry in entries:
        of = MASK_OF.fullmatch(os.path.splitext(entry.name.lower())[0])
        if of and of[1] in stems and os.path.splitext(entry.name)[1].lower() in ENDINGS:
            masks.add(entry.name)
    return masks


def only_papers(folder: Path) -> bool:
    """Whether a folder holds files that describe pictures, and nothing else."""
    seen = Left()
    return not next(images_below(str(folder), seen), None) and bool(seen.endings) and {*seen.endings} <= PAPERS


def has_classes(path: Path) -> bool:
    """Whether a folder has folders with pictures in them."""
    return any(next(images_below(str(folder)), None) for folder in subfolders(path))


def has_pictures(path: Path) -> bool:
    return any(is_picture(entry) for entry in scan(str(path)))


def class_folders(path: Path, left: Left | None = None) -> list[Path]:
    """`subfolders` without those that hold only files which describe pictures, and without copies of the whole.

    A copy holds only folders of the names beside it: pets beside cat and dog, if it holds cat and dog.
    """
    folders = subfolders(path, left)
    papers = [folder for folder in folders if only_papers(folder)]
    inside = {folder: names_inside(folder) for folder in folders if folder not in papers}
    beside = {folder.name for folder in inside}
    copies = {f.name: names for f, names in inside.items() if len(names) > 1 and names <= beside - {f.name}}
    repeated = [folder for folder in inside if folder.name in copies and not copies[folder.name] & copies.keys()]
    if left is not None:
        left.papers += map(str, papers)
        left.repeated += map(str, repeated)
    return [folder for folder in folders if folder not in papers and folder not in repeated]


def names_inside(folder: Path) -> set[str]:
    """Names of the folders in a folder that holds no pictures itself; none if it does."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                names |= set() if is_hidden(entry.name) else {entry.name}
            elif is_picture(entry):  # nearly always the first
                return set()
    return names


def is_picture(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in ENDINGS and not entry.name.startswith(".") and entry.is_file()


def parquet_files(path: Path) -> list[Path]:
    """Sorted parquet files of a folder, at most two folders deep, hidden ones aside; or the file itself."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    files = [file for pattern in ("*", "*/*", "*/*/*") for file in path.glob(pattern)]
    parts = [(file, file.relative_to(path).parts) for file in files if file.suffix.lower() == ".parquet"]
    return sorted(file for file, names in parts if file.is_file() and not any(map(is_hidden, names)))
