"""The 1,797 digits of 8 x 8 pixels that ship with scikit-learn: real images without a download."""

from pathlib import Path

import numpy as np

from dropmix.data.records import Rows, Source
from dropmix.data.stratify import split_rows


def read(name: str, path: Path | None, size: int | None = None) -> Source:
    """The digits with a fixed stratified split of 1,258 training and 539 test images.

    The source has no split of its own. Values 0 - 16 are scaled to 0 - 255; ids are row numbers in
    scikit-learn's order, so train and test share one numbering.

    Source:
        Alpaydin and Kaynak 1998, test part of the UCI set "Optical recognition of handwritten digits".
    """
    del path, size
    from sklearn.datasets import load_digits

    flat, target = load_digits(return_X_y=True)
    images = np.round(np.asarray(flat).reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = np.asarray(target, np.int64)
    classes = [str(digit) for digit in range(10)]
    train, test = split_rows(labels, classes, validation=0.3, seed=0)

    def rows(chosen: np.ndarray) -> Rows:
        return Rows(labels[chosen], chosen, lambda wanted: images[chosen[wanted]])

    return Source(name, rows(train), rows(test), classes)
