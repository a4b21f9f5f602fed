"""PuzzleMix's transport: cells of an image move to where the mask shows it, salient cells first."""

from functools import lru_cache

import torch
from torch import Tensor


@torch.no_grad()
def transport(shown: Tensor, saliency: Tensor, xi: float = 0.8) -> Tensor:
    """Assign cells of an image to the cells where the image is shown, by rounds of deferred acceptance.

        cost_ij = xi C_ij - s_i [shown_j],  C_ij = squared grid distance / (n - 1)^2

    n rounds: every source i proposes to its cheapest j (ties: the lowest), every j keeps its cheapest proposer (ties:
    the lowest) if that cost is negative, and a rejected source adds 1 to that cost. Costs lie in [-1, xi],
    so a source never returns, and only shown cells nearer than sqrt(s_i / xi) (n - 1) are ever won: each source walks
    down its list of shown cells by distance, and the n x n cost matrix is never made.

    Args:
        shown: where the mask shows this image, (N, n, n), bool.
        saliency: share of the image's saliency in each cell, (N, n, n), >= 0, sum 1.
        xi: price of distance, > 0. Paper: 0.8.
    Returns:
        Source cell of each cell, (N, n, n), int64, row-major; -1 where no cell arrived or the image is not shown.
    Source:
        Kim et al. 2020 (PuzzleMix), Alg. 1 in Sec. 4.3, as the official code runs it: the winners of the last round.
    Example:
        >>> shown = torch.tensor([[[True, False], [False, False]]])
        >>> saliency = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
        >>> transport(shown, saliency)
        tensor([[[ 1, -1],
                 [-1, -1]]])
    """
    batch, n = len(shown), shown.shape[-1]
    cells = n * n
    distance, order = _geometry(n, shown.device)
    share = saliency.reshape(batch, cells).float()
    candidates = _nearest_shown(shown.reshape(batch, cells), order[:, : reach(distance, share, xi)], n)
    source = torch.arange(cells, device=shown.device).expand(batch, cells)
    turned_down = torch.zeros_like(source)
    winner = turned_down
    for _ in range(n):
        target = candidates.gather(2, turned_down[:, :, None])[:, :, 0]
        cost = xi * distance.view(-1)[(source * cells + target).clamp(max=cells * cells - 1)] - share
        cost = cost.masked_fill((target == cells) | (cost >= 0), torch.inf)
        best = cost.new_full((batch, cells + 1), torch.inf).scatter_reduce_(1, target, cost, "amin")
        rival = source.masked_fill((cost > best.gather(1, target)) | (cost == torch.inf), cells)
        winner = source.new_full((batch, cells + 1), cells).scatter_reduce_(1, target, rival, "amin")
        lost = (winner.gather(1, target) != source) & (cost < torch.inf)
        turned_down = (turned_down + lost).clamp_(max=n - 1)
    winner = winner[:, :cells]
    return winner.masked_fill(winner == cells, -1).view(batch, n, n)


def reach(distance: Tensor, share: Tensor, xi: float) -> int:
    """How many of the nearest cells can be won at all. Read only on a CPU; elsewhere reading would wait."""
    if share.device.type != "cpu" or torch.compiler.is_compiling() or not share.numel():
        return len(distance)
    return max(int((xi * distance < share.max()).sum(1).max()), 1)


def _nearest_shown(shown: Tensor, order: Tensor, count: int) -> Tensor:
    """The `count` nearest shown cells of every source, nearest first, (N, n * n, count); n * n where there are fewer.
    Only the cells in `order`, (n * n, m), are looked at."""
    batch, (cells, near) = len(shown), order.shape
    rank = shown[:, order].cumsum(2, dtype=torch.int16)
    wanted = torch.arange(1, count + 1, device=shown.device, dtype=torch.int16)
    place = torch.searchsorted(rank, wanted.expand(batch, cells, count).contiguous())
    nearest = order.expand(batch, cells, near).gather(2, place.clamp(max=near - 1))
    return nearest.masked_fill_(place == near, cells)


@lru_cache(maxsize=32)
def _geometry(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """C, (n * n, n * n), and for each source all cells by distance, the lowest index first among equals."""
    row = torch.arange(n * n, device=device) // n
    column = torch.arange(n * n, device=device) % n
    squared = (row[:, None] - row).square() + (column[:, None] - column).square()
    tables = squared.float() / max(n - 1, 1) ** 2, squared.argsort(dim=1, stable=True)
    if device.type == "cuda":  # a later caller may work on another stream
        torch.cuda.current_stream(device).synchronize()
    return tables
