"""Attentive CutMix. Walawalkar et al., "Attentive CutMix: An Enhanced Data Augmentation Approach for Deep Learning
Based Image Classification", arXiv 2003.13048."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, check_per, draw_partner, reads_map
from dropmix.msda.mix import Mix
from dropmix.msda.saliency import ask_saliency


@reads_map("features")
@torch.no_grad()
def attentivemix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    cells: int = 6,
    grid: int = 7,
    per: Per = "batch",
) -> Mix:
    """Paste the partner's most attended cells of a grid, each at its own place (Attentive CutMix).

        the `cells` cells of largest mean saliency show the partner; label share = 1 - their area

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), any scale. Only the shape is read.
        saliency: attention to each pixel, (B, H, W), as x without channels, or a function of x that returns it: a
            teacher's `feature_map`. Cells of equal attention are taken in reading order.
        generator: CPU generator of the partners; None uses torch's global one.
        cells: number of cells to paste, 1 <= cells < grid^2, or grid^d of d axes. Paper: 6.
        grid: cells along a side, 2 <= grid <= the shortest side; need not divide it. Paper: 7.
        per: not used: nothing but the partners is drawn.
    Returns:
        Mix with mask (B, 1, H, W), of as many axes as x, 0 or 1, and its mean as lam, both where the saliency lies.
    Raises:
        ValueError: shapes that do not fit, saliency that is not finite, or cells or grid out of range.
    Source:
        Walawalkar et al. 2020, Sec. 3. Differs: where the grid does not divide the image, cells differ in size by a
        pixel, and the label share is their area. The map comes from the caller; a grid run takes that of the network
        in training, where the paper has a pretrained teacher.
    Example:
        >>> attentivemix(torch.zeros(4, 3, 14, 14), torch.rand(4, 14, 14)).mask.shape
        torch.Size([4, 1, 14, 14])
    """
    check_batch("attentivemix", x, places=1, most=3)
    check_per(per)
    sides = x.shape[2:]
    if not 2 <= grid <= min(sides):
        raise ValueError(f"attentivemix: expected grid in [2, {min(sides)}], got {grid}. A cell is a pixel at least.")
    if not 1 <= cells < grid ** len(sides):
        raise ValueError(
            f"attentivemix: expected cells in [1, {grid ** len(sides) - 1}], got {cells}. They show the partner."
        )
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    attention = _pooled(ask_saliency("attentivemix", x, saliency).float(), grid)
    partner = draw_partner(len(x), generator)
    order = attention.flatten(1).argsort(dim=1, descending=True, stable=True)
    shown = torch.ones_like(order, dtype=torch.float32).scatter_(1, order[:, :cells], 0.0)
    mask = shown.index_select(0, partner.to(shown.device, non_blocking=True)).view(-1, 1, *(grid,) * len(sides))
    for axis, side in enumerate(sides, start=2):
        mask = mask.index_select(axis, _cell_of(side, grid, mask.device))
    return Mix(partner, mask.flatten(1).mean(1), mask=mask)


def _cell_of(side: int, grid: int, device: torch.device) -> Tensor:
    return torch.arange(side, device=device) * grid // side


def _pooled(attention: Tensor, grid: int) -> Tensor:
    """Mean of each cell, (B, grid, grid), of as many axes as there are sides."""
    sides: Sequence[int] = attention.shape[1:]
    for axis, side in enumerate(sides, start=1):
        cell = _cell_of(side, grid, attention.device)
        member = (torch.arange(grid, device=attention.device)[:, None] == cell).float()
        share = member / member.sum(1, keepdim=True)
        attention = (attention.movedim(axis, -1) @ share.T).movedim(-1, axis)
    return attention
