"""What a table or figure of the paper costs: FLOPs by counting, time by a few real steps on small batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np
import torch

from dropmix.data import Dataset, Split
from dropmix.grid.estimate import estimate_run
from dropmix.nets import build, flops
from dropmix.recipes.paper import Planned, find_exhibits
from dropmix.train.config import Arm, RunSpec

# Images (train, test), classes and shape of the paper's sets, so that a plan needs no data.
SIZES = {
    "cifar100": (50_000, 10_000, 100, (32, 32, 3)),
    "cifar10": (50_000, 10_000, 10, (32, 32, 3)),
    "folder": (1_281_167, 50_000, 1000, (224, 224, 3)),
}
SALIENCY = ("puzzlemix", "saliencymix")  # a mixed batch costs a second forward and backward pass
CPU_BATCH = 8


@dataclass(frozen=True)
class Cost:
    """Of one run: floating point operations, and seconds on the device that was asked (None where it was not)."""

    flops: float
    seconds: float | None


def costs(runs: Sequence[Planned], device: torch.device | None = None) -> list[Cost]:
    """What each run costs.

    Args:
        runs: from `dropmix.recipes.paper.plan`.
        device: where to time a step of every network, vanilla and with saliency; None counts FLOPs only. On a CPU the
            steps are of 8 images, so that large networks answer in seconds.
    """
    return [Cost(_flops(run.spec), None if device is None else _seconds(run.spec, device)) for run in runs]


def _flops(spec: RunSpec) -> float:
    train, test, *_ = SIZES[spec.data.name]
    settings = spec.train
    evaluations = sum(
        e % settings.evaluate_every == 0 or e > settings.epochs - settings.evaluate_last
        for e in range(1, settings.epochs + 1)
    )
    passes = 3 * (1 + _saliency_share(spec.arm))
    return _forward(spec.network, spec.data.name) * (passes * train * settings.epochs + test * evaluations)


@cache
def _forward(network: str, data: str) -> float:
    _, _, classes, (height, width, channels) = SIZES[data]
    return flops(build(network, classes, channels), (channels, height, width))


def _saliency_share(arm: Arm) -> float:
    """Share of the batches that cost a saliency pass."""
    return 1 - arm.rate if arm.method in SALIENCY else 0.0


def _seconds(spec: RunSpec, device: torch.device) -> float:
    plain = _timed(spec.model_copy(update={"arm": Arm(), "seed": 0}).model_dump_json(), str(device))
    share = _saliency_share(spec.arm)
    if not share:
        return plain
    full = spec.arm.model_copy(update={"rate": 0.0, "name": spec.arm.method})
    mixed = _timed(spec.model_copy(update={"arm": full, "seed": 0}).model_dump_json(), str(device))
    return plain + share * (mixed - plain)


@cache
def _timed(spec_json: str, device: str) -> float:
    spec, target = RunSpec.from_json(spec_json), torch.device(device)
    batch = spec.train.batch if target.type == "cuda" else CPU_BATCH
    small = spec.train.model_copy(update={"batch": batch})
    return estimate_run(
        spec.model_copy(update={"train": small}), _stand_in(spec.data.name), target, steps=3 if batch > CPU_BATCH else 1
    ).seconds


def _stand_in(name: str) -> Dataset:
    """A set of the right sizes that takes no memory: all images are one black one."""
    train, test, classes, shape = SIZES[name]
    black = np.zeros((1, *shape), np.uint8)

    def split(count: int) -> Split:
        return Split(np.broadcast_to(black, (count, *shape)), np.zeros(count, np.int64), np.arange(count))

    names = [str(i) for i in range(classes)]
    half = (0.5,) * shape[-1]
    return Dataset(name, split(train), split(test), names, half, half, fingerprint="none")


def commands(names: Sequence[str], preset: str = "paper") -> list[str]:
    """The `dropmix run` commands that make the runs of some tables and figures, a folder a network.

    Example:
        >>> commands(["table4"])[0]
        'dropmix run cifar10-resnet18 --data DATA --methods "mixup" --rates 0,0.1 --out runs/cifar10-resnet18'
    """
    wanted: dict[str, dict[str, set[float]]] = {}
    for exhibit in find_exhibits(names):
        for need in exhibit.needs:
            methods = wanted.setdefault(need.recipe, {})
            for choice in need.choices:
                options = ",".join(f"{key}={value}" for key, value in choice.options)
                text = f"{choice.method}({options})" if options else choice.method
                if choice.method != "vanilla":
                    methods.setdefault(text, set()).add(choice.rate)
    lines = []
    code = "" if preset == "paper" else f" --preset {preset}"
    for recipe, methods in wanted.items():
        by_rates = sorted(((sorted(rates), method) for method, rates in methods.items()), key=lambda pair: pair[0])
        for rates, members in groupby(by_rates, key=lambda pair: pair[0]):
            joined = ",".join(method for _, method in members)
            listed = ",".join(f"{rate:g}" for rate in rates)
            lines.append(
                f'dropmix run {recipe} --data DATA{code} --methods "{joined}" --rates {listed} --out runs/{recipe}'
            )
    return lines
