"""Maps from a network's last features: their size, and their contribution to a class."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropmix.msda.labels import label_shares
from dropmix.msda.maps.attention import last_block
from dropmix.msda.maps.network import logits_of, unwrapped

_MOST_PLACES = 1024
_PREFIXES = (0, 1, 2, 5)  # tokens that are no patches: none, a class, and with it a distillation or four registers


def feature_map(model: nn.Module, features: nn.Module | None = None) -> Callable[..., Tensor]:
    """Return a function saliency(x, y): how active a network's last features are at every place.

        A = mean over channels of relu(F), bilinearly enlarged to the images' size;  F the last feature map

    Runs the model in eval mode and computes no gradient: a forward pass.

    Args:
        model: network of images (B, C, H, W), trained already: a teacher, or the network in training itself.
        features: its module that returns F, (B, D, h, w). None looks for the last one, once, at the first call.
    Returns:
        `saliency(x, y)` -> (B, H, W), float32, >= 0.
    Raises:
        ValueError: at a call: no feature map is found, as in vision transformers, or weights sharded over ranks.
    Source:
        Walawalkar et al. 2020 (Attentive CutMix), Sec. 3.1.
    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> feature_map(net)(torch.rand(5, 3, 8, 8), torch.zeros(5)).shape
        torch.Size([5, 8, 8])
    """
    last = _Last(model, features)

    @torch.no_grad()
    def saliency(x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        _refuse("feature_map", signed, clean)
        kept: list[Tensor] = []
        with last.kept(x, lambda output: kept.append(output.clone())):  # what follows may work in place
            unwrapped(model)(x)
        return _enlarged(kept[0].float().relu().mean(1), x)

    return saliency


def class_activation(model: nn.Module, features: nn.Module | None = None) -> Callable[..., Tensor]:
    """Return a function saliency(x, y): how much every place speaks for the image's class (class activation map).

        A = sum over channels of F dz/dF, bilinearly enlarged;  F the last feature map, z the logit of the class

    Of a network that pools F and has one linear layer, that is its class activation map over the number of places.
    Of a vision transformer with a class token, F are the patches' tokens that the last attention reads, normalised.
    Runs the model in eval mode and computes no weight gradients: a forward pass, and a backward pass of the head.

    Args:
        model: classifier of images (B, C, H, W).
        features: its module that returns F, (B, D, h, w) or tokens (B, N, D), patches last. None looks for the last
            one, once, at the first call; of transformers it knows those of timm and torchvision with a class token.
    Returns:
        `saliency(x, y)` -> (B, H, W), float32, of either sign. y holds class ids, or shares, whose logits are averaged.
    Raises:
        ValueError: at a call: no feature map found, tokens that do not fit the images, or weights sharded over ranks.
    Source:
        Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", arXiv 1512.04150.
    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> class_activation(net)(torch.rand(5, 3, 8, 8), torch.zeros(5).long()).shape
        torch.Size([5, 8, 8])
    """
    last = _Last(model, features, tokens=True)

    def saliency(x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        _refuse("class_activation", signed, clean)
        kept: list[Tensor] = []

        def leaf(output: Tensor) -> Tensor:
            torch.set_grad_enabled(True)  # from here on; the context below puts it back
            kept.append(output.detach().clone().requires_grad_())
            return kept[0].clone()  # what follows may work in place

        with torch.no_grad(), last.kept(x, leaf):
            logits = logits_of(unwrapped(model)(x)).float()
            value = (logits * label_shares(y, logits.shape[1]).to(logits)).sum()
            (gradient,) = torch.autograd.grad(value, kept[0])
        return _enlarged(_by_place(kept[0].detach().float() * gradient.float(), x, last.prefix), x)

    return saliency


def _refuse(where: str, signed: bool, clean: float) -> None:
    if signed or clean:
        raise ValueError(
            f"{where}: expected a method that needs a map, got one that needs a gradient. Use attentivemix."
        )


def _by_place(features: Tensor, x: Tensor, prefix: int | None) -> Tensor:
    """Sum over channels, (B, h, w): of a map (B, D, h, w), or of tokens (B, N, D) laid out as the images are.

    The patches of an image are alike and cover it, so that its shape says how many lie along each side. `prefix` tokens
    stand before them; None takes as few as leave such a number.
    """
    if features.ndim == 4:
        return features.sum(1)
    tokens, shared = features.shape[1], math.gcd(*x.shape[2:])
    height, width = (side // shared for side in x.shape[2:])
    for before in _PREFIXES if prefix is None else [prefix]:
        times = math.isqrt(max(tokens - before, 0) // (height * width))
        if times > 0 and times**2 * height * width == tokens - before:
            return features[:, before:].sum(2).unflatten(1, (times * height, times * width))
    raise ValueError(
        f"class_activation: expected tokens (B, N, D) of patches that cover images of {x.shape[2]} x {x.shape[3]}, got "
        f"N = {tokens}. Crop the images to squares, or name a module that returns a map (B, D, h, w)."
    )


def _enlarged(small: Tensor, x: Tensor) -> Tensor:
    return F.interpolate(small[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]


class _Last:
    """The module that returns a network's last feature map, and what is done to its output in one pass."""

    def __init__(self, model: nn.Module, features: nn.Module | None, tokens: bool = False) -> None:
        self.model, self.features, self.tokens = model, features, tokens
        self.prefix: int | None = None  # tokens that are no patches, where the network says so

    @contextmanager
    def kept(self, x: Tensor, use: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        """Within the context the model is in eval mode, and the map of its next pass goes through `use`."""
        network = unwrapped(self.model)
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        handle: Any = None

        def through(_: nn.Module, __: Any, output: Any) -> Tensor | None:
            return use(output)

        try:
            if self.features is None:
                block = last_block(network) if self.tokens else None
                self.features, self.prefix = (_find(network, x), None) if block is None else (block[0], block[2])
            handle = self.features.register_forward_hook(through)
            yield
        finally:
            if handle is not None:
                handle.remove()
            for module, training in modes:
                module.training = training


def find_stage(network: nn.Module, x: Tensor) -> str:
    """Return the name of the module that returns the last map larger than the final one: the stage before the last.

    Blocks with convolutions inside are preferred to single layers, such as the first layer of the next block. Maps of
    more than 1,024 places are skipped, because attention between all places would cost too much. If no map is left, the
    final one is taken.

    Args:
        network: a classifier in eval mode.
        x: images, (B, C, H, W); two of them go through it.
    Raises:
        ValueError: no feature map is found, as in vision transformers.
    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 8, 2, 2), nn.Flatten(), nn.Linear(128, 2))
        >>> find_stage(net, torch.zeros(2, 3, 16, 16))
        '0'
    """
    maps, final = _maps(network, x)
    places = dict(maps)[final][2:].numel()
    until = [module for module, _ in maps].index(final)
    finer = [module for module, shape in maps[:until] if places < shape[2:].numel() <= _MOST_PLACES]
    blocks = [
        module for module in finer if any(_is_convolution(part) for part in module.modules() if part is not module)
    ]
    chosen = (blocks or finer or [final])[-1]
    return next(name for name, module in network.named_modules() if module is chosen)


def _is_convolution(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.conv._ConvNd)


def _find(network: nn.Module, x: Tensor) -> nn.Module:
    """The last module whose output is a map that the head then pools or flattens."""
    return _maps(network, x)[1]


@torch.no_grad()
def _maps(network: nn.Module, x: Tensor) -> tuple[list[tuple[nn.Module, torch.Size]], nn.Module]:
    """All modules that return maps, in order, with the maps' shapes, and the module of the last map before the head.

    A map of a single place may be a pooled one, so it counts as the last only if no larger map leads to the head.
    """
    maps: list[tuple[nn.Module, torch.Size]] = []
    width = [0]  # what the first linear layer after the last map takes; 0 before there is one

    def look(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.Linear) and maps and not width[0]:
            width[0] = module.in_features if arguments[0].ndim == 2 else -1  # of tokens: no map leads here
        elif isinstance(output, Tensor) and output.ndim == 4:
            maps.append((module, output.shape))
            width[0] = 0
        elif isinstance(output, Tensor) and output.ndim == 3:
            width[0] = -1

    handles = [module.register_forward_hook(look) for module in network.modules()]
    try:
        network(x[:2])
    finally:
        for handle in handles:
            handle.remove()
    larger = [entry for entry in maps if entry[1][2:].numel() > 1][-1:]
    for module, shape in larger + maps[-1:]:
        flat = shape[1:].numel() if module is maps[-1][0] else shape[1]
        if width[0] in (0, shape[1], flat):
            return maps, module
    raise ValueError(
        f"feature map: expected a network with a last map (B, D, h, w) before its head, found none in "
        f"{type(network).__name__}. Name its module, or use a method without maps, such as cutmix."
    )
