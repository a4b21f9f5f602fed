"""GridMix. Baek et al., "GridMix: Strong Regularization through Local Context Mapping",
Pattern Recognition 109, 2021."""

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_images, draw_lam, draw_partner, shape_only, uniform
from dropmix.msda.mix import Mix


@shape_only
def gridmix(
    x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, grid: int = 4, per: Per = "batch"
) -> Mix:
    """Show each image in random cells of a grid (GridMix).

        round(lam grid^2) cells, chosen at random, show the own image; label share = their area

    Args:
        x: images, (B, C, H, W), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0.
        grid: cells along a side, 1 <= grid <= the shorter side; need not divide the image.
        per: one lam and choice of cells per "batch", or one per "sample".
    Returns:
        Mix with mask (1, 1, H, W) or (B, 1, H, W), 0 or 1, and its mean as lam.
    Raises:
        ValueError: x is not 4-D, alpha <= 0, or grid out of range.
    Source:
        Baek et al. 2021. Differs: the mixing alone; the paper's second loss, which predicts a label for every cell,
        belongs to a network's head and is not part of a mix.
    Example:
        >>> gridmix(torch.zeros(4, 3, 8, 8)).mask.shape
        torch.Size([1, 1, 8, 8])
    """
    check_images("gridmix", x)
    height, width = x.shape[-2:]
    if not 1 <= grid <= min(height, width):
        limit = min(height, width)
        raise ValueError(f"gridmix: expected grid in [1, {limit}], got {grid}. A cell is a pixel at least.")
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    lam = draw_lam(len(x), alpha, per, generator)
    partner = draw_partner(len(x), generator)
    rank = torch.from_numpy(uniform(len(lam), grid * grid, generator=generator).argsort(1).argsort(1))
    shown = (rank < (lam.double() * grid * grid).round()[:, None]).float().view(-1, 1, grid, grid)
    rows = torch.arange(height, device="cpu") * grid // height
    columns = torch.arange(width, device="cpu") * grid // width
    mask = shown[:, :, rows][:, :, :, columns]
    return Mix(partner, mask.mean((1, 2, 3)).expand(len(x)), mask=mask)
