"""Mixup or CutMix, drawn anew each time, as timm has it. Touvron et al., "Training data-efficient image transformers &
distillation through attention" (DeiT), arXiv 2012.12877."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.boxes import BoxForm, box_share, check_sides, draw_box
from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, shape_only, uniform
from dropmix.msda.mix import Mix
from dropmix.msda.pixels import inside_boxes


@shape_only
def mixup_cutmix(
    x: Tensor,
    *,
    generator: Generator | None = None,
    mixup_alpha: float = 0.8,
    cutmix_alpha: float = 1.0,
    switch_prob: float = 0.5,
    minmax: tuple[float, float] | None = None,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Blend every image with its partner or paste a box of it, by the toss of a coin (Mixup + CutMix).

        CutMix if u < switch_prob, else Mixup;  u ~ U[0, 1)

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), float, any scale. Only the shape is
            read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        mixup_alpha: Beta parameter of Mixup, > 0. DeiT: 0.8.
        cutmix_alpha: Beta parameter of CutMix, > 0. DeiT: 1.0. Not used with `minmax`.
        switch_prob: probability of CutMix, in [0, 1]. DeiT: 0.5.
        minmax: range of the box's sides as fractions of the image's, 0 <= low < high <= 1, each side drawn by itself
            and the box fully inside. None draws boxes as CutMix does.
        per: one coin, lam and box per "batch", or one of each per "sample", where one batch holds both kinds.
        form: how CutMix's box is rounded: see `draw_box`.
    Returns:
        Mix with a mask as Mixup's or a box as CutMix's; per "sample" with mask (B, 1, H, W), of as many axes as x.
    Raises:
        ValueError: x is not of these shapes, a side is below 3 pixels, an alpha <= 0, or an option out of range.
    Source:
        Touvron et al. 2020, Table 9, and timm's `Mixup`. Differs: partners are a random permutation, where timm pairs
        the batch with its reverse. timm's `prob` is 1 - rate of `DropMix`. The label share is always that of the
        box's area (`correct_lam`). A box whose side is an odd number of pixels is a pixel shorter in form "integer".
    Example:
        >>> mixup_cutmix(torch.zeros(4, 3, 8, 8), per="sample").mask.shape
        torch.Size([4, 1, 8, 8])
    """
    check_batch("mixup_cutmix", x, places=1, most=3)
    sides = x.shape[2:]
    if not 0 <= switch_prob <= 1:
        raise ValueError(f"mixup_cutmix: expected switch_prob in [0, 1], got {switch_prob}. It is that of CutMix.")
    if minmax is None:
        check_sides("mixup_cutmix", sides)
    else:
        _check_minmax(minmax, sides)
    blended, cut = draw_lam(len(x), mixup_alpha, per, generator), draw_lam(len(x), cutmix_alpha, per, generator)
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    pasted = torch.from_numpy(uniform(len(cut), generator=generator) < switch_prob)
    partner = draw_partner(len(x), generator)
    if per == "batch" and not pasted[0]:
        return Mix(partner, blended.expand(len(x)), mask=blended.view(-1, *(1,) * (x.ndim - 1)))
    if minmax is None:
        box, share = draw_box(cut, sides, form, generator)
    else:
        box = _draw_minmax(len(cut), minmax, sides, generator)
        share = box_share(box, sides)
    if per == "batch":
        return Mix(partner, share.expand(len(x)), box=box)
    column = (-1, *(1,) * (x.ndim - 1))
    mask = torch.where(pasted.view(column), (~inside_boxes(box, sides)).float(), blended.view(column))
    return Mix(partner, torch.where(pasted, share, blended), mask=mask)


def _check_minmax(minmax: tuple[float, float], sides: Sequence[int]) -> None:
    low, high = minmax
    if not 0 <= low < high <= 1 or any(int(side * low) == int(side * high) for side in sides):
        raise ValueError(
            f"mixup_cutmix: expected minmax with 0 <= low < high <= 1, a pixel apart on {' x '.join(map(str, sides))} "
            f"pixels, got {minmax}. timm suggests 0.2 to 0.3 and 0.8 to 0.9."
        )


def _draw_minmax(n: int, minmax: tuple[float, float], sides: Sequence[int], generator: Generator | None) -> Tensor:
    """Boxes of sides from int(low side) to int(high side) - 1, fully inside, (n, 2 d), int64."""
    size, place = uniform(2, len(sides), n, generator=generator)
    ends = []
    for side, u, where in zip(sides, size, place):
        low, high = (int(side * bound) for bound in minmax)
        length = low + np.floor(u * (high - low))
        start = np.floor(where * (side - length + 1))
        ends += [start, start + length]
    return torch.from_numpy(np.stack(ends, 1).astype(np.int64))
