"""RecursiveMix. Yang et al., "RecursiveMix: Mixed Training with History", arXiv 2203.06844."""

import torch
from torch import Generator, Tensor

from dropmix.msda.boxes import BoxForm, check_sides, draw_box
from dropmix.msda.draw import Per, check_batch, check_per, uniform
from dropmix.msda.history import History
from dropmix.msda.methods.resizemix import shrink_into
from dropmix.msda.mix import Mix


@torch.no_grad()
def recursivemix(
    x: Tensor,
    history: History | None = None,
    *,
    generator: Generator | None = None,
    alpha: float = 0.5,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Shrink the mixed images of the batch before and paste them, with their mixed labels (RecursiveMix).

        box of area u H W, u ~ U[0, alpha), clipped at the border; label share = 1 - (area inside the image) / (H W)

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), float, any scale.
        history: the batch before as it was trained on; image i gets its image i, the first ones again where it was
            smaller. None mixes nothing, as at the first step. `DropMix` keeps it.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: largest share of the pasted image, in (0, 1]. Paper: 0.5.
        per: one share and box per "batch", as published, or one of each per "sample".
        form: how the box is rounded: see `draw_box`.
    Returns:
        Mix with box (1, 4) or (B, 4), a span (2) or a cuboid (6), the shrunken images in `pasted` and their labels in
        `pasted_shares`. Every image is its own partner.
    Raises:
        ValueError: x is not of these shapes or not float, a side is below 3 pixels, a history of other channels, or
            alpha out of range.
    Source:
        Yang et al. 2022, Sec. 3.1. Differs: the input and label part alone; the consistency loss between the pasted
        region and what the network said of it before needs a head for regions and is not part of a mix. The history
        goes on from epoch to epoch, where the official code starts anew. Images shrink bilinearly, where its default
        is the nearest pixel.
    Example:
        >>> before = History(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> recursivemix(torch.rand(4, 3, 8, 8), before).pasted.shape
        torch.Size([4, 3, 8, 8])
    """
    check_batch("recursivemix", x, places=1, most=3)
    check_sides("recursivemix", x.shape[2:])
    check_per(per)
    if not 0 < alpha <= 1:
        raise ValueError(
            f"recursivemix: alpha: expected a finite number > 0, got {alpha}. It is a share, at most 1; paper: 0.5."
        )
    if not x.is_floating_point():
        raise ValueError(
            f"recursivemix: expected float images, which it resizes, got {x.dtype}. Convert them, e.g. x.float() / 255."
        )
    if history is None or len(x) < 2:  # nobody to mix with; a lone image stays as it is under any method
        return Mix.identity(len(x))
    _check_history(history, x)
    share = torch.from_numpy(1 - alpha * uniform(1 if per == "batch" else len(x), generator=generator)).float()
    box, lam = draw_box(share, x.shape[2:], form, generator)
    rows = torch.arange(len(x), device=x.device) % len(history.images)
    images, shares = (part.to(x.device, non_blocking=True).index_select(0, rows) for part in history)
    pasted = shrink_into(images.to(x.dtype), box.to(x.device, non_blocking=True))
    own = torch.arange(len(x), device="cpu")
    return Mix(own, lam.expand(len(x)), box=box, pasted=pasted, pasted_shares=shares)


def _check_history(history: History, x: Tensor) -> None:
    if history.images.shape[1:] != x.shape[1:] or not len(history.images) == len(history.shares) > 0:
        raise ValueError(
            f"recursivemix: expected a history of images {tuple(x.shape[1:])} with their shares, got "
            f"{tuple(history.images.shape)} and {tuple(history.shares.shape)}. "
            "Set augment.history = None where images change."
        )
