"""Four loops over the same images, network, batch and augmentation: ours, the plainest, timm's and Lightning's.

All train WRN10-1 by SGD with Nesterov momentum 0.9 and weight decay 5e-4 on mirrored and cropped images, with one lam
per batch. They differ in how they prepare, mix and step.
"""

import itertools
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2
from torchvision.transforms.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

from dropmix.data import Dataset
from dropmix.grid.arm import make_arm
from dropmix.nets import build
from dropmix.recipes import get_recipe
from dropmix.train.config import RunSpec
from dropmix.train.device import keep_freed_memory, make_deterministic
from dropmix.train.loop import Control, train_run

from .turns import Loop

NETWORK, BATCH, PADDING, LR = "wrn10-1", 100, 2, 0.1
OPTIMIZER: dict[str, Any] = {"lr": LR, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
AfterStep = Callable[[], None]


class Pictures(torch.utils.data.Dataset):  # pyright: ignore[reportMissingTypeArgument]
    """The training images as torchvision's CIFAR100 yields them: Pillow images passed through a transform."""

    def __init__(self, dataset: Dataset, transform: Callable[[Image.Image], Any]) -> None:
        self.images, self.labels, self.transform = dataset.train.images, dataset.train.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def spec_of(method: str, precision: str, rate: float = 0.0) -> RunSpec:
    """A run of this package that does what the other loops do, without evaluation before they end."""
    settings = {"network": NETWORK, "train.batch": BATCH, "train.precision": precision, "data.crop_padding": PADDING}
    late = {"train.lr": LR, "train.epochs": 10_000, "train.evaluate_every": 10_000}
    base = get_recipe("cifar100-wrn28-2", "paper").with_settings(settings | late).base
    return base if method == "vanilla" else base.model_copy(update={"arm": make_arm(method, rate)})


def ours(dataset: Dataset, method: str, precision: str, rate: float = 0.0) -> Loop:
    """A run of this package, as a worker process of a grid trains it."""
    return run_of(spec_of(method, precision, rate), dataset)


def run_of(spec: RunSpec, dataset: Dataset) -> Loop:
    """A spec, trained as a worker process of a grid trains it."""

    def loop(after_step: AfterStep) -> None:
        keep_freed_memory()
        make_deterministic()
        with tempfile.TemporaryDirectory() as folder:
            control = Control(on_progress=lambda *_: after_step(), checkpoint_seconds=float("inf"))
            train_run(spec, Path(folder), dataset, torch.device("cpu"), control)

    return loop


def plain(dataset: Dataset, method: str, precision: str) -> Loop:
    """The loop of a tutorial: torchvision's transforms on Pillow images, torchvision's mixing, float labels."""

    def loop(after_step: AfterStep) -> None:
        torch.manual_seed(0)
        net = build(NETWORK, len(dataset.classes))
        optimizer = torch.optim.SGD(net.parameters(), **OPTIMIZER)
        loader = plain_loader(dataset, method)
        while True:
            for x, y in loader:
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                after_step()

    return loop


def plain_loader(dataset: Dataset, method: str) -> "DataLoader[Any]":
    """DataLoader in this process, which mixes in the collate function, as in torchvision's guide."""
    steps = [RandomHorizontalFlip(), RandomCrop(32, padding=PADDING), ToTensor(), Normalize(dataset.mean, dataset.std)]
    kinds = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
    mix = kinds[method](num_classes=len(dataset.classes)) if method != "vanilla" else None

    def collate(batch: list[Any]) -> Any:
        return default_collate(batch) if mix is None else mix(*default_collate(batch))

    return DataLoader(Pictures(dataset, Compose(steps)), BATCH, shuffle=True, collate_fn=collate)


def timm(dataset: Dataset, method: str, precision: str, channels_last: bool = False) -> Loop:
    """The loop of timm's train.py: its loader with prefetcher and mixing collation, its optimiser and losses."""
    from timm.data import FastCollateMixup, create_loader
    from timm.data.transforms import ToNumpy
    from timm.loss import SoftTargetCrossEntropy
    from timm.optim import create_optimizer_v2

    classes = len(dataset.classes)

    def loop(after_step: AfterStep) -> None:
        torch.manual_seed(0)
        alphas = {"mixup_alpha": float(method == "mixup"), "cutmix_alpha": float(method == "cutmix")}
        mix = FastCollateMixup(**alphas, label_smoothing=0.0, num_classes=classes) if method != "vanilla" else None
        pictures, mean_std = Pictures(dataset, lambda image: image), {"mean": dataset.mean, "std": dataset.std}
        device = torch.device("cpu")
        loader = create_loader(
            pictures, (3, 32, 32), BATCH, is_training=True, num_workers=0, collate_fn=mix, device=device, **mean_std
        )
        # timm's own augmentation is ImageNet's; this is the other loops' one, in the form that timm's prefetcher takes.
        pictures.transform = Compose([RandomHorizontalFlip(), RandomCrop(32, padding=PADDING), ToNumpy()])
        net = build(NETWORK, classes)
        if channels_last:
            net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        optimizer = create_optimizer_v2(net, "sgd", lr=LR, weight_decay=5e-4, momentum=0.9)
        loss_fn = nn.CrossEntropyLoss() if mix is None else SoftTargetCrossEntropy()
        while True:
            for x, y in loader:
                if channels_last:
                    x = x.contiguous(memory_format=torch.channels_last)
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    loss = loss_fn(net(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                after_step()

    return loop


def with_lightning(dataset: Dataset, method: str, precision: str) -> Loop:
    """Lightning's Trainer over the plain loop's loader, with its network, loss and optimiser; nothing is logged."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = build(NETWORK, len(dataset.classes))

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            x, y = batch
            return F.cross_entropy(self.net(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), **OPTIMIZER)

    def loop(after_step: AfterStep) -> None:
        class Pause(lightning.Callback):
            def on_train_batch_end(self, *_: Any) -> None:
                after_step()

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")
        torch.manual_seed(0)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Pause()],
        )
        trainer.fit(Module(), plain_loader(dataset, method))

    return loop


def network_alone(dataset: Dataset, precision: str) -> Loop:
    """Forward and backward pass of our network on a batch in memory: the least time that a step can take."""

    def loop(after_step: AfterStep) -> None:
        keep_freed_memory()
        net = build(NETWORK, len(dataset.classes)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        y = torch.arange(BATCH) % len(dataset.classes)
        for _ in itertools.count():
            net.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = net(x)
            F.cross_entropy(logits.float(), y).backward()
            after_step()

    return loop
