"""The user's own photographs on a small network with ImageNet weights."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def finetune(preset: str = "paper") -> Grid:
    """EfficientNet-Lite0 with its ImageNet weights, 15 epochs of AdamW; `--data` is a folder of class folders.

    For about 10 to 500 images per class. `--set data.size=96` keeps more detail; `--set network=timm:NAME` and
    `--set weights=FILE` choose another network and its weights.
    """
    train = Train(
        epochs=15,
        batch=32,
        lr=1e-3,
        optimizer="adamw",
        weight_decay=0.05,
        schedule=Schedule(kind="one-cycle"),
        evaluate_every=5,
        evaluate_last=1,
    )
    data = Data(name="folder", size=64, flip=True, exif=True, split="hash", normalize="network")
    base = RunSpec(network="efficientnet-lite0", weights="pretrained", preset=preset, data=data, train=train)
    return Grid(base=base, methods=("mixup", "cutmix"), rates=(0.0, 0.4), seeds=3)
