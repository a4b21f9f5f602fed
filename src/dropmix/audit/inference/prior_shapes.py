"""The prior shapes that `shrinkage` averages: where their components lie, and how wide they are."""

from dataclasses import dataclass

import numpy as np

STEP = np.sqrt(2.0)


@dataclass(frozen=True)
class Shape:
    """Components of a prior, the same for every data set.

    Args:
        centre: c, (M, K), fractions.
        sigma: (M, K).
        penalty: subtracted from the log-likelihood before shapes are averaged.
        moving: (K,), 1.0 for components around mu, 0.0 for the spike at no change.
    """

    centre: np.ndarray
    sigma: np.ndarray
    penalty: float
    moving: np.ndarray


def sigma_grid(change: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """0, then steps of sqrt(2) from a quarter of the smallest noise to twice the largest excess, (K,).

    Example:
        >>> sigma_grid(np.array([0.0, 0.1, -0.1]), np.full(3, 1e-4)).round(4).tolist()[:4]
        [0.0, 0.0025, 0.0035, 0.005]
    """
    smallest = np.sqrt(variance.min()) / 4
    deviation = change - np.median(change)
    largest = 2 * np.sqrt(max(float(np.max(deviation**2 - variance)), float(variance.max()) / 4))
    steps = int(np.ceil(np.log(max(largest / smallest, 1.0)) / np.log(STEP))) + 1
    return np.concatenate([[0.0], smallest * STEP ** np.arange(steps)])


def shapes(change: np.ndarray, variance: np.ndarray) -> list[Shape]:
    """The four shapes of prior for one data set.

    Args:
        change: observed changes, (M,).
        variance: (M,), > 0.
    """
    m = len(change)
    grid = sigma_grid(change, variance)
    relative = np.sqrt(variance / np.median(variance))[:, None]
    coarse = grid[1::2]
    z = (change - np.median(change)) / np.sqrt(variance)
    places = np.arange(np.floor(z.min()), np.ceil(z.max()) + 1)
    places = places[places != 0]
    noise = np.sqrt(variance)[:, None]
    one = np.ones((m, 1))
    scales = (0 * one * grid, one * grid)
    some = (0 * one * grid[:1], one * grid[:1]), (0 * one * coarse, one * coarse), (0 * one * coarse, relative * coarse)
    located = (noise * places, noise * np.full(len(places), 0.7))
    half = 0.5 * np.log(m)
    spike = (np.zeros((m, 1)), np.zeros((m, 1)))
    free = max(np.log(m), np.sqrt(m) / 2)
    return [
        _shape(scales, 0.0),
        _shape(_beside(some), half),
        _shape(_beside((*some, located)), free),
        _shape(_beside((spike, *some, located)), free, spike=True),
    ]


def _shape(parts: tuple[np.ndarray, np.ndarray], penalty: float, spike: bool = False) -> Shape:
    moving = np.ones(parts[0].shape[1])
    moving[:1] = 0.0 if spike else 1.0
    return Shape(*parts, penalty, moving)


def _beside(parts) -> tuple[np.ndarray, np.ndarray]:
    centres, sigmas = zip(*parts)
    return np.concatenate(centres, axis=1), np.concatenate(sigmas, axis=1)
