"""`Mix`, the record of what to do to a batch, and `apply_mix`, the only code that does it."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dropmix.msda.pixels import blend, gather_images, move_cells, paste_boxes

_ID_TYPES = {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8}


@dataclass(frozen=True, slots=True)
class Mix:
    """What to do to a batch of B images, drawn by a method and applied by `apply_mix`.

    Neither `mask` nor `box` means that nothing is mixed: the identity.

    Args:
        partner: index of the image that each one is mixed with, (B,), int64.
        lam: share of the own label, (B,), float32, in [0, 1].
        mask: share of each own pixel, (B|1, 1, H|1, W|1), float32, in [0, 1].
        box: instead of a mask, the rectangle that shows the partner: y0, y1, x0, x1 in pixels, ends
            excluded, (B|1, 4), int64. A method draws it on the CPU, where reading it costs nothing.
        own_cells: cell that each cell of the own image is taken from, (B, n, n), int64, row-major,
            -1 for an empty (zero) cell.
        partner_cells: the same for the partner image.
        pasted: images that stand in for x[partner], (B, C, H, W).
        own_noise: what is added to the own image before its cells move, (B, C, H, W).
        partner_noise: the same for the partner image.
        layer: where in a network to mix, for `mix_hidden`; None: the images.
    Example:
        >>> Mix.identity(2).lam
        tensor([1., 1.])
    """

    partner: Tensor
    lam: Tensor
    mask: Tensor | None = None
    box: Tensor | None = None
    own_cells: Tensor | None = None
    partner_cells: Tensor | None = None
    pasted: Tensor | None = None
    own_noise: Tensor | None = None
    partner_noise: Tensor | None = None
    layer: int | None = None

    @classmethod
    def identity(cls, batch_size: int) -> "Mix":
        """The record that leaves a batch as it is: every lam 1, nothing moved or pasted."""
        return cls(partner=torch.arange(batch_size, device="cpu"), lam=torch.ones(batch_size, device="cpu"))

    @property
    def is_identity(self) -> bool:
        """Whether the record leaves images and labels as they are by its form."""
        return self.mask is None and self.box is None

    def embed(self, rows: Tensor, batch_size: int) -> "Mix":
        """Spread a record drawn for `rows` over a whole batch; the other samples stay untouched.

        Args:
            rows: positions of this record's samples in the batch, (b,), int64.
            batch_size: B >= b.
        Returns:
            Mix for B samples, the identity on every row that is not in `rows`.
        Example:
            >>> part = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 0.5]), mask=torch.full((1, 1, 1, 1), 0.5))
            >>> part.embed(torch.tensor([0, 2]), 3).partner
            tensor([2, 1, 0])
        """

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

        partner = torch.arange(batch_size, device=self.partner.device)
        here = rows.to(self.partner.device, non_blocking=True)
        partner[here] = here[self.partner]
        lam = spread(self.lam, 1.0)
        assert lam is not None
        return replace(
            self,
            partner=partner,
            lam=lam,
            mask=spread(self.mask, 1.0),
            box=spread(self.box, 0),
            own_cells=spread_cells(self.own_cells),
            partner_cells=spread_cells(self.partner_cells),
            pasted=spread(self.pasted, 0.0),
            own_noise=spread(self.own_noise, -0.0),  # x + -0.0 is x to the bit, the sign of zero included
            partner_noise=spread(self.partner_noise, -0.0),
        )

    def part(self, rows: slice, x: Tensor) -> "Mix":
        """Return the record for some samples of a batch, for x[rows]; their partners come along as `pasted`.

        Args:
            rows: positions of the samples, b of them, in the batch.
            x: the whole batch that this record was drawn for, (B, C, H, W).
        Returns:
            Mix for b samples. It serves `mix_images`; labels are mixed by the whole record.
        Example:
            >>> x = torch.arange(3.0).view(3, 1, 1, 1)
            >>> whole = Mix(torch.tensor([2, 0, 1]), torch.full((3,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))
            >>> mix_images(x[1:], whole.part(slice(1, 3), x)).flatten()
            tensor([0.5000, 1.5000])
        """
        lam = self.lam[rows]
        if self.is_identity:
            return Mix.identity(len(lam))

        def some(part: Tensor | None) -> Tensor | None:
            return part if part is None or len(part) == 1 != len(self.lam) else part[rows]

        pasted = gather_images(x, self.partner[rows]) if self.pasted is None else self.pasted[rows]
        return Mix(
            partner=torch.arange(len(lam), device=self.partner.device),
            lam=lam,
            mask=some(self.mask),
            box=some(self.box),
            own_cells=some(self.own_cells),
            partner_cells=some(self.partner_cells),
            pasted=pasted,
            own_noise=some(self.own_noise),
            partner_noise=some(self.partner_noise),
        )


def apply_mix(
    x: Tensor, y: Tensor, mix: Mix, *, num_classes: int | None = None, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mix images and labels as a record says.

    Args:
        x: images, (B, C, H, W); float for methods that blend, any dtype for those that cut.
        y: class ids, (B,), int64, or label shares, (B, K), float.
        mix: what to do, drawn for the same B.
        num_classes: K; needed when y holds class ids.
        out: where to write the images, like x; None allocates. May not be x itself.
    Returns:
        Images like x in dtype and memory format (x itself when nothing is mixed and no `out` is given),
        and label shares (B, K), float32 (float64 if y is), each row of mass 1.
    Raises:
        ValueError: shapes that do not fit, class ids outside [0, K), integer images under a mask.
    Example:
        >>> x = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
        >>> half = Mix(torch.tensor([1, 0]), torch.full((2,), 0.25), mask=torch.full((1, 1, 1, 1), 0.25))
        >>> images, labels = apply_mix(x, torch.tensor([0, 1]), half, num_classes=2)
        >>> images.flatten(), labels
        (tensor([0.7500, 0.2500]), tensor([[0.2500, 0.7500], [0.7500, 0.2500]]))
    """
    return mix_images(x, mix, out=out), mix_labels(y, mix, num_classes)


def mix_images(x: Tensor, mix: Mix, *, out: Tensor | None = None) -> Tensor:
    """Mix images, or hidden states of any (B, C, H, W), as a record says. See `apply_mix`."""
    _check_images(x, mix, out)
    if mix.is_identity:
        return x if out is None else out.copy_(x)
    own = x if mix.own_noise is None else x + mix.own_noise
    if mix.box is not None:
        other = mix.pasted if own is x and mix.partner_noise is None else _partner_images(x, mix, None)
        return paste_boxes(own, mix.partner, mix.box, pasted=other, out=out)
    assert mix.mask is not None
    if not x.is_floating_point():
        raise ValueError(
            f"apply_mix: expected float images for a method that blends, got {x.dtype}. "
            "Convert them first, e.g. x.float() / 255."
        )
    own = own if mix.own_cells is None else move_cells(own, mix.own_cells)
    return blend(own, _partner_images(x, mix, out), mix.mask)


def mix_labels(y: Tensor, mix: Mix, num_classes: int | None = None) -> Tensor:
    """Return label shares (B, K): lam of the own label and 1 - lam of the partner's. See `apply_mix`."""
    if y.ndim == 1 and len(y) == len(mix.lam) and not mix.is_identity:
        return _mix_ids(y, mix, num_classes)
    shares = label_shares(y, num_classes)
    if len(shares) != len(mix.lam):
        raise ValueError(
            f"apply_mix: expected labels of the mix's {len(mix.lam)} samples, got {len(shares)}. "
            "Draw the mix for the batch it is applied to."
        )
    if mix.is_identity:
        return shares
    lam = mix.lam.to(shares, non_blocking=True)
    other = shares.index_select(0, mix.partner.to(shares.device, non_blocking=True))
    return other.lerp_(shares, lam[:, None])


def _mix_ids(y: Tensor, mix: Mix, num_classes: int | None) -> Tensor:
    """The same for class ids: one tensor of shares instead of two."""
    num_classes = check_ids(y, num_classes)
    if y.is_cpu and mix.partner.is_cpu and mix.lam.is_cpu and not torch.compiler.is_compiling():
        # The same sums in numpy, whose calls on small arrays cost half of torch's.
        ids, lam = y.numpy(), mix.lam.numpy().astype(np.float32, copy=False)
        row, table = _rows(len(ids)), np.zeros((len(ids), num_classes), np.float32)
        table[row, ids] = lam
        table[row, ids[mix.partner.numpy()]] += 1 - lam
        return torch.from_numpy(table)
    lam = mix.lam.to(y.device, torch.float32, non_blocking=True)[:, None]
    y = y.long()
    other = y.index_select(0, mix.partner.to(y.device, non_blocking=True))
    shares = torch.zeros(len(y), num_classes, device=y.device)
    return shares.scatter_(1, y[:, None], lam).scatter_add_(1, other[:, None], 1 - lam)


@lru_cache(maxsize=64)
def _rows(count: int) -> np.ndarray:
    return np.arange(count)  # only ever read


def label_shares(y: Tensor, num_classes: int | None = None) -> Tensor:
    """Return labels as shares (B, K) of float32 (float64 stays), from class ids (B,) or from shares.

    Example:
        >>> label_shares(torch.tensor([1]), 3)
        tensor([[0., 1., 0.]])
    """
    if y.ndim == 2 and y.is_floating_point():
        if num_classes is not None and y.shape[1] != num_classes:
            raise ValueError(
                f"labels: expected shares of num_classes = {num_classes} classes, got {y.shape[1]}. "
                "Give as many columns as there are classes."
            )
        return y if y.dtype == torch.float64 else y.float()
    num_classes = check_ids(y, num_classes)
    shares = torch.zeros(len(y), num_classes, device=y.device)
    return shares.scatter_(1, y.long()[:, None], 1.0)


def check_ids(y: Tensor, num_classes: int | None) -> int:
    """Return num_classes, or raise a ValueError unless y holds class ids (B,) below it."""
    if y.ndim != 1 or y.dtype not in _ID_TYPES:
        raise ValueError(
            f"labels: expected class ids (B,) of int64 or shares (B, K) of float, got {tuple(y.shape)} of "
            f"{y.dtype}. Pass integer class ids or one row of shares a sample."
        )
    if num_classes is None:
        raise ValueError("labels: expected num_classes with class ids, got None. Say how many classes there are.")
    # Reading the ids of another device would wait for it, and reading any would break a traced graph.
    if y.is_cpu and len(y) > 0 and not torch.compiler.is_compiling():
        ids = y.numpy()
        low, high = np.minimum.reduce(ids), np.maximum.reduce(ids)
        if not 0 <= low <= high < num_classes:
            raise ValueError(
                f"labels: expected class ids in [0, {num_classes}), got {low} to {high}. Raise num_classes or relabel."
            )
    return num_classes


def _partner_images(x: Tensor, mix: Mix, out: Tensor | None) -> Tensor:
    if mix.pasted is not None:
        other = (torch.empty_like(x) if out is None else out).copy_(mix.pasted, non_blocking=True)
    else:
        other = gather_images(x, mix.partner, out)
    if mix.partner_noise is not None:
        other = other.add_(mix.partner_noise)
    return other if mix.partner_cells is None else other.copy_(move_cells(other, mix.partner_cells))


def _check_images(x: Tensor, mix: Mix, out: Tensor | None) -> None:
    if x.ndim != 4:
        raise ValueError(
            f"apply_mix: expected x of shape (B, C, H, W), got {tuple(x.shape)}. "
            f"{'Add a batch axis with x[None].' if x.ndim == 3 else 'Pass a batch of images.'}"
        )
    if len(x) != len(mix.partner):
        raise ValueError(
            f"apply_mix: expected x of the mix's {len(mix.partner)} samples, got {len(x)}. "
            "Draw the mix for the batch it is applied to."
        )
    if out is not None and (out.shape != x.shape or out.dtype != x.dtype or _same_memory(out, x)):
        raise ValueError(
            f"apply_mix: expected out like x, {tuple(x.shape)} of {x.dtype} in other memory, got "
            f"{tuple(out.shape)} of {out.dtype}. Use torch.empty_like(x)."
        )


def _same_memory(out: Tensor, x: Tensor) -> bool:
    # A traced graph has no addresses; the check is the caller's first eager run's.
    return not torch.compiler.is_compiling() and len(x) > 0 and out.data_ptr() == x.data_ptr()
