"""Lam, partners and boxes: the only place where the randomness of a mix is drawn.

Everything is drawn on the CPU, from the given CPU generator or, without one, from torch's global one.
"""

import math
from typing import Literal

import torch
from torch import Generator, Tensor

Per = Literal["batch", "sample"]
BoxForm = Literal["integer", "continuous"]


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
        raise ValueError(f"alpha: expected a number > 0, got {alpha}. The paper uses 1.0.")
    if per not in ("batch", "sample"):
        raise ValueError(f"per: expected 'batch' or 'sample', got {per!r}. Draw once a batch or once a sample.")
    size = (2, 1 if per == "batch" else batch_size)
    shape = torch.full(size, alpha + 1.0, dtype=torch.float64)
    # torch.distributions takes no generator; this is the function that it calls itself.
    gamma = torch._standard_gamma(shape, generator=generator)  # pyright: ignore[reportPrivateImportUsage]
    u = torch.rand(size, dtype=torch.float64, generator=generator).clamp_(min=1e-300)
    log_own, log_other = gamma.log() + u.log() / alpha
    return torch.sigmoid(log_own - log_other).float()


def draw_partner(batch_size: int, generator: Generator | None = None) -> Tensor:
    """Draw a partner for every sample: a permutation (B,), fixed points allowed."""
    return torch.randperm(batch_size, generator=generator)


def draw_box(
    lam: Tensor, height: int, width: int, form: BoxForm = "integer", generator: Generator | None = None
) -> Tensor:
    """Draw a box of area about (1 - lam) H W at a uniform place, clipped to the image.

    Args:
        lam: share to keep, (n,).
        height, width: of the image, pixels.
        form: "integer" (centre on a pixel, half side `cut // 2`: CutMix's own code) or "continuous" (centre
            anywhere, centre +- side / 2, truncated: the code released with the paper).
        generator: source of randomness, on the CPU.
    Returns:
        y0, y1, x0, x1, (n, 4), int64, ends excluded.
    Example:
        >>> draw_box(torch.tensor([0.0, 1.0]), 4, 4, "continuous")[1, 1] >= 0
        tensor(True)
    """
    if form not in ("integer", "continuous"):
        raise ValueError(f"form: expected 'integer' or 'continuous', got {form!r}. See draw_box.")
    place = torch.rand(2, len(lam), dtype=torch.float64, generator=generator)
    centre = place * torch.tensor([[height], [width]], dtype=torch.float64)
    return box_around(lam, centre.floor() if form == "integer" else centre, height, width, form)


def box_around(lam: Tensor, centre: Tensor, height: int, width: int, form: BoxForm = "integer") -> Tensor:
    """Return the box of sides sqrt(1 - lam) (H, W) around a centre, clipped to the image.

    Args:
        lam: share to keep, (n,).
        centre: rows and columns, (2, n), pixels.
        height, width: of the image, pixels.
        form: see `draw_box`.
    Returns:
        y0, y1, x0, x1, (n, 4), int64, ends excluded.
    Example:
        >>> box_around(torch.tensor([0.75]), torch.tensor([[4.0], [0.0]]), 8, 8)
        tensor([[2, 6, 0, 2]])
    """
    size = torch.tensor([[height], [width]], dtype=torch.float64)
    # The square of a float32 lam such as 0.75 is exact in float64, so int(side) never falls a pixel short.
    side = size * (1 - lam.double()).sqrt()
    half = side.floor().div(2, rounding_mode="floor") if form == "integer" else side / 2
    low = (centre - half).clamp_(min=0).minimum(size).floor()
    high = (centre + half).clamp_(min=0).minimum(size).floor()
    return torch.stack([low[0], high[0], low[1], high[1]], 1).long()


def box_share(box: Tensor, height: int, width: int) -> Tensor:
    """Return the share of each image that its box leaves to the own image, (n,), float32."""
    area = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])
    return (1 - area.double() / (height * width)).float()


def check_images(where: str, x: Tensor) -> None:
    """Raise a ValueError unless x is a batch of images (B, C, H, W)."""
    if x.ndim != 4:
        what_to_do = "Add a batch axis with x[None]." if x.ndim == 3 else "Pass a batch of images."
        raise ValueError(f"{where}: expected x of shape (B, C, H, W), got {tuple(x.shape)}. {what_to_do}")
