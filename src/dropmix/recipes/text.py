"""Texts: a word-level convolutional network from scratch, about a CPU-minute per run on BANKING77."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def _texts(name: str, preset: str, tokens: int = 64) -> Grid:
    train = Train(
        epochs=20,
        batch=64,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.01,
        schedule=Schedule(kind="cosine"),
        evaluate_every=5,
        evaluate_last=5,
    )
    base = RunSpec(network="textcnn", preset=preset, data=Data(name=name, tokens=tokens), train=train)
    return Grid(base=base, methods=("wordmixup", "senmixup", "spancutmix"), rates=(0.0, 0.4), seeds=5)


def banking77(preset: str = "paper") -> Grid:
    """BANKING77: 77 intents of 35 to 187 training questions."""
    return _texts("banking77", preset)


def clinc150(preset: str = "paper") -> Grid:
    """CLINC150: 150 intents of 100 training requests."""
    return _texts("clinc150", preset)


def clinc150_imbalanced(preset: str = "paper") -> Grid:
    """CLINC150, imbalanced: 25 to 100 training requests per intent."""
    return _texts("clinc150-imbalanced", preset)


def text(preset: str = "paper") -> Grid:
    """Any folder of texts; the first 128 words of each."""
    return _texts("text", preset, tokens=128)
