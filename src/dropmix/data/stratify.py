"""Splits into training and test pictures: by a draw, by the content of files, by groups that stay whole;
and pictures on both sides that look alike."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dropmix.data.files import unreadable
from dropmix.data.records import DataError, Split

SHOWN = 3
"""Number of names in a message."""


def shuffled_by_class(labels: np.ndarray, num_classes: int, seed: int) -> list[np.ndarray]:
    """The row numbers of each class, in an order drawn from `seed` alone.

    Training rows are taken from the front and validation rows from the back of one order: a smaller
    `train_per_class` is a subset of a larger one, and a validation split does not change the order
    of the other training images.
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
    groups: list[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to validate on, both sorted and disjoint.

    Args:
        labels: int64 (N,), in [0, K).
        classes: K names, for messages.
        train_per_class: rows of each class to train on, >= 1; None takes all that are left.
        validation: share of each class of the **whole** train split to set aside, in [0, 1);
            rounded, but at least one row of each class if above 0.
        seed: of the split; not a run's seed.
        groups: N names. Each group stays whole, so that shares of classes are only nearly those asked for.
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
    train, held_out, whole = [], [], np.zeros(len(labels), dtype=bool)
    if groups is not None and validation > 0:
        # Other names than for the test split, whose groups have the lowest numbers.
        whole[split_by_content([], labels, classes, validation, seed, [f"validation/{g}" for g in groups])[1]] = True
    for name, rows in zip(classes, shuffled_by_class(labels, len(classes), seed), strict=True):
        aside = min(len(rows), max(1, round(validation * len(rows)))) if validation > 0 else 0
        if groups is not None:
            rows, aside = rows[np.argsort(whole[rows], kind="stable")], int(whole[rows].sum())
        left = len(rows) - aside
        wanted = max(1, left) if train_per_class is None else train_per_class
        if wanted > left:
            other = "leave validation out" if len(rows) else "remove the class"
            enough = len(rows) > (validation > 0)
            raise DataError(
                f"load: expected at least {wanted} training images of each class, got {left} of class "
                f"{name!r}{f' beside {aside} for validation' if aside else ''}. "
                f"{'Lower train_per_class or validation' if enough else f'Add some, or {other}'}."
            )
        train.append(rows[:wanted])
        held_out.append(rows[len(rows) - aside :])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held_out))


def fold_rows(
    labels: np.ndarray,
    ids: np.ndarray,
    classes: list[str],
    folds: int,
    fold: int,
    seed: int = 0,
    groups: list[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to predict, both sorted; each class is cut into equal parts.

    Rows of a class are ordered by a hash of seed and id and dealt out in turn, so their order in the source does not
    matter. Classes start at different folds, so that folds have equal sizes too.

    Args:
        labels: int64 (N,), in [0, K).
        ids: (N,), all different.
        classes: K names, for messages.
        folds: number of parts, >= 2.
        fold: the part to predict, in [0, folds).
        seed: of the split; not a run's seed.
        groups: N names. Each group stays whole, so parts of a class are only nearly equal.
    Raises:
        DataError: fewer rows or groups than parts, or a class of one of them, which cannot be both trained on and
            predicted.
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
    if groups is not None:
        part = deal_groups(labels, np.array(groups), len(classes), folds, seed)
    if lost := folds - len(np.unique(part)):
        raise DataError(f"folds: expected something to predict in each of {folds} parts, got none in {lost}. Lower it.")
    if torn := [name for label, name in enumerate(classes) if len(np.unique(part[labels == label])) < 2]:
        raise DataError(
            f"folds: expected each class in two parts or more, got {', '.join(torn[:SHOWN])} in one alone, where it "
            "would be predicted and never trained on. Give it more groups, or remove it."
        )
    return np.flatnonzero(part != fold), np.flatnonzero(part == fold)


def deal_groups(labels: np.ndarray, groups: np.ndarray, num_classes: int, folds: int, seed: int) -> np.ndarray:
    """Fold of each row, int64 (N,), groups whole: the largest first, each to the fold that lacks its classes most."""
    names, inverse = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), num_classes), np.int64)
    np.add.at(counts, (inverse, labels), 1)
    keys = [hashlib.sha256(f"{seed}/{name}".encode()).hexdigest() for name in names.tolist()]
    dealt, fold_of = np.zeros((folds, num_classes), np.int64), np.empty(len(names), np.int64)
    for group in sorted(range(len(names)), key=lambda g: (-counts[g].sum(), keys[g])):
        # Growth of the squared class counts of each fold, relative to the class's size.
        growth = ((2 * dealt + counts[group]) * counts[group] / np.maximum(counts.sum(0), 1) ** 2).sum(1)
        fold_of[group] = np.lexsort((dealt.sum(1), growth))[0]
        dealt[fold_of[group]] += counts[group]
    return fold_of[inverse]


def check_arguments(
    train_per_class: int | None = None, validation: float = 0.0, seed: int = 0, size: int | None = None
) -> None:
    """Raise DataError if `train_per_class` or `size` < 1, `seed` < 0 or `validation` is not in [0, 1)."""
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


def file_digest(file: str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    try:
        with open(file, "rb") as stored:
            return hashlib.file_digest(stored, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error


def split_by_content(
    files: list[str],
    labels: np.ndarray,
    classes: list[str],
    share: float,
    seed: int = 0,
    groups: list[str] | None = None,
    what: str = "groups",
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to test on, both sorted; each picture's side depends only on its content.

        test, if SHA-256(seed / SHA-256(file)) < share of the range

    Copies of a picture are therefore on one side, and adding a picture moves no other. One exception: a class with none
    below the threshold is tested on its lowest picture, and a class with all below it is trained on its highest.

    Args:
        files: N paths.
        labels: int64 (N,), in [0, K).
        classes: K names, for messages.
        share: of pictures to test on, in (0, 1); shares of single classes scatter around it.
        seed: of the split.
        groups: N names; a group's name replaces the content of its files, so that it stays whole.
        what: groups are, for messages; texts are grouped by themselves.
    Raises:
        DataError: a class of one group, or one whose pictures are all equal.
    """
    if groups is None:
        with ThreadPoolExecutor(8) as pool:
            names = list(pool.map(file_digest, files))
    else:
        names = groups
    keys = np.array([hashlib.sha256(f"{seed}/{name}".encode()).hexdigest() for name in names])
    threshold = f"{int(share * 2**64):016x}"
    test = {key for key in set(keys.tolist()) if key < threshold}
    own = [sorted(set(keys[labels == label].tolist())) for label in range(len(classes))]
    for name, own_keys in zip(classes, own, strict=True):
        if len(own_keys) < 2:
            kind = "pictures" if groups is None else what
            raise DataError(
                f"{name}: expected at least 2 different {kind}, one to train on and one to test on, got "
                f"{len(own_keys)}. Add some or remove the class."
            )
        if not test.intersection(own_keys):
            test.add(own_keys[0])
    for own_keys in own:
        if test.issuperset(own_keys):
            test.discard(own_keys[-1])
    for name, own_keys in zip(classes, own, strict=True):
        if not test.intersection(own_keys) or test.issuperset(own_keys):
            raise DataError(
                f"{name}: expected {what} on both sides of the split, got {len(own_keys)} shared with other classes. "
                "Set another data.split_seed, or smaller groups."
            )
    aside = np.array([key in test for key in keys.tolist()])
    return np.flatnonzero(~aside), np.flatnonzero(aside)


NO_GROUP = {"none", "(none)", "na", "n/a", "nan", "<na>", "nat", "null", "unknown", "missing", "?", "-", ""}
"""What stands for no group, as in audits: all such examples would be one group, as if of one patient."""


def check_known(groups: list[str | None], names: list[str], what: str = "picture") -> None:
    """Raise DataError if an example has no group.

    Args:
        groups: N names, or parts of paths.
        names: of the N examples, for messages.
        what: they are, for messages.
    """
    words = [(group or "").strip().casefold() for group in groups]
    lost = [name for name, word in zip(names, words, strict=True) if word in NO_GROUP]
    if lost:
        said = ", ".join(sorted(NO_GROUP.intersection(words) - {""}))
        raise DataError(
            f"data.group: expected a group for each {what}, got none{f' ({said})' if said else ''} for {len(lost)} of "
            f"{len(names)}: {', '.join(name[:60] for name in lost[:SHOWN])}. Give each its own, if it is in no other."
        )


def check_groups(train: list[str], test: list[str]) -> None:
    """Raise DataError if a group is on both sides."""
    both = sorted({*train} & {*test})
    if both:
        raise DataError(
            f"data.group: expected each group on one side of the split, got {len(both)} on both: "
            f"{', '.join(both[:SHOWN])}. Move their pictures, or put all class folders into one folder."
        )


GRID = 16
"""Cells per side in comparisons of pictures by rising brightness."""
ALIKE = 12
"""Largest number of 240 such comparisons in which almost equal pictures differ."""
PAIRS = 20_000_000
"""Largest number of pairs to compare."""


def alike_across(train: Split, test: Split) -> list[tuple[str, str]]:
    """Ids (test, train) of test pictures that look almost like a training picture; empty for large sets."""
    if (
        len(train) * len(test) > PAIRS
        or min(train.images.shape[1:3]) < GRID
        or train.images.shape[1:] != test.images.shape[1:]
    ):
        return []
    pairs, ours = [], brightness_steps(train.images)
    for row, bits in enumerate(brightness_steps(test.images)):
        distance = np.bitwise_count(ours ^ bits).sum(1)
        if distance.min() <= ALIKE:
            pairs.append((str(test.ids[row]), str(train.ids[int(distance.argmin())])))
    return pairs


def brightness_steps(images: np.ndarray) -> np.ndarray:
    """Whether brightness rises from cell to cell of a grid, for each picture: bits in uint8 (N, 30)."""
    rows, columns = (np.arange(GRID) * side // GRID for side in images.shape[1:3])
    steps = np.empty((len(images), GRID * (GRID - 1) // 8), np.uint8)
    for row, image in enumerate(images):
        cells = np.add.reduceat(np.add.reduceat(image.sum(2, dtype=np.int64), rows, 0), columns, 1)
        steps[row] = np.packbits(cells[:, 1:] > cells[:, :-1])
    return steps
