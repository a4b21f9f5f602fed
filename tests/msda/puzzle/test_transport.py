"""Transport against a loop that follows the stated rounds literally."""

import numpy as np
import pytest
import torch

from dropmix.msda.puzzle.transport import transport

from ..conftest import seeded


def naive_transport(shown: np.ndarray, saliency: np.ndarray, xi: float) -> np.ndarray:
    """One image: the full cost matrix, one proposal at a time, in float32 like the batched form."""
    n = shown.shape[0]
    cells = n * n
    cost = np.zeros((cells, cells), dtype=np.float32)
    for i in range(cells):
        for j in range(cells):
            squared = (i // n - j // n) ** 2 + (i % n - j % n) ** 2
            distance = np.float32(squared) / np.float32((n - 1) ** 2)
            cost[i, j] = np.float32(xi) * distance - saliency.flat[i] * np.float32(shown.flat[j])
    for _ in range(n):
        winner = np.full(cells, -1)
        proposals = cost.argmin(1)
        for j in range(cells):
            proposers = [i for i in range(cells) if proposals[i] == j]
            if proposers:
                best = min(proposers, key=lambda i: (cost[i, j], i))
                if cost[best, j] < 0:
                    winner[j] = best
                for i in proposers:
                    if winner[j] != i:
                        cost[i, j] += np.float32(1)
    return winner.reshape(n, n)


def _shares(n: int, count: int, power: float) -> torch.Tensor:
    saliency = torch.rand(count, n, n, generator=seeded(n)) ** power
    return saliency / saliency.sum((1, 2), keepdim=True)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
@pytest.mark.parametrize("power", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("xi", [0.01, 0.8])
def test_equals_the_stated_rounds_where_shown(n, power, xi):
    count = 6 if n < 8 else 3
    shares = _shares(n, count, power)
    for share_shown in (0.2, 0.5, 1.0):
        shown = torch.rand(count, n, n, generator=seeded(5)) < share_shown
        cells = transport(shown, shares, xi)
        for i in range(count):
            expected = naive_transport(shown[i].numpy(), shares[i].numpy(), xi)
            assert np.array_equal(cells[i].numpy()[shown[i]], expected[shown[i]])


def test_at_sixteen_too():
    shares, shown = _shares(16, 1, 6.0), torch.rand(1, 16, 16, generator=seeded()) < 0.4
    expected = naive_transport(shown[0].numpy(), shares[0].numpy(), 0.05)
    cells = transport(shown, shares, 0.05)[0].numpy()
    assert np.array_equal(cells[shown[0]], expected[shown[0]])
    assert (cells[shown[0]] != np.arange(256).reshape(16, 16)[shown[0]]).any()


def test_nothing_shown_and_no_saliency():
    shares = torch.full((1, 4, 4), 1 / 16)
    assert (transport(torch.zeros(1, 4, 4, dtype=torch.bool), shares) == -1).all()
    everything = torch.ones(1, 4, 4, dtype=torch.bool)
    assert torch.equal(transport(everything, shares)[0], torch.arange(16).view(4, 4))
    assert (transport(everything, torch.zeros(1, 4, 4)) == -1).all()


def test_every_source_moves_at_most_once():
    shown = torch.rand(20, 8, 8, generator=seeded()) < 0.5
    for row in transport(shown, _shares(8, 20, 3.0), 0.1).flatten(1):
        taken = row[row >= 0]
        assert len(taken.unique()) == len(taken)
