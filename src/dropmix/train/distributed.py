"""Several processes that train one run together, one shard of every batch each: how they meet, agree and exchange.

Decisions (go on, stop, give up) use CPU messages of their own, so that nobody waits for a GPU; tensors are exchanged
over NCCL between GPUs and over Gloo between CPUs.
"""

import atexit
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class PeerError(RuntimeError):
    """Another process failed or ended; the message is one line about it."""


class Group:
    """The processes of a job, after they have met: see `joined`. Process 0 leads: it alone writes files and prints."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.leads = self.rank == 0
        self.broken = False
        """Whether an exchange failed half-way, so that no other can follow and the job has to end."""
        control = dist.new_group(backend="gloo")
        assert isinstance(control, dist.ProcessGroup)
        self.control = control

    def agree(self, *wishes: bool) -> tuple[bool, ...]:
        """Meet all other processes; return for each wish whether any process has it.

        Raises:
            PeerError: one of them failed.
        """
        return self._meet(None, *wishes)

    @contextmanager
    def together(self) -> Iterator[None]:
        """An error in one process within the context fails all: they meet at its end, or in an earlier `agree`."""
        try:
            yield
        except PeerError:
            raise
        except Exception as error:
            if not self.broken:
                self._meet(" ".join(str(error).split()) or type(error).__name__)
            raise
        self.agree()

    @contextmanager
    def exchanging(self) -> Iterator[None]:
        """Within the context others may be waiting for this process's numbers, so that an error ends the job."""
        try:
            yield
        except PeerError:
            raise
        except Exception as error:
            self.broken = True
            if isinstance(error, dist.DistError) or "gloo" in str(error):
                raise PeerError("another process of this job ended. Run the same command again to go on.") from error
            raise

    def share(self, content: Any = None) -> Any:
        """Return the leader's content in every process: numbers, strings, tensors, lists and dicts of them."""
        parcel = [content]
        with self.exchanging():
            dist.broadcast_object_list(parcel, src=0, group=self.control)
        return parcel[0]

    def sum(self, value: Tensor) -> Tensor:
        """Add up a tensor of all processes, in place, and return it."""
        with self.exchanging():
            dist.all_reduce(value)
        return value

    def assemble(self, part: Tensor, rows: slice, count: int) -> Tensor:
        """Return the whole batch, (count, ...), in every process, from the rows that each holds.

        Args:
            part: this process's rows; images, (b, C, H, W), come back in channels_last.
            rows: where they belong; no row belongs to two processes.
            count: number of all rows.
        """
        part = part.permute(0, 2, 3, 1) if part.ndim == 4 else part
        # A sum with zeros sends more than a gather would, but takes parts of any size, even empty ones.
        whole = part.new_zeros((count, *part.shape[1:]))
        whole[rows] = part
        self.sum(whole)
        return whole.permute(0, 3, 1, 2) if part.ndim == 4 else whole

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors of one dtype with the leader's."""
        if not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with self.exchanging():
            dist.broadcast(flat, src=0)
        for tensor, new in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(new.view_as(tensor))

    def parallel(self, model: nn.Module) -> nn.Module:
        """Return the model that a training step calls: its backward pass leaves the mean gradient of all processes."""
        made = DistributedDataParallel(model)
        made.broadcast_buffers = False  # `spread` does it right after a step; newer versions warn about the argument
        return made

    def _meet(self, failure: str | None, *wishes: bool) -> tuple[bool, ...]:
        # Always room for two wishes: a failed process does not know what the others are agreeing on.
        state = torch.tensor([failure is not None, *wishes, False, False][:3], dtype=torch.int32)
        with self.exchanging():
            dist.all_reduce(state, dist.ReduceOp.MAX, group=self.control)
            if state[0]:
                failures: list[str | None] = [None] * self.size
                dist.all_gather_object(failures, failure, group=self.control)
                if failure is None:
                    rank = next(rank for rank, cause in enumerate(failures) if cause is not None)
                    raise PeerError(f"process {rank} of {self.size}: {failures[rank]}")
        return tuple(state[1 : 1 + len(wishes)].bool().tolist())


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Meet the processes that were started with this one; all leave together at the end.

    Args:
        device: of this process.
    """
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    group = Group()
    try:
        yield group
        if not group.broken:
            dist.barrier(group=group.control)
    finally:
        # When a process exits with a status other than 0, torchrun sends this signal to the others.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if group.broken:
            atexit.register(_end_at_once)
        else:
            dist.destroy_process_group()


def _end_at_once() -> None:
    """End without clean-up, because the rest of a broken exchange could keep the process alive."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
