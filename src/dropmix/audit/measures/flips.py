"""Flips between two versions of a model: right before, wrong now.

A new version with a higher accuracy may still break what worked. Two seeds of one version flip as well, so that what a
retrained baseline would show stands beside it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Flips:
    """Examples that one model gets right and another wrong, as fractions of each of M classes; means over seed pairs.

    Args:
        negative: right under the baseline, wrong under the treated arm, (M,).
        positive: wrong under the baseline, right under the treated arm, (M,).
        by_seed: right under one seed of the baseline, wrong under another, (M,): what a retrained baseline would show;
            NaN with one seed.
    """

    negative: np.ndarray
    positive: np.ndarray
    by_seed: np.ndarray


def flips(position: np.ndarray, correct0: np.ndarray, correct1: np.ndarray) -> Flips:
    """Negative and positive flips of each class, over every pair of a baseline's and a treated seed.

    Args:
        position: class of each example, (N,), in [0, M).
        correct0, correct1: (S0, N) and (S1, N), bool.

    Example:
        >>> f = flips(np.array([0, 0]), np.array([[True, True]]), np.array([[True, False]]))
        >>> f.negative.tolist(), f.positive.tolist()
        ([0.5], [0.0])
    """
    sizes = np.bincount(position)
    share0, share1 = correct0.mean(axis=0), correct1.mean(axis=0)
    seeds = len(correct0)
    mean = lambda values: np.bincount(position, weights=values) / sizes  # noqa: E731
    own = np.full(len(sizes), np.nan) if seeds < 2 else mean(share0 * (1 - share0)) * seeds / (seeds - 1)
    return Flips(mean(share0 * (1 - share1)), mean((1 - share0) * share1), own)
