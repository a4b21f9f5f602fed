"""The 1,797 digits of 8 x 8 pixels that ship with scikit-learn: real images without a download."""

from importlib import metadata
from pathlib import Path

import numpy as np

from dropmix.data.cache import cached
from dropmix.data.records import DataError, DataSource, Rows
from dropmix.data.stratify import split_rows


def read(name: str, path: Path | None) -> DataSource:
    """The digits with a fixed stratified split of 1,258 training and 539 test images.

    The source has no split. Values 0 - 16 are scaled to 0 - 255; ids are row numbers in
    scikit-learn's order, so train and test share one numbering.

    Source:
        Alpaydin and Kaynak 1998, test part of the UCI set "Optical recognition of handwritten digits".
    """
    del path
    packed = cached([], np.arange(0), (name, version()), from_package)
    images, labels = packed[:, :64].reshape(-1, 8, 8, 1), packed[:, 64].astype(np.int64)
    classes = [str(digit) for digit in range(10)]
    train, test = split_rows(labels, classes, validation=0.3, seed=0)

    def rows(chosen: np.ndarray) -> Rows:
        return Rows(labels[chosen], chosen, lambda wanted: images[chosen[wanted]])

    return DataSource(name, rows(train), rows(test), classes)


def version() -> str:
    """Version of scikit-learn, found without importing it."""
    try:
        return metadata.version("scikit-learn")
    except metadata.PackageNotFoundError as error:
        raise DataError(
            "load: expected scikit-learn for the digits that ship with it, got none. Install the extra 'train'."
        ) from error


def from_package() -> np.ndarray:
    """Pixels and, last, the label of each digit: uint8 (1797, 65).

    Importing scikit-learn takes nearly all of the time, and the cache spares it the workers of a grid.
    """
    from sklearn.datasets import load_digits

    flat, labels = load_digits(return_X_y=True)
    return np.column_stack([np.round(np.asarray(flat) * (255 / 16)), np.asarray(labels)]).astype(np.uint8)
