"""A tiny data set and spec, so that a run takes a fraction of a second."""

import numpy as np
import torch

from dropmix.data import Dataset, Split
from dropmix.train.config import Arm, Data, RunSpec, Schedule, Train

torch.set_num_threads(1)  # a forked child must not wait for threads that stayed with its parent


def make_split(count: int, seed: int, classes: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 128, (count, 8, 8, 1), dtype=np.uint8)
    images[np.arange(count), :, labels * 2] += 100  # one bright row a class: learnable, not trivial
    return Split(images, labels.astype(np.int64), np.arange(count, dtype=np.int64))


def make_dataset() -> Dataset:
    """31 training and 15 test images of 3 classes, 8 x 8: the last batch is smaller."""
    return Dataset("tiny", make_split(31, 0), make_split(15, 1), ["a", "b", "c"], (0.3,), (0.2,), "tiny-fingerprint")


def make_spec(arm: Arm | None = None, seed: int = 0, **train) -> RunSpec:
    settings = {"epochs": 3, "batch": 8, "lr": 0.05, "schedule": Schedule(kind="cosine")} | train
    return RunSpec(
        arm=arm or Arm(),
        seed=seed,
        network="wrn10-1",
        data=Data(name="tiny", crop_padding=1, flip=True, fingerprint="tiny-fingerprint"),
        train=Train(**settings),
    )
