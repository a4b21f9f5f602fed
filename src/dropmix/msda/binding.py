"""A method with its options bound, as `DropMix` draws from it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from dropmix.msda import get_method
from dropmix.msda.draw import MapKind
from dropmix.msda.history import History
from dropmix.msda.learned.mixer import Mixer
from dropmix.msda.mix import Mix

Saliency = Callable[..., Tensor]
Method = str | Callable[..., Mix]


GIVEN = {"x", "y", "saliency", "generator", "epoch", "history", "mixer"}
"""Arguments of a method that are no options: `DropMix` gives them."""


class Draw:
    """A method with its options bound; knows what else the method's signature asks for."""

    def __init__(self, name: str, function: Callable[..., Mix], options: dict[str, Any]) -> None:
        parameters = inspect.signature(function).parameters
        self.name, self.function, self.options = name, function, options
        self.bound = partial(function, **options)
        self.wants_saliency = "saliency" in parameters
        self.needs_saliency = self.wants_saliency and parameters["saliency"].default is inspect.Parameter.empty
        self.wants_history = "history" in parameters
        self.wants_mixer = "mixer" in parameters
        self.asked = {"y", "epoch", "history", "mixer"} & set(parameters)
        self.shape_only = getattr(function, "shape_only", False)

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        saliency: Saliency | None,
        generator: Generator | None,
        epoch: tuple[int, int] | None,
        history: History | None = None,
        mixer: Mixer | None = None,
    ) -> Mix:
        if self.shape_only and not self.asked:
            return self.bound(x, generator=generator)
        given = {"y": y, "epoch": epoch, "history": history, "mixer": mixer}
        options = self.options | {name: given[name] for name in self.asked}
        with torch.no_grad():
            if not self.wants_saliency:
                return self.function(x, generator=generator, **options)
            if saliency is None and self.needs_saliency:
                raise ValueError(
                    f"DropMix: expected saliency=... for method {self.name!r}, got None. "
                    "Pass a function such as input_gradient(model)."
                )
            if saliency is not None and not callable(saliency):
                raise ValueError(
                    f"DropMix: expected saliency as a function of images and labels, got {type(saliency).__name__}. "
                    "Pass a function such as input_gradient(model): it is called for the samples that are mixed."
                )
            maps = None if saliency is None else partial(_of_images, saliency, y)
            return self.function(x, maps, generator=generator, **options)


def _of_images(saliency: Saliency, y: Tensor, x: Tensor, **asked: Any) -> Tensor:
    return saliency(x, y, **asked)


def map_kind(name: str) -> MapKind | None:
    """Kind of map that a method reads as its `saliency`, or None.

    Example:
        >>> map_kind("puzzlemix"), map_kind("mixup")
        ('gradient', None)
    """
    function = get_method(name)
    wants = "saliency" in inspect.signature(function).parameters
    return getattr(function, "map_kind", "gradient") if wants else None


def is_of_hidden(name: str) -> bool:
    """Whether a method mixes hidden states, which the network makes, and not what goes into it.

    Example:
        >>> is_of_hidden("manifoldmix"), is_of_hidden("wordmixup"), is_of_hidden("mixup")
        (True, True, False)
    """
    return getattr(get_method(name), "mixes_hidden", False)


NETWORKS = ("teacher", "network")
"""Options that hold a network: a trained one, or the one in training. A grid gives the latter as either."""


def network_option(name: str) -> str | None:
    """Option by which a method asks for a network, of `NETWORKS`, or None.

    Example:
        >>> network_option("supermix"), network_option("automix"), network_option("mixup")
        ('teacher', 'network', None)
    """
    parameters = inspect.signature(get_method(name)).parameters
    return next((option for option in NETWORKS if option in parameters), None)


def bind_all(method: Method | Mapping[Any, float], options: dict[str, Any], shared: dict[str, Any]) -> list[Draw]:
    """Bind a method's options, or with several methods the options of each, given as a dict by its name."""
    if not isinstance(method, Mapping):
        return [bind(method, options, shared)]
    draws = [bind(m, options.pop(name_of(m), {}), shared) for m in method]
    if options:
        names = ", ".join(map(name_of, method))
        raise ValueError(
            f'DropMix: expected options by method ({names}), got {sorted(options)}. Give e.g. mixup={{"alpha": 0.8}}.'
        )
    return draws


def mixer_for(draws: Iterable[Draw], seed: int | None) -> Mixer | None:
    """Return a new mixer if one of the methods learns, else None; with its first weights by the seed."""
    networks = [draw.options.get("network") for draw in draws if draw.wants_mixer]
    return Mixer(networks[0], seed) if networks else None


def name_of(method: Method) -> str:
    """Name of a method given by name or as a function."""
    return method if isinstance(method, str) else method.__name__


def bind(method: Method, options: dict[str, Any], shared: dict[str, Any]) -> Draw:
    """Bind options of the method, and those that all methods share where it knows them; refuse unknown ones."""
    function = get_method(method) if isinstance(method, str) else method
    name = name_of(method)
    known = set(inspect.signature(function).parameters) - GIVEN
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"DropMix: expected options of {name} ({', '.join(sorted(known))}), got {', '.join(unknown)}. "
            "See the method's docstring."
        )
    given = {key: value for key, value in shared.items() if key in known and value is not None}
    return Draw(name, function, given | options)
