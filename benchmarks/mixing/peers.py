"""Mixup and CutMix beside their bounds and beside timm, torchvision and kornia."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dropmix import DropMix, Mix
from dropmix.msda.mix import mix_images

from .timing import Measure, in_turns

SIZES = ((128, 32), (64, 224))
COLUMNS = ("out=", "whole, given", "timm, in place", "whole, fresh", "timm, of a copy", "torchvision", "kornia")
ABOUT = (
    "Multiples of the bound (median, middle half). Bound: for Mixup `index_select` + `lerp` into given memory; "
    "for one box per batch, a copy of the batch and of the boxes; for one box per sample, the faster of a ready mask's "
    "`where`, or a loop of box copies. `out=`: images alone into given memory. Whole calls draw, mix and make "
    "labels. Two comparisons: into memory that is there (`whole, given` with `out=`; timm overwrites its input), "
    "and into new memory (`whole, fresh`; timm of a copy of its input; torchvision; kornia). New memory costs "
    "page faults, counted for a whole call, wherever the C library gives freed blocks back to the system: always "
    "above 32 MiB. `out=` is the way around it."
)


def peers_table() -> str:
    """Images alone against the bound, and whole calls with labels against peers."""
    header = ["operation", "size", "bound ms", *COLUMNS, "page faults, fresh"]
    lines = [ABOUT, "", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for batch, side in SIZES:
        x, y = torch.randn(batch, 3, side, side), torch.randint(0, 100, (batch,))
        for method in ("mixup", "cutmix"):
            for per in ("batch", "sample"):
                timed = in_turns(bounds(x, method, per) | ours(x, y, method, per) | peers(x, y, method, per))
                bound = min(timed[name].middle for name in timed if name.startswith("bound"))
                row = [f"{method}, per {per}", f"{batch} x 3 x {side} x {side}", f"{bound * 1e3:.3g}"]
                row += [cell(timed, name, bound) for name in COLUMNS] + [f"{timed['whole, fresh'].faults:.0f}"]
                lines.append(f"| {' | '.join(row)} |")
                print(lines[-1], flush=True)
    return "\n".join(lines)


def cell(timed: dict[str, Measure], name: str, bound: float) -> str:
    """A time as a multiple of the bound, with its quartiles; a dash where there is no such rival."""
    if name not in timed:
        return "-"
    low, middle, high = (value / bound for value in timed[name][:3])
    return f"{middle:.2f} ({low:.2f} - {high:.2f})"


def middle_box(x: Tensor, per: str) -> Tensor:
    """Boxes of the mean area of CutMix, a quarter to a half of the image."""
    side = x.shape[-1]
    box = torch.tensor([[side // 8, 6 * side // 8, side // 4, 7 * side // 8]])
    return box if per == "batch" else box.repeat(len(x), 1)


def bounds(x: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """The least memory traffic that mixing needs."""
    out, part, partner = torch.empty_like(x), torch.empty_like(x), torch.randperm(len(x))
    y0, y1, x0, x1 = middle_box(x, per)[0].tolist()
    if method == "mixup":
        lam = torch.full((1,), 0.3) if per == "batch" else torch.rand(len(x), 1, 1, 1)

        def blend() -> None:
            torch.index_select(x, 0, partner, out=out)
            out.lerp_(x, lam)

        return {"bound": blend}
    boxes, into = x[:, :, y0:y1, x0:x1], out[:, :, y0:y1, x0:x1]
    if per == "batch":

        def copy() -> None:
            out.copy_(x)
            into.copy_(boxes)

        return {"bound": copy}
    inside = torch.zeros(len(x), 1, *x.shape[2:], dtype=torch.bool)
    inside[:, :, y0:y1, x0:x1] = True
    pairs = list(enumerate(partner.tolist()))

    def where() -> None:
        torch.index_select(x, 0, partner, out=part)
        torch.where(inside, part, x, out=out)

    def loop() -> None:
        out.copy_(x)
        for i, j in pairs:
            into[i].copy_(boxes[j])

    return {"bound where": where, "bound loop": loop}


def ours(x: Tensor, y: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """This package: images into given memory, and the whole call."""
    out, partner = torch.empty_like(x), torch.randperm(len(x))
    lam = torch.full((1,), 0.3) if per == "batch" else torch.rand(len(x))
    if method == "mixup":
        mix = Mix(partner, lam.expand(len(x)), mask=lam.view(-1, 1, 1, 1))
    else:
        mix = Mix(partner, lam.expand(len(x)), box=middle_box(x, per))
    augment = DropMix(method, num_classes=100, per=per)  # pyright: ignore[reportArgumentType]
    return {
        "out=": lambda: mix_images(x, mix, out=out),
        "whole, fresh": lambda: augment(x, y),
        "whole, given": lambda: augment(x, y, out=out),
    }


def peers(x: Tensor, y: Tensor, method: str, per: str) -> dict[str, Callable[[], object]]:
    """Those of timm, torchvision and kornia that are installed."""
    found: dict[str, Callable[[], object]] = {}
    try:
        from timm.data.mixup import Mixup

        alphas: dict[str, Any] = {"mixup_alpha": float(method == "mixup"), "cutmix_alpha": float(method == "cutmix")}
        mode = "batch" if per == "batch" else "elem"
        timm = Mixup(**alphas, mode=mode, label_smoothing=0.0, num_classes=100)
        scratch = x.clone()  # timm writes into its input
        found["timm, in place"] = lambda: timm(scratch, y)
        found["timm, of a copy"] = lambda: timm(x.clone(), y)
    except ImportError:
        pass
    if per == "batch":
        from torchvision.transforms import v2

        kind = v2.MixUp if method == "mixup" else v2.CutMix
        torchvision = kind(num_classes=100)
        found["torchvision"] = lambda: torchvision(x, y)
    try:
        from kornia.augmentation import RandomCutMixV2, RandomMixUpV2

        kind = RandomMixUpV2 if method == "mixup" else RandomCutMixV2
        kornia = kind(p=1.0, same_on_batch=per == "batch", data_keys=["input", "class"])
        found["kornia"] = lambda: kornia(x, y)
    except ImportError:
        pass
    return found
