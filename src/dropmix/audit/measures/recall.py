"""Recall of each class under each seed, as integer counts and as fractions."""

import numpy as np


def class_sizes(labels: np.ndarray, k: int) -> np.ndarray:
    """Examples of each class, (K,), int64.

    Example:
        >>> class_sizes(np.array([0, 2, 2]), 3).tolist()
        [1, 0, 2]
    """
    return np.bincount(labels, minlength=k)


def correct_counts(labels: np.ndarray, correct: np.ndarray, k: int) -> np.ndarray:
    """Examples of each class that each seed gets right, (S, K), int64.

    Args:
        labels: true classes, (N,), in [0, k).
        correct: (S, N), bool.
        k: number of classes.

    Example:
        >>> correct_counts(np.array([0, 0, 1]), np.array([[True, False, True]]), 2).tolist()
        [[1, 1]]
    """
    return np.stack([np.bincount(labels[right], minlength=k) for right in correct])


def recalls(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Recall of each class, counts / sizes, in [0, 1]; NaN for a class without examples.

    Args:
        counts: (S, K) or (K,).
        sizes: (K,).

    Example:
        >>> recalls(np.array([[1, 0]]), np.array([2, 0])).tolist()
        [[0.5, nan]]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes > 0, counts / sizes, np.nan)


def accuracies(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Share of all examples that each seed gets right (micro average), (S,), in [0, 1].

    Example:
        >>> accuracies(np.array([[1, 2]]), np.array([2, 2])).tolist()
        [0.75]
    """
    return counts.sum(axis=1) / sizes.sum()


def worst_and_bottom_tenth(recall: np.ndarray) -> tuple[float, float]:
    """Lowest class recall, and the mean recall of the lowest tenth of classes (at least one).

    Args:
        recall: (M,), averaged over seeds, no NaN.

    Example:
        >>> worst_and_bottom_tenth(np.arange(20) / 32)
        (0.0, 0.015625)
    """
    lowest = np.sort(recall)[: max(1, round(len(recall) / 10))]
    return float(lowest[0]), float(lowest.mean())
