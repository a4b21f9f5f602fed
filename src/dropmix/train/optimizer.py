"""The trained weights, their learning rates and optimiser, and their moving average."""

import copy
import difflib
import math
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from dropmix.msda.maps.network import move_towards
from dropmix.nets.weights import head_of
from dropmix.train.config import Train

RISE, START = 0.3, 25.0
"""One-cycle: share of the run in which the rate rises, and its divisor at the start, as in torch's OneCycleLR."""
STATISTICS = (nn.modules.batchnorm._BatchNorm,)


def make_optimizer(model: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Return the optimiser of a run; frozen weights get no gradient from now on.

    Args:
        model: already on its device.
        train: settings.
    Raises:
        ValueError: unknown optimiser or option, a pattern that no weight matches, nothing left to train, or a layer
            decay of a network whose layers have no known order.
    """
    _freeze(train.freeze, model)
    groups = _groups(train, model)
    if train.optimizer == "sgd":
        # Fused SGD that skips its first step, as under a scaler, goes on from momentum that was never set.
        fused = train.precision != "fp16"
        options = {"momentum": train.momentum, "nesterov": train.nesterov, "fused": fused} | train.optimizer_options
        return _made(torch.optim.SGD, train, groups, options)
    if train.optimizer == "adamw":
        return _made(torch.optim.AdamW, train, groups, {"fused": True} | train.optimizer_options)
    return _of_timm(train, groups)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate; each group keeps its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def set_training(train: Train, model: nn.Module) -> None:
    """Set training mode; batch normalisation with frozen statistics stays in evaluation mode."""
    model.train()
    if train.freeze_statistics:
        for module in model.modules():
            if isinstance(module, STATISTICS):
                module.eval()


class Average:
    """Exponential moving average of all weights and statistics of a model.

        average += (1 - d) (weights - average),  d = min(decay, (1 + n) / (10 + n)) after n steps

    Args:
        model: whose weights are averaged.
        decay: in (0, 1).
    Attributes:
        model: the same network with the averaged weights, in evaluation mode.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.source, self.decay, self.steps = model, decay, 0
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    def update(self) -> None:
        """Add the current weights to the average."""
        self.steps += 1
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        move_towards(self.model, self.source, share)

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and the number of steps."""
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state of `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]


def class_weights(counts: Tensor) -> Tensor:
    """Weight of each class in the loss, inverse to its number of images; the mean over images is 1.

    Example:
        >>> class_weights(torch.tensor([1, 3]))
        tensor([2.0000, 0.6667])
    """
    return (counts.sum() / (len(counts) * counts.clamp_min(1))).float()


def _freeze(pattern: str | None, model: nn.Module) -> None:
    if pattern is None:
        return
    names = [name for name, _ in model.named_parameters()]
    if pattern == "backbone":
        heads = head_of(model)
        frozen = [name for name in names if not any(name.startswith(f"{head}.") for head in heads)]
    else:
        parts = [part.strip() for part in pattern.split(",")]
        for part in parts:
            if not any(fnmatchcase(name, part) for name in names):
                near = difflib.get_close_matches(part, names, n=1, cutoff=0)[0]
                raise ValueError(f"train.freeze: expected names of weights such as {near!r}, got {part!r}. Use *.")
        frozen = [name for name in names if any(fnmatchcase(name, part) for part in parts)]
    if len(frozen) == len(names):
        raise ValueError(f"train.freeze: expected weights left to train, got none beside {pattern!r}. Freeze fewer.")
    chosen = set(frozen)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in chosen)


def _groups(train: Train, model: nn.Module) -> list[Any]:
    """Trained weights, in one group for each factor on the learning rate."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if train.layer_decay == 1 and train.head_lr_factor == 1:
        return list(trained.values())
    scales = _layer_scales(train.layer_decay, model) if train.layer_decay < 1 else dict.fromkeys(trained, 1.0)
    heads = head_of(model)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        factor = train.head_lr_factor if any(name.startswith(f"{head}.") for head in heads) else 1.0
        groups.setdefault(scales[name] * factor, []).append(parameter)
    return [{"params": parameters, "lr_scale": scale} for scale, parameters in groups.items()]


def _layer_scales(decay: float, model: nn.Module) -> dict[str, float]:
    try:
        from timm.optim import param_groups_layer_decay  # pyright: ignore
    except ImportError:
        raise ValueError("train.layer_decay: expected timm installed, got none. Run pip install timm.") from None
    if not (hasattr(model, "group_matcher") or getattr(model, "pretrained_cfg", None)):
        raise ValueError(
            f"train.layer_decay: expected a network of timm (network=timm:NAME), whose layers have an order, got "
            f"{type(model).__name__}. Leave layer_decay out, or give the head a larger rate by head_lr_factor."
        )
    scale = {}
    for group in param_groups_layer_decay(model, layer_decay=decay):
        scale |= {id(parameter): float(group["lr_scale"]) for parameter in group["params"]}  # pyright: ignore
    return {name: scale.get(id(parameter), 1.0) for name, parameter in model.named_parameters()}


def _made(kind: Any, train: Train, groups: list[Any], options: dict[str, Any]) -> torch.optim.Optimizer:
    try:
        return kind(groups, lr=train.lr, weight_decay=train.weight_decay, **options)
    except TypeError as error:
        raise ValueError(f"train.optimizer_options: {train.optimizer} cannot take them ({error}).") from None


def _of_timm(train: Train, groups: list[Any]) -> torch.optim.Optimizer:
    try:
        from timm.optim import create_optimizer_v2, list_optimizers  # pyright: ignore
    except ImportError:
        raise ValueError(
            f"train.optimizer: expected sgd, adamw, or timm installed for its own, got {train.optimizer!r}. "
            "Run pip install timm."
        ) from None
    known = list_optimizers()
    if train.optimizer not in known:
        near = difflib.get_close_matches(train.optimizer, [*known, "sgd", "adamw"], n=1, cutoff=0)[0]
        raise ValueError(
            f"train.optimizer: expected sgd, adamw or one of timm's, got {train.optimizer!r}. Did you mean {near!r}?"
        )
    options: dict[str, Any] = {"momentum": train.momentum, **train.optimizer_options}
    try:
        return create_optimizer_v2(groups, opt=train.optimizer, lr=train.lr, weight_decay=train.weight_decay, **options)
    except TypeError as error:
        raise ValueError(f"train.optimizer_options: {train.optimizer} cannot take them ({error}).") from None


def learning_rate(train: Train, epoch: int, vanilla: bool = False, step: float = 0.0) -> float:
    """Return the learning rate of an epoch, or of a step if `train.per_step`.

    Args:
        train: settings.
        epoch: counted from 0.
        vanilla: whether the run is of the vanilla arm, which may have a rate of its own.
        step: share of the epoch that is over, in [0, 1); used only by a warm-up and "one-cycle".
    Source:
        "one-cycle": Smith and Topin 2017, arXiv:1708.07120, in cosine form. Differs from torch's OneCycleLR: the rate
        falls to zero, and momentum is constant.

    Example:
        >>> from dropmix.train.config import Schedule
        >>> train = Train(epochs=300, lr=0.2, schedule=Schedule(milestones=(100, 200)))
        >>> [round(learning_rate(train, e), 4) for e in (0, 99, 100, 200)]
        [0.2, 0.2, 0.02, 0.002]
    """
    schedule = train.schedule
    start = train.lr_vanilla if vanilla and train.lr_vanilla is not None else train.lr
    if schedule.kind == "one-cycle":
        place, rise = (epoch + step) / train.epochs, RISE
        if schedule.warmup:
            rise = min(schedule.warmup / train.epochs, 1.0)
        if place < rise:
            return start / START + (start - start / START) * 0.5 * (1 - math.cos(math.pi * place / rise))
        return start * 0.5 * (1 + math.cos(math.pi * (place - rise) / (1 - rise)))
    warmup = schedule.warmup
    if epoch + step < warmup:
        return start * (epoch + step) / warmup
    if schedule.kind == "cosine":
        if warmup:
            return start * 0.5 * (1 + math.cos(math.pi * (epoch + step - warmup) / (train.epochs - warmup)))
        return start * 0.5 * (1 + math.cos(math.pi * epoch / train.epochs))
    if schedule.kind == "constant":
        return start
    return start * schedule.factor ** sum(epoch >= milestone for milestone in schedule.milestones)
