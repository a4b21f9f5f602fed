"""The data sets by name: their descriptions and folders. Imports neither torch nor Pillow."""

import difflib
import os
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from dropmix.data.records import DataError


class Description(NamedTuple):
    """What is known about a data set before it is read.

    Args:
        text: a line for people.
        reader: module of this package that reads its layout; None for parquet alone.
        shape: (H, W, C) of the images; None if it depends on the files.
        classes, train, test: numbers of classes and images; None if they depend on the files.
        needs_path: False if the images come with a package.
        download: whether torchvision can fetch it.
        mean, std: published, fractions of 255; None to compute them from the training images.
    """

    text: str
    reader: str | None
    shape: tuple[int, int, int] | None = None
    classes: int | None = None
    train: int | None = None
    test: int | None = None
    needs_path: bool = True
    download: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


# Of CIFAR-100, but used for both sets, as in the code that the paper builds on.
CIFAR_MEAN = (129.3 / 255, 124.1 / 255, 112.4 / 255)
CIFAR_STD = (68.2 / 255, 65.4 / 255, 70.4 / 255)
# Of ImageNet, but used for all pictures that stay in their files.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DATASETS: dict[str, Description] = {
    "digits": Description(
        "8 x 8 digits that ship with scikit-learn", "digits", (8, 8, 1), 10, 1258, 539, needs_path=False
    ),
    "fashion-mnist": Description(
        "28 x 28 pictures of clothes (IDX files, gzip or not; parquet)",
        "idx",
        (28, 28, 1),
        10,
        60_000,
        10_000,
        download=True,
    ),
    "cifar10": Description(
        "32 x 32 photographs of 10 classes (torchvision's files; parquet)",
        "cifar",
        (32, 32, 3),
        10,
        50_000,
        10_000,
        download=True,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    ),
    "cifar100": Description(
        "32 x 32 photographs of 100 classes (torchvision's files; parquet)",
        "cifar",
        (32, 32, 3),
        100,
        50_000,
        10_000,
        download=True,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    ),
    "folder": Description("any folder of images, train/<class>/*.png with test/ or val/, or flat", "folder"),
    "parquet": Description("any folder of parquet files with encoded images and labels", None),
}
"""Name -> description: the choices for the command line and configuration files."""


def describe(name: str) -> Description:
    """The description of a name.

    Raises:
        DataError: unknown name; the message lists the known ones and the nearest.
    Example:
        >>> describe("digits").shape
        (8, 8, 1)
    """
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name.lower(), DATASETS, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}?" if near else "Use 'folder' with a path for your own images."
    raise DataError(f"load: expected a data set named {', '.join(DATASETS)}, got {name!r}. {hint}")


def locate(name: str, path: str | Path | None) -> Path | None:
    """The folder to read: `path`, else what DROPMIX_DATA names (its subfolder `name`, or itself).

    Returns:
        The folder, which may not exist yet; None for a set that needs none, even if `path` is given.
    Raises:
        DataError: no path and no DROPMIX_DATA, or a path that names no folder of this machine.
    """
    if not describe(name).needs_path:
        return None
    if path is not None:
        if not str(path).strip():
            raise DataError("load: expected a folder, got an empty path. Name it with --data.")
        if "://" in str(path):
            raise DataError(f"{path}: expected a folder on this machine, got an address. Copy the data here first.")
        path = Path(path).expanduser()
        return path / name if (path / name).is_dir() and name != "folder" else path
    root = os.environ.get("DROPMIX_DATA")
    if not root:
        what = {"folder": "a folder of pictures", "parquet": "a folder of parquet files"}.get(
            name, f"a folder with {name}"
        )
        raise DataError(f"load: expected {what}, got none. Name it with --data, or set DROPMIX_DATA to it.")
    return locate(name, root)


CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion-mnist": "FashionMNIST"}
"""Name -> class of torchvision.datasets."""


def fetch(name: str, path: Path) -> None:
    """Fetch a set into `path`; torchvision checks the files and fetches only missing ones.

    Raises:
        DataError: a set that cannot be fetched, no torchvision, or no network.
    """
    if not describe(name).download:
        raise DataError(f"load: expected download only with {', '.join(CLASSES)}, got {name!r}. Leave download out.")
    try:
        dataset = getattr(import_module("torchvision.datasets"), CLASSES[name])
        dataset(str(path), download=True)
    except ImportError as error:
        raise DataError(
            f"load: expected torchvision to fetch {name}, got {error}. Install the extra 'train'."
        ) from error
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"load: expected to fetch {name} into {path}, got {error}. Check the network, or copy the files there."
        ) from error
