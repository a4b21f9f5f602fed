"""Manifold Mixup and TransMix beside the form in which OpenMixup documents them; Co-Mixup and SuperMix alone.

OpenMixup needs its own training framework, so its form is written again here, in torch: a mask as large as the states
that is blended in two products (Manifold Mixup), a box pasted into the batch and a mask that is shrunk to the patches
(TransMix), labels as a pair and a share.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropmix import DropMix, mix_hidden
from dropmix.msda.mix import mix_images, mix_labels

from .timing import in_turns

SIZES = ((128, 32), (64, 224))
ABOUT = (
    "Whole call with labels, the network's pass not counted (median, middle half). OpenMixup's form, stated anew in "
    "torch, makes no label shares but pairs. Manifold Mixup mixes states as large as the images; TransMix has a ready "
    "attention of 14 x 14 patches (4 x 4 at 32 pixels), of 3 heads. Co-Mixup has a ready saliency map. SuperMix has a "
    "teacher of one linear layer on 4 x 4 colours and takes ten steps: with a network, its passes come on top."
)


def restated_table() -> str:
    """One row per method and size."""
    lines = [ABOUT, "", "| method | size | ours, ms | OpenMixup's form, ms | ours / its |", "|---" * 5 + "|"]
    for batch, side in SIZES:
        x, y = torch.rand(batch, 3, side, side), torch.randint(0, 100, (batch,))
        for name, call in ours(x, y).items():
            rivals = {"ours": call} | ({"theirs": theirs(x, y)[name]} if name in ("manifoldmix", "transmix") else {})
            timed = in_turns(rivals, 8.0)
            mine = timed["ours"]
            row = [name, f"{batch} x 3 x {side} x {side}"]
            row += [f"{mine.middle * 1e3:.3g} ({mine.low * 1e3:.3g} - {mine.high * 1e3:.3g})"]
            if "theirs" in timed:
                row += [f"{timed['theirs'].middle * 1e3:.3g}", f"{mine.middle / timed['theirs'].middle:.2f}"]
            lines.append(f"| {' | '.join([*row, '-', '-'][:5])} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def ours(x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """This package's calls, by method."""
    layers = [nn.Identity() for _ in range(3)]
    attention = _attention(x).mean(1)[:, 0, 1:].unflatten(1, [_patches(x)] * 2)
    ready = torch.rand(len(x), *x.shape[2:])
    teacher = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 100))
    manifold, trans, joint, taught = (
        DropMix(name, num_classes=100, **options)
        for name, options in (
            ("manifoldmix", {}),
            ("transmix", {}),
            ("comixup", {}),
            ("supermix", {"teacher": teacher}),
        )
    )

    def manifoldmix() -> None:
        mix = manifold.draw(x, y)
        with mix_hidden(layers, mix):
            states = x
            for layer in layers:
                states = layer(states)
        mix_labels(y, mix, 100)

    def transmix() -> None:
        mix = trans.draw(x, y)
        mix_images(x, mix)
        mix_labels(y, mix.with_attention(attention, x.shape[2:]), 100)

    return {
        "manifoldmix": manifoldmix,
        "transmix": transmix,
        "comixup": lambda: joint(x, y, saliency=lambda part, labels: ready[: len(part)]),
        "supermix": lambda: taught(x, y),
    }


def theirs(x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """OpenMixup's form of the first two. It overwrites its images, so it gets a copy."""
    attention, side = _attention(x), x.shape[-1]

    def manifoldmix() -> None:
        share, order = float(torch.distributions.Beta(1.0, 1.0).sample()), torch.randperm(len(x))
        mask = torch.full((len(x), 1, side, side), share)
        _ = x * mask + x[order] * (1 - mask), (y, y[order], share)

    def transmix() -> None:
        share, order = float(torch.distributions.Beta(1.0, 1.0).sample()), torch.randperm(len(x))
        half, (row, column) = int(side * (1 - share) ** 0.5) // 2, torch.randint(side, (2,)).tolist()
        top, bottom, left, right = (
            min(max(end, 0), side) for end in (row - half, row + half, column - half, column + half)
        )
        mask = torch.zeros(1, 1, side, side)
        mask[:, :, top:bottom, left:right] = 1
        mask = mask.expand(len(x), 1, side, side)
        mixed, partners = x.clone(), x[order]
        mixed[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
        inside = F.interpolate(mask, size=(_patches(x),) * 2).flatten(1).int()
        seen = attention[:, :, 0, 1:].mean(1)
        within, outside = (inside * seen).sum(1), ((1 - inside) * seen).sum(1)
        _ = mixed, (y, y[order], 0.5 * outside / (within + outside) + 0.5 * (1 - mask[0].mean()))

    return {"manifoldmix": manifoldmix, "transmix": transmix}


def _patches(x: Tensor) -> int:
    """Patches along a side: of 16 pixels, or of 8 in small images."""
    return x.shape[-1] // (16 if x.shape[-1] > 64 else 8)


def _attention(x: Tensor) -> Tensor:
    """Attention of 3 heads between all tokens, (B, 3, 1 + patches, 1 + patches)."""
    tokens = 1 + _patches(x) ** 2
    return torch.rand(len(x), 3, tokens, tokens).softmax(3)
