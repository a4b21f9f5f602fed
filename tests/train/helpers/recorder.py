"""A CPU stand-in for CUDA graphs: operations are recorded with their tensors and numbers, and replayed on the same.

So it has a graph's traps. Capturing changes no value; what came from the host is baked in; nothing that Python does,
such as setting a gradient to None or a learning rate, reaches a replay; and all memory that a replay made is
overwritten by the next replay in the same pool, here with NaN first.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero")


class Recording(TorchDispatchMode):
    """The operations of a capture. `made`: tensors of its own memory; `found`: others, with their first values."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple] = []
        self.made: list[Tensor] = []
        self.found: dict[int, tuple[Tensor, Tensor]] = {}
        self.own_memory: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function.overloadpacket.__name__ in READS:
            raise RuntimeError(f"a capture cannot read values on the host: {function}")
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in given:
            if memory(tensor) not in self.own_memory:
                self.found.setdefault(id(tensor), (tensor, tensor.detach().clone()))
        result = function(*args, **kwargs)
        fresh = [(i, t) for i, t in enumerate(tree_leaves(result)) if isinstance(t, Tensor)]
        before = {memory(tensor) for tensor in given}
        fresh = [(i, t) for i, t in fresh if memory(t) not in before]
        self.own_memory |= {memory(t) for _, t in fresh}
        self.made += [t for _, t in fresh]
        self.steps.append((function, args, kwargs, fresh))
        return result

    def undo(self) -> None:
        for tensor, first in reversed(list(self.found.values())):
            if not torch.equal(tensor, first):
                tensor.detach().copy_(first)
        self.poison()

    def poison(self) -> None:
        for tensor in self.made:
            if tensor.is_floating_point():
                tensor.detach().fill_(torch.nan)

    def run(self) -> None:
        for function, args, kwargs, fresh in self.steps:
            result = tree_leaves(function(*args, **kwargs))
            for i, tensor in fresh:
                tensor.copy_(result[i])


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class Recorder:
    """A `Capture`; counts what was captured and replayed."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.replays = 0

    def __call__(self, work: Callable[[], Any]) -> tuple[Callable[[], object], Any]:
        recording = Recording()
        with recording:
            result = work()
        with torch.no_grad():
            recording.undo()
        self.recordings.append(recording)

        def replay() -> None:
            self.replays += 1
            with torch.no_grad():
                for other in self.recordings:
                    other.poison()
                recording.run()

        return replay, result
