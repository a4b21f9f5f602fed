"""The images or texts that a run's spec names, on this machine."""

from dropmix.data import Dataset, load
from dropmix.text import is_text, load_texts
from dropmix.train.config import RunSpec

OF_TEXTS = ("text_column", "label_column", "tokens")
OF_IMAGES = ("size", "crop_padding", "flip", "resized_crop", "colour_jitter", "exif", "augment", "normalize", "labels")


def load_data(spec: RunSpec, path: str | None, download: bool = False) -> Dataset:
    """Load the images or texts that a spec names from a path of this machine."""
    data, of_texts = spec.data, is_text(spec.data.name)
    for field in OF_IMAGES if of_texts else OF_TEXTS:
        if (value := getattr(data, field)) != type(data).model_fields[field].default:
            raise ValueError(
                f"data.{field}: expected no such setting for {'texts' if of_texts else 'images'}, got {value}. "
                "Leave it out."
            )
    if of_texts and spec.weights is not None:
        raise ValueError(
            f"weights: expected none for texts, got {spec.weights}. Leave it out; an encoder with trained weights is "
            "network=transformers:FOLDER."
        )
    if of_texts:
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
            folds=data.folds,
            fold=data.fold or 0,
            group=data.group,
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
        labels=data.labels,
    )
