"""SaliencyMix. Uddin et al., "SaliencyMix: A Saliency Guided Data Augmentation Strategy", arXiv 2006.01791."""

import torch
from torch import Generator, Tensor

from .draw import BoxForm, Per, box_around, box_share, check_images, draw_lam, draw_partner
from .mix import Mix


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
    peak = saliency.flatten(1).argmax(1)[partner.to(saliency.device)].cpu()
    centre = torch.stack([peak // width, peak % width]).double()
    box = box_around(lam, centre, height, width, form)
    return Mix(partner=partner, lam=box_share(box, height, width), box=box)


def check_saliency(where: str, x: Tensor, saliency: Tensor) -> None:
    """Raise a ValueError unless saliency is (B, H, W) for x, and finite."""
    expected = (len(x), *x.shape[-2:])
    if tuple(saliency.shape) != expected:
        raise ValueError(
            f"{where}: expected saliency of shape (B, H, W) = {expected}, got {tuple(saliency.shape)}. "
            "Give one map an image, at the image's size."
        )
    if not bool(saliency.isfinite().all()):
        raise ValueError(
            f"{where}: expected finite saliency, got NaN or infinity. "
            "Check images and loss for overflow; compute saliency outside float16."
        )
