"""SamplePairing. Inoue, "Data Augmentation by Pairing Samples for Images Classification", arXiv 1801.02929."""

import torch
from torch import Generator, Tensor

from .draw import Per, check_images, check_per, draw_partner, shape_only
from .mix import Mix


@shape_only
def samplepairing(x: Tensor, *, generator: Generator | None = None, per: Per = "batch") -> Mix:
    """Average every image with its partner and keep the own label (SamplePairing).

        x' = (x + x[partner]) / 2,  y' = y

    Args:
        x: images, (B, C, H, W), float, any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        per: not used: nothing but the partners is drawn.
    Returns:
        Mix with mask (1, 1, 1, 1) of 1/2 and lam 1.
    Raises:
        ValueError: x is not 4-D.
    Source:
        Inoue 2018, Sec. 3; meant to be switched on and off by `pairing_is_on`.
    Example:
        >>> samplepairing(torch.zeros(2, 3, 4, 4)).lam
        tensor([1., 1.])
    """
    check_images("samplepairing", x)
    check_per(per)
    half = torch.full((1, 1, 1, 1), 0.5, device="cpu")
    return Mix(draw_partner(len(x), generator), torch.ones(len(x), device="cpu"), mask=half)


def pairing_is_on(epoch: int, *, start: int = 100, end: int = 800, on: int = 8, off: int = 2) -> bool:
    """Whether SamplePairing is used in an epoch: not at first, then `on` epochs of every `on + off`, not at the end.

    Args:
        epoch: counted from 0.
        start: epochs before the first pairing. Paper, 1000 epochs on CIFAR: 100.
        end: first epoch of the fine-tuning without pairing. Paper: 800.
        on, off: length of the two phases. Paper: 8 and 2.
    Example:
        >>> augment.mixup_enabled = pairing_is_on(epoch)  # doctest: +SKIP
        >>> [epoch for epoch in range(14) if pairing_is_on(epoch, start=2, end=12, on=3, off=2)]
        [2, 3, 4, 7, 8, 9]
    """
    if on < 1 or off < 0:
        raise ValueError(f"pairing_is_on: expected on >= 1 and off >= 0, got {on} and {off}. The paper uses 8 and 2.")
    return start <= epoch < end and (epoch - start) % (on + off) < on
