"""Fashion-MNIST in its IDX files, plain or gzip-compressed."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from dropmix.data.records import DataError, DataSource, Rows

FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
PREFIX = {"train": "train", "test": "t10k"}
PLACES = (".", "FashionMNIST/raw", "raw")
"""Subfolders to search; the second is torchvision's."""


def read(name: str, path: Path) -> DataSource:
    """Train and test split of Fashion-MNIST; ids are row numbers of each split.

    Args:
        name: of the data set.
        path: folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, or with `.gz`.
    Raises:
        DataError: a file that is missing, truncated or of another kind, or counts that differ.
    """
    splits = {}
    for split, prefix in PREFIX.items():
        images, labels = (find(path, f"{prefix}-{what}") for what in ("images", "labels"))
        pixels, classes = read_idx(images, 3)[..., None], read_idx(labels, 1).astype(np.int64)
        if len(pixels) != len(classes):
            raise DataError(
                f"{labels}: expected {len(pixels)} labels, one for each image, got {len(classes)}. "
                "Fetch both files again."
            )
        splits[split] = Rows(classes, np.arange(len(classes)), lambda rows, pixels=pixels: pixels[rows])
    return DataSource(name, splits["train"], splits["test"], FASHION)


def find(path: Path, start: str) -> Path:
    """The file whose name starts with `start`, plain before compressed."""
    for place in PLACES:
        if matches := sorted((path / place).glob(f"{start}*ubyte*")):
            return matches[0]
    raise DataError(
        f"{path}: expected a file {start}-idx*-ubyte or the same with .gz, got none. "
        "Name the folder that holds the IDX files, or allow the download with --download."
    )


def read_idx(file: Path, dimensions: int) -> np.ndarray:
    """The array of an IDX file of unsigned bytes: uint8 with the shape from its header.

    Raises:
        DataError: the file is damaged, truncated or of another kind.
    Source:
        Format at the end of LeCun's MNIST page: 0, 0, type (8 = unsigned byte), number of dimensions,
        sizes as big-endian int32, then the values in C order.
    """
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stored:
            content = stored.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: expected a whole IDX file, got {error}. Fetch the file again.") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(
            f"{file}: expected an IDX file of unsigned bytes with {dimensions} dimensions, "
            f"got one that starts with {content[:4].hex(' ')}. Fetch the file again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    wanted = header + int(np.prod(shape, dtype=np.int64))
    if len(content) != wanted:
        raise DataError(f"{file}: expected {wanted} bytes of IDX, got {len(content)}. Fetch the file again.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
