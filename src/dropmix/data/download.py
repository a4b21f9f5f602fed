"""Fetch a named set through torchvision, only where a user asked for it."""

from importlib import import_module
from pathlib import Path

from dropmix.data.catalog import describe
from dropmix.data.records import DataError

CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion-mnist": "FashionMNIST"}
"""Name to class of torchvision.datasets."""


def fetch(name: str, path: Path) -> None:
    """Fetch a set into `path`; torchvision checks what is there and fetches only what is missing.

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
