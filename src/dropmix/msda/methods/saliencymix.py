"""SaliencyMix. Uddin et al., "SaliencyMix: A Saliency Guided Data Augmentation Strategy", arXiv 2006.01791."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.boxes import BoxForm, box_share, check_sides, half_sides
from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner
from dropmix.msda.mix import Mix
from dropmix.msda.saliency import ask_saliency


def saliencymix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    alpha: float = 1.0,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Paste the box around the partner's most salient pixel, at the same place (SaliencyMix).

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), any scale. Only the shape is read.
        saliency: importance of each pixel, (B, H, W), as x without channels, >= 0, or a function of x that
            returns it. An image of constant saliency is cut at its first pixel.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam per "batch", as published, or one per "sample". Every sample has a box of its own.
        form: how a box is rounded: see `draw_box`.
    Returns:
        Mix with box (B, 4), a span (B, 2) or a cuboid (B, 6), and the realised share as lam.
    Raises:
        ValueError: shapes that do not fit, a side below 3 pixels, saliency that is not finite, or alpha <= 0.
    Source:
        Uddin et al. 2021, Sec. 3.2. Differs: the official code takes the box of one image for the whole batch, which
        misses the salient part of all others; here each partner has its own. Saliency comes from the caller.
    Example:
        >>> import torch
        >>> saliency = torch.zeros(2, 8, 8)
        >>> saliency[:, 5, 6] = 1.0
        >>> saliencymix(torch.zeros(2, 3, 8, 8), saliency).box.shape
        torch.Size([2, 4])
    """
    check_batch("saliencymix", x, places=1, most=3)
    check_sides("saliencymix", x.shape[2:])
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    saliency = ask_saliency("saliencymix", x, saliency)
    sides = x.shape[2:]
    lam = draw_lam(len(x), alpha, per, generator).expand(len(x))
    partner = draw_partner(len(x), generator)
    peak = saliency.flatten(1).argmax(1)[partner.to(saliency.device, non_blocking=True)]
    box = box_around_pixel(peak, half_sides(lam, sides, form), sides)
    return Mix(partner=partner, lam=box_share(box, sides), box=box)


def box_around_pixel(peak: Tensor, half: np.ndarray, sides: Sequence[int]) -> Tensor:
    """Boxes around peaks, (n,), row-major, computed on their device without a wait. A peak is a whole number, so
    the ends cut to whole pixels are peak - ceil(half) and peak + floor(half), in integers alone."""
    before, after = (torch.from_numpy(f(half).astype(np.int64)) for f in (np.ceil, np.floor))
    before, after = (part.to(peak.device, non_blocking=True) for part in (before, after))
    ends, rest = [], peak
    for axis in reversed(range(len(sides))):
        place, rest = rest % sides[axis], rest // sides[axis]
        ends = [(place - before[axis]).clamp(min=0), (place + after[axis]).clamp(max=sides[axis]), *ends]
    return torch.stack(ends, 1)
