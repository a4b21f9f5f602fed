"""`Mix`, the record of what to do to a batch, and `apply_mix`, the only code that does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dropmix.msda.labels import attended_lam, mix_labels, mixed_loss
from dropmix.msda.pixels import blend, gather_images, move_cells, paste_boxes
from dropmix.msda.rows import embedded, kept_where, part_of
from dropmix.msda.targets import mixed_targets


@dataclass(frozen=True, slots=True)
class Mix:
    """What to do to a batch of B images, drawn by a method and applied by `apply_mix`.

    Sequences (B, C, L) and volumes (B, C, T, H, W) have masks of as many axes, and spans and cuboids as boxes. A
    record with neither `mask` nor `box` mixes nothing: it is the identity.

    Args:
        partner: index of the image that each image is mixed with, (B,), int64.
        lam: share of the own label, (B,), float32, in [0, 1].
        mask: share of each own pixel, (B|1, 1, H|1, W|1), float32, in [0, 1].
        box: instead of a mask, the rectangle that shows the partner: y0, y1, x0, x1 in pixels, ends excluded,
            (B|1, 4), int64; in general start and end of each axis. A method draws it on the CPU, where reading it
            costs nothing.
        own_cells: cell that each cell of the own image is taken from, (B, n, n), int64, row-major,
            -1 for an empty (zero) cell.
        partner_cells: the same for the partner image.
        pasted: images that stand in for x[partner], (B, C, H, W).
        shrunk: whether `pasted` holds the whole partners, shrunk into their boxes.
        pasted_shares: label shares of `pasted`, (B, K), float32, if its images are not of this batch; they replace the
            labels of x[partner].
        partner_lam: share of the partner's label, (B,), float32, in [0, 1], if it is not 1 - lam: a label's mass need
            not be 1 then.
        attended: weight of the network's attention in the label share, where that share is known after its pass only;
            see `with_attention`. None: the shares are known.
        own_noise: noise added to the own image before its cells move, (B, C, H, W).
        partner_noise: the same for the partner image.
        layer: where in a network to mix, for `mix_hidden`; None mixes the images.
        below: for several partners, the record that is applied first: its images and labels stand in for the own ones.
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
    shrunk: bool = False
    pasted_shares: Tensor | None = None
    partner_lam: Tensor | None = None
    attended: float | None = None
    below: "Mix | None" = None

    @classmethod
    def identity(cls, batch_size: int) -> "Mix":
        """The record that leaves a batch unchanged: every lam 1, nothing moved or pasted."""
        return cls(
            partner=torch.arange(batch_size, device="cpu"),
            lam=torch.ones(batch_size, dtype=torch.float32, device="cpu"),
        )

    @property
    def is_identity(self) -> bool:
        """Whether nothing is mixed (no mask, no box)."""
        return self.mask is None and self.box is None

    @property
    def axes(self) -> int | None:
        """Number of axes of the batch that the record was drawn for, 4 for images; None for the identity."""
        if self.box is not None:
            return 2 + self.box.shape[1] // 2
        return None if self.mask is None else self.mask.ndim

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

        return embedded(self, rows, batch_size)

    def part(self, rows: slice, x: Tensor) -> "Mix":
        """Return the record for some samples of a batch, x[rows], with their partners as `pasted`.

        Args:
            rows: positions of the samples, b of them, in the batch.
            x: the whole batch that this record was drawn for, (B, C, H, W).
        Returns:
            Mix for b samples, for `mix_images`. Mix labels by the whole record.
        Example:
            >>> x = torch.arange(3.0).view(3, 1, 1, 1)
            >>> whole = Mix(torch.tensor([2, 0, 1]), torch.full((3,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))
            >>> mix_images(x[1:], whole.part(slice(1, 3), x)).flatten()
            tensor([0.5000, 1.5000])
        """
        return Mix.identity(len(self.lam[rows])) if self.is_identity else part_of(self, rows, x)

    def loss(self, criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of mixed images under a criterion that takes class ids (focal, margin, class weights).

            lam loss(logits, y) + (1 - lam) loss(logits, y[partner]) for each image, or partner_lam for 1 - lam

        Class weights count as torch counts them for ids: the mean is divided by the sum of the weights. Given label
        shares, `torch.nn.functional.cross_entropy` divides by B instead.

        Args:
            criterion: criterion(logits, ids) -> losses (B,) or (B, ...), or their mean or sum. A module may have any
                `reduction`. Another function that returns a scalar needs one share for the whole batch (per="batch").
            logits: of the mixed images, (B, K).
            y: labels before mixing, (B,), or as the criterion takes them.
        Returns:
            What the criterion returns: a scalar, (B,) or (B, ...).
        Raises:
            ValueError: another batch, or a scalar where shares differ between samples.
        Example:
            >>> mix = Mix(torch.tensor([1, 0]), torch.full((2,), 0.25), mask=torch.full((1, 1, 1, 1), 0.25))
            >>> logits, y = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])
            >>> mix.loss(torch.nn.CrossEntropyLoss(), logits, y)
            tensor(1.6269)
        """
        return mixed_loss(self, criterion, logits, y)

    def with_attention(self, attention: Tensor, sides: Sequence[int]) -> "Mix":
        """Return this record with the label shares that follow from a network's attention to the mixed images.

            partner's share = (1 - attended) (1 - lam) + attended (sum of A inside the box / sum of A)

        Args:
            attention: A, (B, h, w), >= 0, e.g. of `dropmix.msda.maps.attention.class_attention`. Each patch belongs to
                the image that its upper left pixel shows. All zero: the area counts alone.
            sides: of the images, (H, W), in pixels.
        Returns:
            Mix with lam where the attention lies; this record itself if it waits for none.
        Raises:
            ValueError: another batch, or attention that is no map.
        Example:
            >>> half = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), box=torch.tensor([[0, 2, 0, 1]]), attended=0.5)
            >>> half.with_attention(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]]), (2, 2)).lam
            tensor([0.7500, 0.2500])
        """
        if self.attended is None:
            return self
        return replace(self, lam=attended_lam(self, attention, sides), attended=None)

    def targets(self, targets: Any, *, min_visible: float = 0.0, empty: float | None = None) -> Any:
        """Return segmentation masks or boxes, mixed as their images are.

        Masks are cut and moved with the pixels. Class ids stay ids, which only methods that cut can mix; float shares
        blend. Boxes of both images follow each other, each cut to what is visible of it, with a `weight`: the share of
        the box that is visible, or of its image where all of it is blended. Multiply each box's loss by it.

        Args:
            targets: a tensor with one value per pixel, (B, H, W), or several, (B, K, H, W), at the images' size; or one
                dict per image: `boxes` (N, 4), x0, y0, x1, y1 in pixels or torchvision's BoundingBoxes, and whatever
                else has a row per box (`labels`, `masks` (N, H, W), `area`). Fields of an image stay its own.
            min_visible: boxes whose weight is not above this are left out, in [0, 1).
            empty: value of a mask where PuzzleMix shows neither image. None: 0 for shares, 255 for uint8, -100 for
                other ids, which torch's losses ignore.
        Returns:
            A tensor like `targets`, or a list of dicts with the same keys and `weight`, (N,), float32.
        Raises:
            ValueError: another batch or size, ids under a method that blends, or boxes whose cells move (PuzzleMix).
        Example:
            >>> cut = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), box=torch.tensor([[0, 1, 0, 2]]))
            >>> cut.targets(torch.tensor([[[1, 1], [1, 1]], [[2, 2], [2, 2]]]))[0]
            tensor([[2, 2],
                    [1, 1]])
        """
        return mixed_targets(self, targets, min_visible, empty)

    def only(self, rows: Tensor) -> "Mix":
        """Return this record where `rows` is True, (B,), bool, and the identity elsewhere.

        Example:
            >>> half = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))
            >>> half.only(torch.tensor([True, False])).lam
            tensor([0.5000, 1.0000])
        """
        if self.is_identity or bool(rows.all()):
            return self
        return kept_where(self, rows) if bool(rows.any()) else Mix.identity(len(rows))


def apply_mix(
    x: Tensor, y: Tensor, mix: Mix, *, num_classes: int | None = None, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mix images and labels as a record says.

    Args:
        x: images, (B, C, H, W), or what the mix was drawn for; float for methods that blend, any dtype for those that
            cut.
        y: class ids, (B,), int64, or label shares, (B, K), float.
        mix: what to do, drawn for the same B.
        num_classes: K; needed when y holds class ids.
        out: where to write the images, like x, but not x itself; None allocates.
    Returns:
        Images like x in dtype and memory format (x itself when nothing is mixed and no `out` is given),
        and label shares (B, K), float32 (float64 if y is), each row of mass 1 unless the record says otherwise.
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
    under = x if mix.below is None else mix_images(x, mix.below)
    own = under if mix.own_noise is None else under + mix.own_noise
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


def _partner_images(x: Tensor, mix: Mix, out: Tensor | None) -> Tensor:
    if mix.pasted is not None:
        other = (torch.empty_like(x) if out is None else out).copy_(mix.pasted, non_blocking=True)
    else:
        other = gather_images(x, mix.partner, out)
    if mix.partner_noise is not None:
        other = other.add_(mix.partner_noise)
    return other if mix.partner_cells is None else other.copy_(move_cells(other, mix.partner_cells))


def _check_images(x: Tensor, mix: Mix, out: Tensor | None) -> None:
    if x.ndim < 2 or len(x) != len(mix.partner):
        raise ValueError(
            f"apply_mix: expected x of the mix's {len(mix.partner)} samples, got {tuple(x.shape)}. "
            "Draw the mix for the batch it is applied to; a single image needs a batch axis, x[None]."
        )
    if (axes := mix.axes) is not None and axes != x.ndim:
        raise ValueError(
            f"apply_mix: expected x of the {axes} axes that the mix was drawn for, got {tuple(x.shape)}. "
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
