"""The energy whose minimum is PuzzleMix's mask: lost saliency, cut edges, and a prior on the share."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def pool_shares(saliency: Tensor, grid: int) -> Tensor:
    """Return the share of the saliency in each cell of a grid; uniform where there is none.

    Args:
        saliency: (N, H, W), >= 0; the grid divides H and W.
        grid: width of the grid, B.
    Returns:
        (N, B, B), sum 1.
    Example:
        >>> pool_shares(torch.zeros(1, 4, 4), 2)
        tensor([[[0.2500, 0.2500],
                 [0.2500, 0.2500]]])
    """
    height, width = saliency.shape[-2:]
    # Divided by the largest value first, so that no sum overflows and no tiny gradient underflows.
    scale = saliency.amax((1, 2), keepdim=True)
    relative = torch.where(scale > 0, saliency / scale, 1.0)
    pooled = F.avg_pool2d(relative[:, None], (height // grid, width // grid))[:, 0]
    share = pooled / pooled.sum((1, 2), keepdim=True)
    return torch.where(share.isfinite(), share, 1 / grid**2)


def label_prior(lam: Tensor, labels: int, weight: float) -> Tensor:
    """Return the cost of each label: -weight log(binomial(label; L - 1, lam) + 1e-8).

    Args:
        lam: (1,) or (N,), in [0, 1].
        labels: L.
        weight: eta / B^2.
    Returns:
        (1 or N, L, 1, 1), float32.
    Example:
        >>> label_prior(torch.tensor([0.5]), 2, 1.0).flatten()
        tensor([0.6931, 0.6931])
    """
    j = torch.arange(labels, dtype=torch.float64, device="cpu")
    ways = torch.tensor([math.comb(labels - 1, k) for k in range(labels)], dtype=torch.float64, device="cpu")
    lam = lam.double().cpu()[:, None]
    likelihood = ways * lam**j * (1 - lam) ** (labels - 1 - j)
    return (-weight * (likelihood + 1e-8).log()).float()[:, :, None, None]


def puzzle_energy(
    images: Tensor, s: Tensor, partner: Tensor, *, beta: float, gamma: float, neighbourhood: int, labels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return PuzzleMix's energy without the prior, in the form that `graphcut.solve` takes.

        E = sum_p [z U1 + (1 - z) U0] + sum w_pq (z_p - z_q)^2

    U1 = s[partner] and U0 = s are the saliency that z loses. The jumps D across block edges are added to them and to w,
    half to each label.

    Args:
        images: (N, C, H, W), float32, in [0, 1].
        s: share of saliency in each block, (N, B, B), sum 1.
        partner: (N,), int64, on the images' device.
        beta, gamma, neighbourhood, labels: see `puzzlemix`.
    Returns:
        theta (N, L, B, B), w_down (N, B - 1, B), w_right (N, B, B - 1), float32.
    """
    blocks = s.shape[-1]
    smooth = beta / (16 * blocks)
    edge = smooth * gamma / 2
    lost_if_1, lost_if_0 = s[partner].clone(), s.clone()
    weights = []
    for axis in (1, 2):  # down, right
        last, first = _edges(images, blocks, neighbourhood, axis)
        d00, d01 = _jump(last[partner], first[partner]), _jump(last[partner], first)
        d10, d11 = _jump(last, first[partner]), _jump(last, first)
        count = blocks - 1
        lost_if_1.narrow(axis, 0, count).add_(d10 + d11, alpha=edge)
        lost_if_0.narrow(axis, 0, count).add_(d01 + d00, alpha=edge)
        lost_if_1.narrow(axis, 1, count).add_(d01 + d11, alpha=edge)
        lost_if_0.narrow(axis, 1, count).add_(d10 + d00, alpha=edge)
        weights.append((smooth + edge * (d10 + d01 - d11 - d00)).clamp_(min=0))
    z = torch.linspace(0, 1, labels, dtype=torch.float32, device=s.device).view(1, -1, 1, 1)
    theta = z * lost_if_1[:, None] + (1 - z) * lost_if_0[:, None]
    return theta, weights[0], weights[1]


def _edges(images: Tensor, blocks: int, neighbourhood: int, axis: int) -> tuple[Tensor, Tensor]:
    """Pooled pixels along both sides of every inner block edge: the last of the block before, the first of the block
    after, both (N, C, B - 1, B, k) for axis 1 (down) and (N, C, B, B - 1, k) for axis 2 (right)."""
    side_h, side_w = images.shape[-2] // blocks, images.shape[-1] // blocks
    pool_h, pool_w = _divisor(side_h, neighbourhood), _divisor(side_w, neighbourhood)
    k_h, k_w = side_h // pool_h, side_w // pool_w
    pooled = F.avg_pool2d(images, (pool_h, pool_w))
    cells = pooled.unflatten(3, (blocks, k_w)).unflatten(2, (blocks, k_h))  # (N, C, B, k_h, B, k_w)
    if axis == 1:
        return cells[:, :, :-1, -1], cells[:, :, 1:, 0]
    cells = cells.transpose(3, 4)  # (N, C, B, B, k_h, k_w)
    return cells[:, :, :, :-1, :, -1], cells[:, :, :, 1:, :, 0]


def _divisor(side: int, limit: int) -> int:
    return max(n for n in range(1, min(side, limit) + 1) if side % n == 0)


def _jump(before: Tensor, after: Tensor) -> Tensor:
    """Mean over channels and places of |before - after|; values that are not finite count as 0."""
    return (before - after).abs().mean((1, 4)).nan_to_num(0.0, 0.0, 0.0)
