"""Boxes: rectangles of images, spans of sequences, cuboids of volumes and clips."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

BoxForm = Literal["integer", "continuous"]


def draw_box(
    lam: Tensor, sides: Sequence[int], form: BoxForm = "integer", generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw a box at a uniform place that covers about 1 - lam of the sample, clipped to the sample.

    Args:
        lam: share to keep, (n,).
        sides: lengths of the sample, in pixels or places: (L,), (H, W) or (T, H, W), d of them.
        form: "integer" (centre on a pixel, half side `cut // 2`: CutMix's own code) or "continuous" (centre
            anywhere, centre +- side / 2, truncated: the code released with the paper).
        generator: source of randomness, on the CPU.
    Returns:
        Start and end of every axis, e.g. y0, y1, x0, x1, (n, 2 d), int64, ends excluded, and the share that the box
        leaves, (n,), float32.
    Example:
        >>> box, share = draw_box(torch.tensor([0.0, 1.0]), (4, 4), "continuous")
        >>> box.shape, share[1]
        (torch.Size([2, 4]), tensor(1.))
    """
    check_form(form)
    centre = torch.rand(len(sides), len(lam), dtype=torch.float64, device="cpu", generator=generator)
    if len(lam) == 1:  # numpy's calls cost more than one box's arithmetic
        root = _root(1 - lam.item(), len(sides))
        ends, inside, whole = [], 1, 1
        for (place,), side in zip(centre.tolist(), sides):
            start, end = _ends(place * side, side, root, form)
            ends += (start, end)
            inside, whole = inside * (end - start), whole * side
        box = torch.from_numpy(np.array([ends], np.int64))
        return box, torch.full((1,), 1 - inside / whole, dtype=torch.float32, device="cpu")
    place = centre.numpy() * np.array(sides)[:, None]
    box = box_around(lam, np.floor(place) if form == "integer" else place, sides, form)
    return box, box_share(box, sides)


def _root(share: float, axes: int) -> float:
    return math.sqrt(share) if axes == 2 else share ** (1 / axes)


def _ends(centre: float, side: int, root: float, form: BoxForm) -> tuple[int, int]:
    half = side * root / 2
    if form == "integer":
        centre, half = math.floor(centre), math.floor(half)
    return int(max(centre - half, 0)), int(min(centre + half, side))


def half_sides(lam: Tensor, sides: Sequence[int], form: BoxForm = "integer") -> np.ndarray:
    """Return half the sides (1 - lam)^(1 / d) of a box, (d, n), float64, whole pixels in the integer form.

    Example:
        >>> half_sides(torch.tensor([0.75]), (8, 6), "continuous").tolist()
        [[2.0], [1.5]]
    """
    check_form(form)
    # The square of a float32 lam such as 0.75 is exact in float64, so int(side) never falls a pixel short.
    share = 1 - lam.numpy().astype(np.float64)
    root = np.sqrt(share) if len(sides) == 2 else share ** (1 / len(sides))
    side = np.array(sides, dtype=np.float64)[:, None] * root
    return np.floor(side / 2) if form == "integer" else side / 2


def box_around(lam: Tensor, centre: np.ndarray, sides: Sequence[int], form: BoxForm = "integer") -> Tensor:
    """Return the box that leaves a share around a centre, clipped to the sample.

    Args:
        lam: share to keep, (n,).
        centre: one row per axis, (d, n), pixels.
        sides, form: see `draw_box`.
    Returns:
        Start and end of every axis, (n, 2 d), int64, ends excluded.
    Example:
        >>> box_around(torch.tensor([0.75]), np.array([[4.0], [0.0]]), (8, 8))
        tensor([[2, 6, 0, 2]])
    """
    size = np.array(sides, dtype=np.float64)[:, None]
    half = half_sides(lam, sides, form)
    ends = np.empty((2, *half.shape))
    np.subtract(centre, half, out=ends[0])
    np.add(centre, half, out=ends[1])
    np.minimum(np.maximum(ends, 0, out=ends), size, out=ends)
    return torch.from_numpy(ends.astype(np.int64).transpose(2, 1, 0).reshape(-1, 2 * len(sides)))


def box_share(box: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the share of each sample that its box leaves, (n,), float32, beside the boxes.

    Example:
        >>> box_share(torch.tensor([[0, 2, 0, 2]]), (4, 4))
        tensor([0.7500])
    """
    whole = math.prod(sides)
    if box.device.type != "cpu":
        return 1 - (box[:, 1::2] - box[:, ::2]).prod(1).float() / whole
    ends = box.numpy()
    share = 1 - (ends[:, 1::2] - ends[:, ::2]).prod(1) / whole
    return torch.from_numpy(share.astype(np.float32))


def check_form(form: str) -> None:
    """Raise a ValueError unless form is "integer" or "continuous"."""
    if form not in ("integer", "continuous"):
        raise ValueError(f"form: expected 'integer' or 'continuous', got {form!r}. See draw_box.")


def check_sides(where: str, sides: Sequence[int]) -> None:
    """Raise a ValueError unless a box fits: on a side of 2 pixels, half a box is no pixel and nothing is mixed."""
    if min(sides) < 3:
        raise ValueError(
            f"{where}: expected sides of at least 3 pixels, got {' x '.join(map(str, sides))}. "
            "Boxes of smaller images are empty. Use mixup."
        )
