"""CIFAR-10 as in Table 4 of the paper."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def resnet18(preset: str = "paper") -> Grid:
    """ResNet-18, 200 epochs, lr 0.1 times 0.2 at epochs 60, 120 and 160."""
    released = preset == "released-code"
    train = Train(
        epochs=200,
        batch=128,
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        schedule=Schedule(kind="step", milestones=(60, 120, 160), factor=0.2),
        weight_decay=1e-4 if released else 5e-4,
        loss="bce-of-softmax" if released else "cross-entropy",
    )
    data = Data(name="cifar10", crop_padding=2, flip=True)
    return Grid(base=RunSpec(network="resnet18", preset=preset, data=data, train=train), methods=("mixup", "cutmix"))
