"""The images that a run's spec names, on this machine."""

from dropmix.data import Dataset, load
from dropmix.text import is_text, load_texts
from dropmix.train.config import RunSpec


def load_data(spec: RunSpec, path: str | None, download: bool = False) -> Dataset:
    """Load the images that a spec names from a path of this machine."""
    data = spec.data
    if is_text(data.name):
        return load_texts(
            data.name,
            path,
            network=spec.network,
            train_per_class=data.train_per_class,
            validation=data.validation,
            seed=data.split_seed,
            text_column=data.text_column,
            label_column=data.label_column,
            tokens=data.tokens,
        )
    return load(
        data.name,
        path,
        download=download,
        train_per_class=data.train_per_class,
        validation=data.validation,
        seed=data.split_seed,
        size=data.size,
        resized_crop=data.resized_crop,
        folds=data.folds,
        fold=data.fold or 0,
        exif=data.exif,
        split=data.split,
        group=data.group,
    )
