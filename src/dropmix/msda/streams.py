"""Draws as functions of seed, rank, worker and step, and the memory that DataLoader workers share with their parent."""

import hashlib
import os
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import get_worker_info

_WORKERS = 1024
_CALLS = 3  # place of the main process's counter on the board; those of the workers follow


def stream(seed: int, name: str, *place: int) -> Generator:
    """Return the CPU generator of a stream at a place, e.g. (rank, worker, step).

    Example:
        >>> a, b = stream(0, "mix", 0, -1, 7), stream(0, "mix", 0, -1, 7)
        >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
        True
    """
    key = hashlib.sha256("/".join(map(str, (seed, name, *place))).encode()).digest()
    return Generator().manual_seed(int.from_bytes(key[:8], "little", signed=True))


def current_rank() -> int:
    """Rank of this process: of `torch.distributed` where it runs, else of the environment (RANK), else 0."""
    if _distributed():
        return torch.distributed.get_rank()
    return int(os.environ.get("RANK", "0"))


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class Board:
    """Memory that a module shares with the copies of itself in DataLoader workers.

    The main process writes its settings there, so that a worker sees when its own copy is out of date. Every process
    counts its calls there, so that the counts outlive workers and reach the main process's state.
    """

    def __init__(self) -> None:
        self.values = _shared(torch.zeros(_CALLS + 1 + _WORKERS, dtype=torch.float64, device="cpu"))
        self.rank: int | None = None

    def publish(self, *settings: float) -> None:
        """Write the settings of the main process's module. A worker's own changes stay in the worker."""
        if get_worker_info() is None:
            self.values.numpy()[:_CALLS] = settings

    def is_current(self, *settings: float) -> bool:
        """Whether settings are those that the main process published last."""
        return bool((self.values.numpy()[:_CALLS] == settings).all())

    def next_place(self, step: int | None) -> tuple[int, ...]:
        """Return (rank, worker, step), and count the call unless the step is given. The main process is worker -1."""
        info = get_worker_info()
        worker = -1 if info is None else info.id
        rank = current_rank()
        if info is not None and self.rank is not None and not _distributed():
            rank = self.rank  # a spawned worker does not know it
        if step is not None:
            return rank, worker, step
        counts = self.values.numpy()[_CALLS:]
        slot = 0 if info is None else 1 + worker % _WORKERS
        count = int(counts[slot])
        counts[slot] += 1
        # A worker without shared memory starts anew in every epoch; the loader's seed tells the epochs apart.
        return (rank, worker, count) if info is None or self.values.is_shared() else (rank, worker, count, info.seed)

    @property
    def calls(self) -> Tensor:
        """Calls counted so far by the main process and each worker, int64, without the zeros at the end."""
        counts = self.values[_CALLS:].long()
        used = counts.nonzero()
        return counts[: int(used[-1]) + 1] if len(used) else counts[:1]

    @calls.setter
    def calls(self, counts: Tensor) -> None:
        self.values[_CALLS:] = 0
        self.values[_CALLS : _CALLS + len(counts)] = counts.double().cpu()

    def __getstate__(self) -> dict[str, Any]:
        return {"values": self.values, "rank": current_rank() if get_worker_info() is None else self.rank}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if get_worker_info() is None and not self.values.is_shared():
            self.values = _shared(self.values.clone())


class Seeded(nn.Module):
    """A module whose draws come from a seed, a generator or torch's global one, and that may be copied to workers.

    Args:
        seed: makes every draw a function of (seed, rank, worker, step).
        generator: CPU generator, instead of a seed.
    Raises:
        ValueError: both.
    """

    def __init__(self, seed: int | None, generator: Generator | None) -> None:
        super().__init__()
        if seed is not None and generator is not None:
            raise ValueError("DropMix: expected seed or generator, got both. Leave out the generator.")
        self._board = Board()
        self.seed = seed
        self.generator = generator

    def settings(self) -> tuple[float, ...]:
        """The settings that a worker's copy must share with the main process, one number per place of the board."""
        raise NotImplementedError

    def publish(self) -> None:
        """Tell workers this module's settings."""
        self._board.publish(*self.settings())

    def check_worker(self) -> None:
        """Raise a RuntimeError in a DataLoader worker whose copy is out of date."""
        if get_worker_info() is not None and not self._board.is_current(*self.settings()):
            raise RuntimeError(
                "DropMix: expected the settings that this DataLoader worker started with, got rate, mixup_enabled or "
                "train/eval changed since. Start new workers (persistent_workers=False), or mix in the main process."
            )

    def sources(
        self, generator: Generator | None, dropping: Generator | None, step: int | None
    ) -> tuple[Generator | None, Generator | None]:
        """Sources of the mix and of the drops; with a seed, a stream each, so that mixes do not depend on the rate."""
        self.check_worker()
        if self.seed is None and step is not None:
            raise ValueError(f"DropMix: expected seed= for draws by step, got step={step} alone. Give DropMix a seed.")
        if generator is not None:
            return generator, generator if dropping is None else dropping
        if self.seed is not None:
            if not self.training:
                return None, dropping  # nothing is drawn, and no call is counted
            place = self._board.next_place(step)
            return stream(self.seed, "mix", *place), stream(self.seed, "drop", *place) if dropping is None else dropping
        if self.generator is not None and get_worker_info() is not None:
            raise RuntimeError(
                "DropMix: expected seed= in a DataLoader worker, got generator=, whose copies draw the same in every "
                "worker and epoch. Give DropMix seed=0 instead."
            )
        return self.generator, self.generator if dropping is None else dropping

    def get_extra_state(self) -> Tensor:
        """For `state_dict`: the generator's state, or the number of calls by the main process and each worker."""
        return self._board.calls if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from a state: see `get_extra_state`."""
        if (state.dtype == torch.uint8) != (self.generator is not None):
            own, other = ("generator", "seed") if self.generator is not None else ("seed", "generator")
            raise ValueError(
                f"DropMix: expected the state of a module with a {own}, got that of one with a {other}. "
                f"Make this one with the {other} too."
            )
        if self.generator is None:
            self._board.calls = state
        else:
            self.generator.set_state(state.cpu())


def _shared(values: Tensor) -> Tensor:
    try:
        return values.share_memory_()
    except (RuntimeError, OSError):  # a machine without shared memory: see `next_place`
        return values
