"""The least value of Co-Mixup's objective, for problems of at most four images on a grid of four blocks.

Let T be how often all outputs together show each image. With T given, the outputs no longer depend on each other:

    F = sum_j g_T(o_j),  sum_j o_j = T
    g_T(o) = least cost of an output that shows o_k blocks of image k, + gamma sum_k h(A (T - o))_k o_k

So for every T the outputs are chosen in two groups of at most two. A T is skipped if even the least costs of its
outputs, each taken alone, add up to more than the best known labelling costs.
"""

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple

import torch
from torch import Tensor

from dropmix.msda.joint.objective import JointProblem, above, counts, neighbours, objective, shown_cost, unlike

# Images and blocks at most: there are 6,545 values of T then, and an output has 10,000 labellings of 165 counts.
_IMAGES, _BLOCKS = 4, 4
_AT_ONCE = 64  # values of T, the most promising first
# A labelling must better the known one by this much; less is rounding.
_LEAST_GAIN = 1e-9


class _Choices(NamedTuple):
    """What m outputs of m images and n blocks can show. Counts are in half blocks, and their rows ascend."""

    labellings: Tensor  # of one output, (1, R, n, 2)
    kind: Tensor  # the row of `each` that holds a labelling's counts, (R,)
    each: Tensor  # counts of one output, (C, m)
    both: Tensor  # of two outputs together, (D, m)
    pair: Tensor  # the row of `both` for every pair of rows of `each`, (C C,)
    totals: Tensor  # T, (E, m)


def is_tiny(problem: JointProblem) -> bool:
    """Whether `least` can solve such problems."""
    _, images, blocks = problem.cost.shape
    return 2 <= images <= _IMAGES and blocks <= _BLOCKS


def least(problem: JointProblem, known: Tensor) -> Tensor:
    """Return the labelling of each problem that costs least, (P, m, n, 2). Computed on the host.

    Args:
        problem: P problems, `is_tiny`.
        known: a labelling of each, the better the faster; it is returned where none costs less.
    """
    problem = problem._replace(cost=problem.cost.cpu(), affinity=problem.affinity.cpu())
    ones = [
        problem._replace(cost=c[None], affinity=a[None]) for c, a in zip(problem.cost, problem.affinity, strict=True)
    ]
    labellings = [_least_of_one(one, labelling) for one, labelling in zip(ones, known.cpu(), strict=True)]
    return torch.stack(labellings).to(known.device)


@lru_cache(maxsize=4)
def _choices(images: int, blocks: int) -> _Choices:
    labels = torch.tensor(list(combinations_with_replacement(range(images), 2)), device="cpu")
    rows = torch.cartesian_prod(*[torch.arange(len(labels), device="cpu")] * blocks)
    labellings = labels[rows][None]
    each, kind = torch.unique((2 * counts(labellings, images)[0]).long(), dim=0, return_inverse=True)
    both, pair = torch.unique((each[:, None] + each).flatten(0, 1), dim=0, return_inverse=True)
    totals = both
    for _ in range(images - 2):
        totals = torch.unique((totals[:, None] + each).flatten(0, 1), dim=0)
    return _Choices(labellings, kind, each, both, pair, totals)


def _least_of_one(one: JointProblem, known: Tensor) -> Tensor:
    images, blocks = one.cost.shape[1:]
    choices = _choices(images, blocks)
    first, second = neighbours(blocks, one.width, known.device)
    rough = unlike(choices.labellings[:, :, first], choices.labellings[:, :, second])
    alone = (shown_cost(one.cost, choices.labellings).sum(2) + one.beta * rough.sum(2))[0]
    cheapest = alone.new_full((len(choices.each),), torch.inf).scatter_reduce(0, choices.kind, alone, "amin")
    value = _values(one, cheapest, choices)
    best, rows = float(objective(one, known[None])), None
    bounds, order = (images * value.amin(1)).sort()
    for bound, some in zip(bounds.split(_AT_ONCE), order.split(_AT_ONCE), strict=True):
        if float(bound[0]) >= best - _LEAST_GAIN:
            break
        cost, own = _joined(value[some], choices.totals[some], choices, images)
        t = int(cost.argmin())
        if float(cost[t]) < best - _LEAST_GAIN:
            best, of = float(cost[t]), value[some[t]]
            rows = _rows_of(of, own[t], choices, images // 2)
            rows += _rows_of(of, choices.totals[some[t]] - own[t], choices, images - images // 2)
    if rows is None:
        return known
    return torch.stack(
        [choices.labellings[0, alone.masked_fill(choices.kind != row, torch.inf).argmin()] for row in rows]
    )


def _values(one: JointProblem, cheapest: Tensor, choices: _Choices) -> Tensor:
    """g_T of every T and row of `each`, (E, C); infinite where an output would show more of an image than T."""
    others = choices.totals[:, None] - choices.each
    number = above(one, others.double() / 2 @ one.affinity[0].T)
    value = cheapest + one.gamma * (number * choices.each / 2).sum(2)
    return value.masked_fill((others < 0).any(2), torch.inf)


def _joined(value: Tensor, totals: Tensor, choices: _Choices, images: int) -> tuple[Tensor, Tensor]:
    """Least cost of all outputs for each T, (t,), and the counts of the first group of outputs then, (t, m)."""
    sums, first = _grouped(value, choices, images // 2)
    others, second = _grouped(value, choices, images - images // 2)
    rest = _find(totals[:, None] - sums, others)
    cost = first + second.gather(1, rest.clamp(min=0)).masked_fill(rest < 0, torch.inf)
    least, at = cost.min(1)
    return least, sums[at]


def _grouped(value: Tensor, choices: _Choices, outputs: int) -> tuple[Tensor, Tensor]:
    """Counts of one or two outputs together, (D, m), and their least cost for each T, (t, D)."""
    if outputs == 1:
        return choices.each, value
    pairs = (value[:, :, None] + value[:, None]).flatten(1)
    start = value.new_full((len(value), len(choices.both)), torch.inf)
    return choices.both, start.scatter_reduce(1, choices.pair.expand(len(value), -1), pairs, "amin")


def _rows_of(value: Tensor, total: Tensor, choices: _Choices, outputs: int) -> list[int]:
    """The rows of `each` of one or two outputs whose counts together are `total` and which cost least."""
    if outputs == 1:
        return [int(_find(total[None], choices.each))]
    rest = _find(total - choices.each, choices.each)
    row = int((value + value[rest.clamp(min=0)]).masked_fill(rest < 0, torch.inf).argmin())
    return [row, int(rest[row])]


def _find(counts: Tensor, rows: Tensor) -> Tensor:
    """Where each of some counts, (..., m), stands among ascending rows, (...); -1 where it does not."""
    base = 1 + int(rows.max())
    weights = base ** torch.arange(counts.shape[-1] - 1, -1, -1, device="cpu")
    codes = (rows * weights).sum(1)
    wanted = (counts * weights).sum(-1).masked_fill((counts < 0).any(-1) | (counts >= base).any(-1), -1)
    at = torch.searchsorted(codes, wanted).clamp(max=len(codes) - 1)
    return torch.where(codes[at] == wanted, at, -1)
