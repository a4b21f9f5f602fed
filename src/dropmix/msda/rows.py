"""Records of some samples of a batch: spread over the batch, cut out of it, or kept in part. See `Mix`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dropmix.msda.pixels import gather_images

if TYPE_CHECKING:
    from dropmix.msda.mix import Mix

# The fields with a row per sample (except partner and cells), and the value that leaves a sample unchanged:
# x + -0.0 is x to the bit, including the sign of zero.
_BLANK = {
    "lam": 1.0,
    "partner_lam": 0.0,
    "mask": 1.0,
    "box": 0,
    "pasted": 0.0,
    "pasted_shares": 0.0,
    "own_noise": -0.0,
    "partner_noise": -0.0,
}
_CELLS = ("own_cells", "partner_cells")


def embedded(mix: "Mix", rows: Tensor, batch_size: int) -> "Mix":
    """Return the record of `rows` as one of a whole batch, the identity elsewhere. See `Mix.embed`."""

    def spread(part: Tensor | None, blank: float) -> Tensor | None:
        if part is None:
            return None
        whole = part.new_full((batch_size, *part.shape[1:]), blank)
        whole[rows.to(part.device, non_blocking=True)] = part
        return whole

    def spread_cells(part: Tensor | None) -> Tensor | None:
        if part is None:
            return None
        n = part.shape[-1]
        whole = torch.arange(n * n, device=part.device).view(1, n, n).repeat(batch_size, 1, 1)
        whole[rows.to(part.device, non_blocking=True)] = part
        return whole

    partner = torch.arange(batch_size, device=mix.partner.device)
    here = rows.to(mix.partner.device, non_blocking=True)
    partner[here] = here[mix.partner]
    parts: dict[str, Any] = {name: spread(getattr(mix, name), blank) for name, blank in _BLANK.items()}
    parts |= {name: spread_cells(getattr(mix, name)) for name in _CELLS}
    parts |= {"below": None if mix.below is None else embedded(mix.below, rows, batch_size)}
    return replace(mix, partner=partner, **parts)


def part_of(mix: "Mix", rows: slice, x: Tensor) -> "Mix":
    """Return the record of x[rows], with the partners' images as `pasted`. See `Mix.part`."""
    lam = mix.lam[rows]

    def some(part: Tensor | None) -> Tensor | None:
        return part if part is None or len(part) == 1 != len(mix.lam) else part[rows]

    pasted = gather_images(x, mix.partner[rows]) if mix.pasted is None else mix.pasted[rows]
    parts: dict[str, Any] = {name: some(getattr(mix, name)) for name in (*_BLANK, *_CELLS)}
    parts |= {"lam": lam, "pasted": pasted, "below": None if mix.below is None else part_of(mix.below, rows, x)}
    return type(mix)(torch.arange(len(lam), device=mix.partner.device), **parts)


def kept_where(mix: "Mix", rows: Tensor) -> "Mix":
    """Return the record where `rows`, (B,), bool, some of them True, and the identity elsewhere. See `Mix.only`."""
    chosen = rows.nonzero()[:, 0]

    def some(part: Tensor | None) -> Tensor | None:
        return None if part is None else part if len(part) == 1 else part[chosen.to(part.device)]

    below = None if mix.below is None else kept_where(mix.below, rows)
    # A record for these rows, whose partners may lie outside it; `embedded` blanks the other rows.
    parts: dict[str, Any] = {name: some(getattr(mix, name)) for name in (*_BLANK, *_CELLS)}
    inner = replace(mix, partner=torch.arange(len(chosen), device=mix.partner.device), below=None, **parts)
    here = rows.to(mix.partner.device)
    own = torch.arange(len(rows), device=mix.partner.device)
    return replace(embedded(inner, chosen, len(rows)), partner=torch.where(here, mix.partner, own), below=below)
