"""How steps reach a GPU: kernel by kernel or as CUDA graphs; and runs that share a process.

On a GPU, a step of a small network at batch 100 takes longer to launch than to compute. A CUDA graph launches a whole
update at once. It bakes in the addresses of all tensors and every number from the host, such as the learning rate.
Drawing and mixing differ from step to step, so they stay outside.
"""

from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from dropmix.msda.mix import Mix
from dropmix.msda.puzzle.work import run_by
from dropmix.train.step import Stepper

Result = TypeVar("Result")
# Takes work and, without running it, returns a function that replays it, and its result, overwritten by each replay.
Capture = Callable[[Callable[[], Any]], tuple[Callable[[], object], Any]]

WARM_UP = 3


def cuda_graphs() -> Capture:
    """Return a `Capture` for the current CUDA stream; all that it captures shares one pool of memory.

    Replays must therefore not overlap, and a result must be used before the next replay of any graph.
    """
    pool = torch.cuda.graph_pool_handle()

    def capture(work: Callable[[], Any]) -> tuple[Callable[[], object], Any]:
        graph = torch.cuda.CUDAGraph()
        # Thread-local: threads that load images may do what a capture forbids.
        with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            result = work()
        return graph.replay, result

    return capture


class Replayed:
    """A function of tensors that is called directly at first, then captured and replayed on its own buffers.

    Args:
        function: takes tensors of the same shapes at every call, returns tensors.
        capture: see `Capture`.
        warm_up: calls before the capture. They create one-time objects such as momentum buffers and workspaces.
    """

    def __init__(self, function: Callable[..., Any], capture: Capture, warm_up: int = WARM_UP) -> None:
        self.function, self.capture, self.warm_up = function, capture, warm_up
        self.inputs: list[Tensor] = []
        self.replay: Callable[[], object] | None = None
        self.result: Any = None
        self.stale = False

    def __call__(self, *inputs: Tensor) -> Any:
        """Return what the function returns, in memory that the next call overwrites."""
        if self.warm_up:
            self.warm_up -= 1
            return self.function(*inputs)
        if self.replay is None:
            self.inputs = [torch.empty_like(given) for given in inputs]
        for own, given in zip(self.inputs, inputs):
            own.copy_(given)
        if self.replay is None or self.stale:
            # The old capture is released after this one: a pool that loses its last graph cannot be used again.
            self.replay, self.result = self.capture(lambda: self.function(*self.inputs))
            self.stale = False
        self.replay()
        return self.result

    def renew(self) -> None:
        """Capture again before the next replay: a number that is baked in has changed."""
        self.stale = True


class GraphStep:
    """`Stepper.step` in graphs: one for the update, and one each for the saliency pass and PuzzleMix's mask.

    The outcome equals that of `Stepper.step` to the bit. Kernel by kernel run: batches of another size, the mixing of
    hidden states, and update and saliency pass if the pass also trains (PuzzleMix's clean loss).

    Args:
        stepper: of the run.
        batch: size of the batches to replay, B.
        capture: see `Capture`.
    """

    def __init__(self, stepper: Stepper, batch: int, capture: Capture) -> None:
        self.stepper, self.batch, self.capture, self.lr = stepper, batch, capture, stepper.lr
        nothing_hidden = Mix.identity(batch)
        self.update = Replayed(lambda x, shares: stepper.update(x, shares, nothing_hidden), capture)
        self.sizes = Replayed(stepper.saliency, capture)
        self.gradients = Replayed(lambda x, y: stepper.saliency(x, y, signed=True), capture)
        self.works: dict[Hashable, Replayed] = {}
        self.a_weight = next(stepper.model.parameters())

    def __call__(self, x: Tensor, y: Tensor, epoch: int, step: int) -> Tensor:
        """As `Stepper.step`; the loss is overwritten by the next call."""
        stepper = self.stepper
        stepper.optimizer.zero_grad(set_to_none=True)
        with run_by(self.run):
            mix = stepper.draw(x, y, epoch, step, self.saliency)
        x, shares = stepper.mix(x, y, mix)
        # A capture would lose gradients that were there before it.
        has_gradient = self.a_weight.grad is not None
        if len(x) != self.batch or mix.layer is not None or mix.attended is not None or has_gradient:
            return stepper.update(x, shares, mix)
        if stepper.lr != self.lr:
            self.lr = stepper.lr
            self.update.renew()
        return self.update(x, shares)

    def run(self, function: Callable[..., Any], tensors: tuple[Tensor, ...], settings: Hashable) -> Any:
        """The runner for `run_by`."""
        if len(tensors[0]) != self.batch:
            return function(*tensors, settings)
        key = (function, settings, *(tensor.shape for tensor in tensors))
        if key not in self.works:
            self.works[key] = Replayed(lambda *tensors: function(*tensors, settings), self.capture)
        return self.works[key](*tensors)

    def saliency(self, x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        """As `Stepper.saliency`; overwritten by the next call."""
        if clean or len(x) != self.batch:
            return self.stepper.saliency(x, y, signed=signed, clean=clean)
        return self.gradients(x, y) if signed else self.sizes(x, y)


def on_stream(steps: Generator[None, None, Result], device: torch.device) -> Generator[None, None, Result]:
    """Run a generator with its own current CUDA stream; on a CPU, just run it.

    A stream that the generator entered itself would stay current while others take their turn.
    """
    if device.type != "cuda":
        return (yield from steps)
    stream = torch.cuda.Stream(device)
    try:
        while True:
            with torch.cuda.stream(stream):
                try:
                    next(steps)
                except StopIteration as end:
                    return end.value
            yield
    finally:
        with torch.cuda.stream(stream):
            steps.close()
            del steps
            # Memory freed on a stream serves only that stream, and the next run has another.
            torch.cuda.empty_cache()


def exhaust(steps: Generator[Any, None, Result]) -> Result:
    """Run a generator to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def take_turns(runs: Mapping[str, Generator[Any, None, Result]]) -> Iterator[tuple[str, Result]]:
    """Advance generators in turn, one step each; yield the name and the result of each one that ends.

    Example:
        >>> def count(n):
        ...     for _ in range(n):
        ...         yield
        ...     return n
        >>> list(take_turns({"long": count(3), "short": count(1)}))
        [('short', 1), ('long', 3)]
    """
    left = dict(runs)
    while left:
        for name in list(left):
            try:
                next(left[name])
            except StopIteration as end:
                del left[name]
                yield name, end.value
