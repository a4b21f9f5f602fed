"""CutMix. Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers", arXiv 1905.04899."""

from torch import Generator, Tensor

from dropmix.msda.boxes import BoxForm, check_sides, draw_box
from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, shape_only
from dropmix.msda.mix import Mix


@shape_only
def cutmix(
    x: Tensor,
    *,
    generator: Generator | None = None,
    alpha: float = 1.0,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Paste a random box of the partner image (CutMix).

        box of area (1 - lam) H W, clipped at the border; label share = 1 - (area inside the image) / (H W)

    Sequences get a span, volumes and clips a cuboid, of the same share.

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam and box per "batch", as published, or one per "sample".
        form: "integer" as CutMix's own code, or "continuous" as the code released with the paper: see `draw_box`.
    Returns:
        Mix with box (1, 4) or (B, 4), a span (2) or a cuboid (6), and the realised share as lam.
    Raises:
        ValueError: x is not of these shapes, a side is below 3 pixels, or alpha <= 0.
    Source:
        Yun et al. 2019, Alg. A1. lam is the realised share, as in the official code.
    Example:
        >>> import torch
        >>> cutmix(torch.zeros(4, 3, 8, 8), per="sample").box.shape
        torch.Size([4, 4])
    """
    check_batch("cutmix", x, places=1, most=3)
    check_sides("cutmix", x.shape[2:])
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    lam = draw_lam(len(x), alpha, per, generator)
    partner = draw_partner(len(x), generator)
    box, share = draw_box(lam, x.shape[2:], form, generator)
    return Mix(partner=partner, lam=share.expand(len(x)), box=box)
