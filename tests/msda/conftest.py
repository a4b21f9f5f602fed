"""Fixtures and options shared by the tests of mixing."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dropmix.msda import METHODS, get_method
from dropmix.msda.binding import network_option
from dropmix.msda.history import History
from dropmix.msda.mix import Mix

Draw = Callable[..., Mix]


def seeded(seed: int = 0) -> torch.Generator:
    """A CPU generator in a known state."""
    return torch.Generator().manual_seed(seed)


def images(batch: int, height: int = 16, width: int = 16, channels: int = 3, seed: int = 1) -> Tensor:
    """Images in [0, 1) whose pixels are all different."""
    return torch.rand(batch, channels, height, width, generator=seeded(seed))


def saliency_of(x: Tensor) -> Tensor:
    """Some saliency map, >= 0, that depends on the image."""
    return x.float().nan_to_num().square().mean(1)


def wants(name: str, argument: str) -> bool:
    """Whether a method asks for an argument."""
    return argument in inspect.signature(get_method(name)).parameters


def remembered(x: Tensor, classes: int) -> History:
    """A previous batch, for methods that need one: these images without NaN and infinity, of class 0, 1, ..."""
    return History(x.nan_to_num(0, 0, 0), torch.eye(classes, dtype=torch.float32)[torch.arange(len(x)) % classes])


class Teacher(torch.nn.Module):
    """A network of ten classes with fixed weights, on any device, for methods that need a teacher."""

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.randn(48, 10, generator=seeded(9), device="cpu", dtype=torch.float32)
        pooled = torch.nn.functional.adaptive_avg_pool2d(x[:, :3].float(), 4).flatten(1)
        return pooled @ weight.to(x.device, non_blocking=True)


class Convolutional(Teacher):
    """The same with a feature map of 4 x 4 places."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.pool(x[:, :3].float()))


def taught(name: Any) -> dict[str, Any]:
    """The option `teacher` if a method needs it, with few steps; `network` for a method that then learns nothing."""
    if not isinstance(name, str) or network_option(name) is None:
        return {}
    return {"teacher": Teacher(), "steps": 2} if wants(name, "teacher") else {"network": Convolutional(), **STILL}


STILL = {"lr": 0.0, "clean": 0.0}
"""Options that leave a learning method and its network unchanged."""


def draw_from(name: str, x: Tensor, seed: int = 0, y: Tensor | None = None, **options) -> Mix:
    """Draw a Mix by a method's name, with saliency, or these images and labels as history, if it asks for them."""
    if wants(name, "history"):
        options["history"] = History(x, torch.eye(len(x), device="cpu") if y is None else y)
    options = taught(name) | options
    arguments = (x, saliency_of(x)) if wants(name, "saliency") else (x,)
    return known(get_method(name)(*arguments, generator=seeded(seed), **options), x)


def known(mix: Mix, x: Tensor) -> Mix:
    """A record whose labels wait for attention, given uniform attention: labels are then as drawn."""
    if mix.attended is None:
        return mix
    return mix.with_attention(torch.ones(len(x), *x.shape[2:], dtype=torch.float32, device=x.device), x.shape[2:])


def their_share(mix: Mix) -> Tensor:
    """Share of the partner's label, (B,): one minus the own share, unless the record says otherwise."""
    return 1 - mix.lam if mix.partner_lam is None else mix.partner_lam


def layers(mix: Mix) -> list[Mix]:
    """The records of several partners, the uppermost first; a single record if there is one partner."""
    return [mix] if mix.below is None else [mix, *layers(mix.below)]


def without(mix: Mix, row: int) -> Tensor:
    """Whether an image has nothing of the image in `row`, (B,), bool."""
    own = torch.arange(len(mix.lam)) != row
    return torch.stack([own, *(layer.partner != row for layer in layers(mix))]).all(0)


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    """Every method's name."""
    return request.param
