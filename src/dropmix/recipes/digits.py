"""Small sets of grey images: the digits that ship with scikit-learn, and Fashion-MNIST."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def digits(preset: str = "paper") -> Grid:
    """8 x 8 digits on WRN10-1: the whole story in about a minute on two cores."""
    loss = "bce-of-softmax" if preset == "released-code" else "cross-entropy"
    train = Train(epochs=12, batch=50, lr=0.05, schedule=Schedule(kind="cosine"), loss=loss)
    data = Data(name="digits", crop_padding=1)
    return Grid(
        base=RunSpec(network="wrn10-1", preset=preset, data=data, train=train), methods=("cutmix",), rates=(0.0, 0.5)
    )


def fashion_mnist(preset: str = "paper") -> Grid:
    """28 x 28 clothes on WRN16-2, 30 epochs."""
    loss = "bce-of-softmax" if preset == "released-code" else "cross-entropy"
    train = Train(epochs=30, batch=100, lr=0.1, schedule=Schedule(kind="cosine"), loss=loss)
    data = Data(name="fashion-mnist", crop_padding=2, flip=True)
    return Grid(base=RunSpec(network="wrn16-2", preset=preset, data=data, train=train), rates=(0.0, 0.4))
