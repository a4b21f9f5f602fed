"""Fixtures and options shared by the tests of mixing."""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dropmix.msda import METHODS, get_method
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


def draw_from(name: str, x: Tensor, seed: int = 0, **options) -> Mix:
    """Draw a Mix by a method's name, with saliency where the method asks for it."""
    function = get_method(name)
    wants = "saliency" in inspect.signature(function).parameters
    arguments = (x, saliency_of(x)) if wants else (x,)
    return function(*arguments, generator=seeded(seed), **options)


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    """Every method's name."""
    return request.param
