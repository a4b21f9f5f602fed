"""Kernels on batches of images: gather, blend, paste, move cells. `apply_mix` is their only caller."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# On a CPU, from this many elements per image, copying each sample's box beats selecting bits over the whole batch
# (measured on one thread, batch 128: 3 x 32 x 32 is 1.5 times faster by bits, 3 x 64 x 64 twice as fast by boxes).
_COPY_BOXES_FROM = 3 * 48 * 48
_INTEGER_OF_SIZE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def gather_images(x: Tensor, partner: Tensor, out: Tensor | None = None) -> Tensor:
    """Return x[partner] in x's memory format.

    Args:
        x: images, (B, C, H, W), or any (B, C, ...), any dtype.
        partner: (b,), int64, on any device.
        out: where to write it; None allocates.
    Returns:
        (b, C, H, W).
    Example:
        >>> gather_images(torch.arange(2.0).view(2, 1, 1, 1), torch.tensor([1, 1])).flatten()
        tensor([1., 1.])
    """
    partner = partner if partner.device == x.device else partner.to(x.device, non_blocking=True)
    if not x.is_contiguous() and x.movedim(1, -1).is_contiguous():
        # Copying whole rows is several times faster than indexing a strided tensor.
        into = None if out is None else out.movedim(1, -1)
        return torch.index_select(x.movedim(1, -1), 0, partner, out=into).movedim(-1, 1)
    return torch.index_select(x, 0, partner, out=out)


def blend(own: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Write mask own + (1 - mask) other into `other` and return it.

    Where the mask is 0 or 1 the result is that image to the bit: values of the other image, even NaN and infinity, have
    no effect. Finite images never give NaN.

    Args:
        own, other: images, (B, C, H, W), or any (B, C, ...), float.
        mask: (B|1, 1, H|1, W|1), of as many axes, float, in [0, 1]; rounded to the images' dtype.
    Example:
        >>> blend(torch.ones(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), torch.tensor([1.0, 0.25]).view(1, 1, 1, 2))
        tensor([[[[1.0000, 0.2500]]]])
    """
    mask = mask if mask.dtype == own.dtype else mask.to(own.dtype)
    plain = _plain_lerp_is_exact(own, other, mask)
    mask = mask if mask.device == own.device else mask.to(own.device, non_blocking=True)
    if plain:
        return other.lerp_(own, mask)
    mixed = torch.where(mask <= 0, other, torch.lerp(other, own, mask))
    return other.copy_(torch.where(mask >= 1, own, mixed))


def _plain_lerp_is_exact(own: Tensor, other: Tensor, mask: Tensor) -> bool:
    """lerp computes other + mask (own - other), or own - (1 - mask)(own - other): exact at 0 and 1 unless the
    difference is infinite or NaN. It is checked only where checking does not wait for another device."""
    if torch.compiler.is_compiling() or mask.device.type != "cpu":
        return False
    if not own.numel():
        return True
    low, high = (mask, mask) if mask.numel() == 1 else mask.aminmax()
    if low.item() > 0 and high.item() < 1:
        return True
    if own.device.type != "cpu":
        return False
    bounds = torch.stack([*own.detach().aminmax(), *other.detach().aminmax()]).double()
    return bool(bounds.max() - bounds.min() <= torch.finfo(own.dtype).max)  # a NaN gives False


def paste_boxes(
    x: Tensor, partner: Tensor, box: Tensor, *, pasted: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """Return a copy of x whose boxes show the partner; bits are copied, nothing is computed.

    Args:
        x: images, (B, C, H, W), or (B, C, ...) of d further axes, any dtype.
        partner: (B,), int64.
        box: start and end of every axis, y0, y1, x0, x1, ends excluded, (B|1, 2 d), int64.
        pasted: images that stand in for x[partner], like x.
        out: where to write, like x, in other memory; None allocates.
    Returns:
        Images like x.
    Example:
        >>> x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 1, 2).contiguous()
        >>> paste_boxes(x, torch.tensor([1, 0]), torch.tensor([[0, 1, 0, 1]])).flatten(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    differentiable = x.requires_grad and torch.is_grad_enabled()
    by_bits = x.element_size() in _INTEGER_OF_SIZE  # not complex128
    if torch.compiler.is_compiling() or differentiable or not (x.is_cpu and box.is_cpu and by_bits):
        inside = inside_boxes(box.to(x.device, non_blocking=True), x.shape[2:])
        other = gather_images(x, partner) if pasted is None else pasted.to(x, non_blocking=True)
        mixed = torch.where(inside, other, x)
        return mixed if out is None else out.copy_(mixed)
    if len(box) == 1 and pasted is None:
        return _copy_one_box(x, partner, box, out)
    if x.shape[1:].numel() >= _COPY_BOXES_FROM:
        return _copy_boxes(x, partner, box, pasted, out)
    return _select_bits(x, partner, box, pasted, out)


def inside_boxes(box: Tensor, sides: Sequence[int]) -> Tensor:
    """Return whether a pixel lies in the box: the product over axes of whether its coordinate does.

    Args:
        box: start and end of every axis, (n, 2 d), int64, ends excluded.
        sides: of the images, in pixels, d of them.
    Returns:
        (n, 1, *sides), bool.
    Example:
        >>> inside_boxes(torch.tensor([[1, 2]]), (3,))
        tensor([[[False,  True, False]]])
    """
    inside: Tensor | None = None
    for axis, side in enumerate(sides):
        low, high = (end.view(-1, 1, *(1,) * len(sides)) for end in box[:, 2 * axis : 2 * axis + 2].unbind(1))
        place = torch.arange(side, device=box.device).view(-1, *(1,) * (len(sides) - 1 - axis))
        within = (place >= low) & (place < high)
        inside = within if inside is None else inside & within
    assert inside is not None
    return inside


def _copy_one_box(x: Tensor, partner: Tensor, box: Tensor, out: Tensor | None) -> Tensor:
    mixed = x.clone() if out is None else out.copy_(x)
    (ends,) = box.tolist()
    own, into = x, mixed
    for axis in range(2, x.ndim):
        start, end = ends[2 * axis - 4], ends[2 * axis - 3]
        if end <= start:
            return mixed
        if end - start < x.shape[axis]:
            own, into = own.narrow(axis, start, end - start), into.narrow(axis, start, end - start)
    torch.index_select(own, 0, partner, out=into)
    return mixed


def _copy_boxes(x: Tensor, partner: Tensor, box: Tensor, pasted: Tensor | None, out: Tensor | None) -> Tensor:
    mixed = x.clone() if out is None else out.copy_(x)
    source, index = (x, partner.tolist()) if pasted is None else (pasted, range(len(x)))
    for i, (j, ends) in enumerate(zip(index, box.expand(len(x), -1).tolist())):
        inside = (slice(None), *(slice(start, end) for start, end in zip(ends[::2], ends[1::2])))
        mixed[i][inside] = source[j][inside]
    return mixed


def _select_bits(x: Tensor, partner: Tensor, box: Tensor, pasted: Tensor | None, out: Tensor | None) -> Tensor:
    """x + (other - x) inside, in integers that wrap around. Two vectorised passes (torch.where on a CPU is not
    vectorised) that lose no bit, even of NaN and signed zero."""
    if pasted is None:
        mixed = gather_images(x, partner, out)
    else:
        mixed = (torch.empty_like(x) if out is None else out).copy_(pasted)
    integer = _INTEGER_OF_SIZE[x.element_size()]
    ends = box.numpy().T
    inside = _ones_between(ends[0], ends[1], x.shape[2], integer)[:, None]
    for axis in range(3, x.ndim):
        within = _ones_between(ends[2 * axis - 4], ends[2 * axis - 3], x.shape[axis], integer)
        inside = inside[..., None] * within.view(len(within), *(1,) * (axis - 1), x.shape[axis])
    own, whole = x.view(integer), mixed.view(integer)
    torch.addcmul(own, whole.sub_(own), inside, out=whole)
    return mixed


def _ones_between(low: np.ndarray, high: np.ndarray, size: int, integer: torch.dtype) -> Tensor:
    """1 where low <= place < high, else 0, (n, size)."""
    place = np.arange(size)
    inside = (place >= low[:, None]) & (place < high[:, None])
    return torch.from_numpy(inside).to(integer)


def move_cells(x: Tensor, cells: Tensor, empty: float = 0) -> Tensor:
    """Rearrange the cells of an n x n grid on each image.

    Args:
        x: images, (B, C, H, W); n divides H and W.
        cells: source cell of each cell, (B, n, n), int64, row-major; -1 leaves it empty.
        empty: value of an empty cell.
    Returns:
        New images like x.
    Example:
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> move_cells(x, torch.tensor([[[3, 0], [-1, 2]]]))[0, 0]
        tensor([[4., 1.], [0., 3.]])
    """
    batch, channels, height, width = x.shape
    n = cells.shape[-1]
    blocks = x.reshape(batch, channels, n, height // n, n, width // n).permute(0, 2, 4, 1, 3, 5)
    blocks = blocks.reshape(batch, n * n, x.shape[1:].numel() // (n * n))
    source = cells.view(batch, n * n, 1).to(x.device)
    moved = blocks.gather(1, source.clamp(min=0).expand_as(blocks)).masked_fill_(source < 0, empty)
    moved = moved.view(batch, n, n, channels, height // n, width // n).permute(0, 3, 1, 4, 2, 5)
    return moved.reshape(x.shape).contiguous(memory_format=memory_format(x))


def memory_format(x: Tensor) -> torch.memory_format:
    """channels_last if x is, else contiguous."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
