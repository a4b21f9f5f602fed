"""Three loops that fine-tune one network on one folder of photographs: ours, a tutorial's and timm's.

All train EfficientNet-Lite0 from its ImageNet weights at 64 pixels, by AdamW, on mirrored pictures, with one lam per
batch. The rivals read their pictures from the files every time, as their users do, or from memory, decoded and resized.
"""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from torchvision.transforms.transforms import CenterCrop, Compose, Normalize, RandomHorizontalFlip, Resize, ToTensor

from dropmix.data import Dataset
from dropmix.grid.arm import make_arm
from dropmix.nets.trained import build_trained
from dropmix.recipes import get_recipe
from dropmix.train.config import RunSpec

from .rivals import AfterStep, run_of
from .turns import Loop

NETWORK, SIZE, BATCH, LR, DECAY = "efficientnet-lite0", 64, 32, 1e-3, 0.05
MEAN_STD: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


class Pictures(ImageFolder):
    """torchvision's ImageFolder; from memory, it holds each picture resized and cropped."""

    def __init__(self, folder: Path, in_memory: bool, after: Any) -> None:
        shape = Compose([Resize(SIZE), CenterCrop(SIZE)])
        super().__init__(str(folder), after if in_memory else Compose([shape, after]))
        if in_memory:
            held = {path: shape(self.loader(path)) for path, _ in self.samples}
            self.loader = held.__getitem__


def spec_of(method: str, rate: float, weights: str | None) -> RunSpec:
    """The recipe `finetune`, without evaluation before the loop ends."""
    settings = {"weights": weights, "train.epochs": 10_000, "train.evaluate_every": 10_000}
    base = get_recipe("finetune").with_settings(settings).base
    return base if method == "vanilla" else base.model_copy(update={"arm": make_arm(method, rate)})


def ours(dataset: Dataset, method: str, rate: float, weights: str | None) -> Loop:
    """A run of the recipe, as a worker process of a grid trains it."""
    return run_of(spec_of(method, rate, weights), dataset)


def plain(folder: Path, method: str, weights: str | None, in_memory: bool) -> Loop:
    """The loop of a tutorial: ImageFolder, DataLoader, torchvision's mixing, AdamW, cross-entropy."""

    def loop(after_step: AfterStep) -> None:
        torch.manual_seed(0)
        after = Compose([RandomHorizontalFlip(), ToTensor(), Normalize(**MEAN_STD)])
        pictures = Pictures(folder, in_memory, after)
        classes = len(pictures.classes)
        mix = v2.MixUp(num_classes=classes) if method == "mixup" else None

        def collate(batch: list[Any]) -> Any:
            return default_collate(batch) if mix is None else mix(*default_collate(batch))

        loader = DataLoader(pictures, BATCH, shuffle=True, drop_last=True, collate_fn=collate)
        net = build_trained(NETWORK, weights, classes, (3, SIZE, SIZE))[0]
        optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=DECAY)
        while True:
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
                after_step()

    return loop


def timm(folder: Path, method: str, weights: str | None, in_memory: bool, channels_last: bool) -> Loop:
    """The loop of timm's train.py: its loader with prefetcher and mixing collation, its optimiser and losses."""
    from timm.data import FastCollateMixup, create_loader
    from timm.data.transforms import ToNumpy
    from timm.loss import SoftTargetCrossEntropy
    from timm.optim import create_optimizer_v2

    def loop(after_step: AfterStep) -> None:
        torch.manual_seed(0)
        pictures = Pictures(folder, in_memory, None)
        after, classes = pictures.transform, len(pictures.classes)
        mix = FastCollateMixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=classes) if method == "mixup" else None
        device = torch.device("cpu")
        loader = create_loader(
            pictures, (3, SIZE, SIZE), BATCH, is_training=True, num_workers=0, collate_fn=mix, device=device, **MEAN_STD
        )
        # timm's own augmentation differs; this is the other loops' one, in the form that timm's prefetcher takes.
        own = Compose([RandomHorizontalFlip(), ToNumpy()])
        pictures.transform = own if after is None else Compose([after.transforms[0], own])
        net = build_trained(NETWORK, weights, classes, (3, SIZE, SIZE))[0]
        if channels_last:
            net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        optimizer = create_optimizer_v2(net, "adamw", lr=LR, weight_decay=DECAY)
        loss_fn = nn.CrossEntropyLoss() if mix is None else SoftTargetCrossEntropy()
        net.train()
        while True:
            for x, y in loader:
                if channels_last:
                    x = x.contiguous(memory_format=torch.channels_last)
                loss_fn(net(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
                after_step()

    return loop


def make_folder(sample: Path | None, folder: Path, classes: int, count: int) -> str:
    """Fill class folders with photographs of a sample, neighbours in one class, or else with noise of their size.

    Returns:
        What the pictures are.
    """
    found = sorted(sample.glob("*.jpg")) if sample else []
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for i in range(count):
            place = folder / f"class{label}" / f"{i}.jpg"
            if len(found) >= classes * count:
                place.symlink_to(found[label * count + i].resolve())
            else:
                pixels = torch.randint(256, (256, 320, 3), dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(place)
    return "photographs, shorter side 256 pixels" if len(found) >= classes * count else "pictures of noise, 320 x 256"
