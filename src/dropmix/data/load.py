"""`load`: from a name and a folder to a Dataset in memory."""

from importlib import import_module
from pathlib import Path

import numpy as np

from dropmix.data.records import Dataset, Source, fingerprint, statistics
from dropmix.data.stratify import check_arguments, split_rows

DATASETS: dict[str, dict] = {}
CIFAR = (tuple(v / 255 for v in (129.3, 124.1, 112.4)), tuple(v / 255 for v in (68.2, 65.4, 70.4)))
PUBLISHED = {"cifar10": CIFAR, "cifar100": CIFAR}
READERS = {"digits": "digits", "cifar100": "parquet", "parquet": "parquet"}


def load(
    name: str,
    path: str | Path | None,
    *,
    download: bool = False,
    train_per_class: int | None = None,
    validation: float = 0.0,
    seed: int = 0,
    size: int | None = None,
) -> Dataset:
    """Load a data set by name."""
    check_arguments(train_per_class, validation)
    reader = import_module(f"dropmix.data.{READERS[name]}")
    source: Source = reader.read(name, None if path is None else Path(path), size)
    train, held_out = split_rows(
        source.train.labels, source.classes, train_per_class=train_per_class, validation=validation, seed=seed
    )
    kept = source.train.read(train)
    test = source.test.read(np.arange(len(source.test.labels)))
    aside = source.train.read(held_out) if validation else None
    mean, std = PUBLISHED.get(name) or statistics(kept.images)
    content = fingerprint(name, source.classes, {"train": kept, "test": test, "validation": aside})
    return Dataset(source.name, kept, test, source.classes, mean, std, content, source.superclasses, aside)
