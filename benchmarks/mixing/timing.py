"""Times and page faults of things that are compared, taken in turns."""

import resource
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Measure(NamedTuple):
    """Quartiles of the CPU seconds of a call, and its mean number of page faults."""

    low: float
    middle: float
    high: float
    faults: float


def in_turns(rivals: dict[str, Callable[[], object]], seconds: float = 12.0) -> dict[str, Measure]:
    """Measure each rival, in turns, for so many CPU seconds in all.

    Each turn is a call that is not timed and one that is: a rival then starts from its own heap and cache, and not from
    what the one before it left. Without the first call, who comes after a rival that freed much memory pays for it.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    faults: dict[str, int] = dict.fromkeys(rivals, 0)
    start = time.thread_time()
    while time.thread_time() - start < seconds or len(next(iter(times.values()))) < 5:
        for name, run in rivals.items():
            run()
            before = _page_faults()
            begin = time.thread_time()
            run()
            times[name].append(time.thread_time() - begin)
            faults[name] += _page_faults() - before
    return {name: _measure(taken, faults[name]) for name, taken in times.items()}


def _measure(taken: list[float], faults: int) -> Measure:
    low, middle, high = statistics.quantiles(taken, n=4)
    return Measure(low, middle, high, faults / len(taken))


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
