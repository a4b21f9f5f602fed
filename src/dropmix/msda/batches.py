"""Batches as hosts hand them out: dicts of tensors, and torchvision's tv_tensors."""

import copy
import sys
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

IMAGES = ("pixel_values", "images", "image", "img", "x")
MASKS = ("masks", "mask", "segmentation_mask")
LABELS = ("labels", "label", "targets", "target", "y")
_OF_BOXES = ("boxes", "bboxes", "bbox", "keypoints")


def check_given(x: Any, y: Any, with_labels: bool = False) -> None:
    """Raise a ValueError unless x is a tensor and y, if there is one, a tensor or one dict of boxes per image.

    Example:
        >>> import torch
        >>> check_given(torch.zeros(1, 3, 8, 8), torch.zeros(1))
    """
    if not isinstance(x, Tensor):
        if isinstance(x, list | tuple):
            one = "Call augment(x, y), in a collate function augment(*default_collate(rows))."
            views = "Mix each view of the images in a call of its own, with the same step=, so that partners agree."
            advice = one if y is None else views
        elif isinstance(x, Mapping):
            advice = "Call augment(x, y) with the tensors inside it."
        elif hasattr(x, "__array__"):
            advice = "Convert it first, e.g. with torch.as_tensor."
        else:
            advice = "Call augment(x, y) with the images and labels that it holds."
        raise ValueError(f"DropMix: expected images as a tensor (B, C, H, W), got {_kind(x)}. {advice}")
    if x.ndim == 0 or (isinstance(y, Tensor) and y.ndim == 0):
        raise ValueError(
            "DropMix: expected a batch of images and one label per image, got a single value. Add a batch axis with "
            "x[None] and y[None]."
        )
    for part in (x, y):
        if isinstance(part, Tensor) and part.layout != torch.strided:
            raise ValueError(f"DropMix: expected dense tensors, got one of {part.layout}. Call to_dense() on it first.")
        if isinstance(part, Tensor) and is_functorch_wrapped_tensor(part):
            raise ValueError(
                "DropMix: expected plain tensors, got some within torch.func (vmap, grad), where nothing can be drawn. "
                "Mix the batch before, and transform the loss alone."
            )
    if y is None and with_labels:
        raise ValueError("DropMix: expected labels beside the images, got none. Call augment(x, y).")
    if y is None or isinstance(y, Tensor):
        return
    if not isinstance(y, list | tuple) or not all(isinstance(target, Mapping) for target in y):
        raise ValueError(
            f"DropMix: expected labels as a tensor, or one dict with boxes per image, got {_kind(y)}. "
            "Convert class ids with torch.as_tensor."
        )


def _kind(given: Any) -> str:
    return f"a {type(given).__name__}"


def find_keys(batch: Mapping[Any, Any]) -> tuple[str, str, list[str]]:
    """Return the keys of a batch's images, labels and masks.

    Raises:
        ValueError: not exactly one key of `IMAGES`, or of `LABELS`; boxes or values per pixel under other keys, which
            would stay unmixed.
    Example:
        >>> find_keys({"pixel_values": 0, "labels": 1, "path": 2})
        ('pixel_values', 'labels', [])
    """
    keys = []
    for names in (IMAGES, LABELS):
        here = [name for name in names if name in batch]
        if len(here) != 1:
            raise ValueError(
                f"DropMix: expected a dict with one key of {', '.join(names)}, got {', '.join(map(str, batch))}. "
                "Pass images and labels as augment(batch[...], batch[...])."
            )
        keys += here
    masks = [name for name in MASKS if name in batch]
    x = batch[keys[0]]
    for key in batch.keys() - {*keys, *masks}:
        sides = batch[key].shape[-2:] if isinstance(batch[key], Tensor) and batch[key].ndim >= 3 else None
        if key in _OF_BOXES or (isinstance(x, Tensor) and x.ndim >= 4 and sides == x.shape[-2:]):
            raise ValueError(
                f"DropMix: expected images, labels and {MASKS[0]} in a dict, got {key!r} too, which would stay "
                "unmixed beside mixed images. Call mix = augment.draw(x, y), apply_mix, and mix.targets for the rest."
            )
    return keys[0], keys[1], masks


def replaced(batch: Mapping[Any, Any], values: Mapping[str, Any]) -> Any:
    """Return a copy of a batch with other values under some keys, of the batch's own type if that can be written to.

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
    """Return a tv_tensor of torchvision as a plain tensor; other tensors are returned unchanged."""
    return x.as_subclass(Tensor) if _is_tv_tensor(x) else x


def typed(x: Tensor, like: Tensor) -> Tensor:
    """Return a plain tensor as a tv_tensor of the same kind as `like`."""
    return sys.modules["torchvision.tv_tensors"].wrap(x, like=like) if _is_tv_tensor(like) else x


def _is_tv_tensor(x: object) -> bool:
    # There can be none unless torchvision was imported already, and importing it takes a second.
    kind = getattr(sys.modules.get("torchvision.tv_tensors"), "TVTensor", None)
    return kind is not None and isinstance(x, kind)


def box_corners(boxes: Tensor) -> Tensor:
    """Return boxes as x0, y0, x1, y1 in pixels, (N, 4), float, from tv_tensors of any format or plain ones of this.

    Raises:
        ValueError: not (N, 4), corners in another order, or fractions of the image.
    Example:
        >>> import torch
        >>> box_corners(torch.tensor([[0, 0, 4, 2]]))
        tensor([[0., 0., 4., 2.]])
    """
    if _is_tv_tensor(boxes):
        functions = import_module("torchvision.transforms.v2.functional")
        kind: Any = boxes
        corners = functions.convert_bounding_box_format(untyped(boxes), kind.format, type(kind.format).XYXY)
    else:
        corners = boxes
    corners = corners if corners.is_floating_point() else corners.float()
    ordered = corners.ndim == 2 and corners.shape[1] == 4 and bool((corners[:, 2:] >= corners[:, :2]).all())
    if not ordered or (len(corners) and float(corners.max()) <= 1):
        raise ValueError(
            "Mix.targets: expected boxes (N, 4) as x0, y0, x1, y1 in pixels, got "
            f"{tuple(corners.shape)}{', fractions of the image or another order' if corners.ndim == 2 else ''}. "
            "Convert them, or give torchvision's BoundingBoxes, which know their format."
        )
    return corners


def box_like(corners: Tensor, like: Tensor) -> Tensor:
    """Return x0, y0, x1, y1 in the format, type and dtype of other boxes; whole numbers are rounded."""
    if not _is_tv_tensor(like):
        return corners.to(like.dtype) if like.is_floating_point() else corners.round().to(like.dtype)
    functions = import_module("torchvision.transforms.v2.functional")
    kind: Any = like
    converted = functions.convert_bounding_box_format(corners, type(kind.format).XYXY, kind.format)
    return typed(converted if like.is_floating_point() else converted.round().to(like.dtype), like)
