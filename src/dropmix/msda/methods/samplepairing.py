"""SamplePairing. Inoue, "Data Augmentation by Pairing Samples for Images Classification", arXiv 1801.02929."""

import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, check_per, draw_partner, shape_only
from dropmix.msda.mix import Mix


@shape_only
def samplepairing(
    x: Tensor,
    *,
    generator: Generator | None = None,
    epoch: tuple[int, int] | None = None,
    start: float = 0.1,
    end: float = 0.8,
    on: int = 8,
    off: int = 2,
    per: Per = "batch",
) -> Mix:
    """Average every image with its partner and keep the own label (SamplePairing).

        x' = (x + x[partner]) / 2,  y' = y

    Args:
        x: images, (B, C, H, W), or any (B, C, ...), float, any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        epoch: (epoch counted from 0, total epochs): pairs only where `pairing_is_on` is True. None always pairs.
        start, end, on, off: the schedule, see `pairing_is_on`.
        per: not used; only the partners are drawn.
    Returns:
        Mix with mask (1, 1, 1, 1) of 1/2, of as many axes as x, and lam 1, or the identity.
    Raises:
        ValueError: x is no batch, or a schedule out of range.
    Source:
        Inoue 2018, Sec. 3.
    Example:
        >>> samplepairing(torch.zeros(2, 3, 4, 4)).lam
        tensor([1., 1.])
    """
    check_batch("samplepairing", x)
    check_per(per)
    paired = pairing_is_on(*(epoch or (0, 1)), start=start, end=end, on=on, off=off)
    if len(x) < 2 or (epoch is not None and not paired):
        return Mix.identity(len(x))
    half = torch.full((1,) * x.ndim, 0.5, dtype=torch.float32, device="cpu")
    return Mix(draw_partner(len(x), generator), torch.ones(len(x), dtype=torch.float32, device="cpu"), mask=half)


def pairing_is_on(
    epoch: int, epochs: int = 1000, *, start: float = 0.1, end: float = 0.8, on: int = 8, off: int = 2
) -> bool:
    """Whether an epoch pairs samples: neither the first nor the last ones do, of the rest `on` of every `on + off`.

    Args:
        epoch: counted from 0.
        epochs: their total number.
        start: share of the epochs before the first pairing. Paper, on CIFAR: 100 of 1000.
        end: share of the epochs before the final fine-tuning without pairing. Paper: 800 of 1000.
        on, off: length of the two phases, epochs. Paper: 8 and 2.
    Raises:
        ValueError: not 0 <= start <= end <= 1, or on < 1, or off < 0.
    Example:
        >>> [epoch for epoch in range(20) if pairing_is_on(epoch, 20, start=0.1, end=0.6, on=3, off=2)]
        [2, 3, 4, 7, 8, 9]
    """
    if not 0 <= start <= end <= 1:
        raise ValueError(
            f"pairing_is_on: expected 0 <= start <= end <= 1, shares of the epochs, got {start} and {end}. "
            "The paper uses 0.1 and 0.8."
        )
    if on < 1 or off < 0:
        raise ValueError(f"pairing_is_on: expected on >= 1 and off >= 0, got {on} and {off}. The paper uses 8 and 2.")
    first, last = round(start * epochs), round(end * epochs)
    return first <= epoch < last and (epoch - first) % (on + off) < on
