"""SmoothMix. Lee et al., "SmoothMix: a Simple Yet Effective Data Augmentation to Train Robust Classifiers",
CVPRW 2020."""

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, check_per, draw_partner, shape_only, uniform
from dropmix.msda.mix import Mix


@shape_only
def smoothmix(
    x: Tensor,
    *,
    generator: Generator | None = None,
    spread: tuple[float, float] = (0.25, 0.5),
    per: Per = "batch",
) -> Mix:
    """Fade the partner in around a random point (SmoothMix, circular form).

        mask = 1 - exp(-distance^2 / (2 sigma^2)),  centre uniform, sigma ~ U(spread) x shortest side;
        label share = mean of the mask

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), float, any scale. Only the shape is
            read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        spread: range of sigma in shortest sides, 0 < low <= high.
        per: one centre and sigma per "batch", or one per "sample".
    Returns:
        Mix with mask (1, 1, H, W) or (B, 1, H, W), of as many axes as x, in [0, 1), and its mean as lam.
    Raises:
        ValueError: x is not of these shapes, or spread out of range.
    Source:
        Lee et al. 2020, the circular mask. No alpha: the share follows from centre and sigma.
    Example:
        >>> smoothmix(torch.zeros(4, 3, 8, 8)).mask.shape
        torch.Size([1, 1, 8, 8])
    """
    check_batch("smoothmix", x, places=1, most=3)
    check_per(per)
    low, high = spread
    if not 0 < low <= high < float("inf"):
        raise ValueError(
            f"smoothmix: expected spread with 0 < low <= high, got {spread}. Public code uses (0.25, 0.5)."
        )
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    sides = x.shape[2:]
    partner = draw_partner(len(x), generator)
    *centre, s = uniform(len(sides) + 1, 1 if per == "batch" else len(x), generator=generator)
    sigma = (low + (high - low) * s) * min(sides)
    shown = np.ones((1, 1))
    for place, side in zip(centre, sides):
        faded = _fade(np.arange(side) + 0.5, place * side, sigma)
        shown = shown[..., None] * faded.reshape(len(faded), *(1,) * (shown.ndim - 1), side)
    mask = torch.from_numpy((1 - shown).astype(np.float32))
    return Mix(partner, mask.double().flatten(1).mean(1).float().expand(len(x)), mask=mask)


def _fade(pixels: np.ndarray, centre: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.exp(-((pixels - centre[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
