"""How fast a GPU trains with each way of launching steps, compared with the limits of its arithmetic and memory.

    python benchmarks/gpu.py                          all that is not measured yet, then benchmarks/results/gpu.md
    python benchmarks/gpu.py --device cpu --quick     its logic at a tiny size; prints the table, writes nothing

Needs torch, numpy and this package (PYTHONPATH=src), no images. What is measured is added to --state at once, so a call
that was cut off goes on where it was. Runs are real ones, from uint8 images on the device to updated weights, without
evaluation; each number is the median of five blocks of steps, with the range.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dropmix.data import Dataset, Split
from dropmix.grid.arm import make_arm
from dropmix.grid.estimate import Sizes
from dropmix.grid.limits import measure_limits, traffic
from dropmix.msda.methods.puzzlemix import puzzlemix
from dropmix.msda.puzzle.work import run_by
from dropmix.nets import build, flops
from dropmix.train.config import Data, RunSpec, Schedule, Train
from dropmix.train.device import make_deterministic, resolve_device
from dropmix.train.executor import WARM_UP, GraphStep, cuda_graphs
from dropmix.train.loop import Control, train_steps
from dropmix.train.step import Stepper

RESULTS = Path(__file__).parent / "results" / "gpu.md"
EXECUTORS = {"eager": 1, "graph": 1, "packed:2": 2, "packed:4": 4, "packed:8": 8}
CLASSES, BLOCKS, RUN_IMAGES = 100, 5, 300 * 50_000


class Size(NamedTuple):
    """What is measured, and how long."""

    networks: tuple[str, ...]
    batch: int
    images: int
    warm_up: int
    steps: int  # of a block


FULL = Size(("wrn28-2", "preactresnet18"), 100, 50_000, 20, 60)
QUICK = Size(("wrn10-1",), 10, 500, 4, 2)


class State:
    """Measurements by name, a JSON line each; those of another device or torch do not count."""

    def __init__(self, path: Path | None, where: str) -> None:
        self.path, self.where, self.known = path, where, dict[str, Any]()
        for line in path.read_text().splitlines() if path and path.exists() else []:
            row = json.loads(line)
            if row["where"] == where:
                self.known[row["name"]] = row["value"]

    def __call__(self, name: str, measure: Callable[[], Any]) -> Any:
        if name not in self.known:
            self.known[name] = measure()
            print(f"{name}: {self.known[name]}", flush=True)
            if self.path:
                with self.path.open("a") as file:
                    file.write(json.dumps({"where": self.where, "name": name, "value": self.known[name]}) + "\n")
        return self.known[name]


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Seconds per call, in `BLOCKS` blocks of `repeats` calls."""
    for _ in range(WARM_UP + 1):
        work()
    found = []
    for _ in range(BLOCKS):
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        wait(device)
        found.append((time.perf_counter() - start) / repeats)
    return found


def wait(device: torch.device) -> None:
    """Let the device finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def images_a_second(network: str, method: str, rate: float, executor: str, size: Size, device: torch.device) -> Any:
    """Median, least and most images per second, over all runs of a process together."""
    graph = executor != "eager" and device.type == "cuda"
    dataset, runs = random_images(size.images), {}
    with tempfile.TemporaryDirectory() as place:
        for seed in range(EXECUTORS[executor]):
            folder = Path(place) / str(seed)
            folder.mkdir()
            control = Control(capture=cuda_graphs() if graph else None, checkpoint_seconds=1e9)
            runs[str(seed)] = train_steps(
                spec_of(network, method, rate, size.batch, seed), folder, dataset, device, control
            )
        step = rounds(runs)
        for _ in range(size.warm_up):
            next(step)
        images = size.batch * len(runs)
        found = sorted(images / taken for taken in seconds_of(lambda: next(step), device, size.steps))
        for run in runs.values():
            run.close()
    return round(statistics.median(found)), round(found[0]), round(found[-1])


def rounds(runs: dict[str, Any]) -> Iterator[None]:
    """Take one step of every run per turn."""
    while True:
        for run in runs.values():
            next(run)
        yield


def spec_of(network: str, method: str, rate: float, batch: int, seed: int) -> RunSpec:
    """A run like those of the paper's recipes, too long to end here."""
    train = Train(
        epochs=1000,
        batch=batch,
        lr=0.001,
        schedule=Schedule(kind="constant"),
        precision="bf16",
        evaluate_every=1000,
        evaluate_last=1,
    )
    data = Data(name="random", crop_padding=2, flip=True)
    return RunSpec(arm=make_arm(method, rate), seed=seed, network=network, data=data, train=train)


def random_images(count: int) -> Dataset:
    """Images of CIFAR's size."""
    rng = np.random.default_rng(0)
    train, test = (
        Split(rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), np.arange(n) % CLASSES, np.arange(n))
        for n in (count, CLASSES)
    )
    return Dataset("random", train, test, [str(i) for i in range(CLASSES)], (0.5,) * 3, (0.25,) * 3, "random")


def parts_of_puzzlemix(network: str, size: Size, device: torch.device) -> dict[str, float]:
    """Median ms per batch: saliency pass, mask and transport per grid (also as graphs), and the capture."""
    model = build(network, CLASSES).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    stepper = Stepper(spec_of(network, "puzzlemix", 0.0, size.batch, 0), model, CLASSES, (0.5,) * 3, (0.25,) * 3)
    x = torch.rand(size.batch, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    y = torch.arange(size.batch, device=device) % CLASSES
    maps = stepper.saliency(x, y)
    work: dict[str, Callable[[], object]] = {"saliency pass": partial(stepper.saliency, x, y)}
    for blocks in (2, 4, 8, 16):
        work[f"mask and transport, {blocks} x {blocks}"] = partial(puzzlemix, x, maps, block_counts=[blocks])
    if device.type == "cuda":
        stream = torch.cuda.Stream(device)
        wait(device)
        with torch.cuda.stream(stream):
            replayed = GraphStep(stepper, size.batch, cuda_graphs())
            for step in range(4):
                replayed(x, y, 0, step)
            work["saliency pass, as a graph"] = partial(replayed.saliency, x, y)
            for blocks in (2, 4, 8, 16):
                work[f"mask and transport, {blocks} x {blocks}, as a graph"] = partial(
                    as_graph, replayed, x, maps, blocks
                )

            def capture() -> None:
                stepper.optimizer.zero_grad(set_to_none=True)
                replayed.update.renew()
                replayed.update(x, torch.full((size.batch, CLASSES), 1 / CLASSES, device=device))

            work["making the update's graph"] = capture
            return {name: 1e3 * statistics.median(seconds_of(call, device, 5)) for name, call in work.items()}
    return {name: 1e3 * statistics.median(seconds_of(call, device, 1)) for name, call in work.items()}


def as_graph(replayed: GraphStep, x: Tensor, maps: Tensor, blocks: int) -> None:
    """Mask and transport, replayed from the fourth call on."""
    with run_by(replayed.run):
        puzzlemix(x, maps, block_counts=[blocks])


def measure(state: State, size: Size, device: torch.device) -> str:
    """All measurements, as a page."""
    limits = state("limits", lambda: asdict(measure_limits(device, torch.bfloat16)))
    speed, width = limits["flops"], limits["bytes"]
    lines = [
        "# Training on a GPU",
        "",
        f"{state.where}; batch {size.batch}, bf16. Made by `benchmarks/gpu.py`.",
        f"Measured limits: {speed / 1e12:.1f} TFLOP/s, {width / 1e12:.2f} TB/s (see `dropmix bench`).",
        "",
        "Images a second of all runs of a process together, with the least and most of five blocks; seconds of the",
        "GPU that a run of 300 epochs of 50,000 images takes, evaluation left out; share of the speeds at which only",
        "memory, or only arithmetic, of a vanilla step would count. Its traffic is counted operation by operation:",
        "what fuses some of them can exceed it.",
        "",
        "| network | method | steps | images / s | least - most | a run | of memory's limit | of arithmetic's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for network in size.networks:
        moved = traffic(network, Sizes(size.images, size.images, CLASSES, (32, 32, 3)), size.batch, "bf16").eager
        with torch.device("meta"):
            worked = 3 * flops(build(network, CLASSES), (3, 32, 32))
        for method, rate in (("vanilla", 0.0), ("mixup", 0.0), ("puzzlemix", 0.0), ("puzzlemix", 0.5)):
            for executor in EXECUTORS if method == "vanilla" else ("eager", "graph", "packed:4"):
                name = f"{network} {method} {rate} {executor}"
                middle, low, high = state(name, partial(images_a_second, network, method, rate, executor, size, device))
                shown = f"{method} r={rate:g}" if rate else method
                shares = f"{middle * moved / width:.0%} | {middle * worked / speed:.0%}"
                run = f"{RUN_IMAGES / middle:,.0f} s"
                lines.append(
                    f"| {network} | {shown} | {executor} | {middle:,} | {low:,} - {high:,} | {run} | {shares} |"
                )
    lines += [
        "",
        "Milliseconds a batch.",
        "",
        f"| | {' | '.join(size.networks)} |",
        "|---|" + "---|" * len(size.networks),
    ]
    parts = [
        state(f"{network}: parts", partial(parts_of_puzzlemix, network, size, device)) for network in size.networks
    ]
    lines += [f"| {name} | {' | '.join(f'{part[name]:.2f}' for part in parts)} |" for name in parts[0]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is not measured yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it works")
    parser.add_argument("--state", type=Path, default=Path("gpu.jsonl"), help="measurements so far")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    device = resolve_device(given.device)
    make_deterministic()
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    state = State(None if given.quick else given.state, f"{where}, torch {torch.__version__}")
    page = measure(state, QUICK if given.quick else FULL, device)
    print(page)
    if not given.quick:
        given.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
