"""A method with its options bound, as `DropMix` draws from it."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from dropmix.msda import get_method
from dropmix.msda.mix import Mix

Saliency = Callable[..., Tensor]
Method = str | Callable[..., Mix]


class Draw:
    """A method with its options bound; knows what else the method's signature asks for."""

    def __init__(self, name: str, function: Callable[..., Mix], options: dict[str, Any]) -> None:
        parameters = inspect.signature(function).parameters
        self.name, self.function, self.options = name, function, options
        self.bound = partial(function, **options)
        self.wants_saliency = "saliency" in parameters
        self.wants_epoch = "epoch" in parameters
        self.shape_only = getattr(function, "shape_only", False)

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        saliency: Saliency | None,
        generator: Generator | None,
        epoch: tuple[int, int] | None,
    ) -> Mix:
        if self.shape_only and not self.wants_epoch:
            return self.bound(x, generator=generator)
        options = self.options | {"epoch": epoch} if self.wants_epoch else self.options
        with torch.no_grad():
            if not self.wants_saliency:
                return self.function(x, generator=generator, **options)
            if saliency is None:
                raise ValueError(
                    f"DropMix: expected saliency=... for method {self.name!r}, got None. "
                    "Pass a function such as input_gradient(model)."
                )
            return self.function(x, partial(_of_images, saliency, y), generator=generator, **options)


def _of_images(saliency: Saliency, y: Tensor, x: Tensor, **asked: Any) -> Tensor:
    return saliency(x, y, **asked)


def name_of(method: Method) -> str:
    """Name of a method given by name or as a function."""
    return method if isinstance(method, str) else method.__name__


def bind(method: Method, options: dict[str, Any], shared: dict[str, Any]) -> Draw:
    """Bind options of the method, and those that all methods share where it knows them; refuse unknown ones."""
    function = get_method(method) if isinstance(method, str) else method
    name = name_of(method)
    known = set(inspect.signature(function).parameters) - {"x", "saliency", "generator", "epoch"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"DropMix: expected options of {name} ({', '.join(sorted(known))}), got {', '.join(unknown)}. "
            "See the method's docstring."
        )
    given = {key: value for key, value in shared.items() if key in known and value is not None}
    return Draw(name, function, given | options)
