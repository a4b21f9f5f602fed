"""How many images per second a grid trains with one worker process, and with several."""

import signal
import statistics
import tempfile
import time
from pathlib import Path

from dropmix.data import Dataset
from dropmix.grid.data import load_data
from dropmix.grid.local import GridSettings, Progress, run_grid
from dropmix.train.config import RunSpec

from .rivals import BATCH, NETWORK, spec_of


def grid_table(data: Path, workers: int, seconds: float, turns: int, precision: str) -> str:
    """One worker and several, in turns; the clock runs from when all of them train until the first is done."""
    spec = spec_of("mixup", precision)
    dataset = load_data(spec, str(data))
    rates: dict[int, list[float]] = {1: [], workers: []}
    for _ in range(turns):
        for count, found in rates.items():
            found.append(images_a_second(spec, dataset, data, count, seconds))
    one, several = (statistics.median(found) for found in rates.values())
    shown = {count: f"{statistics.median(r):.0f} ({min(r):.0f} - {max(r):.0f})" for count, r in rates.items()}
    return "\n".join(
        [
            f"{NETWORK}, batch {BATCH}, {precision}, Mixup; images per second of all workers, wall clock: median of "
            f"{turns} turns, with the range. Each worker trains one run on one thread.",
            "",
            "| workers | images / s |",
            "|---|---|",
            *(f"| {count} | {text} |" for count, text in shown.items()),
            "",
            f"{workers} workers train {several / one:.2f} times as many as one.",
        ]
    )


def images_a_second(spec: RunSpec, dataset: Dataset, data: Path, workers: int, seconds: float) -> float:
    """Images per second of all workers together, each with one run."""
    known = spec.data.model_copy(update={"fingerprint": dataset.fingerprint})
    runs = [spec.model_copy(update={"seed": seed, "data": known}) for seed in range(workers)]
    seen: dict[str, list[tuple[float, int]]] = {run.folder_name: [] for run in runs}
    stopped = False

    def view(progress: dict[str, Progress]) -> None:
        nonlocal stopped
        if stopped or not all(run.done for run in progress.values()):
            return
        for name, run in progress.items():
            if not seen[name] or seen[name][-1][1] != run.done:
                seen[name].append((time.monotonic(), run.done))
        first, *_, last = sorted(moment for moments in seen.values() for moment, _ in moments) * 2
        if last - first > seconds:
            stopped = True
            signal.raise_signal(signal.SIGTERM)  # the grid's own way to end

    with tempfile.TemporaryDirectory() as out:
        run_grid(runs, GridSettings(Path(out), str(data), workers=workers, checkpoint_seconds=float("inf")), view)
    ends = [(moments[0], moments[-1]) for moments in seen.values()]
    return sum((b - a) * BATCH / (end - begin) for (begin, a), (end, b) in ends)
