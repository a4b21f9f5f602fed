"""The user's own images: a folder of folders, or parquet files with an image and a label column."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def _own(source: str, preset: str) -> Grid:
    loss = "bce-of-softmax" if preset == "released-code" else "cross-entropy"
    train = Train(epochs=100, batch=64, lr=0.1, schedule=Schedule(kind="cosine"), loss=loss)
    data = Data(name=source, crop_padding=4, flip=True, exif=True, split="hash" if source == "folder" else "seed")
    return Grid(base=RunSpec(network="resnet18", preset=preset, data=data, train=train), rates=(0.0, 0.4))


def folder(preset: str = "paper") -> Grid:
    """Images in `train/<class>/` and `test/<class>/`; set `data.size` to resize them."""
    return _own("folder", preset)


def parquet(preset: str = "paper") -> Grid:
    """Parquet files as dataset hubs offer them."""
    return _own("parquet", preset)
