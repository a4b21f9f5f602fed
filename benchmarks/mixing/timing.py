"""Times and page faults of rival calls, measured in turns."""

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
    """Measure each rival, in turns, for a total of `seconds` CPU seconds.

    Each turn is one untimed call and one timed call, so a rival starts from its own heap and cache, not from what the
    previous rival left. Without the first call, a rival would pay for the memory that the previous one freed.
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
