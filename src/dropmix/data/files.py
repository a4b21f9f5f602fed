"""Data sets whose pictures stay in their files, as ImageNet's must. Imports no torch."""

import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dropmix.data.catalog import IMAGENET_MEAN, IMAGENET_STD
from dropmix.data.records import DataError, Dataset, DataSource, Files, Rows

RESIZED = "resized.json"
"""File that `dropmix resize` leaves in a folder: shorter side, JPEG quality, and whether all pictures are there."""


def in_files(
    name: str, source: DataSource, chosen: dict[str, tuple[Rows, np.ndarray]], size: int | None, exif: bool = False
) -> Dataset:
    """The data set of chosen rows, without their pixels.

    Args:
        name: of the data set, as given.
        source: gives the classes.
        chosen: for "train", "test" and perhaps "validation" the rows to take.
        size: side of the squares that batches are cut to, pixels.
        exif: turn pictures by their EXIF orientation.
    Raises:
        DataError: no size, or pictures that are not single files.
    """
    if size is None:
        raise DataError("load: expected a size of the crops, got none. Give one, e.g. size=224.")
    splits = {}
    for key, (rows, which) in chosen.items():
        if rows.root is None:
            raise DataError(
                f"load: expected a folder of pictures to crop at random size, got {name}, whose pictures are no files. "
                "Use --set data.resized_crop=false."
            )
        splits[key] = Files(rows.root, rows.labels[which], rows.ids[which], size, exif)
    return Dataset(
        name=source.name,
        train=splits["train"],
        test=splits["test"],
        classes=source.classes,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        fingerprint=fingerprint(name, source.classes, splits),
        superclasses=source.superclasses,
        validation=splits.get("validation"),
        resized=resized_to(splits["train"].root),
        notes=source.notes,
    )


def fingerprint(name: str, classes: list[str], splits: dict[str, Files]) -> str:
    """SHA-256 (hex) over names, labels, paths below the root and sizes in bytes of all files; pixels do not enter.

    Hashing pixels would mean reading all of ImageNet before a run. A picture that was truncated, resized or compressed
    again has another size; a change in place that keeps the size goes unnoticed.
    """
    digest = hashlib.sha256(repr(("files", name, classes)).encode())
    for key, split in splits.items():
        digest.update(repr((key, len(split))).encode())
        digest.update(split.labels.astype(np.int64).tobytes())
        digest.update("\0".join(split.ids).encode())
        digest.update(file_sizes(split).tobytes())
    return digest.hexdigest()


def file_sizes(split: Files) -> np.ndarray:
    """Size of each file in bytes, int64 (N,).

    Raises:
        DataError: a missing file.
    """

    def sizes(start: int) -> list[int]:
        return [os.stat(split.path(row)).st_size for row in range(start, min(start + 1000, len(split)))]

    try:
        # In threads, because a network file system spends nearly all of this time waiting.
        with ThreadPoolExecutor(16) as pool:
            parts = list(pool.map(sizes, range(0, len(split), 1000)))
    except OSError as error:
        raise unreadable(error.filename, error) from error
    return np.array([size for part in parts for size in part], np.int64)


def resized_to(root: str) -> int | None:
    """Shorter side, in pixels, to which `dropmix resize` has brought a folder's pictures, or None.

    Raises:
        DataError: the folder's note about it is damaged, or says that pictures are missing.
    """
    note = os.path.join(root, RESIZED)
    if not os.path.isfile(note):
        return None
    try:
        with open(note, encoding="utf-8") as stored:
            known = json.loads(stored.read(2**16))
        side, complete = known["shorter_side"], known["complete"]
        if type(side) is not int or side < 1 or type(complete) is not bool:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{note}: expected what dropmix resize wrote, got something else. Resize again.") from error
    if not complete:
        raise DataError(f"{root}: expected all pictures resized, got some. Run the same dropmix resize again.")
    return side


def unreadable(file: str, error: OSError) -> DataError:
    """The error for a picture that cannot be opened; one that lacks permissions, or whose disk fails, may be sound."""
    advice = {
        errno.EACCES: "Change its permissions",
        errno.EPERM: "Change its permissions",
        errno.EIO: "Check the disk",
        errno.ESTALE: "Run again",
    }.get(error.errno or 0, "Replace or remove it")
    return DataError(f"{file}: expected a picture, got {error.strerror}. {advice}.")
