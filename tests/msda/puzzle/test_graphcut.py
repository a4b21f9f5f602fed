"""The mask solver against brute force, scipy's maximum flow and a hand-made grid."""

import itertools

import pytest
import torch

from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.puzzle.energy import label_prior, pool_shares, puzzle_energy
from dropmix.msda.puzzle.graphcut import energy, solve, steps_for

from ..conftest import images, seeded
from .mincut import solve_by_flow


def puzzle_problem(n: int, blocks: int, labels: int, power: float, seed: int = 0, size: int = 32):
    """PuzzleMix's energy of smooth synthetic images; powers above 1 make peaky saliency."""
    coarse = torch.rand(n, 3, size // 4, size // 4, generator=seeded(seed))
    x = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear") + images(n, size, size) / 10
    noise = torch.randn(n, 1, size // 2, size // 2, generator=seeded(seed + 1)).abs()
    saliency = torch.nn.functional.interpolate(noise, size=(size, size), mode="bilinear")[:, 0] ** (2 * power)
    partner, lam = draw_partner(n, seeded(seed)), draw_lam(n, 1.0, "sample", seeded(seed))
    theta, down, right = puzzle_energy(
        x / 1.1, pool_shares(saliency, blocks), partner, beta=1.2, gamma=0.5, neighbourhood=4, labels=labels
    )
    return theta + label_prior(lam, labels, 0.2 / blocks**2), down, right


def random_problem(n: int, blocks: int, labels: int, weight: float, seed: int = 0):
    """Linear costs and weights without any structure: harder than PuzzleMix's."""
    shape, generator = (n, blocks, blocks), seeded(seed)
    slope = torch.randn(shape, generator=generator)
    theta = slope[:, None] * torch.linspace(0, 1, labels).view(1, -1, 1, 1)
    down = weight * torch.rand(shape, generator=generator)[:, 1:]
    right = weight * torch.rand(shape, generator=generator)[:, :, 1:]
    return theta, down, right


def _double(problem):
    return tuple(part.double() for part in problem)


def _brute_force(problem):
    theta = problem[0]
    _, labels, height, width = theta.shape
    best = torch.full((len(theta),), torch.inf, dtype=torch.float64)
    for choice in itertools.product(range(labels), repeat=height * width):
        labelling = torch.tensor(choice).view(1, height, width).expand(len(theta), -1, -1)
        best = torch.minimum(best, energy(labelling, *_double(problem)))
    return best


def test_energy_of_a_hand_made_grid():
    theta = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[9.0, 10.0], [11.0, 12.0]]]])
    down, right = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[4.0], [8.0]]])
    labels = torch.tensor([[[0, 2], [1, 0]]])
    # 1 + 10 + 7 + 4, down 1 (1/2)^2 + 2 (1)^2, right 4 (1)^2 + 8 (1/2)^2
    assert energy(labels, theta, down, right).item() == 22 + 0.25 + 2 + 4 + 2


@pytest.mark.parametrize("labels", [2, 3, 4])
@pytest.mark.parametrize("power", [1.0, 2.5, 4.0])
def test_equals_brute_force_at_two_by_two(labels, power):
    problem = puzzle_problem(64, 2, labels, power)
    found, bound = solve(*problem)
    least = _brute_force(problem)
    value = energy(found, *_double(problem))
    torch.testing.assert_close(value, least, rtol=1e-9, atol=0)
    assert (bound <= least).all()


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_random_grids_equal_brute_force(labels):
    for weight in (0.1, 1.0, 10.0):
        problem = random_problem(32, 2, labels, weight)
        found, bound = solve(*problem)
        least = _brute_force(problem)
        torch.testing.assert_close(energy(found, *_double(problem)), least, rtol=1e-6, atol=1e-6)
        assert (bound <= least + 1e-12).all()


def test_the_flow_reference_equals_brute_force_convex_or_not():
    problem = random_problem(16, 2, 4, 1.0)
    theta = problem[0] + torch.randn(16, 4, 2, 2, generator=seeded(7))
    problem = (theta, *problem[1:])
    value = energy(solve_by_flow(*problem), *_double(problem))
    torch.testing.assert_close(value, _brute_force(problem), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("labels", [2, 3, 4])
@pytest.mark.parametrize("blocks", [4, 8, 16])
def test_equals_maximum_flow(blocks, labels):
    for power in (1.0, 4.0):
        problem = puzzle_problem(12, blocks, labels, power, seed=blocks)
        found, bound = solve(*problem)
        least = energy(solve_by_flow(*problem), *_double(problem))
        gap = (energy(found, *_double(problem)) - least) / least.abs()
        assert gap.max() < 1e-6
        assert (bound <= torch.minimum(least, energy(found, *_double(problem))) + 1e-15).all()


@pytest.mark.parametrize("blocks", [2, 4, 8, 16])
def test_a_fixed_number_of_steps_as_on_a_gpu_is_enough(blocks):
    for power in (1.0, 4.0):
        problem = puzzle_problem(24, blocks, 3, power, seed=3)
        fixed, _ = solve(*problem, steps=steps_for(blocks))
        best = energy(solve(*problem)[0], *_double(problem))
        gap = (energy(fixed, *_double(problem)) - best) / best.abs()
        assert (gap < 1e-6).float().mean() >= 0.95
        assert gap.mean() < 1e-4
        assert gap.max() < 0.02


def test_a_problem_does_not_depend_on_its_batch():
    problem = puzzle_problem(9, 8, 3, 1.0)
    together = solve(*problem)
    alone = [solve(*(part[i : i + 1] for part in problem)) for i in range(9)]
    assert torch.equal(together[0], torch.cat([labels for labels, _ in alone]))


def test_extreme_shares_and_empty_batches():
    for value in (0.0, 1.0, 1e-6):
        theta, down, right = puzzle_problem(8, 2, 3, 1.0)
        theta = theta + label_prior(torch.full((8,), value), 3, 10.0)
        problem = (theta, down, right)
        torch.testing.assert_close(
            energy(solve(*problem)[0], *_double(problem)), _brute_force(problem), rtol=1e-6, atol=0
        )
    labels, bound = solve(*(part[:0] for part in puzzle_problem(2, 4, 3, 1.0)))
    assert labels.shape == (0, 4, 4)
    assert bound.shape == (0,)
