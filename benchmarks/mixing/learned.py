"""A whole training step with AutoMix and with PuzzleMix, compared with a plain step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from dropmix import DropMix, input_gradient
from dropmix.nets import build

from .timing import in_turns

SIZES = (("wrn16-2", 32, 32), ("resnet18", 8, 32))
METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vanilla", {}),
    ("puzzlemix", {}),
    ("puzzlemix", {"clean": 1.0}),
    ("automix", {"clean": 0.0}),
    ("automix", {}),
)
ABOUT = (
    "Mixing, forward and backward pass and SGD, every batch mixed, as a multiple of a vanilla step in the same run "
    "(median, middle half)."
)


def learned_table() -> str:
    """One row per network and method."""
    lines = [ABOUT, "", "| network | batch | method | ms | times a plain step |", "|---" * 5 + "|"]
    for network, batch, side in SIZES:
        timed = in_turns({_named(*method): _step(network, batch, side, *method) for method in METHODS}, seconds=60.0)
        plain = timed["vanilla"].middle
        for name, measure in timed.items():
            low, middle, high = (value / plain for value in measure[:3])
            size = f"{batch} x 3 x {side} x {side}"
            row = [network, size, name, f"{measure.middle * 1e3:.3g}", f"{middle:.2f} ({low:.2f} - {high:.2f})"]
            lines.append(f"| {' | '.join(row)} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def _named(method: str, options: dict[str, Any]) -> str:
    return ", ".join([method, *(f"{name}={value:g}" for name, value in options.items())])


def _step(network: str, batch: int, side: int, method: str, options: dict[str, Any]) -> Callable[[], object]:
    net: nn.Module = build(network, 100)
    given = {"network": net} if method == "automix" else {}
    augment, saliency = DropMix(method, num_classes=100, seed=0, **given, **options), input_gradient(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9)
    x, y = torch.rand(batch, 3, side, side), torch.randint(0, 100, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        mixed, shares = augment(x, y, saliency=saliency)
        F.cross_entropy(net(mixed), shares).backward()
        optimizer.step()

    return step
