"""The least value of tiny problems against brute force over all counts of blocks."""

import itertools

import numpy as np
import pytest
import torch

from dropmix.msda.joint.exact import is_tiny, least
from dropmix.msda.joint.objective import (
    JointProblem,
    counts,
    neighbours,
    objective,
    own_labelling,
    penalty,
    shown_cost,
    unlike,
)

from .test_objective import joint_problem


def least_value(problem: JointProblem, part: int, known: float) -> float:
    """The least value of one problem that is at most `known`: all outputs for each count of blocks, joined by bounds.

    The penalty depends only on the counts, so among labellings with equal counts only the cheapest matters.
    """
    one = problem._replace(cost=problem.cost[part, None], affinity=problem.affinity[part, None])
    _, images, blocks = one.cost.shape
    labels = [(a, b) for a in range(images) for b in range(a + 1)]
    tried = torch.tensor(list(itertools.product(labels, repeat=blocks)))[None]
    first, second = neighbours(blocks, one.width)
    alone = shown_cost(one.cost, tried).sum(2) + one.beta * unlike(tried[:, :, first], tried[:, :, second]).sum(2)
    used, index = np.unique(counts(tried, images)[0].numpy(), axis=0, return_inverse=True)
    cheapest = np.full(len(used), np.inf)
    np.minimum.at(cheapest, index.ravel(), alone[0].numpy())
    order = np.argsort(cheapest)
    used, cheapest = used[order], cheapest[order]
    least = known

    def join(start: int, chosen: list[int], total: float) -> None:
        nonlocal least
        left = images - len(chosen)
        if left == 1:
            rows = np.arange(start, np.searchsorted(cheapest, least - total, side="right"))
            if len(rows):
                before = np.broadcast_to(used[chosen], (len(rows), len(chosen), images))
                together = torch.from_numpy(np.concatenate([before, used[rows, None]], 1))
                least = min(least, float((total + cheapest[rows] + penalty(one, together).numpy()).min()))
            return
        for row in range(start, len(cheapest)):
            if total + cheapest[row] * left > least:
                break
            join(row, [*chosen, row], total + cheapest[row])

    join(0, [], 0.0)
    return least


@pytest.mark.parametrize(
    ("images", "power", "parts"), [(2, 2.0, 6), (3, 2.0, 6), (3, 8.0, 6), (4, 2.0, 1), (4, 8.0, 2)]
)
def test_no_labelling_costs_less(images, power, parts):
    problem = joint_problem(parts, images, 2, seed=images, power=power)
    value = objective(problem, least(problem, own_labelling(parts, images, 4)))
    for part in range(parts):
        known = float(value[part])
        torch.testing.assert_close(known, least_value(problem, part, known + 0.01), rtol=0, atol=1e-7)


def test_what_is_least_already_stays_as_it_is():
    problem = joint_problem(3, 3, 2)
    found = least(problem, own_labelling(3, 3, 4))
    assert torch.equal(least(problem, found), found)


def test_only_few_images_on_few_blocks_are_tiny():
    assert is_tiny(joint_problem(1, 4, 2))
    assert not is_tiny(joint_problem(1, 5, 2))
    assert not is_tiny(joint_problem(1, 4, 3))
