"""Whether an arm may be guessing; then its classes say nothing about an augmentation."""

import math

import numpy as np

FAR = 3.0  # standard errors above chance
MOST = 0.25  # of the way from chance to 1: with a few examples, three standard errors reach too far
HARDLY = 0.05  # recall of a class that a network hardly finds


def at_chance(recall: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether accuracy and mean recall are both close to what a guess without the image reaches.

    Close: within three standard errors, and at most a quarter of the way to 1.

    Always answering the largest class reaches its share as accuracy and 1 / M as mean recall; so a network that was
    trained with balanced classes is not at chance only because its accuracy is below that share.

    Args:
        recall: mean over seeds of each class, (M,), in [0, 1].
        sizes: examples of each class, (M,), > 0.

    Example:
        >>> at_chance(np.array([1.0, 0.0, 0.0]), np.array([70, 20, 10]))
        True
        >>> at_chance(np.array([0.6, 0.7, 0.5]), np.array([70, 20, 10]))
        False
    """
    recall, sizes = np.asarray(recall, dtype=float), np.asarray(sizes, dtype=float)
    n, m = sizes.sum(), len(sizes)
    if m < 2:
        return False
    share, even = sizes.max() / n, 1 / m
    accuracy, macro = (recall * sizes).sum() / n, recall.mean()
    error = math.sqrt(share * (1 - share) / n)
    error_macro = math.sqrt(even * (1 - even) * (1 / sizes).sum()) / m
    near = accuracy <= share + min(FAR * error, MOST * (1 - share))
    return bool(near and macro <= even + min(FAR * error_macro, MOST * (1 - even)))


def nothing_to_lose(recall: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Classes that a baseline hardly finds, and no more often than is tolerated to be lost, (M,), bool.

    Args:
        recall: mean recall under the baseline, (M,).
        tolerance: loss that is tolerated, (M,), fractions. A class with more recall than that is
            found, however much of it may be lost.

    Example:
        >>> nothing_to_lose(np.array([0.8, 0.0, 0.45]), np.array([0.01, 0.01, 0.5])).tolist()
        [False, True, False]
    """
    return recall <= np.minimum(tolerance, HARDLY)
