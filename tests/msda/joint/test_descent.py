"""Co-Mixup's solver against brute force, and against the starts that it must better."""

import itertools

import numpy as np
import pytest
import torch

from dropmix.msda.joint.descent import greedy_start, paired_start, solve
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

    The penalty depends on the counts alone, so that of all labellings with equal counts only the cheapest matters.
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


@pytest.mark.parametrize(("images", "power", "parts"), [(3, 2.0, 6), (3, 8.0, 6), (4, 8.0, 3)])
def test_small_problems_are_solved_within_a_hundredth(images, power, parts):
    problem = joint_problem(parts, images, 2, seed=images, power=power)
    value = objective(problem, solve(problem))
    for part in range(parts):
        least = least_value(problem, part, float(value[part]))
        assert least < -1
        assert float(value[part]) <= least + 0.01 * abs(least)


@pytest.mark.parametrize(("images", "side"), [(2, 2), (4, 2), (5, 4), (20, 4), (7, 8)])
def test_no_start_is_better(images, side):
    problem = joint_problem(3, images, side, seed=side)
    value = objective(problem, solve(problem))
    for start in (greedy_start(problem), own_labelling(3, images, side * side)):
        assert (value <= objective(problem, start)).all()
    if images > 2:
        assert (value < objective(problem, paired_start(problem))).all()


def test_problems_do_not_meddle_with_each_other():
    problem = joint_problem(3, 6, 4)
    together = solve(problem)
    for part in range(3):
        alone = problem._replace(cost=problem.cost[part, None], affinity=problem.affinity[part, None])
        assert torch.equal(solve(alone)[0], together[part])


def test_without_diversity_every_output_is_the_best_one():
    problem = joint_problem(2, 4, 2, gamma=0.0, beta=0.0)
    expected = -problem.cost.amin(1).sum(1) * 4
    torch.testing.assert_close(-objective(problem, solve(problem)), expected)
