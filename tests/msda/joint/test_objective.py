"""Co-Mixup's objective against loops over outputs, blocks and images."""

import itertools

import torch

from dropmix.msda.joint.objective import JointProblem, counts, objective

from ..conftest import seeded


def joint_problem(parts: int, images: int, side: int, seed: int = 0, power: float = 2.0, **changed: float):
    """Co-Mixup's problem with the published weights, of random saliency; peaky for large powers."""
    n, generator = side * side, seeded(seed)
    saliency = torch.rand(parts, images, n, generator=generator).double() ** power
    peaks = torch.rand(parts, images, 2, generator=generator).double()
    distance = (peaks[:, :, None] - peaks[:, None]).abs().sum(3)
    affinity = 0.999 * torch.eye(images).double() + 0.001 * images * distance / distance.sum((1, 2), keepdim=True)
    weights = {"beta": 0.32 / n, "gamma": 1 / n, "limit": 0.83 * n} | changed
    return JointProblem(-saliency / saliency.sum(2, keepdim=True), affinity, side, **weights)


def test_objective_is_what_a_loop_adds_up():
    problem = joint_problem(3, 5, 4, limit=3.0)
    labelling = torch.randint(5, (3, 5, 16, 2), generator=seeded(1))
    for p, eased in itertools.product(range(3), (False, True)):
        tried = problem._replace(offset=problem.limit) if eased else problem
        shares = [[[0.5 * labelling[p, j, s].tolist().count(k) for k in range(5)] for s in range(16)] for j in range(5)]
        value = 0.0
        for j in range(5):
            for s in range(16):
                value += sum(float(problem.cost[p, k, s]) * shares[j][s][k] for k in range(5))
                right, down = s + 1 if s % 4 < 3 else None, s + 4 if s < 12 else None
                for t in (right, down):
                    if t is not None:
                        apart = sum((a - b) ** 2 for a, b in zip(shares[j][s], shares[j][t]))
                        value += problem.beta / 2 * apart
            for k in range(5):
                others = sum(
                    float(problem.affinity[p, k, m]) * shares[i][s][m]
                    for i in range(5)
                    if i != j
                    for s in range(16)
                    for m in range(5)
                )
                if others > problem.limit:
                    used = sum(shares[j][s][k] for s in range(16))
                    value += problem.gamma * (others - (problem.limit if eased else 0)) * used
        torch.testing.assert_close(float(objective(tried, labelling)[p]), value)
    assert counts(labelling).sum(2).eq(16).all()
