"""Colour jitter and lighting noise of CutMix's ImageNet code, of a whole batch at once."""

import torch
from torch import Tensor

JITTER = 0.4
LIGHTING = 0.1
GRAY = (0.299, 0.587, 0.114)
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
COLOUR_DRAWS = 7
"""Uniform draws that one picture takes."""


def colour_shifts(draws: Tensor) -> Tensor:
    """What `shift_colours` does to each picture.

    Brightness, contrast and saturation each take the pixel p by a share alpha ~ U(-0.4, 0.4) towards black, the
    picture's mean gray m, and the pixel's own gray g. Each keeps the form a p + b g + c m, so that all three, in any
    order, are one such sum.

    Args:
        draws: (B, COLOUR_DRAWS), float64, in [0, 1): three alphas, the order, and three of the lighting.
    Returns:
        float32 (B, 6): a, b, c, and what the lighting adds to red, green and blue.
    Source:
        utils.py of CutMix's code, after Krizhevsky et al. 2012, Sec. 4.1. Differs: draws are given.
    Example:
        >>> colour_shifts(torch.tensor([[0.5] * 7], dtype=torch.float64))
        tensor([[1., 0., 0., 0., 0., 0.]])
    """
    alphas = JITTER * (2 * draws[:, :3] - 1)
    orders = torch.tensor(ORDERS, device=draws.device)[(6 * draws[:, 3]).long()]
    a, b, c = torch.ones_like(draws[:, 0]), torch.zeros_like(draws[:, 0]), torch.zeros_like(draws[:, 0])
    for step in range(3):
        kind = orders[:, step]
        alpha = alphas.gather(1, kind[:, None])[:, 0]
        # The gray of what there is so far is (a + b) g + c m, its mean (a + b + c) m.
        to_gray = torch.where(kind == 2, alpha * (a + b), 0)
        to_mean = torch.where(kind == 1, alpha * (a + b + c), torch.where(kind == 2, alpha * c, 0))
        a, b, c = (1 - alpha) * a, (1 - alpha) * b + to_gray, (1 - alpha) * c + to_mean
    normal = torch.special.ndtri(draws[:, 4:].clamp_min(1e-300))
    vectors, values = (torch.tensor(v, dtype=draws.dtype, device=draws.device) for v in (EIGENVECTORS, EIGENVALUES))
    light = (normal * LIGHTING * values) @ vectors.T
    return torch.cat([torch.stack([a, b, c], 1), light], 1).float()


def shift_colours(x: Tensor, shifts: Tensor) -> Tensor:
    """Change the colours of each picture.

    Args:
        x: (B, 3, H, W), in [0, 1]; what comes out may lie outside, as in CutMix's code.
        shifts: (B, 6), from `colour_shifts`.
    """
    red, green, blue = GRAY
    gray = red * x[:, :1] + green * x[:, 1:2] + blue * x[:, 2:]
    a, b, c = shifts[:, :3, None, None, None].unbind(1)
    flat = c * gray.mean((2, 3), keepdim=True) + shifts[:, 3:, None, None]
    return x * a + (b * gray + flat)
