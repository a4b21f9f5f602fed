"""CIFAR-10 and CIFAR-100 in the pickle files that torchvision fetches, read without running code from them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.data.records import DataError, DataSource, Rows, superclass_names

FILES = {
    "cifar10": (
        "cifar-10-batches-py",
        [f"data_batch_{number}" for number in range(1, 6)],
        "test_batch",
        "batches.meta",
    ),
    "cifar100": ("cifar-100-python", ["train"], "test", "meta"),
}
"""Folder, training files, test file, file with class names."""
KEYS = {"cifar10": ("labels", "label_names"), "cifar100": ("fine_labels", "fine_label_names")}

# The names in a pickled NumPy array, under old and new module names.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def _latin(text: str, encoding: str) -> bytes:
    """`_codecs.encode`, which Python 3 pickles of bytes call, for the one encoding they use."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Reads containers, strings, numbers and NumPy arrays; refuses a pickle that names anything else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) == ("_codecs", "encode"):
            return _latin
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"a pickle that names {module_name}.{global_name}")
        return _ALLOWED[module_name, global_name]


def read(name: str, path: Path) -> DataSource:
    """Train and test split of CIFAR-10 or CIFAR-100; ids are row numbers of each split.

    Args:
        name: "cifar10" or "cifar100".
        path: folder that holds `cifar-10-batches-py` or `cifar-100-python`, or that folder itself.
    Raises:
        DataError: a file is missing, damaged, or holds anything but arrays, lists and strings.
    """
    inner, train, test, meta = FILES[name]
    root = path / inner if (path / inner).is_dir() else path
    missing = [file for file in (*train, test, meta) if not (root / file).is_file()]
    if missing:
        raise DataError(
            f"{path}: expected parquet files, or {inner} with {', '.join(missing)}, got none. "
            "Name the folder that holds them, or allow the download with --download."
        )
    labels_key, names_key = KEYS[name]
    names = unpickle(root / meta, [names_key])
    contents = {
        split: [unpickle(root / file, ["data", labels_key]) for file in files]
        for split, files in (("train", train), ("test", [test]))
    }
    splits = {split: join(root, contents[split], labels_key) for split in contents}
    classes = [str(label) for label in names[names_key]]
    coarse = None
    if "coarse_labels" in contents["train"][0] and "coarse_label_names" in names:
        coarse = superclass_names(
            splits["train"].labels,
            np.asarray(contents["train"][0]["coarse_labels"]),
            [str(label) for label in names["coarse_label_names"]],
            len(classes),
        )
    return DataSource(name, splits["train"], splits["test"], classes, coarse)


def unpickle(file: Path, keys: list[str]) -> dict[str, Any]:
    """The dict of a file, which must hold `keys`."""
    try:
        with file.open("rb") as stored:
            # The files were written by Python 2, whose strings hold raw bytes.
            content = _Unpickler(stored, encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{file}: expected a CIFAR file of arrays, lists and strings, got {error or type(error).__name__}. "
            "Fetch the file again."
        ) from error
    if not isinstance(content, dict) or any(key not in content for key in keys):
        raise DataError(f"{file}: expected a CIFAR file with {', '.join(keys)}, got none. Fetch the file again.")
    return content


def join(root: Path, contents: list[dict[str, Any]], labels_key: str) -> Rows:
    """The files of one split, concatenated."""
    parts = [images_and_labels(root, content, labels_key) for content in contents]
    images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Rows(labels, np.arange(len(labels)), lambda rows: images[rows])


def images_and_labels(root: Path, content: dict[str, Any], labels_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 32, 32, 3) and labels int64 (n,) of one file."""
    data, labels = np.asarray(content["data"]), np.asarray(content[labels_key])
    if data.dtype != np.uint8 or labels.dtype.kind not in "iu" or data.shape != (labels.size, 3072):
        raise DataError(
            f"{root}: expected uint8 data of shape (n, 3072) and n integer labels in every file, "
            f"got {data.dtype} {data.shape} and {labels.dtype} {labels.shape}. Fetch the files again."
        )
    # Stored channel by channel.
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels.astype(np.int64)
