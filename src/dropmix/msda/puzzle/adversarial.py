"""Adversarial noise on images that are about to be mixed, as PuzzleMix's official code adds it."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import uniform

OUTSIDE = 0.01  # farther from [0, 1] than rounding takes a pixel


class Attack(NamedTuple):
    """The draws of an attack, made before the gradient is known.

    Args:
        own, partner: which side of the mix is attacked.
        start: random noise, (B, C, H, W), in pixels of [0, 1]; images + start stay in that range.
        share: part of the final noise that is kept, in [0, 1).
    """

    own: bool
    partner: bool
    start: Tensor
    share: float


def draw_attack(images: Tensor, probability: float, epsilon: float, generator: Generator | None) -> Attack | None:
    """Draw whether a batch is attacked, on which side, and where the attack starts.

        each side: a coin of the given probability; start ~ U(-epsilon, epsilon) per pixel, cut to [0, 1]

    Args:
        images: (B, C, H, W), float32, in [0, 1] but for colour jitter.
        probability: of either side, in [0, 1]. 0 draws nothing.
        epsilon: largest noise, in levels of 255.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
    Returns:
        The attack, or None when neither side is attacked.
    Example:
        >>> draw_attack(torch.rand(2, 3, 4, 4), 1.0, 10.0, None).own
        True
    """
    if not probability:
        return None
    own, partner, share = uniform(3, generator=generator)
    if min(own, partner) >= probability:
        return None
    start = (
        torch.rand(images.shape, dtype=torch.float32, device="cpu", generator=generator)
        .mul_(2)
        .sub_(1)
        .mul_(epsilon / 255)
    )
    start = _within(images, start.to(images.device, non_blocking=True))
    return Attack(bool(own < probability), bool(partner < probability), start, float(share))


def attack_noise(images: Tensor, attack: Attack, gradient: Tensor, epsilon: float) -> Tensor:
    """Return the noise after one signed step up the loss.

        noise = share clip(start + (epsilon + 2) sign(gradient), -epsilon, epsilon), cut to [0, 1]

    Args:
        images: (B, C, H, W), float32, in [0, 1] but for colour jitter.
        attack: the draws for these images.
        gradient: of the loss at images + start, (B, C, H, W); only its sign is read.
        epsilon: largest noise, in levels of 255.
    Returns:
        (B, C, H, W), float32, in pixels of [0, 1].
    Source:
        Kim et al. 2020 (PuzzleMix), Sec. 4.4, as the official code runs it.
    Example:
        >>> grey, up = torch.full((1, 1, 1, 1), 0.5), torch.ones(1, 1, 1, 1)
        >>> attack_noise(grey, Attack(True, True, 0 * grey, 1.0), up, 25.5).item()
        0.1000...
    """
    largest = epsilon / 255
    noise = (attack.start + (epsilon + 2) / 255 * gradient.float().sign()).clamp_(-largest, largest)
    return _within(images, noise.mul_(attack.share))


def _within(images: Tensor, noise: Tensor) -> Tensor:
    """The noise that is left when noisy images are cut to [0, 1]; what colour jitter took outside goes no further."""
    low = images.masked_fill(images > -OUTSIDE, 0)
    high = images.masked_fill(images < 1 + OUTSIDE, 1)
    return (images + noise).clamp_(low, high).sub_(images)
