"""Steps on batches cut into shards, in one process or one per shard, with the same outcome."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor

from dropmix.msda.binding import is_of_hidden
from dropmix.msda.mix import Mix, mix_images
from dropmix.train.distributed import Group
from dropmix.train.plan import shard_slices
from dropmix.train.step import Stepper

Shard = tuple[int, Callable[[], tuple[Tensor, Tensor]], Mix]


class ShardStep:
    """`Stepper.step` shard by shard: batch statistics per shard, the gradient of the whole batch.

    Running statistics are those of shard 0, as usual when processes share a batch.

    Args:
        stepper: of the run.
        batches: each step's part of the epoch's order.
        group: the processes, one per shard; if None, this process trains the shards one after the other.
    Raises:
        ValueError: partners of the whole batch for a method that mixes hidden states.
    """

    def __init__(self, stepper: Stepper, batches: Sequence[slice], group: Group | None = None) -> None:
        train = stepper.spec.train
        self.stepper, self.batches, self.group = stepper, batches, group
        self.shards, self.within = train.shards, train.mix_within
        if stepper.augment.depends_on_the_past:
            how = "mixes with the batch before" if stepper.augment.remembers else "learns from whole batches"
            raise ValueError(
                f"train.shards: expected 1 with {stepper.spec.arm.method}, which {how}, got {train.shards}. Leave "
                "train.shards out."
            )
        if stepper.spec.arm.method == "transmix":
            raise ValueError(
                f"train.shards: expected 1 with transmix, whose labels follow the whole batch's attention, got "
                f"{train.shards}. Leave train.shards out."
            )
        if self.within == "batch" and is_of_hidden(stepper.spec.arm.method):
            raise ValueError(
                f"train.mix_within: expected shard for {stepper.spec.arm.method}, since shards do not exchange hidden "
                "states, got batch. Use --set train.mix_within=shard."
            )
        if group is not None:
            stepper.trained = group.parallel(stepper.model)
        # A group ends with the mean of its gradients, a single process with the sum.
        self.scale = 1 if group is None else self.shards
        self.mine = range(self.shards) if group is None else [group.rank]
        self.buffers = list(stepper.model.buffers())

    def own_part(self, batch: slice) -> slice:
        """The part of a batch that is the shard of this process of a group."""
        (own,) = self.mine
        place = shard_slices(batch.stop - batch.start, self.shards)[own]
        return slice(batch.start + place.start, batch.start + place.stop)

    def __call__(self, x: Tensor, y: Tensor, epoch: int, step: int) -> Tensor:
        """As `Stepper.step`, for a whole batch or, in a group, for its own shard.

        Returns:
            This process's part of the batch's mean loss: the processes' parts add up to it.
        """
        with nullcontext() if self.group is None else self.group.exchanging():
            return self._step(x, y, epoch, step)

    def _step(self, x: Tensor, y: Tensor, epoch: int, step: int) -> Tensor:
        batch, stepper = self.batches[step], self.stepper
        count = batch.stop - batch.start
        places = shard_slices(count, self.shards)
        stepper.optimizer.zero_grad(set_to_none=True)
        mixed = self._within_shards if self.within == "shard" else self._within_batch
        loss = torch.zeros((), dtype=torch.float64, device=x.device)
        for k, make, mix in mixed(x, y, epoch, step, places):
            share = _share(places[k], count)
            with self._statistics_of_first(k):
                loss = loss + stepper.backward(*make(), mix, share * self.scale) * share
        stepper.apply_gradient()
        if self.group is not None:
            self.group.spread([buffer for buffer in self.buffers if buffer.is_floating_point()])
        return loss

    def _within_batch(self, x: Tensor, y: Tensor, epoch: int, step: int, places: list[slice]) -> list[Shard]:
        count = places[-1].stop
        if self.group is not None and len(x) < count:
            place = places[self.group.rank]
            x, y = self.group.assemble(x, place, count), self.group.assemble(y, place, count)
        mix = self.stepper.draw(x, y, epoch, step, self._saliency)
        shares = self.stepper.shares(y, mix)

        def make(place: slice) -> tuple[Tensor, Tensor]:
            return mix_images(x[place], mix.part(place, x)), shares[place]

        return [(k, partial(make, places[k]), Mix.identity(places[k].stop - places[k].start)) for k in self.mine]

    def _within_shards(self, x: Tensor, y: Tensor, epoch: int, step: int, places: list[slice]) -> list[Shard]:
        drawn = []
        # All are drawn before any training, because saliency needs the weights and statistics before the step.
        for k in self.mine:
            part = (x, y) if self.group is not None else (x[places[k]], y[places[k]])
            saliency = partial(self._saliency_of_shard, _share(places[k], places[-1].stop))
            with self._statistics_of_first(k):
                mix = self.stepper.draw(*part, epoch, step * self.shards + k, saliency)
            drawn.append((k, partial(self.stepper.mix, *part, mix), mix))
        return drawn

    def _saliency_of_shard(
        self, share: float, x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0
    ) -> Tensor:
        return self.stepper.saliency(x, y, signed=signed, clean=clean * share * self.scale)

    def _saliency(self, x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        """Saliency of samples of the whole batch; the process of each shard computes a part."""
        places = shard_slices(len(x), self.shards)
        parts = []
        for k in self.mine:
            part, share = x[places[k]], _share(places[k], len(x))
            if not len(part):
                parts.append(x.new_zeros((0, *x.shape[1:]) if signed else (0, *x.shape[2:]), dtype=torch.float32))
                continue
            with self._statistics_of_first(k):
                gradient = self._saliency_of_shard(share, part, y[places[k]], signed=signed, clean=clean)
            parts.append(gradient * share)
        whole = torch.cat(parts)
        return whole if self.group is None else self.group.assemble(whole, places[self.group.rank], len(x))

    def _statistics_of_first(self, k: int) -> AbstractContextManager[None]:
        """Undo changes of running statistics by passes of shards other than the first."""
        return nullcontext() if k == 0 or self.group is not None else _kept(self.buffers)


def _share(place: slice, count: int) -> float:
    return (place.stop - place.start) / count


@contextmanager
def _kept(tensors: Sequence[Tensor]) -> Iterator[None]:
    before = [tensor.clone() for tensor in tensors]
    yield
    for tensor, value in zip(tensors, before):
        tensor.copy_(value)
