"""The batches of a run: augmented and normalised images with their labels, on its device."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from dropmix.data import Dataset, Files, Split
from dropmix.data.picture import BOX_DRAWS
from dropmix.data.records import Texts
from dropmix.data.resident import Resident
from dropmix.data.stream import COLOUR_DRAWS, Stream, Wanted, colour_shifts
from dropmix.train.augment import Augment, image_seeds
from dropmix.train.config import Data
from dropmix.train.plan import EpochPlan, order_by, place_draws
from dropmix.train.tokens import TokenSource

RESIDENT_BATCH = 500
STREAMED_BATCH = 100
"""Images predicted at a time; fewer from files, because these are large."""


class BatchSource(Protocol):
    """Batches of one split, N images."""

    labels: Tensor
    """int64 (N,), on the device."""
    streamed: bool
    """Whether images are costly to make, so that several processes share them out."""

    def __len__(self) -> int: ...

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        """The training batches of an epoch, from batch `start` on; what is drawn depends on seed and epoch alone.

        Args:
            seed, epoch: place in the run.
            slices: for each batch, any part of the epoch's order, such as that of one process of several.
            start: number of batches to skip.
        Yields:
            x, float32 (B, C, H, W), augmented and normalised, and y, int64 (B,), both on the device. Close the
            generator to leave it early.
        """
        ...

    def plain(self, first: int = 0, every: int = 1) -> Iterator[tuple[slice, Tensor]]:
        """All images in order, not augmented, a few at a time.

        Args:
            first, every: take only batches number first, first + every, ..., the share of one process.
        Yields:
            The images' slice, and x, float32 (some, C, H, W), on the device.
        """
        ...


class ResidentSource:
    """A split kept on the device as a whole; see `BatchSource` for its methods.

    Args:
        split: the images.
        dataset: gives mean and deviation.
        data: how training images are augmented; None where no training batches are taken.
        device: where batches are made.
        balance: as `Train.balance` has it.
    """

    streamed = False

    def __init__(
        self, split: Split, dataset: Dataset, data: Data | None, device: torch.device, balance: str = "none"
    ) -> None:
        self.balance, self.augment = balance, Augment(data.augment) if data and data.augment else None
        self.padding, self.flip = (data.crop_padding, data.flip) if data else (0, False)
        self.store = Resident(split, dataset.mean, dataset.std, device, self.padding, self.flip)
        self.labels = self.store.labels

    def __len__(self) -> int:
        return len(self.store)

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        # The whole plan goes to the device at once: a copy per step would wait for the device each time.
        plan = EpochPlan.draw(seed, epoch, len(self), self.padding, self.flip)
        plan = replace(plan, index=order_by(self.balance, seed, epoch, self.labels)).to(self.labels.device)
        seeds = image_seeds(seed, epoch, len(self)) if self.augment else []
        for place in slices[start:]:
            part = plan.part(place)
            change, own = None, seeds[place]
            if self.augment:
                change = partial(self.augment.pixels, seeds=own)
            x = self.store.batch(part.index, part.top, part.left, part.flip if self.flip else None, change)
            yield self.augment.normalised(x, own) if self.augment else x, self.labels[part.index]

    def plain(self, first: int = 0, every: int = 1) -> Iterator[tuple[slice, Tensor]]:
        index = torch.arange(len(self), device=self.labels.device)
        for rows in _parts(len(self), RESIDENT_BATCH)[first::every]:
            yield rows, self.store.batch(index[rows])


class StreamedSource:
    """A split whose pictures are read from files each time; see `BatchSource` for its methods.

    Args:
        files: the pictures.
        dataset: gives mean and deviation.
        data: how training images are augmented; None where no training batches are taken.
        device: where batches are made.
        loaders: threads that read pictures.
        balance: as `Train.balance` has it.
    """

    streamed = True

    def __init__(
        self,
        files: Files,
        dataset: Dataset,
        data: Data | None,
        device: torch.device,
        loaders: int = 1,
        balance: str = "none",
    ) -> None:
        self.balance, self.augment = balance, Augment(data.augment) if data and data.augment else None
        self.flip, self.colour_jitter = (data.flip, data.colour_jitter) if data else (False, False)
        self.store = Stream(files, dataset.mean, dataset.std, device, loaders)
        self.labels = torch.from_numpy(files.labels).to(device)

    def __len__(self) -> int:
        return len(self.store.files)

    def batches(
        self, seed: int, epoch: int, slices: Sequence[slice], start: int = 0
    ) -> Generator[tuple[Tensor, Tensor]]:
        order = order_by(self.balance, seed, epoch, self.labels)
        labels = self.labels[order.to(self.labels.device)]
        seeds = image_seeds(seed, epoch, len(self)) if self.augment else []
        wanted = (self._wanted(seed, epoch, place, order, seeds[place]) for place in slices[start:])
        with closing(self.store.batches(wanted)) as batches:
            for place, x in zip(slices[start:], batches):
                yield self.augment.normalised(x, seeds[place]) if self.augment else x, labels[place]

    def _wanted(self, seed: int, epoch: int, place: slice, order: Tensor, seeds: list[int]) -> Wanted:
        # Everything is always drawn, so that one setting does not shift another's draws.
        draws = place_draws(seed, epoch, place, BOX_DRAWS + 1 + COLOUR_DRAWS)
        box, mirrored, colour = draws.split([BOX_DRAWS, 1, COLOUR_DRAWS], 1)
        flip = (mirrored[:, 0] < 0.5).tolist() if self.flip else None
        shifts = colour_shifts(colour) if self.colour_jitter else None
        change = partial(self.augment.pixels, seeds=seeds) if self.augment else None
        return Wanted(order[place].tolist(), box.tolist(), flip, shifts, change)

    def plain(self, first: int = 0, every: int = 1) -> Iterator[tuple[slice, Tensor]]:
        places = _parts(len(self), STREAMED_BATCH)[first::every]
        wanted = (Wanted(range(len(self))[rows]) for rows in places)
        with closing(self.store.batches(wanted)) as batches:
            yield from zip(places, batches)


def _parts(size: int, batch: int) -> list[slice]:
    return [slice(start, min(start + batch, size)) for start in range(0, size, batch)]


def normalised(dataset: Dataset, mean: tuple[float, ...], std: tuple[float, ...]) -> Dataset:
    """The data set with another mean and deviation; gray images take the means over channels."""
    if dataset.train.shape[0] == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    return replace(dataset, mean=mean, std=std)


def training_source(
    dataset: Dataset, data: Data, device: torch.device, loaders: int = 1, balance: str = "none"
) -> BatchSource:
    """The source of a run's training batches; `loaders` threads read pictures that stay in their files."""
    return _source(dataset.train, dataset, data, device, loaders, balance)


def evaluation_source(
    split: Split | Files | Texts, dataset: Dataset, device: torch.device, loaders: int = 1
) -> BatchSource:
    """The source of a split to be predicted."""
    return _source(split, dataset, None, device, loaders)


def _source(
    split: Split | Files | Texts,
    dataset: Dataset,
    data: Data | None,
    device: torch.device,
    loaders: int,
    balance: str = "none",
) -> BatchSource:
    if isinstance(split, Texts):
        return TokenSource(split, device, balance)
    if isinstance(split, Files):
        return StreamedSource(split, dataset, data, device, loaders, balance)
    return ResidentSource(split, dataset, data, device, balance)
