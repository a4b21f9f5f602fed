"""Naive loops: what every method means, image by image and pixel by pixel."""

import torch
from torch import Tensor

from dropmix.msda.mix import Mix


def naive_apply(x: Tensor, y: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
    """Apply a record by loops over samples and pixels, in float64."""
    batch, _, height, width = x.shape
    under, own_labels = (x, y.double()) if mix.below is None else naive_apply(x, y, mix.below)
    images, labels = x.clone(), torch.zeros(y.shape, dtype=torch.float64)
    for i in range(batch):
        j = int(mix.partner[i])
        own = under[i] if mix.own_noise is None else under[i] + mix.own_noise[i]
        other = x[j] if mix.pasted is None else mix.pasted[i]
        other = other if mix.partner_noise is None else other + mix.partner_noise[i]
        own = _moved(own, None if mix.own_cells is None else mix.own_cells[i])
        other = _moved(other, None if mix.partner_cells is None else mix.partner_cells[i])
        for row in range(height):
            for column in range(width):
                share = _own_share(mix, i, row, column, height, width)
                if share == 0:
                    images[i, :, row, column] = other[:, row, column]
                elif share == 1:
                    images[i, :, row, column] = own[:, row, column]
                else:
                    mixed = share * own[:, row, column].double() + (1 - share) * other[:, row, column].double()
                    images[i, :, row, column] = mixed.to(x.dtype)
        lam = float(mix.lam[i])
        theirs = y[j] if mix.pasted_shares is None else mix.pasted_shares[i]
        share = 1 - lam if mix.partner_lam is None else float(mix.partner_lam[i])
        labels[i] = lam * own_labels[i] + share * theirs.double()
    return images, labels


def _own_share(mix: Mix, i: int, row: int, column: int, height: int, width: int) -> float:
    if mix.box is not None:
        y0, y1, x0, x1 = mix.box[i if len(mix.box) > 1 else 0].tolist()
        return 0.0 if y0 <= row < y1 and x0 <= column < x1 else 1.0
    if mix.mask is not None:
        full = mix.mask.expand(len(mix.partner), 1, height, width)
        return float(full[i, 0, row, column])
    return 1.0


def _moved(image: Tensor, cells: Tensor | None) -> Tensor:
    if cells is None:
        return image
    n, moved = cells.shape[-1], torch.zeros_like(image)
    h, w = image.shape[1] // n, image.shape[2] // n
    for row in range(n):
        for column in range(n):
            source = int(cells[row, column])
            if source >= 0:
                r, c = divmod(source, n)
                patch = image[:, r * h : (r + 1) * h, c * w : (c + 1) * w]
                moved[:, row * h : (row + 1) * h, column * w : (column + 1) * w] = patch
    return moved
