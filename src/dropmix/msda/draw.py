"""Lam and partners: with `boxes`, the only place where the randomness of a mix is drawn.

Everything is drawn on the CPU, from the given CPU generator or, without one, from torch's global one. The arithmetic on
what is drawn uses numpy, whose calls on small arrays cost a third of torch's.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.partners import fitting

Per = Literal["batch", "sample"]
MapKind = Literal["gradient", "features", "class"]
Method = TypeVar("Method", bound=Callable[..., Any])


def shape_only(method: Method) -> Method:
    """Mark a method that reads only the shape of x, so that no pixels need be gathered for it."""
    method.__dict__["shape_only"] = True
    return method


def mixes_hidden(method: Method) -> Method:
    """Mark a method whose records are for hidden states, so that their images alone are never trained on."""
    method.__dict__["mixes_hidden"] = True
    return method


def reads_map(kind: MapKind) -> Callable[[Method], Method]:
    """Mark a method with the kind of map that its paper uses as `saliency`; a grid computes this kind.

    "gradient"  size of the loss's gradient (`input_gradient`); methods without a mark get it too
    "features"  activity of the last features (`feature_map`)
    "class"     contribution of each place to the image's class (`class_activation`)
    """

    def mark(method: Method) -> Method:
        method.__dict__["map_kind"] = kind
        return method

    return mark


def draw_lam(batch_size: int, alpha: float, per: Per, generator: Generator | None = None) -> Tensor:
    """Draw lam ~ Beta(alpha, alpha).

        lam = g1 / (g1 + g2),  g ~ Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha), in logarithms, so that
        no alpha, however small, ends in 0 / 0.

    Args:
        batch_size: B.
        alpha: Beta parameter, > 0.
        per: "batch" for one value, (1,), or "sample" for one per sample, (B,).
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


def draw_log_shares(rows: int, count: int, alpha: float, generator: Generator | None = None) -> Tensor:
    """Draw logarithms of shares ~ Dirichlet(alpha, ..., alpha), whose sum is 1, finite for any alpha.

    Args:
        rows: number of draws.
        count: number of shares in each.
        alpha: > 0.
        generator: source of randomness, on the CPU.
    Returns:
        (rows, count), float64, <= 0.
    Raises:
        ValueError: alpha <= 0 or not finite.
    Example:
        >>> float(draw_log_shares(1, 3, 1e-3).exp().sum().round(decimals=6))
        1.0
    """
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha: expected a finite number > 0, got {alpha}. 1.0 draws any shares alike.")
    gamma = torch._standard_gamma(  # pyright: ignore[reportPrivateImportUsage]
        torch.full((rows, count), alpha + 1.0, dtype=torch.float64, device="cpu"), generator=generator
    )
    u = torch.rand(rows, count, dtype=torch.float64, device="cpu", generator=generator)
    return (gamma.log() + (1 - u).log() / alpha).log_softmax(1)


def uniform(*size: int, generator: Generator | None = None) -> np.ndarray:
    """Draw u ~ U[0, 1), float64, of a size."""
    return torch.rand(*size, dtype=torch.float64, device="cpu", generator=generator).numpy()


def draw_partner(batch_size: int, generator: Generator | None = None) -> Tensor:
    """Draw a partner for every sample: a permutation (B,), fixed points allowed. Under a policy of `DropMix`, one
    that the policy allows for the sample's class."""
    return fitting(torch.randperm(batch_size, device="cpu", generator=generator))


def check_per(per: str) -> None:
    """Raise a ValueError unless per is "batch" or "sample"."""
    if per not in ("batch", "sample"):
        raise ValueError(f"per: expected 'batch' or 'sample', got {per!r}. Draw once per batch or once per sample.")


def check_batch(where: str, x: Tensor, *, places: int = 0, most: int | None = None) -> None:
    """Raise a ValueError unless x is a batch that a method can mix: (B, C, L), (B, C, H, W), (B, C, T, H, W).

    Args:
        where: the method's name.
        x: what was given.
        places: least number of axes after the channels; 0 takes vectors (B, C) too, and any number of axes.
        most: largest number of them.
    """
    axes = x.ndim - 2
    if axes >= places and (most is None or axes <= most):
        if places and axes > 1 and x.shape[-1] == 3 and min(x.shape[1:-1]) >= 16:
            raise ValueError(
                f"{where}: expected x of shape (B, C, ...), got {tuple(x.shape)}, which looks like channels last. "
                'Say DropMix(..., channels="last"), or pass x.movedim(-1, 1).'
            )
        return
    known = ["(B, C, L)", "(B, C, H, W)", "(B, C, T, H, W)"][max(places - 1, 0) : most]
    wanted = "(B, C, ...)" if most is None else f"{', '.join(known[:-1])} or {known[-1]}" if known[1:] else known[0]
    if x.ndim < 2 or (x.ndim == 3 and most == 2):
        what_to_do = "Add a batch axis with x[None]."
    elif x.ndim == 2:
        what_to_do = "A vector has no places to cut: use mixup. For one image, add batch and channels, x[None, None]."
    else:
        what_to_do = "Use mixup, which takes any shape, or reshape x."
    raise ValueError(f"{where}: expected x of shape {wanted}, got {tuple(x.shape)}. {what_to_do}")
