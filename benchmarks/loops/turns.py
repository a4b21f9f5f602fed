"""Training loops side by side: each in a process of its own, which pauses after a number of steps."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Loop = Callable[[Callable[[], None]], object]  # trains without end; calls its argument after every step


class Ratio(NamedTuple):
    """Quartiles."""

    low: float
    middle: float
    high: float

    def __format__(self, spec: str) -> str:
        low, middle, high = (format(value, spec or ".2f") for value in self)
        return f"{middle} ({low} - {high})"


class Paused:
    """A training loop that takes a number of steps at a time, and reports the CPU time of its thread for them.

    It runs in a process of its own, as its users run it, because another loop's memory would disturb it. Processes are
    forked, so that all share the images.
    """

    def __init__(self, loop: Loop) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(loop, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def steps(self, count: int) -> float:
        """Take `count` more steps; return CPU seconds."""
        self.pipe.send(count)
        taken = self.pipe.recv()
        if not isinstance(taken, float):
            raise RuntimeError(f"a rival failed: {taken}")
        return taken

    def end(self) -> None:
        """Leave the loop."""
        self.process.kill()  # Lightning takes SIGTERM for something else
        self.process.join()


def _serve(loop: Loop, pipe: Any) -> None:
    left, begin = pipe.recv(), time.thread_time()

    def after_step() -> None:
        nonlocal left, begin
        left -= 1
        if not left:
            pipe.send(time.thread_time() - begin)
            left, begin = pipe.recv(), time.thread_time()

    try:
        loop(after_step)
    except BaseException as error:  # its traceback goes the usual way; the parent must not wait for its answer
        pipe.send(repr(error))
        raise


def in_turns(rivals: Mapping[str, Loop], turns: int, steps: int) -> dict[str, list[float]]:
    """CPU seconds of `steps` steps of every rival, turn by turn; a first turn warms up and is left out."""
    paused = {name: Paused(loop) for name, loop in rivals.items()}
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(turns + 1):
        for name, rival in paused.items():
            rival.steps(1)  # brings the cache back
            taken = rival.steps(steps)
            if turn:
                times[name].append(taken)
    for rival in paused.values():
        rival.end()
    return times


def ratio(times: list[float], to: list[float]) -> Ratio:
    """Quartiles of times / to, taken within each turn, so that a disturbance of a whole turn cancels."""
    return Ratio(*statistics.quantiles([a / b for a, b in zip(times, to)], n=4))
