"""Every method's whole call compared with Mixup's, without the maps that some methods read."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from dropmix import DropMix
from dropmix.msda import METHODS
from dropmix.msda.binding import map_kind

from .timing import in_turns

SIZES = ((128, 32), (64, 224))
ABOUT = (
    "Whole call with labels, alone and as a multiple of Mixup's in the same run (median, middle half). A ready map "
    "replaces what a network says about the images; its pass comes on top: `gradient` is a forward and a backward "
    "pass, `features` a forward pass, `class` a forward pass and a backward pass of the head."
)


def methods_table() -> str:
    """One row per method and size."""
    lines = [ABOUT, "", "| method | size | ms | times Mixup's | reads |", "|---" * 5 + "|"]
    for batch, side in SIZES:
        x, y = torch.rand(batch, 3, side, side), torch.randint(0, 100, (batch,))
        timed = in_turns(calls(x, y), seconds=60.0)
        least = timed["mixup"].middle
        for name, measure in timed.items():
            low, middle, high = (value / least for value in measure[:3])
            size = f"{batch} x 3 x {side} x {side}"
            row = [name, size, f"{measure.middle * 1e3:.3g}", f"{middle:.2f} ({low:.2f} - {high:.2f})"]
            lines.append(f"| {' | '.join([*row, map_kind(name) or '-'])} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def calls(x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """The whole call of every method that mixes images."""
    ready = torch.rand(len(x), *x.shape[2:])

    def saliency(part: Tensor, labels: Tensor) -> Tensor:
        del labels
        return ready[: len(part)]

    # Manifold Mixup and TransMix are no calls, and SuperMix needs a teacher: see `restated`; for AutoMix, `learned`.
    names = [name for name in METHODS if name not in ("vanilla", "manifoldmix", "transmix", "supermix", "automix")]
    augments = {name: DropMix(name, num_classes=100) for name in names}
    return {name: partial(augment, x, y, saliency=saliency) for name, augment in augments.items()}
