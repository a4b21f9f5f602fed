"""Lam, partners and boxes: the only place where the randomness of a mix is drawn.

Everything is drawn on the CPU, from the given CPU generator or, without one, from torch's global one. The arithmetic on
what is drawn is numpy's, whose calls on small arrays cost a third of torch's.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

Per = Literal["batch", "sample"]
BoxForm = Literal["integer", "continuous"]
Method = TypeVar("Method", bound=Callable[..., Any])


def shape_only(method: Method) -> Method:
    """Mark a method that reads the shape of x and no pixel, so that no pixels need be gathered for it."""
    method.__dict__["shape_only"] = True
    return method


def draw_lam(batch_size: int, alpha: float, per: Per, generator: Generator | None = None) -> Tensor:
    """Draw lam ~ Beta(alpha, alpha).

        lam = g1 / (g1 + g2),  g ~ Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha), in logarithms, so that
        no alpha, however small, ends in 0 / 0.

    Args:
        batch_size: B.
        alpha: Beta parameter, > 0.
        per: "batch" for one value, (1,), or "sample" for one a sample, (B,).
        generator: source of randomness, on the CPU.
    Returns:
        lam, (1,) or (B,), float32, in [0, 1].
    Raises:
        ValueError: alpha <= 0 or not finite, or an unknown `per`.
    Example:
        >>> draw_lam(4, 1.0, "batch").shape
        torch.Size([1])
    """
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha: expected a finite number > 0, got {alpha}. The paper uses 1.0.")
    check_per(per)
    size = (2, 1 if per == "batch" else batch_size)
    # torch.distributions takes no generator; this is the function that it calls itself.
    gamma = torch._standard_gamma(_filled(size, alpha + 1.0), generator=generator)  # pyright: ignore[reportPrivateImportUsage]
    u = torch.rand(*size, dtype=torch.float64, device="cpu", generator=generator)
    if per == "batch":  # numpy's calls cost more than one number's arithmetic
        (g1,), (g2,) = gamma.tolist()
        (u1,), (u2,) = u.tolist()
        odds = math.log(g1 / g2) + math.log((1 - u1) / (1 - u2)) / alpha
        return torch.full((1,), 0.5 + 0.5 * math.tanh(0.5 * odds), dtype=torch.float32, device="cpu")
    g, u = gamma.numpy(), 1 - u.numpy()  # u in (0, 1]: the logarithm is finite
    odds = np.log(g[0] / g[1]) + np.log(u[0] / u[1]) / alpha
    return torch.from_numpy((0.5 + 0.5 * np.tanh(0.5 * odds)).astype(np.float32))


@lru_cache(maxsize=64)
def _filled(size: tuple[int, int], value: float) -> Tensor:
    return torch.full(size, value, dtype=torch.float64, device="cpu")  # only ever read


def uniform(*size: int, generator: Generator | None = None) -> np.ndarray:
    """Draw u ~ U[0, 1), float64, of a size."""
    return torch.rand(*size, dtype=torch.float64, device="cpu", generator=generator).numpy()


def draw_partner(batch_size: int, generator: Generator | None = None) -> Tensor:
    """Draw a partner for every sample: a permutation (B,), fixed points allowed."""
    return torch.randperm(batch_size, device="cpu", generator=generator)


def draw_box(
    lam: Tensor, height: int, width: int, form: BoxForm = "integer", generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw a box of area about (1 - lam) H W at a uniform place, clipped to the image.

    Args:
        lam: share to keep, (n,).
        height, width: of the image, pixels.
        form: "integer" (centre on a pixel, half side `cut // 2`: CutMix's own code) or "continuous" (centre
            anywhere, centre +- side / 2, truncated: the code released with the paper).
        generator: source of randomness, on the CPU.
    Returns:
        y0, y1, x0, x1, (n, 4), int64, ends excluded, and the share that the box leaves, (n,), float32.
    Example:
        >>> box, share = draw_box(torch.tensor([0.0, 1.0]), 4, 4, "continuous")
        >>> box.shape, share[1]
        (torch.Size([2, 4]), tensor(1.))
    """
    check_form(form)
    centre = torch.rand(2, len(lam), dtype=torch.float64, device="cpu", generator=generator)
    if len(lam) == 1:  # numpy's calls cost more than one box's arithmetic
        (y,), (x,) = centre.tolist()
        root = math.sqrt(1 - lam.item())
        y0, y1 = _ends(y * height, height, root, form)
        x0, x1 = _ends(x * width, width, root, form)
        share = 1 - (y1 - y0) * (x1 - x0) / (height * width)
        box = torch.from_numpy(np.array([(y0, y1, x0, x1)], np.int64))
        return box, torch.full((1,), share, dtype=torch.float32, device="cpu")
    place = centre.numpy() * [[height], [width]]
    box = box_around(lam, np.floor(place) if form == "integer" else place, height, width, form)
    return box, box_share(box, height, width)


def _ends(centre: float, size: int, root: float, form: BoxForm) -> tuple[int, int]:
    half = size * root / 2
    if form == "integer":
        centre, half = math.floor(centre), math.floor(half)
    return int(max(centre - half, 0)), int(min(centre + half, size))


def half_sides(lam: Tensor, height: int, width: int, form: BoxForm = "integer") -> np.ndarray:
    """Return half the sides sqrt(1 - lam) (H, W) of a box, (2, n), float64, whole pixels in the integer form.

    Example:
        >>> half_sides(torch.tensor([0.75]), 8, 6, "continuous").tolist()
        [[2.0], [1.5]]
    """
    check_form(form)
    # The square of a float32 lam such as 0.75 is exact in float64, so int(side) never falls a pixel short.
    side = np.array([[height], [width]], dtype=np.float64) * np.sqrt(1 - lam.numpy().astype(np.float64))
    return np.floor(side / 2) if form == "integer" else side / 2


def box_around(lam: Tensor, centre: np.ndarray, height: int, width: int, form: BoxForm = "integer") -> Tensor:
    """Return the box of sides sqrt(1 - lam) (H, W) around a centre, clipped to the image.

    Args:
        lam: share to keep, (n,).
        centre: rows and columns, (2, n), pixels.
        height, width: of the image, pixels.
        form: see `draw_box`.
    Returns:
        y0, y1, x0, x1, (n, 4), int64, ends excluded.
    Example:
        >>> box_around(torch.tensor([0.75]), np.array([[4.0], [0.0]]), 8, 8)
        tensor([[2, 6, 0, 2]])
    """
    size = np.array([[height], [width]], dtype=np.float64)
    half = half_sides(lam, height, width, form)
    ends = np.empty((2, *half.shape))
    np.subtract(centre, half, out=ends[0])
    np.add(centre, half, out=ends[1])
    np.minimum(np.maximum(ends, 0, out=ends), size, out=ends)
    return torch.from_numpy(ends.astype(np.int64).transpose(2, 1, 0).reshape(-1, 4))


def box_share(box: Tensor, height: int, width: int) -> Tensor:
    """Return the share of each image that its box leaves to the own image, (n,), float32, beside the boxes."""
    if box.device.type != "cpu":
        return 1 - ((box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])).float() / (height * width)
    y0, y1, x0, x1 = box.numpy().T
    share = 1 - (y1 - y0) * (x1 - x0) / (height * width)
    return torch.from_numpy(share.astype(np.float32))


def check_form(form: str) -> None:
    """Raise a ValueError unless form is "integer" or "continuous"."""
    if form not in ("integer", "continuous"):
        raise ValueError(f"form: expected 'integer' or 'continuous', got {form!r}. See draw_box.")


def check_per(per: str) -> None:
    """Raise a ValueError unless per is "batch" or "sample"."""
    if per not in ("batch", "sample"):
        raise ValueError(f"per: expected 'batch' or 'sample', got {per!r}. Draw once per batch or once per sample.")


def check_images(where: str, x: Tensor) -> None:
    """Raise a ValueError unless x is a batch of images (B, C, H, W)."""
    if x.ndim != 4:
        what_to_do = "Add a batch axis with x[None]." if x.ndim == 3 else "Pass a batch of images."
        raise ValueError(f"{where}: expected x of shape (B, C, H, W), got {tuple(x.shape)}. {what_to_do}")


def check_sides(where: str, sides: Sequence[int]) -> None:
    """Raise a ValueError unless a box fits: on a side of 2 pixels half a box is no pixel, so nothing would be mixed."""
    if min(sides) < 3:
        raise ValueError(
            f"{where}: expected sides of at least 3 pixels, got {' x '.join(map(str, sides))}. "
            "Boxes of smaller images are empty. Use mixup."
        )
