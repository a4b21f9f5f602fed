"""ImageNet-1k as in Table 2 of the paper, which follows CutMix's protocol."""

from dropmix.grid.grid import Grid
from dropmix.train.config import Data, RunSpec, Schedule, Train


def resnet50(preset: str = "paper") -> Grid:
    """ResNet-50, 300 epochs, lr 0.1 times 0.1 at epochs 75, 150 and 225, batch 256; `--data` is an image folder.

    The paper is silent on the loss, Nesterov, weight decay and the images' augmentation: both presets follow
    CutMix's code: crops of random size, mirrored, with shifted colours and lighting noise.
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
    data = Data(name="folder", size=224, flip=True, resized_crop=True, colour_jitter=True)
    base = RunSpec(network="resnet50", preset=preset, data=data, train=train)
    return Grid(base=base, methods=("mixup", "cutmix"), rates=(0.0, 0.1), seeds=5)
