"""Where a run's batches come from: images already augmented and normalised, with their labels, on its device."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from dropmix.data import Dataset, Split
from dropmix.data.resident import Resident

from .config import Data
from .plan import EpochPlan


class Source(Protocol):
    """Batches of one split, N images."""

    labels: Tensor
    """int64 (N,), on the device."""

    def __len__(self) -> int: ...

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        """The training batches of an epoch, from batch `start` on; what is drawn depends on seed and epoch alone.

        Args:
            seed, epoch: place in the run.
            slices: for each batch, its part of the epoch's order; any parts do, e.g. those of one process of several.
            start: batches to leave out.
        Yields:
            x, float32 (B, C, H, W), augmented and normalised, and y, int64 (B,), both on the device. Close the
            generator to leave it early.
        """
        ...

    def plain(self, batch: int) -> Iterator[Tensor]:
        """All images in their order, not augmented: x, float32 (<= batch, C, H, W), on the device."""
        ...


class ResidentSource:
    """A split that lies on the device as a whole; see `Source` for its methods.

    Args:
        split: the images.
        dataset: gives mean and deviation.
        data: how training images are augmented; None where no training batches are taken.
        device: where batches are made.
    """

    def __init__(self, split: Split, dataset: Dataset, data: Data | None, device: torch.device) -> None:
        self.padding, self.flip = (data.crop_padding, data.flip) if data else (0, False)
        self.store = Resident(split, dataset.mean, dataset.std, device, self.padding, self.flip)
        self.labels = self.store.labels

    def __len__(self) -> int:
        return len(self.store)

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        # The whole plan goes to the device at once: a copy a step would wait for the device each time.
        plan = EpochPlan.draw(seed, epoch, len(self), self.padding, self.flip).to(self.labels.device)
        for place in slices[start:]:
            part = plan.part(place)
            x = self.store.batch(part.index, part.top, part.left, part.flip if self.flip else None)
            yield x, self.labels[part.index]

    def plain(self, batch: int) -> Iterator[Tensor]:
        index = torch.arange(len(self), device=self.labels.device)
        return (self.store.batch(part) for part in index.split(batch))


def training_source(dataset: Dataset, data: Data, device: torch.device) -> Source:
    """The source of a run's training batches."""
    return ResidentSource(dataset.train, dataset, data, device)


def evaluation_source(split: Split, dataset: Dataset, device: torch.device) -> Source:
    """The source of a split that is predicted."""
    return ResidentSource(split, dataset, None, device)
