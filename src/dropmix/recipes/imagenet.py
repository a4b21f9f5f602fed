"""ImageNet-1k as in Table 2 of the paper, which follows CutMix's protocol."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def resnet50(preset: str = "paper") -> Grid:
    """ResNet-50, 300 epochs, lr 0.1 times 0.1 at epochs 75, 150 and 225, batch 256; `--data` is an image folder.

    The paper is silent on the loss, Nesterov and weight decay: both presets have CutMix's. Differs: CutMix's code
    crops by random resizing and shifts colours; here the centre square is shifted by up to an eighth and mirrored.
    """
    train = Train(
        epochs=300,
        batch=256,
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        schedule=Schedule(kind="step", milestones=(75, 150, 225), factor=0.1),
        weight_decay=1e-4,
        loss="cross-entropy",
    )
    data = Data(name="folder", size=224, crop_padding=28, flip=True)
    base = RunSpec(network="resnet50", preset=preset, data=data, train=train)
    return Grid(base=base, methods=("mixup", "cutmix"), rates=(0.0, 0.1), seeds=5)
