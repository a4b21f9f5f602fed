"""SnapMix. Huang, Wang & Tao, "SnapMix: Semantically Proportional Mixing for Augmenting Fine-grained Data",
arXiv 2012.04846."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dropmix.msda.boxes import BoxForm, check_sides, draw_box
from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, reads_map
from dropmix.msda.mix import Mix
from dropmix.msda.pixels import inside_boxes
from dropmix.msda.saliency import ask_saliency


@reads_map("class")
@torch.no_grad()
def snapmix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    alpha: float = 5.0,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Paste a box of the partner into another box, and weigh each label by what its image still shows (SnapMix).

        S = (A - min A) / sum,  A the class activation map;
        label shares: 1 - (S of the own image inside its box), and S of the partner inside the box that is pasted

    The two shares do not add up to 1: where both boxes hold background, the mass is near 1 for the own label alone;
    where the pasted object covers only background, it is near 2.

    Args:
        x: images, (B, C, H, W), float, any scale.
        saliency: how much each pixel speaks for the image's class, (B, H, W), or a function of x that returns it:
            `class_activation`. A constant map counts as uniform: the shares are areas then.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter of both boxes, > 0. Paper: 5.0.
        per: both boxes once per "batch", as published, or once per "sample".
        form: how boxes are rounded: see `draw_box`.
    Returns:
        Mix with box (1, 4) or (B, 4), the resized parts in `pasted`, and both shares, lam and `partner_lam`, where the
        saliency lies. Where a box is empty, nothing is mixed.
    Raises:
        ValueError: shapes that do not fit, images that are not float, saliency that is not finite, or alpha <= 0.
    Source:
        Huang et al. 2021, Sec. 3. Differs: where both images are of one class the official code counts both shares
        twice, which doubles that image's loss; here they are added once.
    Example:
        >>> mix = snapmix(torch.rand(4, 3, 16, 16), torch.rand(4, 16, 16))
        >>> mix.lam.shape, mix.partner_lam.shape
        (torch.Size([4]), torch.Size([4]))
    """
    check_batch("snapmix", x, places=2, most=2)
    check_sides("snapmix", x.shape[2:])
    if not x.is_floating_point():
        raise ValueError(
            f"snapmix: expected float images, which it resizes, got {x.dtype}. Convert them, e.g. x.float() / 255."
        )
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    saliency = ask_saliency("snapmix", x, saliency).float()
    sides = x.shape[2:]
    partner = draw_partner(len(x), generator)
    box, _ = draw_box(draw_lam(len(x), alpha, per, generator), sides, form, generator)
    cut, _ = draw_box(draw_lam(len(x), alpha, per, generator), sides, form, generator)
    empty = ((box[:, 1::2] <= box[:, ::2]) | (cut[:, 1::2] <= cut[:, ::2])).any(1, keepdim=True)
    box, cut = box.masked_fill(empty, 0), cut.masked_fill(empty, 0)
    here, there = (ends.to(x.device, non_blocking=True) for ends in (box, cut))
    rows = partner.to(x.device, non_blocking=True)
    pasted = resize_between(x.index_select(0, rows), there, here)
    share = _shares(saliency)
    own, theirs = (inside_boxes(ends, sides)[:, 0].to(share.device, non_blocking=True) for ends in (here, there))
    lam = 1 - (share * own).sum((1, 2))
    partner_lam = (share.index_select(0, rows.to(share.device)) * theirs).sum((1, 2))
    return Mix(partner, lam.clamp(0, 1), box=box, pasted=pasted, partner_lam=partner_lam.clamp(0, 1))


def _shares(saliency: Tensor) -> Tensor:
    """Maps from 0 on, of sum 1; uniform where a map is constant. Scaled first, so that no sum of them is infinite."""
    low, high = saliency.flatten(1).aminmax(dim=1)
    span = (high.double() - low.double()).clamp_(min=torch.finfo(torch.float32).tiny)[:, None, None]
    raised = ((saliency.double() - low[:, None, None]) / span).float()
    total = raised.sum((1, 2), keepdim=True)
    return torch.where(total > 0, raised / total.clamp(min=1e-30), 1 / saliency[0].numel())


def resize_between(x: Tensor, cut: Tensor, box: Tensor) -> Tensor:
    """Draw a box of every image, bilinearly, into another box: corner pixels to corner pixels.

    Args:
        x: images, (B, C, H, W), float.
        cut: what is drawn, y0, y1, x0, x1, (B|1, 4), int64, ends excluded, beside x.
        box: where it is drawn, likewise.
    Returns:
        Images like x, right inside `box` only.
    Example:
        >>> x = torch.arange(4.0).view(1, 1, 1, 4)
        >>> resize_between(x, torch.tensor([[0, 1, 1, 3]]), torch.tensor([[0, 1, 0, 3]]))[..., :3]
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    grids = []
    for axis, side in enumerate(x.shape[2:]):
        start, end, low, high = (
            ends[:, 2 * axis + k, None].float() for ends, k in ((cut, 0), (cut, 1), (box, 0), (box, 1))
        )
        place = torch.arange(side, dtype=torch.float32, device=x.device)
        step = (end - start - 1).clamp(min=0) / (high - low - 1).clamp(min=1)
        at = (start + (place - low) * step).clamp(0, side - 1)
        grids.append(2 * at / max(side - 1, 1) - 1)
    rows, columns = grids
    grid = torch.stack(torch.broadcast_tensors(columns[:, None, :], rows[:, :, None]), -1).expand(len(x), -1, -1, -1)
    return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=True).to(x.dtype)
