"""FMix. Harris et al., "FMix: Enhancing Mixed Sample Data Augmentation", arXiv 2002.12047."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner, shape_only
from dropmix.msda.mix import Mix


@shape_only
def fmix(
    x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, decay: float = 3.0, per: Per = "batch"
) -> Mix:
    """Show each image on one side of a random smooth contour (FMix).

        noise with amplitude 1 / frequency^decay; its lam H W highest pixels show the own image

    Args:
        x: images, (B, C, H, W), sequences (B, C, L) or volumes (B, C, T, H, W), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        decay: how fast amplitudes fall with frequency, >= 0; larger is smoother. Paper: 3.0.
        per: one lam and mask per "batch", as published, or one per "sample".
    Returns:
        Mix with mask (1, 1, H, W) or (B, 1, H, W), of as many axes as x, 0 or 1, and its mean as lam.
    Raises:
        ValueError: x is not of these shapes, alpha <= 0 or decay < 0.
    Source:
        Harris et al. 2020, Sec. 4. Differs: the label share is the mask's mean, at most a pixel from the drawn lam; the
        number of pixels is rounded, where the official code rounds up or down by a coin.
    Example:
        >>> fmix(torch.zeros(4, 3, 8, 8)).mask.shape
        torch.Size([1, 1, 8, 8])
    """
    check_batch("fmix", x, places=1, most=3)
    if not 0 <= decay < float("inf"):
        raise ValueError(f"fmix: expected decay in [0, inf), got {decay}. The paper uses 3.0.")
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    sides = x.shape[2:]
    lam = draw_lam(len(x), alpha, per, generator)
    partner = draw_partner(len(x), generator)
    noise = _smooth_noise(len(lam), sides, decay, generator)
    shown = (lam.double() * sides.numel()).round().long()
    order = noise.flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = (torch.arange(sides.numel(), device="cpu") < shown[:, None]).float()
    mask = torch.zeros_like(ranks).scatter_(1, order, ranks).view(-1, 1, *sides)
    return Mix(partner, mask.flatten(1).mean(1).expand(len(x)), mask=mask)


def _smooth_noise(n: int, sides: Sequence[int], decay: float, generator: Generator | None) -> Tensor:
    """Real noise whose amplitude falls as frequency^-decay, (n, *sides), on the CPU."""
    falling = _falling(tuple(sides), decay)
    parts = torch.randn(n, *falling.shape, 2, dtype=torch.float32, device="cpu", generator=generator)
    axes = tuple(range(1, parts.ndim - 1))
    return torch.fft.irfftn(torch.view_as_complex(parts) / falling, s=tuple(sides), dim=axes)


@lru_cache(maxsize=16)
def _falling(sides: tuple[int, ...], decay: float) -> Tensor:
    """frequency^decay for each part of a real spectrum, only ever read."""
    *others, last = sides
    axes = [torch.fft.fftfreq(side, dtype=torch.float32, device="cpu") for side in others]
    axes += [torch.fft.rfftfreq(last, dtype=torch.float32, device="cpu")]
    squares = [axis.square().view(-1, *(1,) * after) for axis, after in zip(axes, reversed(range(len(axes))))]
    frequency = sum(squares[1:], squares[0]).sqrt().clamp_(min=1 / max(sides))
    return frequency**decay
