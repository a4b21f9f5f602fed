"""The records for the rest of the package (Split, Dataset), and those that a reader fills (Rows, DataSource)."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TEST_NAMES = ("test", "validation", "valid", "val")
"""Names of a test split; the first that a folder has is taken."""


class DataError(ValueError):
    """A fault of a data set that a user can mend: one line that names the file and says what to do."""


class BadPictures(DataError):
    """Pictures that cannot be used: their number, and the messages of the first.

    Args:
        lines: one message per picture, naming it.
    """

    SHOWN = 5

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        more = f"; and {len(lines) - self.SHOWN} more" if len(lines) > self.SHOWN else ""
        first = [line.rstrip(".") for line in lines[: self.SHOWN]]
        names, _, reasons = zip(*(line.partition(": ") for line in first))
        # Said once, a reason that all share leaves room for the names.
        shown = f"{', '.join(names)}: {reasons[0]}" if len({*reasons}) == 1 else "; ".join(first)
        super().__init__(lines[0] if len(lines) == 1 else f"{len(lines)} pictures cannot be used: {shown}{more}.")


@dataclass(frozen=True)
class Split:
    """One split, wholly in memory.

    Args:
        images: uint8 (N, H, W, C), C-contiguous; may be read-only (mapped from the cache).
        labels: int64 (N,), class index into `Dataset.classes`.
        ids: int64 (N,) or str (N,), stable and unique in the split.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Files:
    """One split whose pictures, of any size, stay in their files; batches are cut to squares.

    Args:
        root: the folder to which ids are relative.
        labels: int64 (N,), class index into `Dataset.classes`.
        ids: str (N,), path of each picture relative to `root`, with forward slashes.
        size: side of the squares, pixels.
        exif: whether pictures are turned by their EXIF orientation.
    """

    root: str
    labels: np.ndarray
    ids: np.ndarray
    size: int
    exif: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image of a batch."""
        return 3, self.size, self.size

    def path(self, row: int) -> str:
        """Path of a picture."""
        return os.path.join(self.root, self.ids[row])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Texts:
    """One split of texts, as token ids.

    Args:
        tokens: int32 (N, L), 0 after the end of a text.
        labels: int64 (N,), class index into `Dataset.classes`.
        ids: int64 (N,), row of each text in its file, from 0.
        words: the vocabulary that ids index; empty if a foreign tokeniser made them.
    """

    tokens: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    words: list[str]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(1, 1, L): texts are images of height 1."""
        return 1, 1, self.tokens.shape[1]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Train and test examples of one classification task: images in memory, images in files, or texts.

    Args:
        name: of the data set; it says so if the test split was cut here.
        train: the training examples, after `train_per_class` and without `validation`.
        test: the test split of the source.
        classes: name of each class, length K.
        mean, std: per channel, fractions of 255, in [0, 1]; std >= 0.001.
        fingerprint: SHA-256 (hex) of the content, independent of the files' place.
        superclasses: name of the coarse class of each class, length K; None without them.
        validation: stratified split taken from the source's train split, or None.
        resized: shorter side, in pixels, to which `dropmix resize` brought the pictures, or None.
        groups: of each example of `judged`, str (N,), where some belong together; or None.
        train_groups: of each example of `train`, likewise, where folds take turns at being predicted.
    """

    name: str
    train: Split | Files | Texts
    test: Split | Files | Texts
    classes: list[str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    superclasses: list[str] | None = None
    validation: Split | Files | Texts | None = None
    resized: int | None = None
    notes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    train_groups: np.ndarray | None = None

    @property
    def judged(self) -> Split | Files | Texts:
        """The examples that runs predict: those set aside for validation, else the test split."""
        return self.validation or self.test


@dataclass(frozen=True)
class Rows:
    """A split whose labels are known and whose pixels are still on disk.

    Args:
        labels: int64 (N,).
        ids: int64 (N,) or str (N,).
        pixels: from sorted row numbers int64 (n,) to uint8 (n, H, W, C).
        root: the folder to which ids are relative paths, if each picture is a single file.
    """

    labels: np.ndarray
    ids: np.ndarray
    pixels: Callable[[np.ndarray], np.ndarray]
    root: str | None = None

    def read(self, rows: np.ndarray) -> Split:
        """The chosen rows with their pixels."""
        images = np.ascontiguousarray(self.pixels(rows))
        return Split(images, np.ascontiguousarray(self.labels[rows]), np.ascontiguousarray(self.ids[rows]))


@dataclass(frozen=True)
class DataSource:
    """What a reader of one layout returns: labels of both splits, and a way to the pixels."""

    name: str
    train: Rows
    test: Rows
    classes: list[str]
    superclasses: list[str] | None = None
    notes: tuple[str, ...] = ()


def superclass_names(
    labels: np.ndarray, coarse: np.ndarray, names: list[str] | None, num_classes: int
) -> list[str] | None:
    """Coarse class of each class from the rows of a split.

    Args:
        labels: int64 (N,), in [0, num_classes).
        coarse: int (N,), coarse class of each row.
        names: name of each coarse class; None uses their numbers.
    Returns:
        Length num_classes; None if a class has no row or several coarse classes.
    Example:
        >>> superclass_names(np.array([0, 1, 1]), np.array([1, 0, 0]), ["fish", "people"], 2)
        ['people', 'fish']
    """
    pairs = set(zip(labels.tolist(), coarse.tolist(), strict=True))
    coarse_of = dict(pairs)
    if len(coarse_of) != num_classes or len(pairs) != num_classes:
        return None
    return [names[coarse_of[label]] if names else str(coarse_of[label]) for label in range(num_classes)]


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (ddof 0) of each channel, fractions of 255.

    Computed exactly from counts of the 256 values, so that the order of images does not matter.
    The deviation is at least 0.001: a constant channel must not divide by zero.

    Example:
        >>> statistics(np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1))
        ((0.5,), (0.5,))
    """
    mean, std = [], []
    for channel in range(images.shape[-1]):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        values = np.arange(256)
        total, first, second = (int((counts * values**power).sum()) for power in (0, 1, 2))
        mean.append(first / total / 255)
        std.append(max((total * second - first * first) ** 0.5 / total / 255, 1e-3))
    return tuple(mean), tuple(std)


def fingerprint(name: str, classes: list[str], splits: dict[str, Split]) -> str:
    """SHA-256 (hex) over names, labels, ids and pixels of every split, but not paths.

    Example:
        >>> split = Split(np.zeros((1, 2, 2, 1), np.uint8), np.zeros(1, np.int64), np.arange(1))
        >>> fingerprint("x", ["a"], {"train": split})[:8]
        '...'
    """
    digest = hashlib.sha256(repr((name, classes)).encode())
    for key, split in splits.items():
        ids = split.ids.astype(np.int64) if split.ids.dtype.kind in "iu" else "\0".join(split.ids).encode()
        digest.update(repr((key, split.images.shape)).encode())
        for part in (split.labels.astype(np.int64), ids, split.images):
            digest.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else part)
    return digest.hexdigest()


def pooled(source: DataSource) -> Rows:
    """Train and test pictures of a source as one split, in that order.

    Ids that occur in both splits get the split's name as a prefix.
    """
    train, test = source.train, source.test
    ids = [train.ids, test.ids]
    if train.ids.dtype.kind != test.ids.dtype.kind or len(np.intersect1d(ids[0], ids[1])):
        ids = [np.array([f"{name}/{i}" for i in part]) for name, part in zip(("train", "test"), ids)]

    def pixels(rows: np.ndarray) -> np.ndarray:
        first = rows[rows < len(train.labels)]
        second = rows[rows >= len(train.labels)] - len(train.labels)
        parts, bad = [], []
        for part, which in ((train, first), (test, second)):
            try:
                parts += [part.pixels(which)] if len(which) else []
            except BadPictures as error:
                bad += error.lines
        if bad:
            raise BadPictures(bad)
        if len({part.shape[1:] for part in parts}) > 1:
            raise DataError(
                f"{source.name}: expected pictures of one size in train and test, got "
                f"{' and '.join('x'.join(map(str, part.shape[2:0:-1])) for part in parts)}. Set data.size."
            )
        return np.concatenate(parts)

    root = train.root if train.root == test.root else None
    return Rows(np.concatenate([train.labels, test.labels]), np.concatenate(ids), pixels, root)


def fingerprint_of_folds(name: str, classes: list[str], splits: dict[str, Split]) -> str:
    """SHA-256 (hex) over names, and label, id and pixels of each picture in order of ids; equal for all folds."""
    rows = [
        (str(i), f"{label}/".encode() + hashlib.sha256(np.ascontiguousarray(image).data).digest())
        for split in splits.values()
        for i, label, image in zip(split.ids.tolist(), split.labels.tolist(), split.images)
    ]
    digest = hashlib.sha256(repr((name, classes, "folds")).encode())
    for i, content in sorted(rows):
        digest.update(i.encode(errors="surrogateescape") + b"\0" + content)
    return digest.hexdigest()
