"""ResizeMix. Qin et al., "ResizeMix: Mixing Data with Preserved Object Information and True Labels",
arXiv 2012.11101."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dropmix.msda.boxes import box_share
from dropmix.msda.draw import Per, check_batch, check_per, draw_partner, uniform
from dropmix.msda.mix import Mix


@torch.no_grad()
def resizemix(
    x: Tensor,
    *,
    generator: Generator | None = None,
    scale: tuple[float, float] = (0.1, 0.8),
    per: Per = "batch",
) -> Mix:
    """Shrink the whole partner image and paste it at a random place (ResizeMix).

        side = tau (H, W), tau ~ U(scale); anywhere inside the image; label share = 1 - (pasted area) / (H W)

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), float, any scale.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        scale: range of tau, 0 < low <= high <= 1. Paper: 0.1 to 0.8.
        per: one tau and place per "batch", or one per "sample".
    Returns:
        Mix with box (1, 4) or (B, 4), a span (2) or a cuboid (6), and the shrunken partners in `pasted`.
    Raises:
        ValueError: x is not of these shapes or not float, or scale out of range.
    Source:
        Qin et al. 2020, Sec. 3.2. The partner is sampled bilinearly, without a low-pass filter.
    Example:
        >>> resizemix(torch.rand(4, 3, 8, 8)).pasted.shape
        torch.Size([4, 3, 8, 8])
    """
    check_batch("resizemix", x, places=1, most=3)
    check_per(per)
    low, high = scale
    if not 0 < low <= high <= 1:
        raise ValueError(f"resizemix: expected scale with 0 < low <= high <= 1, got {scale}. Paper: (0.1, 0.8).")
    if not x.is_floating_point():
        raise ValueError(
            f"resizemix: expected float images, which it resizes, got {x.dtype}. Convert them, e.g. x.float() / 255."
        )
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    sides = x.shape[2:]
    partner = draw_partner(len(x), generator)
    box = _draw_box(1 if per == "batch" else len(x), sides, low, high, generator)
    pasted = shrink_into(
        x.index_select(0, partner.to(x.device, non_blocking=True)), box.to(x.device, non_blocking=True)
    )
    return Mix(partner, box_share(box, sides).expand(len(x)), box=box, pasted=pasted, shrunk=True)


def _draw_box(n: int, sides: Sequence[int], low: float, high: float, generator: Generator | None) -> Tensor:
    """Boxes fully inside, with sides of tau times the image's, at least a pixel: y0, y1, x0, x1, (n, 4)."""
    tau, *place = uniform(1 + len(sides), n, generator=generator)
    ends = []
    for side, where in zip(sides, place):
        length = np.maximum(np.floor(side * (low + (high - low) * tau)), 1)
        start = np.floor(where * (side - length + 1))
        ends += [start, start + length]
    return torch.from_numpy(np.stack(ends, 1).astype(np.int64))


def shrink_into(x: Tensor, box: Tensor) -> Tensor:
    """Draw every whole image into its box: the pixel in the middle of the box shows the middle of the image.

    Args:
        x: images, (B, C, H, W), or of one or three axes, float.
        box: start and end of every axis, (B|1, 2 d), int64, beside the images.
    Returns:
        Images like x, right inside the boxes only.
    """
    sides, axes = x.shape[2:], []
    for axis, side in enumerate(sides):
        low, high = box[:, 2 * axis, None].float(), box[:, 2 * axis + 1, None].float()
        place = torch.arange(side, dtype=torch.float32, device=x.device)
        at = 2 * (place + 0.5 - low) / (high - low) - 1
        axes.append(at.view(len(box), *(side if i == axis else 1 for i in range(len(sides)))).expand(-1, *sides))
    grid = torch.stack(axes[::-1], -1).expand(len(x), *(-1,) * (len(sides) + 1))
    if len(sides) == 1:  # torch samples no sequences: a row of an image of height 1
        row = torch.stack([grid[..., 0], torch.zeros_like(grid[..., 0])], -1)[:, None]
        return F.grid_sample(x.float()[:, :, None], row, padding_mode="border", align_corners=False)[:, :, 0].to(
            x.dtype
        )
    return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False).to(x.dtype)
