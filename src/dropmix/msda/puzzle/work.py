"""Long device work that a training loop may replay as a CUDA graph instead of launching kernel by kernel."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

# Called as runner(function, tensors, settings); returns function(*tensors, settings).
Runner = Callable[[Callable[..., Any], tuple[Tensor, ...], Hashable], Any]
_runner: ContextVar[Runner | None] = ContextVar("runner", default=None)


def run(function: Callable[..., Any], tensors: tuple[Tensor, ...], settings: Hashable) -> Any:
    """Return function(*tensors, settings), computed by the runner of the context.

    Args:
        function: reads and writes only its arguments, and reads no values on the host.
        tensors: its inputs, batch first.
        settings: everything else that its result depends on.
    """
    runner = _runner.get()
    return function(*tensors, settings) if runner is None else runner(function, tensors, settings)


@contextmanager
def run_by(runner: Runner) -> Iterator[None]:
    """Within the context, `run` hands its work to a runner.

    Example:
        >>> import torch
        >>> with run_by(lambda function, tensors, settings: function(*tensors, 10 * settings)):
        ...     run(lambda x, factor: factor * x, (torch.ones(1),), 2)
        tensor([20.])
    """
    before = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(before)
