"""The display of a running grid: one line per run and an ETA; plain lines outside a terminal."""

import time
from collections import deque
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dropmix.grid.local import Progress

Runs = dict[str, Progress]
_LIVE_ROWS = 20


class Eta:
    """Time left, from the share of all runs' steps done in the last `window` seconds.

    The window opens at the first step: workers that load torch and images make no steps, and would promise hours.
    """

    def __init__(self, window: float = 600.0) -> None:
        self.window = window
        self.past: deque[tuple[float, float]] = deque()

    def __call__(self, runs: Runs) -> str:
        """Return a text such as "12 min left"."""
        share, now = sum(_share(run) for run in runs.values()) / max(len(runs), 1), time.monotonic()
        if len(self.past) == 1 and self.past[0][1] == share:
            self.past.clear()
        self.past.append((now, share))
        while now - self.past[0][0] > self.window:
            self.past.popleft()
        before, first = self.past[0]
        if share <= first or now - before < 2:
            return "time left unknown"
        return f"{duration((now - before) * (1 - share) / (share - first))} left"


def duration(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> duration(50), duration(600), duration(9000), duration(2174040)
        ('50 s', '10 min', '2.5 h', '25 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    days = seconds / 86_400
    return f"{seconds / 3600:.1f} h" if days < 2 else f"{days:,.0f} days" if days < 730 else f"{days / 365:,.0f} years"


def headline(runs: Runs, eta: str) -> str:
    """One line about the grid."""
    done, running, failed = (
        sum(run.state == state for run in runs.values()) for state in ("done", "running", "failed")
    )
    parts = [f"{done} of {len(runs)} runs done"]
    parts += [f"{failed} failed"] if failed else []
    if done + failed < len(runs):
        parts += [f"{running} running" if running else "workers start", eta]
    return ", ".join(parts)


class PlainView:
    """Prints a line when a run ends, and one about the grid at most every `seconds`."""

    def __init__(self, say: Callable[[str], None], seconds: float = 60.0) -> None:
        self.say, self.seconds = say, seconds
        self.eta, self.last = Eta(), time.monotonic()
        self.told: set[tuple[str, str]] = set()

    def __call__(self, runs: Runs) -> None:
        first, eta = not self.told, self.eta(runs)
        for run in runs.values():
            if run.state in ("done", "failed", "stopped", "busy") and (run.name, run.state) not in self.told:
                self.told.add((run.name, run.state))
                if not first or run.total:
                    self.say(_line(run))
        if time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            self.say(headline(runs, eta))


class LiveView:
    """A live table of running and failed runs, with the grid's headline."""

    def __init__(self, console: Console) -> None:
        self.eta = Eta()
        self.live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> "LiveView":
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def __call__(self, runs: Runs) -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("run", "state", "progress", "accuracy"):
            table.add_column(column)
        shown = [run for run in runs.values() if run.state != "waiting"]
        shown.sort(key=lambda run: run.state == "running")
        for run in shown[-_LIVE_ROWS:]:
            accuracy = "" if run.accuracy is None else f"{100 * run.accuracy:.1f} %"
            table.add_row(run.name, run.state, _bar(_share(run)), accuracy)
        self.live.update(Group(Text(headline(runs, self.eta(runs))), table))


def _share(run: Progress) -> float:
    if run.state in ("done", "failed"):
        return 1.0
    return run.done / run.total if run.total else 0.0


def _bar(share: float, width: int = 20) -> str:
    full = round(share * width)
    return "━" * full + "╌" * (width - full) + f" {100 * share:3.0f} %"


def _line(run: Progress) -> str:
    accuracy = f", accuracy {100 * run.accuracy:.2f} %" if run.accuracy is not None else ""
    cause = f": {run.cause}" if run.cause else ""
    return f"{run.name}: {run.state}{accuracy}{cause}"
