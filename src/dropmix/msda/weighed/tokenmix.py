"""TokenMix. Liu et al., "TokenMix: Rethinking Image Mixing for Data Augmentation in Vision Transformers",
arXiv 2207.08409."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, check_per, draw_partner, reads_map, uniform
from dropmix.msda.mix import Mix
from dropmix.msda.saliency import ask_saliency

_ASPECT, _ATTEMPTS = math.log(0.3), 10


@reads_map("class")
@torch.no_grad()
def tokenmix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    grid: int = 14,
    share: float = 4 / 7,
    per: Per = "batch",
) -> Mix:
    """Show the partner in several blocks of tokens, and weigh each label by what its image still shows (TokenMix).

        blocks of random area and aspect until round(share grid^2) cells show the partner;
        label shares: sum of S over the own cells, and of the partner's S over its cells;  S = relu(A) / sum

    The two shares do not add up to 1, as in SnapMix.

    Args:
        x: images, (B, C, H, W), any scale. Only the shape is read.
        saliency: how much each pixel speaks for the image's class, (B, H, W), or a function of x that returns it: a
            teacher's `class_activation`. A map without positive values counts as uniform: the shares are areas then.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        grid: cells along a side, 2 <= grid <= the shortest side; need not divide it. Official code: 14, the tokens of
            a transformer with patches of 16 pixels at 224.
        share: share of the cells that shows the partner, in (0, 1). Official code: 112 of 196.
        per: one choice of cells per "batch", as published, or one per "sample".
    Returns:
        Mix with mask (1, 1, H, W) or (B, 1, H, W), 0 or 1, and both shares, lam and `partner_lam`, where the saliency
        lies.
    Raises:
        ValueError: shapes that do not fit, saliency that is not finite, or grid or share out of range.
    Source:
        Liu et al. 2022, Sec. 3, as the official code runs it. Differs: it alternates with Mixup, which `DropMix`
        does with {"mixup": 1, "tokenmix": 1}. The map comes from the caller, where the paper reads maps that a teacher
        stored; a grid run takes that of the network in training.
    Example:
        >>> mix = tokenmix(torch.zeros(4, 3, 28, 28), torch.rand(4, 28, 28))
        >>> mix.mask.shape, mix.partner_lam.shape
        (torch.Size([1, 1, 28, 28]), torch.Size([4]))
    """
    check_batch("tokenmix", x, places=2, most=2)
    check_per(per)
    sides = x.shape[2:]
    if not 2 <= grid <= min(sides):
        raise ValueError(f"tokenmix: expected grid in [2, {min(sides)}], got {grid}. A cell is a pixel at least.")
    if not 0 < share < 1:
        raise ValueError(f"tokenmix: expected share in (0, 1), got {share}. It is the partner's; official code: 4/7.")
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    saliency = ask_saliency("tokenmix", x, saliency).float()
    partner = draw_partner(len(x), generator)
    wanted = min(max(round(share * grid**2), 1), grid**2 - 1)
    cells = np.stack([draw_cells(grid, wanted, generator) for _ in range(1 if per == "batch" else len(x))])
    mask = torch.from_numpy(1 - cells.astype(np.float32))[:, None]
    for axis, side in enumerate(sides, start=2):
        mask = mask.index_select(axis, torch.arange(side, device="cpu") * grid // side)
    shown = mask[:, 0].to(saliency.device, non_blocking=True)
    mass = _shares(saliency)
    lam = (mass * shown).sum((1, 2)).clamp(0, 1)
    theirs = mass.index_select(0, partner.to(mass.device, non_blocking=True)) * (1 - shown)
    return Mix(partner, lam, mask=mask, partner_lam=theirs.sum((1, 2)).clamp(0, 1))


def draw_cells(grid: int, wanted: int, generator: Generator | None = None) -> np.ndarray:
    """Draw cells block by block: of area U(1, what is missing) and aspect exp U(log 0.3, -log 0.3), anywhere inside.

    A block that would bring no cell, or more than are missing, is drawn anew; after ten such blocks in a row it ends,
    with fewer cells than wanted.

    Args:
        grid: cells along a side.
        wanted: number of cells.
        generator: source of randomness, on the CPU.
    Returns:
        (grid, grid), bool.
    Example:
        >>> int(draw_cells(14, 112).sum()) <= 112
        True
    """
    cells, failed = np.zeros((grid, grid), dtype=bool), 0
    while failed < _ATTEMPTS and (missing := wanted - int(cells.sum())) > 0:
        size, shape, top, left = uniform(4, generator=generator)
        area, aspect = 1 + size * (missing - 1), math.exp(_ASPECT * (1 - 2 * shape))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < height < grid and 0 < width < grid):
            failed += 1
            continue
        row, column = int(top * (grid - height + 1)), int(left * (grid - width + 1))
        block = cells[row : row + height, column : column + width]
        if 0 < block.size - block.sum() <= missing:
            block[:] = True
            failed = 0
        else:
            failed += 1
    return cells


def _shares(saliency: Tensor) -> Tensor:
    """Positive parts of sum 1; uniform where there are none. Scaled first, so that no sum of them is infinite."""
    positive = saliency.clamp(min=0)
    high = positive.amax((1, 2), keepdim=True)
    scaled = positive / high.clamp(min=torch.finfo(torch.float32).tiny)
    total = scaled.sum((1, 2), keepdim=True)
    return torch.where(total > 0, scaled / total.clamp(min=1e-30), 1 / saliency[0].numel())
