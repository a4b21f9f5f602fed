"""GridMix. Baek et al., "GridMix: Strong Regularization through Local Context Mapping",
Pattern Recognition 109, 2021."""

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, shape_only, uniform
from dropmix.msda.mix import Mix


@shape_only
def gridmix(
    x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, grid: int = 4, per: Per = "batch"
) -> Mix:
    """Show each image in random cells of a grid (GridMix).

        round(lam grid^2) cells of an image, chosen at random, show the own image; label share = their area

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0.
        grid: cells along a side, 1 <= grid <= the shortest side; need not divide it.
        per: one lam and choice of cells per "batch", or one per "sample".
    Returns:
        Mix with mask (1, 1, H, W) or (B, 1, H, W), of as many axes as x, 0 or 1, and its mean as lam.
    Raises:
        ValueError: x is not of these shapes, alpha <= 0, or grid out of range.
    Source:
        Baek et al. 2021. Differs: the mixing alone; the paper's second loss, which predicts a label for every cell,
        belongs to a network's head and is not part of a mix.
    Example:
        >>> gridmix(torch.zeros(4, 3, 8, 8)).mask.shape
        torch.Size([1, 1, 8, 8])
    """
    check_batch("gridmix", x, places=1, most=3)
    sides = x.shape[2:]
    cells, limit = grid ** len(sides), min(sides)
    if not 1 <= grid <= limit:
        raise ValueError(f"gridmix: expected grid in [1, {limit}], got {grid}. A cell needs at least one pixel.")
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    lam = draw_lam(len(x), alpha, per, generator)
    partner = draw_partner(len(x), generator)
    rank = torch.from_numpy(uniform(len(lam), cells, generator=generator).argsort(1).argsort(1))
    shown = (rank < (lam.double() * cells).round()[:, None]).float()
    mask = shown.view(-1, 1, *(grid,) * len(sides))
    for axis, side in enumerate(sides, start=2):
        mask = mask.index_select(axis, torch.arange(side, device="cpu") * grid // side)
    return Mix(partner, mask.flatten(1).mean(1).expand(len(x)), mask=mask)
