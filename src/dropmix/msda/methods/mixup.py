"""Mixup. Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412."""

from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, shape_only
from dropmix.msda.mix import Mix


@shape_only
def mixup(x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, per: Per = "batch") -> Mix:
    """Blend every image with its partner (Mixup).

        x' = lam x + (1 - lam) x[partner],  lam ~ Beta(alpha, alpha)

    Args:
        x: images, (B, C, H, W), or any (B, C, ...), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0; smaller values mix less (the paper's alpha-controlled Mixup).
        per: one lam per "batch", as published, or one per "sample".
    Returns:
        Mix with mask (1, 1, 1, 1) or (B, 1, 1, 1), of as many axes as x.
    Raises:
        ValueError: x is no batch, or alpha <= 0.
    Source:
        Zhang et al. 2018, Sec. 2; the official code draws one lam and one permutation per batch.
    Example:
        >>> import torch
        >>> mixup(torch.zeros(4, 3, 8, 8), per="sample").mask.shape
        torch.Size([4, 1, 1, 1])
    """
    check_batch("mixup", x)
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    lam = draw_lam(len(x), alpha, per, generator)
    partner = draw_partner(len(x), generator)
    return Mix(partner=partner, lam=lam.expand(len(x)), mask=lam.view(-1, *(1,) * (x.ndim - 1)))
