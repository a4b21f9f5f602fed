"""Stratified choices of rows: so many of each class, a fraction of each class, and folds."""

import hashlib

import numpy as np

from dropmix.data.records import DataError


def shuffled_by_class(labels: np.ndarray, num_classes: int, seed: int) -> list[np.ndarray]:
    """For each class its row numbers, in an order drawn from `seed` alone.

    Training rows are taken from the front and validation rows from the back of one order: a smaller
    `train_per_class` is a subset of a larger one, and asking for a validation split does not
    exchange the training images that are left.
    """
    generator = np.random.default_rng([seed, len(labels)])
    return [generator.permutation(np.flatnonzero(labels == label)) for label in range(num_classes)]


def split_rows(
    labels: np.ndarray,
    classes: list[str],
    *,
    train_per_class: int | None = None,
    validation: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to validate on, both sorted and without a row in common.

    Args:
        labels: int64 (N,), in [0, K).
        classes: K names, for messages.
        train_per_class: rows of each class to train on, >= 1, or None for all that are left.
        validation: share of each class of the **whole** train split that is set aside, in [0, 1);
            rounded, at least one row of each class where above 0.
        seed: of the split; has nothing to do with a run's seed.
    Returns:
        (train rows, validation rows), int64.
    Raises:
        DataError: a class has too few rows, or an argument is out of range.
    Example:
        >>> train, held_out = split_rows(np.arange(20) % 2, ["a", "b"], train_per_class=3, validation=0.2)
        >>> len(train), len(held_out)
        (6, 4)
    """
    check_arguments(train_per_class, validation, seed)
    train, held_out = [], []
    for name, rows in zip(classes, shuffled_by_class(labels, len(classes), seed), strict=True):
        aside = min(len(rows), max(1, round(validation * len(rows)))) if validation > 0 else 0
        left = len(rows) - aside
        wanted = max(1, left) if train_per_class is None else train_per_class
        if wanted > left:
            raise DataError(
                f"load: expected at least {wanted} training images of each class, got {left} of class "
                f"{name!r}{f' beside {aside} for validation' if aside else ''}. "
                "Lower train_per_class or validation."
            )
        train.append(rows[:wanted])
        held_out.append(rows[len(rows) - aside :])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held_out))


def fold_rows(
    labels: np.ndarray, ids: np.ndarray, classes: list[str], folds: int, fold: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to predict, both sorted: each class is cut into equal parts.

    Rows of a class are put in the order of a hash of seed and id, and dealt out in turn: where the rows stand in the
    source does not matter. Classes begin at folds of their own, so that folds are of one size too.

    Args:
        labels: int64 (N,), in [0, K).
        ids: (N,), all different.
        classes: K names, for messages.
        folds: K parts, >= 2.
        fold: which one is predicted, in [0, folds).
        seed: of the split; has nothing to do with a run's seed.
    Raises:
        DataError: a class of one picture, which cannot be trained on and predicted.
    Example:
        >>> train, test = fold_rows(np.arange(20) % 2, np.arange(20), ["a", "b"], folds=5, fold=0)
        >>> len(train), len(test)
        (16, 4)
    """
    keys = np.array([hashlib.sha256(f"{seed}/{i}".encode()).hexdigest() for i in ids.tolist()])
    part = np.empty(len(labels), np.int64)
    start = 0
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise DataError(
                f"folds: expected at least 2 pictures of each class, got {len(rows)} of {name!r}. "
                "Add pictures or remove the class."
            )
        part[rows[np.argsort(keys[rows])]] = (start + np.arange(len(rows))) % folds
        start += len(rows)
    return np.flatnonzero(part != fold), np.flatnonzero(part == fold)


def check_arguments(
    train_per_class: int | None = None, validation: float = 0.0, seed: int = 0, size: int | None = None
) -> None:
    """Raise DataError where `train_per_class` or `size` < 1, `seed` < 0 or `validation` is not in [0, 1)."""
    if seed < 0:
        raise DataError(f"load: expected a seed of at least 0, got {seed}. Give another one.")
    if size is not None and size < 1:
        raise DataError(f"load: expected a size of at least 1 pixel, got {size}. Leave it out to keep the size.")
    if train_per_class is not None and train_per_class < 1:
        raise DataError(
            f"load: expected train_per_class of at least 1, got {train_per_class}. Leave it out to train on all."
        )
    if not 0 <= validation < 1:
        raise DataError(f"load: expected validation in [0, 1), got {validation}. It is a fraction: 0.1 for 10 %.")
