"""Co-Mixup's objective: saliency, smoothness, diversity between outputs and compatibility within them."""

from typing import NamedTuple

import torch
from torch import Tensor


class JointProblem(NamedTuple):
    """P independent problems: which of m images each of the n blocks of m outputs shows.

    A labelling is (P, m, n, 2), int64: the two images whose mean a block shows, the same one twice where it shows one.

    Args:
        cost: of showing image k at block s, (P, m, n), float64: minus its saliency, and the prior.
        affinity: A, (P, m, m), float64, >= 0: how much two images should share an output.
        width: blocks along a row; n is a multiple of it.
        beta: weight of a smooth labelling, per pair of neighbours.
        gamma: weight of diversity, per pair of blocks.
        limit: number of blocks of an image in other outputs that costs nothing yet.
        offset: what is subtracted from a number above the limit: 0 as published; `limit` makes the penalty continuous.
    """

    cost: Tensor
    affinity: Tensor
    width: int
    beta: float
    gamma: float
    limit: float
    offset: float = 0.0


def objective(problem: JointProblem, labelling: Tensor) -> Tensor:
    """Return what a labelling costs.

        F = sum_js cost(z_js) + beta/2 sum_j sum_(s,t) |z_js - z_jt|^2 + gamma sum_jk h(p_jk) o_jk
        o_j = sum_s z_js,  p_j = A (sum of all o but o_j),  h(p) = p - offset where p > limit, else 0

    z_js is the vector of shares, (m,); s and t are neighbours.

    Args:
        problem: P problems.
        labelling: (P, m, n, 2).
    Returns:
        (P,), float64.
    Example:
        >>> one = JointProblem(-torch.ones(1, 2, 4).double(), torch.eye(2).double()[None], 2, 0.1, 1.0, 3.0)
        >>> objective(one, own_labelling(1, 2, 4))
        tensor([-8.], dtype=torch.float64)
    """
    first, second = neighbours(labelling.shape[2], problem.width, labelling.device)
    rough = unlike(labelling.index_select(2, first), labelling.index_select(2, second))
    alone = shown_cost(problem.cost, labelling).sum((1, 2)) + problem.beta * rough.sum((1, 2))
    return alone + penalty(problem, counts(labelling))


def own_labelling(parts: int, images: int, blocks: int, device: torch.device | None = None) -> Tensor:
    """Return the labelling that mixes nothing: each output shows its own image, (P, m, n, 2)."""
    return torch.arange(images, device=device).view(1, -1, 1, 1).expand(parts, images, blocks, 2).contiguous()


def penalty(problem: JointProblem, used: Tensor) -> Tensor:
    """Return the cost of showing the same images in several outputs, (P,), for how often each is used, (P, m, m)."""
    others = (used.sum(1, keepdim=True) - used) @ problem.affinity.mT
    return problem.gamma * (above(problem, others) * used).sum((1, 2))


def above(problem: JointProblem, others: Tensor) -> Tensor:
    """Return h: what counts of a number of blocks in other outputs."""
    return torch.where(others > problem.limit, others - problem.offset, 0.0)


def shown_cost(cost: Tensor, labelling: Tensor) -> Tensor:
    """Return the cost of what each block shows, (P, outputs, n), of costs (P, m, n)."""
    return (cost.gather(1, labelling[..., 0]) + cost.gather(1, labelling[..., 1])) / 2


def counts(labelling: Tensor, images: int | None = None) -> Tensor:
    """Return how many blocks of each output show each image, (P, outputs, m), float64, in halves."""
    parts, outputs = labelling.shape[:2]
    used = torch.zeros(parts, outputs, images or outputs, dtype=torch.float64, device=labelling.device)
    labels = labelling.flatten(2)
    return used.scatter_add_(2, labels, torch.full_like(labels, 0.5, dtype=torch.float64))


def unlike(one: Tensor, other: Tensor) -> Tensor:
    """Return |z - z'|^2 / 2 of what blocks show, (...), for labels (..., 2): 0 if alike, 1 for different images.

    Example:
        >>> unlike(torch.tensor([[0, 0], [0, 0], [0, 1]]), torch.tensor([[0, 0], [1, 1], [1, 1]]))
        tensor([0.0000, 1.0000, 0.2500])
    """
    (a, b), (c, d) = one.unbind(-1), other.unbind(-1)
    same = (a == c).float() + (a == d).float() + (b == c).float() + (b == d).float()
    return (2 + (a == b).float() + (c == d).float() - same) / 4


def neighbours(blocks: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the ends of all pairs of neighbours on a grid, (e,) and (e,): right and down of a block."""
    place = torch.arange(blocks, device=device).view(-1, width)
    first = torch.cat([place[:, :-1].flatten(), place[:-1].flatten()])
    return first, torch.cat([place[:, 1:].flatten(), place[1:].flatten()])
