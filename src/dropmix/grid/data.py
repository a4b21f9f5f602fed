"""The images that a run's spec names, on this machine."""

from dropmix.data import Dataset, load
from dropmix.train.config import RunSpec


def load_data(spec: RunSpec, path: str | None, download: bool = False) -> Dataset:
    """Load the images that a spec names from a path of this machine."""
    data = spec.data
    return load(
        data.name,
        path,
        download=download,
        train_per_class=data.train_per_class,
        validation=data.validation,
        seed=data.split_seed,
        size=data.size,
        resized_crop=data.resized_crop,
    )
