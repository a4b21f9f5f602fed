"""Methods beside the form in which OpenMixup documents them; Co-Mixup and SuperMix, which it lacks, alone.

OpenMixup needs its own training framework, so its form is written again here, in torch: a mask as large as the states
that is blended in two products (Manifold Mixup), a box pasted into the batch and a mask that is shrunk to the patches
(TransMix), a mask of the largest cells, set image by image (AttentiveMix), one box per batch cut out and one filled
(SnapMix), a grid of 14 x 14 tokens filled by blocks cell by cell (TokenMix), labels as a pair and shares.
"""

import random
from collections.abc import Callable
from functools import partial

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
    "attention of 14 x 14 patches (4 x 4 at 32 pixels), of 3 heads; AttentiveMix, "
    "SnapMix, TokenMix and Co-Mixup have a ready map. SuperMix has a teacher of one linear layer on 4 x 4 colours and "
    "takes ten steps: with a network, its passes come on top."
)


def restated_table() -> str:
    """One row per method and size."""
    lines = [ABOUT, "", "| method | size | ours, ms | OpenMixup's form, ms | ours / its |", "|---" * 5 + "|"]
    for batch, side in SIZES:
        x, y = torch.rand(batch, 3, side, side), torch.randint(0, 100, (batch,))
        for name, call in ours(x, y).items():
            rival = (theirs(x, y) | theirs_of_cells(x, y)).get(name)
            timed = in_turns({"ours": call} | ({"theirs": rival} if rival else {}), 4.0)
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

    mapped = {name: DropMix(name, num_classes=100) for name in ("attentivemix", "snapmix", "tokenmix")}
    return {
        "manifoldmix": manifoldmix,
        "transmix": transmix,
        **{
            name: partial(call, x, y, saliency=lambda part, labels: ready[: len(part)]) for name, call in mapped.items()
        },
        "comixup": lambda: joint(x, y, saliency=lambda part, labels: ready[: len(part)]),
        "supermix": lambda: taught(x, y),
    }


def theirs(x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """OpenMixup's form of Manifold Mixup and TransMix. It overwrites its images, so it gets a copy."""
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


def theirs_of_cells(x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """OpenMixup's form of AttentiveMix, SnapMix and TokenMix, with ready maps."""
    side, cells = x.shape[-1], 7 if x.shape[-1] > 64 else 4
    features, ready = torch.rand(len(x), 1, cells, cells), torch.rand(len(x), side, side)
    attention = torch.rand(len(x), 3, 197, 197).softmax(3)

    def attentivemix() -> None:
        order = torch.randperm(len(x))
        chosen = features.mean(1).flatten(1).topk(6).indices
        mask = torch.zeros(len(x), 1, cells, cells)
        for i in range(len(x)):
            mask[i, 0, chosen[i] // cells, chosen[i] % cells] = 1
        mask = F.interpolate(mask, scale_factor=side / cells)
        _ = x * mask + x[order] * (1 - mask), (y, y[order], float(mask[0].mean()))

    def box() -> tuple[slice, slice]:
        half = int(side * (1 - random.random()) ** 0.5) // 2
        middles = random.randrange(side), random.randrange(side)
        rows, columns = (slice(max(m - half, 0), min(m + half, side)) for m in middles)
        return rows, columns

    def snapmix() -> None:
        order, mixed, into, out = torch.randperm(len(x)), x.clone(), box(), box()
        sizes = [[part.stop - part.start for part in place] for place in (into, out)]
        if min(*sizes[0], *sizes[1]) < 1:
            return
        part = x[order][(..., *out)]
        mixed[(..., *into)] = F.interpolate(part, size=sizes[0], mode="bilinear", align_corners=True)
        total, other = ready.sum((1, 2)), ready[order]
        own, theirs = 1 - ready[(..., *into)].sum((1, 2)) / total, other[(..., *out)].sum((1, 2)) / other.sum((1, 2))
        same = y == y[order]
        _ = mixed, (y, y[order], torch.where(same, own + theirs, own), torch.where(same, own + theirs, theirs))

    def tokenmix() -> None:
        order, chosen, wanted = torch.randperm(len(x)), torch.zeros(14, 14), min(196, int(random.random() * 196) + 14)
        grid, count, tries = chosen.numpy(), 0, 0
        while count < wanted and tries < 100:
            tries += 1
            area, aspect = random.uniform(1, wanted - count), 0.3 ** random.uniform(-1, 1)
            high, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if not (0 < high < 14 and 0 < wide < 14):
                continue
            top, left = random.randint(0, 14 - high), random.randint(0, 14 - wide)
            for row in range(top, top + high):
                for column in range(left, left + wide):
                    if grid[row, column] == 0 and count < wanted:
                        grid[row, column], count = 1, count + 1
        mask = F.interpolate(chosen[None, None], size=(side, side))
        seen = attention[:, :, 0, 1:].mean(1).view(len(x), 14, 14)
        shares = (chosen * seen).sum((1, 2)), ((1 - chosen) * seen[order]).sum((1, 2))
        _ = x * (1 - mask) + x[order] * mask, (y, y[order], *shares)

    return {"attentivemix": attentivemix, "snapmix": snapmix, "tokenmix": tokenmix}


def _patches(x: Tensor) -> int:
    """Patches along a side: of 16 pixels, or of 8 in small images."""
    return x.shape[-1] // (16 if x.shape[-1] > 64 else 8)


def _attention(x: Tensor) -> Tensor:
    """Attention of 3 heads between all tokens, (B, 3, 1 + patches, 1 + patches)."""
    tokens = 1 + _patches(x) ** 2
    return torch.rand(len(x), 3, tokens, tokens).softmax(3)
