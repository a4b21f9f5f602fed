"""PuzzleMix. Kim, Choo & Song, "Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup",
arXiv 2009.06962."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dropmix.msda.draw import Per, check_batch, draw_lam, draw_partner
from dropmix.msda.mix import Mix
from dropmix.msda.puzzle.adversarial import attack_noise, draw_attack
from dropmix.msda.puzzle.energy import label_prior, pool_shares, puzzle_energy
from dropmix.msda.puzzle.graphcut import solve
from dropmix.msda.puzzle.transport import transport as transport_plan
from dropmix.msda.puzzle.work import run
from dropmix.msda.saliency import ask_saliency, size_of

# Transport's grids stay this small at large images, as the official ImageNet code's do.
_WIDEST_GRID = 16


@torch.no_grad()
def puzzlemix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    alpha: float = 1.0,
    beta: float = 1.2,
    gamma: float = 0.5,
    eta: float = 0.2,
    xi: float = 0.8,
    labels: int = 3,
    neighbourhood: int = 4,
    block_counts: Sequence[int] = (2, 4, 8, 16),
    transport: bool = True,
    transport_cell: int | None = 4,
    clean: float = 0.0,
    adversarial: float = 0.0,
    epsilon: float = 10.0,
    per: Per = "batch",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Mix:
    """Keep each image where it is salient, and move its salient cells there (PuzzleMix).

        mask z = argmin of the energy in `puzzle_energy`; cells move by `transport`; label share = mean of z

    Args:
        x: images, (B, C, H, W), normalised by `mean` and `std`.
        saliency: importance of each pixel, (B, H, W), >= 0, or a function of x that returns it; DropMix makes one
            from an `input_gradient`. All zero counts as uniform.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter of the mixing share that the prior pulls to, > 0. Paper: 1.0.
        beta: weight of a smooth mask, >= 0. Paper: 1.2.
        gamma: share of it that follows the images' edges, in [0, 1). Paper: 0.5.
        eta: weight of the prior, >= 0. Paper: 0.2.
        xi: price of moving a cell, > 0. Paper: 0.8.
        labels: number of mask levels L, >= 2. Paper: 3.
        neighbourhood: pixels that are pooled before images are compared at block edges, >= 1. Paper: 4 (CIFAR).
        block_counts: grid widths, one drawn per batch; those that do not divide the image's sides are left out.
        transport: whether cells move.
        transport_cell: side of a moved cell in pixels, at most a block; None is a block. Official code: 4 for 32
            pixels, 16 for 224. Grids finer than 16 are made coarser.
        clean: weight of the loss on the unmixed images, >= 0; the saliency pass then trains on them too, see
            `input_gradient`. Official code: off, or 1.
        adversarial: probability that the own images of a batch are attacked before they are mixed, and likewise their
            partners, in [0, 1]. Official code: off, or 0.1.
        epsilon: largest adversarial noise, in levels of 255, > 0. Official code: 10.
        per: one lam for the prior per "batch", as published, or one per "sample".
        mean, std: how x was normalised, one value per channel; None if x is in [0, 1] already. Colour jitter may leave
            that range a little.
    Returns:
        Mix with mask (B, 1, H, W), with cells when they move and with noise when a side is attacked.
    Raises:
        ValueError: shapes that do not fit, images far outside [0, 1] (after `mean` and `std`; looked at on a CPU only),
            saliency that is not finite, options out of range, `clean` or `adversarial` with a tensor of saliency.
    Source:
        Kim et al. 2020, Sec. 4, as the official code runs it. Differs: the mask is the energy's minimum, where the
        official alpha-beta swap may stop short of it and its integer costs overflow for very peaky saliency.
    Example:
        >>> mix = puzzlemix(torch.rand(4, 3, 32, 32), torch.rand(4, 32, 32))
        >>> mix.mask.shape
        torch.Size([4, 1, 32, 32])
    """
    check_batch("puzzlemix", x, places=2, most=2)
    _check_options(beta, gamma, eta, xi, labels, neighbourhood, clean, adversarial, epsilon)
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    height, width = x.shape[-2:]
    partner = draw_partner(len(x), generator)
    lam = draw_lam(len(x), alpha, per, generator)
    blocks = draw_blocks(block_counts, height, width, generator)
    there = partner.to(x.device, non_blocking=True)
    scale, shift = _scale_and_shift(x, mean, std)
    images = _unnormalise(x, scale, shift)
    attack, own_noise, partner_noise = draw_attack(images, adversarial, epsilon, generator), None, None
    if attack is None:
        saliency = ask_saliency("puzzlemix", x, saliency, clean=clean).float()
    else:
        gradient = ask_saliency("puzzlemix", x + (attack.start / scale).to(x), saliency, clean=clean, signed=True)
        noise = (attack_noise(images, attack, gradient, epsilon) / scale).to(x.dtype)
        own_noise, partner_noise = noise if attack.own else None, noise[there] if attack.partner else None
        saliency = size_of(gradient)
    prior = label_prior(lam, labels, eta / blocks**2).to(x.device, non_blocking=True)
    grid = _grid(height, width, blocks, transport_cell) if transport else None
    settings = _Settings(blocks, grid, beta, gamma, neighbourhood, labels, xi)
    share, mask, own_cells, partner_cells = run(_solve, (images, saliency, there, prior), settings)
    return Mix(
        partner,
        share,
        mask=mask,
        own_cells=own_cells,
        partner_cells=partner_cells,
        own_noise=own_noise,
        partner_noise=partner_noise,
    )


class _Settings(NamedTuple):
    blocks: int
    grid: int | None  # width of transport's; None: nothing moves
    beta: float
    gamma: float
    neighbourhood: int
    labels: int
    xi: float


def _solve(
    images: Tensor, saliency: Tensor, there: Tensor, prior: Tensor, settings: _Settings
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Label share, mask, and where cells move: everything after drawing and saliency."""
    blocks, grid, beta, gamma, neighbourhood, labels, xi = settings
    s = pool_shares(saliency, blocks)
    theta, w_down, w_right = puzzle_energy(
        images, s, there, beta=beta, gamma=gamma, neighbourhood=neighbourhood, labels=labels
    )
    theta += prior
    z = solve(theta, w_down, w_right)[0].float() / (labels - 1)
    own_cells = partner_cells = None
    if grid is not None:
        fine, s = F.interpolate(z[:, None], grid)[:, 0], s if grid == blocks else pool_shares(saliency, grid)
        own_cells, partner_cells = transport_plan(fine > 0, s, xi), transport_plan(fine < 1, s[there], xi)
    return z.mean((1, 2)), F.interpolate(z[:, None], images.shape[-2:]), own_cells, partner_cells


def draw_blocks(block_counts: Sequence[int], height: int, width: int, generator: Generator | None) -> int:
    """Draw a number of blocks per side, evenly among those that divide both sides of the image."""
    fitting = [count for count in block_counts if count >= 2 and height % count == 0 and width % count == 0]
    if not fitting:
        raise ValueError(
            f"puzzlemix: expected a block count that divides {height} x {width} pixels, got {tuple(block_counts)}. "
            "Pass block_counts that do, or resize the images."
        )
    return fitting[int(torch.randint(len(fitting), (), device="cpu", generator=generator))]


def _grid(height: int, width: int, blocks: int, cell: int | None) -> int:
    """Width of transport's grid: the block grid, or finer where a cell is smaller than a block."""
    if cell is None or min(height, width) <= blocks * cell:
        return blocks
    finest = max(min(height, width) // cell, blocks)
    side = math.gcd(height, width)
    return max(
        n for n in range(blocks, finest + 1) if n == blocks or (n <= _WIDEST_GRID and side % n == 0 and n % blocks == 0)
    )


def _scale_and_shift(
    x: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[Tensor | float, Tensor | float]:
    """std and mean of x's normalisation, on the device of x; 1 and 0 without one."""
    if (mean is None) != (std is None):
        raise ValueError("puzzlemix: expected both mean and std or neither, got one. Pass what x was normalised by.")
    if mean is None or std is None:
        return 1.0, 0.0
    if not len(mean) == len(std) == x.shape[1]:
        raise ValueError(
            f"puzzlemix: expected mean and std with {x.shape[1]} values, one per channel, got {len(mean)} and "
            f"{len(std)}. Pass what x was normalised by, in fractions."
        )
    scale, shift = (torch.tensor(v, dtype=torch.float32, device="cpu").view(-1, 1, 1) for v in (std, mean))
    return scale.to(x.device, non_blocking=True), shift.to(x.device, non_blocking=True)


def _unnormalise(x: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
    x = x.float()
    if isinstance(scale, Tensor) and isinstance(shift, Tensor):
        x = torch.addcmul(shift, x, scale)
    if x.device.type == "cpu" and x.numel():
        low, high = (bound.item() for bound in x.aminmax())
        if not (low > -1 and high < 3):  # colour jitter and noise leave [0, 1], but not as far as a forgotten mean
            raise ValueError(
                f"puzzlemix: expected images in [0, 1] after mean and std, got {low:.4g} to {high:.4g}. "
                "Pass the mean and std that x was normalised by, as fractions, one per channel."
            )
    return x


def _check_options(
    beta: float,
    gamma: float,
    eta: float,
    xi: float,
    labels: int,
    neighbourhood: int,
    clean: float,
    adversarial: float,
    epsilon: float,
) -> None:
    for name, value, fits, range_ in (
        ("beta", beta, 0 <= beta < math.inf, "[0, inf)"),
        ("gamma", gamma, 0 <= gamma < 1, "[0, 1)"),
        ("eta", eta, 0 <= eta < math.inf, "[0, inf)"),
        ("xi", xi, 0 < xi < math.inf, "(0, inf)"),
        ("labels", labels, labels >= 2, "[2, inf)"),
        ("neighbourhood", neighbourhood, neighbourhood >= 1, "[1, inf)"),
        ("clean", clean, 0 <= clean < math.inf, "[0, inf)"),
        ("adversarial", adversarial, 0 <= adversarial <= 1, "[0, 1]"),
        ("epsilon", epsilon, 0 < epsilon < math.inf, "(0, inf)"),
    ):
        if not fits:
            raise ValueError(f"puzzlemix: expected {name} in {range_}, got {value}. See the docstring.")
