"""SaliencyMix. Uddin et al., "SaliencyMix: A Saliency Guided Data Augmentation Strategy", arXiv 2006.01791."""

import numpy as np
from torch import Generator, Tensor

from .draw import BoxForm, Per, box_around, box_share, check_images, draw_lam, draw_partner
from .mix import Mix
from .saliency import check_saliency


def saliencymix(
    x: Tensor,
    saliency: Tensor,
    *,
    generator: Generator | None = None,
    alpha: float = 1.0,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Paste the box around the partner's most salient pixel, at the same place (SaliencyMix).

    Args:
        x: images, (B, C, H, W), any scale. Only the shape is read.
        saliency: importance of each pixel, (B, H, W), >= 0. An image of constant saliency is cut at its first pixel.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam a "batch", as published, or one a "sample". Every sample has a box of its own.
        form: how a box is rounded: see `draw_box`.
    Returns:
        Mix with box (B, 4), and the realised share as lam.
    Raises:
        ValueError: shapes that do not fit, saliency that is not finite, or alpha <= 0.
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
    check_images("saliencymix", x)
    check_saliency("saliencymix", x, saliency)
    height, width = x.shape[-2:]
    lam = draw_lam(len(x), alpha, per, generator).expand(len(x))
    partner = draw_partner(len(x), generator)
    peak = saliency.flatten(1).argmax(1).cpu()[partner].numpy()
    centre = np.stack([peak // width, peak % width]).astype(np.float64)
    box = box_around(lam, centre, height, width, form)
    return Mix(partner=partner, lam=box_share(box, height, width), box=box)
