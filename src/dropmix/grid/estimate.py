"""The cost of a run in advance: FLOPs by counting, time from a few real steps on stand-in images."""

import heapq
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dropmix.data import DATASETS, Dataset, Split
from dropmix.msda.binding import map_kind, network_option
from dropmix.nets import build, flops
from dropmix.nets.names import is_foreign
from dropmix.train.config import Arm, Data, RunSpec, Schedule
from dropmix.train.executor import cuda_graphs
from dropmix.train.loop import Control, train_steps
from dropmix.train.step import Stepper

PASSES = {"gradient": 3, "features": 1, "class": 1, None: 0}  # what a mixed batch's map costs, in forward passes
STEPS, WARM_UP = 5, {"cpu": 1, "cuda": 8}
ENOUGH = 0.3  # processor seconds
CPU_FLOPS = 2e10  # per timed step: large networks get smaller batches, so that timing takes seconds
IMAGENET = (1_281_167, 50_000, 1000, 224)


class Sizes(NamedTuple):
    """Sizes of a data set: numbers of images and classes, and (H, W, C)."""

    train: int
    test: int
    classes: int
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, dataset: Dataset) -> "Sizes":
        """The sizes of a loaded data set; its test images are those that a run predicts."""
        target = dataset.judged
        channels, height, width = dataset.train.shape
        return cls(len(dataset.train.labels), len(target.labels), len(dataset.classes), (height, width, channels))

    @classmethod
    def known(cls, data: Data) -> "Sizes":
        """The sizes of a data set by its name; ImageNet's for folders and other files.

        Example:
            >>> Sizes.known(Data(name="cifar100"))
            Sizes(train=50000, test=10000, classes=100, shape=(32, 32, 3))
        """
        about = DATASETS[data.name]
        if about.shape is None or about.classes is None or about.train is None or about.test is None:
            train, test, classes, side = IMAGENET
            return cls(train, test, classes, (data.size or side, data.size or side, 3))
        return cls(about.train, about.test, about.classes, about.shape)


@dataclass(frozen=True)
class Speed:
    """Seconds per image in a training step, from uint8 images to updated weights, and in prediction."""

    step: float
    look: float


@dataclass(frozen=True)
class Estimate:
    """Cost of one run: floating point operations, and seconds (None if nothing was timed)."""

    flops: float
    seconds: float | None


def estimate_run(spec: RunSpec, sizes: Sizes, device: torch.device | None) -> Estimate:
    """Return the cost of one run, alone on a device with the current number of threads.

    Args:
        spec: the run; its arm matters only by the share of batches that cost a saliency pass.
        sizes: of its images.
        device: where to time steps; None counts FLOPs only. A multiply-add counts as two operations, a step
            as three forward passes. Images are taken to lie in memory: reading files is not counted.
    """
    share, passes = saliency_share(spec.arm), _passes(spec.arm)
    trained, looked = images_of(spec, sizes)
    count = forward_flops(spec.network, sizes) * ((3 + passes * share) * trained + looked)
    if device is None:
        return Estimate(count, None)
    plain = speed(spec.model_copy(update={"arm": Arm()}), sizes, device)
    step = plain.step
    if share:  # a dropped batch costs what a vanilla one does
        mixed = speed(spec.model_copy(update={"arm": _alike(spec.arm, rate=0.0)}), sizes, device)
        step += share * (mixed.step - plain.step)
    return Estimate(count, step * trained + plain.look * looked)


def _passes(arm: Arm) -> int:
    """What a mixed batch costs before its step, in forward passes."""
    network = network_option(arm.method)
    if network == "teacher":  # its classes of the images, and each step's gradient
        return 1 + 3 * arm.options["steps"]
    if network == "network":  # features, the gradient of what learns, and the unmixed images
        return 1 + 3 + 3 * bool(arm.options["clean"])
    return PASSES[map_kind(arm.method)]


def _alike(arm: Arm, **changes: Any) -> Arm:
    """An arm that costs the same on classes without names."""
    return arm.model_copy(update={"rates": None, "partners": "any", "confusions": None, "withhold": (), **changes})


def images_of(spec: RunSpec, sizes: Sizes) -> tuple[int, int]:
    """Return the total numbers of images that a run trains on and predicts."""
    train = spec.train
    evaluations = sum(
        epoch % train.evaluate_every == 0 or epoch > train.epochs - train.evaluate_last
        for epoch in range(1, train.epochs + 1)
    )
    return sizes.train * train.epochs, sizes.test * evaluations


def saliency_share(arm: Arm) -> float:
    """Share of an arm's batches that cost a saliency pass."""
    return 1 - arm.rate if map_kind(arm.method) or network_option(arm.method) else 0.0


@cache
def forward_flops(network: str, sizes: Sizes) -> int:
    """FLOPs of the forward pass of one image."""
    height, width, channels = sizes.shape
    with torch.device("cpu" if is_foreign(network) else "meta"):  # foreign networks may read their own numbers
        return flops(build(network, sizes.classes, channels, height), (channels, height, width))


def speed(spec: RunSpec, sizes: Sizes, device: torch.device) -> Speed:
    """Measure a run's steps and predictions, once for all runs that differ only in seed, length or size of the set."""
    return _speed(timed_spec(spec, sizes, device).to_json(), sizes._replace(train=0, test=0), device)


def timed_spec(spec: RunSpec, sizes: Sizes, device: torch.device, most: float = CPU_FLOPS) -> RunSpec:
    """A spec with the same steps on stand-in images that does not end while it is timed. On a CPU, batches are cut to
    at most `most` floating point operations per step, but not below four images."""
    batch = min(spec.train.batch, sizes.train)
    if device.type == "cpu":
        batch = min(batch, max(4, int(most / (3 * forward_flops(spec.network, sizes)))))
    # With random labels, the loss could diverge at the run's own learning rate.
    long: dict[str, Any] = {"batch": batch, "lr": 1e-6, "lr_vanilla": None, "epochs": 10_000, "evaluate_every": 10_000}
    long |= {"evaluate_last": 1, "schedule": Schedule(kind="constant"), "shards": 1, "mix_within": "batch"}
    changes: dict[str, Any] = {
        "seed": 0,
        "arm": _alike(spec.arm, name=spec.arm.method),
        "train": spec.train.model_copy(update=long),
        "data": Data(
            name=spec.data.name,
            crop_padding=spec.data.crop_padding,
            flip=spec.data.flip,
            augment=spec.data.augment,
        ),
    }
    return spec.model_copy(update={**changes, "weights": None, "weights_sha256": None})


@cache
def _speed(spec_json: str, sizes: Sizes, device: torch.device) -> Speed:
    spec = RunSpec.from_json(spec_json)
    return Speed(step_seconds([spec], sizes, device)[0] / spec.train.batch, look_seconds(spec, sizes, device))


def step_seconds(specs: Sequence[RunSpec], sizes: Sizes, device: torch.device, steps: int = STEPS) -> list[float]:
    """Median seconds per step of each spec from `timed_spec`, from uint8 images to new weights, measured in turns."""
    warm_up = WARM_UP[device.type]
    with tempfile.TemporaryDirectory() as place, ExitStack() as open_runs:
        runs = []
        for i, spec in enumerate(specs):
            folder = Path(place) / str(i)
            folder.mkdir()
            images = _stand_in(sizes, spec.train.batch * (steps + warm_up + 1))  # one epoch, without its end
            capture = cuda_graphs() if device.type == "cuda" else None
            control = Control(checkpoint_seconds=float("inf"), capture=capture)
            runs.append(open_runs.enter_context(closing(train_steps(spec, folder, images, device, control))))
        times = [[clocked(lambda run=run: next(run), device) for run in runs] for _ in range(warm_up + steps)]
    return [statistics.median(column) for column in zip(*times[warm_up:])]


def look_seconds(spec: RunSpec, sizes: Sizes, device: torch.device) -> float:
    """Median seconds to predict an image."""
    height, width, channels = sizes.shape
    net = build(spec.network, sizes.classes, channels, height).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    stepper = Stepper(spec, net.eval(), sizes.classes, (0.5,) * channels, (0.5,) * channels)
    x = torch.rand(spec.train.batch, channels, height, width, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    times = [clocked(lambda: stepper.predict(x), device) for _ in range(STEPS + 1)]
    return statistics.median(times[1:]) / len(x)


class Stopwatch:
    """What the clock and this process's own processor time have made since its start, for a process of one thread."""

    def __init__(self) -> None:
        self.clock, self.start = time.perf_counter(), time.process_time()
        """`start`: seconds that the process has computed so far, such as for its imports and the data."""

    def slowdown(self) -> float:
        """How many times as long as on an idle core everything takes now, at least 1."""
        while (computed := time.process_time() - self.start) < ENOUGH:  # less says nothing about other programs
            pass
        return max(1.0, (time.perf_counter() - self.clock) / computed)


def span(seconds: Sequence[float], workers: int) -> float:
    """Seconds until the last of several runs ends; each starts, in order, on the first worker that is free.

    Example:
        >>> span([3.0, 3.0, 3.0], 2), span([3.0], 2), span([], 2)
        (6.0, 3.0, 0.0)
    """
    ends = [0.0] * workers
    for length in seconds:
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)


def clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, including its work on the device. With one thread, its own processor time, which excludes
    other programs on its core."""
    clock = time.thread_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def _stand_in(sizes: Sizes, count: int) -> Dataset:
    """Random images of the right size."""
    rng, channels = np.random.default_rng(0), sizes.shape[-1]
    images = rng.integers(0, 256, (count, *sizes.shape), dtype=np.uint8)
    split = Split(images, np.arange(count) % sizes.classes, np.arange(count))
    classes = [str(i) for i in range(sizes.classes)]
    return Dataset("stand-in", split, split, classes, (0.5,) * channels, (0.25,) * channels, "stand-in")
