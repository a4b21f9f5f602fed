"""Batches as hosts hand them out: dicts of tensors, and torchvision's tv_tensors."""

import copy
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

from torch import Tensor

IMAGES = ("pixel_values", "images", "image", "img", "x")
LABELS = ("labels", "label", "targets", "target", "y")


def find_keys(batch: Mapping[Any, Any]) -> tuple[str, str]:
    """Return the keys of a batch's images and labels.

    Raises:
        ValueError: not exactly one key of `IMAGES`, or of `LABELS`.
    Example:
        >>> find_keys({"pixel_values": 0, "labels": 1, "path": 2})
        ('pixel_values', 'labels')
    """
    found = []
    for names in (IMAGES, LABELS):
        here = [name for name in names if name in batch]
        if len(here) != 1:
            raise ValueError(
                f"DropMix: expected a dict with one key of {', '.join(names)}, got {', '.join(map(str, batch))}. "
                "Pass images and labels as augment(batch[...], batch[...])."
            )
        found += here
    return found[0], found[1]


def replaced(batch: Mapping[Any, Any], values: Mapping[str, Any]) -> Any:
    """Return a copy of a batch, of its own type where that can be written to, with other values under some keys.

    Example:
        >>> replaced({"a": 1, "b": 2}, {"a": 3})
        {'a': 3, 'b': 2}
    """
    if not isinstance(batch, MutableMapping):
        return {**batch, **values}
    new: Any = copy.copy(batch)
    for key, value in values.items():
        new[key] = value
    return new


def untyped(x: Tensor) -> Tensor:
    """Return one of torchvision's tv_tensors as a plain tensor, and any other tensor as it is."""
    return x.as_subclass(Tensor) if _is_tv_tensor(x) else x


def typed(x: Tensor, like: Tensor) -> Tensor:
    """Return a plain tensor as the kind of tv_tensor that another one is."""
    return sys.modules["torchvision.tv_tensors"].wrap(x, like=like) if _is_tv_tensor(like) else x


def _is_tv_tensor(x: object) -> bool:
    # Nobody has one unless torchvision was imported, which takes a second.
    kind = getattr(sys.modules.get("torchvision.tv_tensors"), "TVTensor", None)
    return kind is not None and isinstance(x, kind)
