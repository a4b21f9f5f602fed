"""Co-Mixup's solver against the starting points that it must improve."""

import pytest
import torch

from dropmix.msda.joint.descent import greedy_start, paired_start, solve
from dropmix.msda.joint.objective import objective, own_labelling

from .test_objective import joint_problem


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
