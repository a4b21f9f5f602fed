"""What a person sees while a grid runs: one line a run and an ETA; plain lines when not in a terminal."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from .run import Progress

Runs = dict[str, Progress]
_LIVE_ROWS = 20


class Eta:
    """Time left, from the share of all runs' steps done since the start."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.first = 0.0

    def __call__(self, runs: Runs) -> str:
        """Return a text such as "12 min left"."""
        share = sum(_share(run) for run in runs.values()) / max(len(runs), 1)
        now = time.monotonic()
        if self.start is None:
            self.start, self.first = now, share
        gained = share - self.first
        if gained <= 0 or now - self.start < 2:
            return "time left unknown"
        return f"{duration((now - self.start) * (1 - share) / gained)} left"


def duration(seconds: float) -> str:
    """A length of time for people.

    Example:
        >>> duration(50), duration(600), duration(9000)
        ('50 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def headline(runs: Runs, eta: str) -> str:
    """One line about the grid."""
    counts = {state: sum(run.state == state for run in runs.values()) for state in ("done", "running", "failed")}
    text = f"{counts['done']} of {len(runs)} runs done, {counts['running']} running"
    text += f", {counts['failed']} failed" if counts["failed"] else ""
    return text if counts["done"] == len(runs) else f"{text}, {eta}"


class PlainView:
    """A line whenever a run ends, and one about the grid at most every `seconds`."""

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
    """A table that renews itself: what runs now, what failed, and the grid's headline."""

    def __init__(self, console: Console) -> None:
        self.eta = Eta()
        self.live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> "LiveView":
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def __call__(self, runs: Runs) -> None:
        table = Table(box=None, pad_edge=False, title=headline(runs, self.eta(runs)), title_justify="left")
        for column in ("run", "state", "progress", "accuracy"):
            table.add_column(column)
        shown = [run for run in runs.values() if run.state != "waiting"]
        shown.sort(key=lambda run: run.state == "running")
        for run in shown[-_LIVE_ROWS:]:
            accuracy = "" if run.accuracy is None else f"{100 * run.accuracy:.1f} %"
            table.add_row(run.name, run.state, _bar(_share(run)), accuracy)
        self.live.update(table)


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
