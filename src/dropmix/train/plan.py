"""Named random streams: every draw of a run is a pure function of (seed, epoch, step).

Streams do not depend on the arm, so arms that share a seed share initial weights, order, crops and flips, and an
exact resume, even in mid-epoch, needs no saved generator state.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

Stream = Literal["init", "order", "augment", "mix", "drop", "policy", "noise"]

BLOCK = 256
"""Number of places of an epoch's order whose draws come from one generator."""


def stream(seed: int, name: Stream, epoch: int = 0, step: int = 0) -> Generator:
    """Return the CPU generator of a stream at a place in the run.

    Example:
        >>> a, b = stream(0, "mix", 3, 7), stream(0, "mix", 3, 7)
        >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
        True
    """
    key = hashlib.sha256(f"{seed}/{name}/{epoch}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:8], "little", signed=True))


@dataclass(frozen=True)
class EpochPlan:
    """Order, crops and flips of one epoch: index, top, left (N,), int64, and flip (N,), bool."""

    index: Tensor
    top: Tensor
    left: Tensor
    flip: Tensor

    @classmethod
    def draw(cls, seed: int, epoch: int, size: int, crop_padding: int, flip: bool) -> "EpochPlan":
        """Draw the plan of an epoch over `size` training images.

        Args:
            seed, epoch: place in the run.
            size: N, number of training images.
            crop_padding: crops start in [0, 2 crop_padding], pixels.
            flip: whether half of the images are mirrored.
        """
        augment = stream(seed, "augment", epoch)
        # Always drawn, in this order, so that one setting does not shift another's draws.
        mirrored = torch.rand(size, generator=augment) < 0.5
        corner = torch.randint(0, 2 * crop_padding + 1, (2, size), generator=augment)
        return cls(
            index=epoch_order(seed, epoch, size),
            top=corner[0],
            left=corner[1],
            flip=mirrored if flip else torch.zeros(size, dtype=torch.bool),
        )

    def to(self, device: torch.device) -> "EpochPlan":
        """The plan on a device."""
        return EpochPlan(*(drawn.to(device) for drawn in (self.index, self.top, self.left, self.flip)))

    def part(self, place: slice) -> "EpochPlan":
        """The part of the plan that one step uses."""
        return EpochPlan(self.index[place], self.top[place], self.left[place], self.flip[place])


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """Order in which an epoch takes `size` training images, int64 (size,)."""
    return torch.randperm(size, generator=stream(seed, "order", epoch))


POWERS = {"sampler": 1.0, "sampler-sqrt": 0.5}
"""How strongly each sampler evens out classes, see `balanced_order`."""


def order_by(balance: str, seed: int, epoch: int, labels: Tensor) -> Tensor:
    """Order in which an epoch takes training examples, as `Train.balance` has it; int64 (N,), on the CPU."""
    if balance in POWERS:
        return balanced_order(seed, epoch, labels.cpu(), POWERS[balance])
    return epoch_order(seed, epoch, len(labels))


def balanced_order(seed: int, epoch: int, labels: Tensor, power: float) -> Tensor:
    """Images drawn with replacement, with probabilities proportional to (class size)^-power.

    Args:
        seed, epoch: place in the run.
        labels: int64 (N,), on the CPU.
        power: 1 draws all classes equally often, 0.5 goes half-way.
    Returns:
        int64 (N,): as many as there are images.
    """
    counts = torch.bincount(labels).double()
    chances = counts[labels].pow(-power)
    edges = chances.cumsum(0)
    drawn = torch.rand(len(labels), generator=stream(seed, "order", epoch), dtype=torch.float64) * edges[-1]
    return torch.searchsorted(edges, drawn, right=True).clamp_max(len(labels) - 1)


def place_draws(seed: int, epoch: int, place: slice, count: int) -> Tensor:
    """Uniform draws for the images at some places of an epoch's order; a place has the same draws in any slice.

    Args:
        seed, epoch: place in the run.
        place: of the epoch's order.
        count: draws per image.
    Returns:
        float64 (places, count), in [0, 1).
    """
    blocks = range(place.start // BLOCK, (place.stop - 1) // BLOCK + 1)
    # Step 0 of the stream is `EpochPlan`'s.
    drawn = [
        torch.rand(BLOCK, count, generator=stream(seed, "augment", epoch, 1 + block), dtype=torch.float64)
        for block in blocks
    ]
    first = blocks.start * BLOCK
    return torch.cat(drawn)[place.start - first : place.stop - first]


def batch_slices(size: int, batch: int, shards: int = 1) -> list[slice]:
    """Cut an epoch of `size` images into batches; the last may be smaller.

    A last batch with fewer than two images per shard joins the one before: batch normalisation cannot train on a single
    image whose feature map is 1 x 1.

    Example:
        >>> [s.stop - s.start for s in batch_slices(9, 4)]
        [4, 5]
    """
    starts = list(range(0, size, batch))
    if len(starts) > 1 and size - starts[-1] < 2 * shards:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], size])]


def shard_slices(size: int, shards: int) -> list[slice]:
    """Cut `size` images into shards whose sizes differ by one at most; the larger come first.

    With fewer than two images per shard, the first shards get two or more, and the last ones are empty.

    Example:
        >>> [s.stop - s.start for s in shard_slices(11, 3)], [s.stop - s.start for s in shard_slices(5, 3)]
        ([4, 4, 3], [3, 2, 0])
    """
    filled = max(min(shards, size // 2), 1)
    starts = [k * (size // filled) + min(k, size % filled) for k in range(filled)]
    slices = [slice(start, stop) for start, stop in zip(starts, [*starts[1:], size])]
    return slices + [slice(size, size)] * (shards - filled)
