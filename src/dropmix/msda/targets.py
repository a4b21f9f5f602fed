"""Targets other than one label per image, mixed along: segmentation masks, and boxes with their fields."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dropmix.msda.batches import box_corners, box_like, typed, untyped
from dropmix.msda.pixels import gather_images, move_cells, paste_boxes

if TYPE_CHECKING:
    from dropmix.msda.mix import Mix

# Fields of the image, not of its boxes, whatever their length.
_OF_THE_IMAGE = ("image_id", "size", "orig_size")
# Coordinates, which neither move with a partner nor know that they are hidden.
_PLACES = ("keypoints", "landmarks", "points", "polygons", "segmentation")


def mixed_targets(mix: "Mix", targets: Any, min_visible: float = 0.0, empty: float | None = None) -> Any:
    """Return masks or boxes mixed as their images are. See `Mix.targets`."""
    if mix.layer is not None:
        raise ValueError(
            "Mix.targets: expected a record that mixes images, got one that mixes hidden states. Use mixup."
        )
    if mix.pasted_shares is not None:
        raise ValueError(
            "Mix.targets: expected partners of this batch, got those of an earlier one, whose masks and boxes are "
            "gone. Use cutmix or resizemix."
        )
    if mix.partner_lam is not None:
        raise ValueError(
            "Mix.targets: expected partners that stay in place or are shown whole, got parts of them, enlarged. "
            "Use cutmix or resizemix."
        )
    count = len(mix.partner)
    if len(targets) != count:
        raise ValueError(
            f"Mix.targets: expected targets of the mix's {count} samples, got {len(targets)}. "
            "Give those of the batch that it was drawn for, before mixing."
        )
    if mix.below is not None:
        if not isinstance(targets, Tensor):
            raise ValueError(
                "Mix.targets: expected one partner per image for boxes, got a record of several. Use cutmix, or masks."
            )
        lower = mixed_targets(mix.below, targets, min_visible, empty)
        return typed(_dense(mix, untyped(targets), empty, untyped(lower)), targets)
    if isinstance(targets, Tensor):
        return typed(_dense(mix, untyped(targets), empty), targets)
    if not all(isinstance(target, Mapping) and "boxes" in target for target in targets):
        raise ValueError(
            "Mix.targets: expected a tensor of masks, or one dict with boxes per image, got "
            f"{', '.join(sorted({type(target).__name__ for target in targets}))}. Add boxes of shape (0, 4) where "
            "there are none."
        )
    if mix.is_identity:
        return [_whole(target) for target in targets]
    if mix.axes != 4:
        raise ValueError(
            "Mix.targets: expected images for boxes, got sequences or volumes. Give masks of their places."
        )
    places = [key for key in _PLACES if key in targets[0]]
    if places and (mix.mask is None or mix.mask[0].numel() > 1):
        raise ValueError(
            f"Mix.targets: expected boxes, labels and masks under a method that cuts, got {places[0]!r}, which it "
            "would hide or move. Leave them out, or use mixup."
        )
    if mix.own_cells is not None:
        raise ValueError(
            "Mix.targets: expected images whose cells stay where they are, got a record that moves them, which tears "
            "boxes apart. Use puzzlemix with transport=False."
        )
    partner = mix.partner.tolist()
    # An image mixed with itself is unchanged, unless its partner is shrunk.
    return [
        _whole(own) if partner[i] == i and not mix.shrunk else _joined(mix, i, own, targets[partner[i]], min_visible)
        for i, own in enumerate(targets)
    ]


def is_target(y: Any, x: Tensor) -> bool:
    """Whether y holds dicts, or a value per pixel of x, instead of one label per image."""
    if isinstance(y, Tensor):
        if y.ndim == x.ndim - 1 and x.ndim > 2:
            return y.shape[1:] == x.shape[2:] and not (y.ndim == 2 and y.is_floating_point())
        return y.ndim == x.ndim > 2 and y.shape[2:] == x.shape[2:]
    return isinstance(y, Sequence) and bool(y) and all(isinstance(target, Mapping) for target in y)


def _dense(mix: "Mix", target: Tensor, empty: float | None, lower: Tensor | None = None) -> Tensor:
    """Masks mixed; `lower` holds those that stand in for the own ones."""
    if mix.is_identity:
        return target
    assert mix.axes is not None
    axes = mix.axes - 2
    if target.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"Mix.targets: expected masks with {axes} axes of places, (B, ...) or (B, K, ...), got "
            f"{tuple(target.shape)}. Give them at the images' own size."
        )
    x = target.unsqueeze(1) if target.ndim == axes + 1 else target
    if mix.box is not None:
        pasted = _shrunk(gather_images(x, mix.partner), mix.box) if mix.shrunk else None
        mixed = paste_boxes(x, mix.partner, mix.box, pasted=pasted)
    else:
        mixed = _blended(mix, x, empty, x if lower is None else lower.view_as(x))
    return mixed.squeeze(1) if target.ndim == axes + 1 else mixed


def _blended(mix: "Mix", x: Tensor, empty: float | None, own: Tensor) -> Tensor:
    assert mix.mask is not None
    # One share for all pixels is that of the label: SamplePairing shows half of the partner but keeps the own label.
    whole = mix.mask[0].numel() == 1
    mask = mix.lam.view(-1, *(1,) * (x.ndim - 1)) if whole else mix.mask
    if not whole and mask.shape[2:] != x.shape[2:]:
        raise ValueError(
            f"Mix.targets: expected masks of the images' size {tuple(mask.shape[2:])}, got {tuple(x.shape[2:])}. "
            "Resize them to that size, or mix them before they are downsampled."
        )
    mask = mask.to(x.device)
    other = gather_images(x, mix.partner)
    if mix.own_cells is not None and mix.partner_cells is not None:
        if empty is None:
            empty = 0.0 if x.is_floating_point() else 255 if x.dtype == torch.uint8 else -100
        own, other = move_cells(own, mix.own_cells, empty), move_cells(other, mix.partner_cells, empty)
    if x.is_floating_point():
        return torch.where(mask >= 1, own, torch.where(mask <= 0, other, torch.lerp(other, own, mask.to(x.dtype))))
    if bool(((mask > 0) & (mask < 1)).any()):
        raise ValueError(
            f"Mix.targets: expected shares (B, K, ...) of float for a method that blends, got {x.dtype}, "
            "which has no mean. Use torch.nn.functional.one_hot(masks, K).movedim(-1, 1).float(), or mix by cutmix."
        )
    return torch.where(mask > 0, own, other)


def _shrunk(partners: Tensor, box: Tensor) -> Tensor:
    """Partners drawn into their boxes as ResizeMix draws them, but by the nearest pixel, without interpolation."""
    box = box.to(partners.device).expand(len(partners), -1)
    for axis in range(2, partners.ndim):
        side = partners.shape[axis]
        low, high = box[:, 2 * axis - 4, None], box[:, 2 * axis - 3, None]
        place = torch.arange(side, device=partners.device)
        source = ((2 * (place - low) + 1) * side // (2 * (high - low)).clamp(min=1)).clamp(0, side - 1)
        shape = (len(partners), *(side if i == axis else 1 for i in range(1, partners.ndim)))
        partners = partners.gather(axis, source.view(shape).expand(partners.shape))
    return partners


def _joined(mix: "Mix", i: int, own: Mapping[str, Any], other: Mapping[str, Any], least: float) -> dict[str, Any]:
    """Targets of one mixed image: the visible parts of its own boxes, then of its partner's."""
    if own.keys() != other.keys():
        raise ValueError(
            f"Mix.targets: expected the same keys for every image, got {', '.join(own)} and {', '.join(other)}. "
            "Give every image the same keys."
        )
    parts = []
    for target, is_own in ((own, True), (other, False)):
        corners = box_corners(target["boxes"])
        shown, boxes = _visible(mix, i, corners, is_own)
        keep = (shown > least).nonzero()[:, 0].tolist()
        moved = _with_weight(target)
        moved["boxes"] = box_like(boxes.to(corners), target["boxes"])
        moved["weight"] = moved["weight"] * shown
        if "masks" in moved and len(corners):
            moved["masks"] = _shown_masks(mix, i, moved["masks"], is_own)
        if "area" in moved and (mix.mask is None or mix.mask[0].numel() > 1):
            shrink = _area(boxes) / _area(corners.double()) if mix.shrunk and not is_own else 1.0
            moved["area"] = (moved["area"] * shown * shrink).to(moved["area"])
        parts.append((moved, keep))
    (first, mine), (second, theirs) = parts
    return _picked(first, mine, _picked(second, theirs, None))


def _visible(mix: "Mix", i: int, corners: Tensor, is_own: bool) -> tuple[Tensor, Tensor]:
    """Visible share of each box, (N,), float32, and the box around its visible part."""
    corners = corners.double()
    if mix.box is not None:
        y0, y1, x0, x1 = _row(mix.box, i).tolist()
        hole = torch.tensor([x0, y0, x1, y1], dtype=torch.float64, device=corners.device)
        if is_own:
            return _outside(corners, hole)
        if mix.shrunk:
            height, width = mix.pasted.shape[-2:]  # pyright: ignore[reportOptionalMemberAccess]
            scale = torch.tensor([(x1 - x0) / width, (y1 - y0) / height] * 2, device=corners.device).double()
            shown = torch.full((len(corners),), float(_area(hole[None])[0] > 0), device=corners.device)
            return shown, corners * scale + hole[[0, 1, 0, 1]]
        inside = _overlap(corners, hole)
        return _share(_area(inside), _area(corners)), inside
    assert mix.mask is not None
    mask = _row(mix.mask, i)[0]
    if mask.numel() == 1:
        share = mix.lam[i].item()
        return torch.full((len(corners),), share if is_own else 1 - share, device=corners.device), corners
    shown, boxes = torch.zeros(len(corners), device=corners.device), corners.clone()
    share = (mask if is_own else 1 - mask).to(corners.device)
    for n, (x0, y0, x1, y1) in enumerate(corners.tolist()):
        left, top = max(int(x0), 0), max(int(y0), 0)
        inside = share[top : -int(-y1 // 1), left : -int(-x1 // 1)]
        if inside.numel() and bool((inside > 0).any()):
            shown[n] = inside.mean()
            rows, columns = ((inside > 0).any(axis).nonzero()[:, 0] for axis in (1, 0))
            ends = [left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1]
            around = torch.tensor([float(end) for end in ends], dtype=torch.float64, device=corners.device)
            boxes[n] = _overlap(corners[n, None], around)[0]
    return shown, boxes


def _outside(corners: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes outside a hole, and the shares left. A box shrinks where the hole covers one of its sides entirely."""
    shown = 1 - _share(_area(_overlap(corners, hole)), _area(corners))
    boxes = corners.clone()
    for low, high, across in ((0, 2, 1), (1, 3, 0)):
        whole = (hole[across] <= corners[:, across]) & (hole[across + 2] >= corners[:, across + 2])
        first = whole & (hole[low] <= corners[:, low]) & (hole[high] > corners[:, low])
        last = whole & (hole[high] >= corners[:, high]) & (hole[low] < corners[:, high])
        boxes[:, low] = torch.where(first, torch.minimum(hole[high], corners[:, high]), boxes[:, low])
        boxes[:, high] = torch.where(last & ~first, torch.maximum(hole[low], corners[:, low]), boxes[:, high])
    return shown, boxes


def _overlap(corners: Tensor, other: Tensor) -> Tensor:
    low, high = torch.maximum(corners[:, :2], other[:2]), torch.minimum(corners[:, 2:], other[2:])
    return torch.cat([low, torch.maximum(low, high)], 1)


def _area(corners: Tensor) -> Tensor:
    return (corners[:, 2:] - corners[:, :2]).prod(1)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole, 0.0).float()


def _shown_masks(mix: "Mix", i: int, masks: Tensor, is_own: bool) -> Tensor:
    """Masks of instances, (N, H, W), limited to the visible pixels."""
    plain = untyped(masks)
    if mix.box is not None:
        box = _row(mix.box, i)
        if mix.shrunk and not is_own:
            plain = _shrunk(plain[:, None], box[None])[:, 0]
        y0, y1, x0, x1 = box.tolist()
        visible = torch.full(plain.shape[1:], is_own, device=plain.device)
        visible[y0:y1, x0:x1] = not is_own
    elif mix.mask is None or mix.mask[0].numel() == 1:
        return masks
    else:
        share = _row(mix.mask, i)[0].to(plain.device)
        visible = share > 0 if is_own else share < 1
    return typed(plain * visible.to(plain.dtype), masks)


def _row(part: Tensor, i: int) -> Tensor:
    return part[i if len(part) > 1 else 0]


def _with_weight(target: Mapping[str, Any]) -> dict[str, Any]:
    boxes = target["boxes"]
    return {"weight": torch.ones(len(boxes), device=boxes.device), **target}


def _whole(target: Mapping[str, Any]) -> dict[str, Any]:
    return _picked(_with_weight(target), range(len(target["boxes"])), None)


def _picked(target: Mapping[str, Any], keep: Sequence[int], more: Mapping[str, Any] | None) -> dict[str, Any]:
    """Fields of the boxes to keep, followed by those of another image; fields of the image stay."""
    count, fields = len(target["boxes"]), {}
    for key, value in target.items():
        per_box = isinstance(value, Tensor | list) and key not in _OF_THE_IMAGE
        if not per_box or (isinstance(value, Tensor) and value.ndim == 0) or len(value) != count:
            fields[key] = value
            continue
        rest = None if more is None else more[key]
        if isinstance(value, list):
            fields[key] = [value[n] for n in keep] + list(rest or [])
        else:
            chosen = untyped(value)[list(keep)]
            fields[key] = typed(chosen if rest is None else torch.cat([chosen, untyped(rest)]), value)
    return fields
