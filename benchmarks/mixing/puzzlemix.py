"""PuzzleMix and Co-Mixup beside the saliency pass that they need, and what DropMix saves of PuzzleMix's."""

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dropmix import DropMix, input_gradient
from dropmix.msda.methods.puzzlemix import puzzlemix
from dropmix.msda.several.comixup import comixup
from dropmix.nets import build

from .timing import in_turns


def saliency_table() -> str:
    """The methods' own work compared with the saliency pass that they need."""
    lines = [
        "CPU milliseconds per batch of 128 x 3 x 32 x 32 (median); torch alone, no compiled extension. PuzzleMix with "
        "three labels, Co-Mixup with 4 x 4 blocks in parts of 18 and 19 images.",
        "",
        "| method, block count | own work | of WRN28-2's saliency pass | of WRN10-1's |",
        "|---|---|---|---|",
    ]
    x, y = smooth_images(128), torch.randint(0, 100, (128,))
    passes = {}
    for name in ("wrn28-2", "wrn10-1"):
        saliency = input_gradient(build(name, 100))
        passes[name] = in_turns({name: lambda saliency=saliency: saliency(x, y)})[name].middle
    s = input_gradient(build("wrn10-1", 100))(x, y)
    shares = []
    for blocks in (2, 4, 8, 16):
        rivals: dict[str, Any] = {"mix": lambda blocks=blocks: puzzlemix(x, s, block_counts=[blocks])}
        taken = in_turns(rivals, 3.0)["mix"].middle
        shares.append([taken, *(taken / passes[name] for name in passes)])
        lines.append(f"| puzzlemix, {blocks} | {taken * 1e3:.0f} | {shares[-1][1]:.1%} | {shares[-1][2]:.1%} |")
        print(lines[-1], flush=True)
    mean = [sum(column) / 4 for column in zip(*shares)]
    lines.append(f"| puzzlemix, mean | {mean[0] * 1e3:.0f} | {mean[1]:.1%} | {mean[2]:.1%} |")
    taken = in_turns({"mix": lambda: comixup(x, s)})["mix"].middle
    of_passes = " | ".join(f"{taken / passes[name]:.1%}" for name in passes)
    lines.append(f"| comixup, 4 | {taken * 1e3:.0f} | {of_passes} |")
    lines += [
        "",
        "Saliency passes: " + ", ".join(f"{name} {value * 1e3:.0f} ms" for name, value in passes.items()) + ".",
    ]
    return "\n".join(lines)


def smooth_images(n: int) -> Tensor:
    """Images with large shapes and a little noise, in [0, 1]."""
    coarse = torch.rand(n, 3, 8, 8)
    return 0.9 * torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear") + 0.1 * torch.rand(
        n, 3, 32, 32
    )


def dropmix_cost_table(results: Path) -> str:
    """The cost of a PuzzleMix step as a function of the rate."""
    from matplotlib.figure import Figure

    net = build("wrn10-1", 100)
    x, y = smooth_images(32), torch.randint(0, 100, (32,))

    def step(augment: DropMix) -> None:
        mixed, shares = augment(x, y, saliency=input_gradient(net))
        torch.nn.functional.cross_entropy(net(mixed), shares).backward()
        net.zero_grad()

    rates, units = (0.0, 0.25, 0.5, 0.75, 1.0), ("batch", "sample", "count")
    lines = [
        "Mean CPU time of a training step of WRN10-1, batch 32, with PuzzleMix, as a multiple of a plain step's.",
        "",
    ]
    lines += [f"| unit | {' | '.join(f'rate {rate:g}' for rate in rates)} |", "|---" * (len(rates) + 1) + "|"]
    totals = {(unit, rate): [] for unit in units for rate in rates}
    augments = {key: DropMix("puzzlemix", key[1], num_classes=100, unit=key[0]) for key in totals}  # pyright: ignore[reportArgumentType]
    for _ in range(24):
        for key, augment in augments.items():
            begin = time.thread_time()
            step(augment)
            totals[key].append(time.thread_time() - begin)
    plain = statistics.mean(value for unit in units for value in totals[unit, 1.0])
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axis = figure.subplots()
    for unit in units:
        means = [statistics.mean(totals[unit, rate]) / plain for rate in rates]
        errors = [statistics.stdev(totals[unit, rate]) / 24**0.5 / plain for rate in rates]
        lines.append(f"| {unit} | " + " | ".join(f"{m:.2f} ± {e:.2f}" for m, e in zip(means, errors)) + " |")
        axis.errorbar(rates, means, errors, marker="o", capsize=3, label=f"unit {unit}")
    axis.set(xlabel="rate", ylabel="time of a step / plain step", ylim=(0, None))
    axis.legend()
    figure.savefig(results / "msda-dropmix.png", dpi=100)
    lines += ["", "±: standard error of 24 steps. ![cost against rate](msda-dropmix.png)"]
    return "\n".join(lines)
