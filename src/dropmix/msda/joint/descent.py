"""Lower Co-Mixup's objective: in each round every output proposes its best change, kept if the objective falls."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from dropmix.msda.joint.exact import is_tiny, least
from dropmix.msda.joint.objective import (
    JointProblem,
    above,
    counts,
    neighbours,
    objective,
    own_labelling,
    penalty,
    shown_cost,
    unlike,
)

# A change must gain this much; less is rounding.
_LEAST_GAIN = 1e-5
# A problem of at most so many images times blocks has further starts, shaken by penalties of these strengths in turn.
_SMALL, _STARTS, _SHAKES = 32, 47, (0.1, 0.3) * 4


class _Regions(NamedTuple):
    """All rectangles of a grid, R of them, and what matters of each; n blocks, e pairs of neighbours."""

    inside: Tensor  # (n, R): whether a block lies in it
    around: Tensor  # (n, R): for a block outside, how many of its neighbours lie in it
    touched: Tensor  # (e, R): whether at least one end lies in it


@lru_cache(maxsize=16)
def _regions(blocks: int, width: int, device: torch.device) -> _Regions:
    height = blocks // width
    spans = [
        torch.tensor(
            [[a <= place < b for place in range(side)] for a in range(side) for b in range(a + 1, side + 1)],
            device="cpu",
        )
        for side in (height, width)
    ]
    inside = (spans[0][:, None, :, None] & spans[1][None, :, None, :]).reshape(-1, blocks).float().T.contiguous()
    first, second = neighbours(blocks, width, inside.device)
    around = torch.zeros_like(inside).index_add_(0, first, inside[second]).index_add_(0, second, inside[first])
    touched = torch.maximum(inside[first], inside[second])
    parts = (inside, around * (1 - inside), touched)
    return _Regions(*(part.to(device, non_blocking=True) for part in parts))


def greedy_start(problem: JointProblem) -> Tensor:
    """Return a labelling whose outputs, one after another, show at each block what costs least, (P, m, n, 2)."""
    parts, images, _ = problem.cost.shape
    used = problem.cost.new_zeros(parts, images, 1)
    outputs = []
    for _ in range(images):
        extra = 2 * problem.gamma * above(problem, problem.affinity @ used)
        best = (problem.cost + extra).argmin(1)[:, None, :, None].expand(-1, -1, -1, 2)
        used = used + counts(best, images).mT
        outputs.append(best)
    return torch.cat(outputs, 1)


def solve(problem: JointProblem) -> Tensor:
    """Return a labelling of small cost, (P, m, n, 2), never above that of `greedy_start` and of no mixing.

    The penalty is first made continuous (a number of blocks above the limit counts from the limit on), which leads
    round the steps of the published one; then follows the published one. It starts from outputs that show two images
    each, which leaves room under the limit. Small problems start from many more labellings, and are shaken: a smaller
    penalty and the published one in turns. At most four images on a grid of 2 x 2 are solved exactly instead.
    """
    parts, images, blocks = problem.cost.shape
    if is_tiny(problem):
        return least(problem, _softly(problem, paired_start(problem), 1.0, 10, 10))
    small = images * blocks <= _SMALL
    starts = [paired_start(problem), *(_random_starts(problem, _STARTS) if small else ())]
    many = problem._replace(
        cost=problem.cost.repeat(len(starts), 1, 1), affinity=problem.affinity.repeat(len(starts), 1, 1)
    )
    labelling = _softly(many, torch.cat(starts), 1.0, 10, 10)
    for strength in _SHAKES if small else ():
        labelling = _better(many, labelling, _softly(many, labelling, strength, 3, 5))
    value = objective(many, labelling).view(len(starts), parts)
    labelling = labelling.view(len(starts), parts, images, blocks, 2)[
        value.argmin(0), torch.arange(parts, device=value.device)
    ]
    labelling = _better(problem, labelling, greedy_start(problem))
    return _better(problem, labelling, own_labelling(parts, images, blocks, labelling.device))


def _softly(problem: JointProblem, labelling: Tensor, strength: float, soft: int, hard: int) -> Tensor:
    """Descend for `soft` rounds under a continuous penalty, then for `hard` rounds under the published one."""
    eased = problem._replace(gamma=problem.gamma * strength, offset=problem.limit)
    return descend(problem, descend(eased, labelling, soft), hard)


def _better(problem: JointProblem, one: Tensor, other: Tensor) -> Tensor:
    """The cheaper labelling of each problem; the first one if both cost the same."""
    return torch.where((objective(problem, other) < objective(problem, one))[:, None, None, None], other, one)


def paired_start(problem: JointProblem) -> Tensor:
    """Return the labelling whose outputs show an image in their upper half and the next one below, (P, m, n, 2)."""
    parts, images, blocks = problem.cost.shape
    below = (torch.arange(blocks, device=problem.cost.device) * 2 // blocks).view(1, 1, -1, 1)
    return (own_labelling(parts, images, blocks, problem.cost.device) + below) % images


def _random_starts(problem: JointProblem, count: int) -> Iterator[Tensor]:
    """The same labellings every time, so that a record depends only on its draws and the images."""
    generator = torch.Generator("cpu").manual_seed(0)
    for _ in range(count):
        shown = torch.randint(problem.cost.shape[1], problem.cost.shape, generator=generator, device="cpu")
        yield shown.to(problem.cost.device, non_blocking=True)[..., None].expand(-1, -1, -1, 2)


def descend(problem: JointProblem, labelling: Tensor, rounds: int) -> Tensor:
    """Improve a labelling for a number of rounds; return one that costs no more, (P, m, n, 2)."""
    labelling, used = labelling.clone(), counts(labelling)
    for _ in range(rounds):
        gain, after = _proposals(problem, labelling, used)
        later = counts(after)
        value = penalty(problem, used)
        for output in range(labelling.shape[1]):
            tried = used.clone()
            tried[:, output] = later[:, output]
            changed = penalty(problem, tried)
            better = gain[:, output] + changed - value < -_LEAST_GAIN
            used = torch.where(better[:, None, None], tried, used)
            value = torch.where(better, changed, value)
            labelling[:, output] = torch.where(better[:, None, None], after[:, output], labelling[:, output])
    return labelling


def _proposals(problem: JointProblem, labelling: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Each output's best change of one region: its change in saliency and smoothness, (P, m), and the labelling."""
    blocks = labelling.shape[2]
    regions = _regions(blocks, problem.width, labelling.device)
    labels = _labels(used)
    local = _local(problem, labelling, labels, regions)
    total = local + _shared(problem, used, labelling, labels, regions)
    choice = total.flatten(2).argmin(2, keepdim=True)
    label, region = choice // total.shape[3], choice % total.shape[3]
    inside = regions.inside.T[region[..., 0]] > 0
    taken = labels.gather(2, label[..., None].expand(-1, -1, -1, 2))
    after = torch.where(inside[..., None], taken, labelling)
    return local.flatten(2).gather(2, choice)[..., 0].double(), after


def _labels(used: Tensor) -> Tensor:
    """What a region may show, (P, m, L, 2): any image, or the mean of two of the four that the output shows most."""
    parts, outputs, images = used.shape
    single = own_labelling(1, images, 1, used.device).view(1, 1, images, 2).expand(parts, outputs, -1, -1)
    top = used.topk(min(4, images), dim=2).indices
    pairs = [torch.stack([top[..., a], top[..., b]], -1) for a in range(top.shape[2]) for b in range(a)]
    return torch.cat([single, torch.stack(pairs, 2)], 2)


def _local(problem: JointProblem, labelling: Tensor, labels: Tensor, regions: _Regions) -> Tensor:
    """Change in saliency and smoothness where a region takes a label, (P, m, L, R), float32."""
    cost = problem.cost.float()
    parts, outputs, count, _ = labels.shape
    blocks = labelling.shape[2]
    flat = labels.view(parts, -1, 2)
    rows = [flat[..., k, None].expand(-1, -1, blocks) for k in (0, 1)]
    new = ((cost.gather(1, rows[0]) + cost.gather(1, rows[1])) / 2).view(parts, outputs, count, blocks)
    old = shown_cost(cost, labelling)[:, :, None]
    first, second = neighbours(blocks, problem.width, labels.device)
    removed = unlike(labelling.index_select(2, first), labelling.index_select(2, second)) @ regions.touched
    edges = unlike(labelling[:, :, None], labels[:, :, :, None]) @ regions.around
    return (new - old) @ regions.inside + problem.beta * (edges - removed[:, :, None])


def _shared(problem: JointProblem, used: Tensor, labelling: Tensor, labels: Tensor, regions: _Regions) -> Tensor:
    """Change in the penalty where a region takes a label, (P, m, L, R), float32: the others as they are now."""
    blocks, images = labelling.shape[2], used.shape[2]
    table = _table(problem, used, blocks)
    here = torch.arange(images, device=used.device)
    shown = (labelling[..., None] == here).sum(3).mT.float()  # in halves, (P, m, m, n)
    lost = (shown @ regions.inside).long()  # (P, m, m, R)
    without = table.gather(3, 2 * blocks - lost)
    area = regions.inside.sum(0).long()
    base = without.sum(2, keepdim=True)
    whole = table.gather(3, 2 * blocks - lost + 2 * area) - without
    pairs = labels[:, :, images:]
    rows = [pairs[..., k, None].expand(-1, -1, -1, len(area)) for k in (0, 1)]
    amount = area * torch.where(pairs[..., :1] == pairs[..., 1:], 2, 1)
    half = []
    for row in rows:
        columns = 2 * blocks - lost.gather(2, row) + amount
        there = table.gather(2, row[..., :1].expand(-1, -1, -1, table.shape[3])).gather(3, columns)
        half.append(there - without.gather(2, row))
    both = torch.where(pairs[..., :1] == pairs[..., 1:], half[0], half[0] + half[1])
    return base + torch.cat([whole, both], 2)


def _table(problem: JointProblem, used: Tensor, blocks: int) -> Tensor:
    """Change in the penalty, (P, m, m, 4 n + 1), where an output shows so many half blocks more of an image.

    The affinity to other images stays as it is, and so do all other outputs: `descend` computes the penalty itself.
    """
    more = torch.arange(-2 * blocks, 2 * blocks + 1, device=used.device).float() / 2
    others = (used.sum(1, keepdim=True) - used) @ problem.affinity.mT
    own = problem.affinity.diagonal(dim1=1, dim2=2)[:, None, :, None].float()
    reached = others.float()[..., None] + own * more
    change = (above(problem, reached) - above(problem, others).float()[..., None]) * used.float()[..., None]
    mine = above(problem, others).float()[..., None] * more
    return problem.gamma * (mine + change.sum(1, keepdim=True) - change)
