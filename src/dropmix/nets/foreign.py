"""Networks of timm, torchvision, or the user's own Python file."""

import difflib
import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from dropmix.nets.names import check_foreign, is_file

__all__ = ["build_foreign", "file_digest", "first_layer", "normalisation", "python_call"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def build_foreign(name: str, num_classes: int, in_channels: int = 3, size: int | None = None) -> nn.Module:
    """Make a network that is not ours, with fresh weights.

    Args:
        name: `timm:NAME`, `torchvision:NAME`, or `path/net.py:function`, which is called as
            function(num_classes=K, in_channels=C).
        num_classes, in_channels: K and C, >= 1.
        size: side of the images, for timm networks that take only one size.
    Raises:
        ValueError: the name is unknown (the message names the nearest), or the function returns no module.
    """
    check_foreign(name)
    source, _, wanted = name.rpartition(":")
    if source == "timm":
        return _timm(wanted, num_classes, in_channels, size)
    if source == "torchvision":
        return _torchvision(wanted, num_classes, in_channels)
    function = _function(Path(source), wanted)
    try:
        net = function(num_classes=num_classes, in_channels=in_channels)
    except TypeError as error:
        raise ValueError(f"{name}: expected function(num_classes=K, in_channels=C), got {error}.") from error
    if not isinstance(net, nn.Module):
        raise ValueError(f"{name}: expected a torch.nn.Module, got {type(net).__name__}. Return the network.")
    return net


def normalisation(name: str, net: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that a network's trained weights expect, fractions of 255.

    timm's own record; 0.5 for EfficientNet-Lite0; the attributes `mean` and `std` of a network from a file; for all
    others, ImageNet's.

    Example:
        >>> normalisation("efficientnet-lite0", nn.Identity())[0]
        (0.5, 0.5, 0.5)
    """
    if name == "efficientnet-lite0":
        return (0.5,) * 3, (0.5,) * 3
    record = getattr(net, "pretrained_cfg", None) or {}
    if name.startswith("timm:") and record.get("mean"):
        return tuple(record["mean"]), tuple(record["std"])
    own = getattr(net, "mean", None), getattr(net, "std", None)
    if is_file(name) and all(isinstance(part, tuple | list) for part in own):
        return tuple(own[0]), tuple(own[1])  # pyright: ignore[reportArgumentType]
    return IMAGENET


def python_call(name: str, num_classes: int, in_channels: int, size: int) -> str:
    """The call that makes a network for its weights, without dropmix where that is possible.

    Example:
        >>> python_call("torchvision:resnet18", 4, 3, 64)
        'torchvision.models.get_model("resnet18", num_classes=4)'
    """
    source, _, wanted = name.rpartition(":")
    if source == "timm":
        options = "".join(f", {key}={value}" for key, value in _size_options(wanted, size).items())
        return f'timm.create_model("{wanted}", num_classes={num_classes}, in_chans={in_channels}{options})'
    if source == "torchvision" and in_channels == 3:
        return f'torchvision.models.get_model("{wanted}", num_classes={num_classes})'
    if is_file(name):
        return f"{wanted}(num_classes={num_classes}, in_channels={in_channels})"
    return f'dropmix.nets.build("{name}", {num_classes}, {in_channels}, {size})'


def file_digest(name: str) -> str | None:
    """SHA-256 of net.py for a name `path/net.py:function`; None for other names."""
    return hashlib.sha256(Path(name.rpartition(":")[0]).read_bytes()).hexdigest() if is_file(name) else None


def _timm(name: str, num_classes: int, in_channels: int, size: int | None) -> nn.Module:
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "timm.list_models() lists them."
        raise ValueError(f"network: expected a network of timm, got {name!r}. {hint}")
    return timm.create_model(
        name, pretrained=False, num_classes=num_classes, in_chans=in_channels, **_size_options(name, size)
    )


def _size_options(name: str, size: int | None) -> dict[str, Any]:
    import timm

    record = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return {"img_size": size} if size and getattr(record, "fixed_input_size", False) else {}


def _torchvision(name: str, num_classes: int, in_channels: int) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "torchvision.models.list_models() lists them."
        raise ValueError(f"network: expected a classifier of torchvision, got {name!r}. {hint}")
    net = models.get_model(name, weights=None, num_classes=num_classes)
    if in_channels != 3:
        where, first = first_layer(net)
        parent = net.get_submodule(where.rpartition(".")[0])
        setattr(parent, where.rpartition(".")[2], _with_channels(first, in_channels))
    return net


def first_layer(net: nn.Module) -> tuple[str, nn.Conv2d]:
    """Name and module of the first convolution, which takes the images."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise ValueError(
        f"network: expected a convolution that takes the images, got none in {type(net).__name__}. Use another network."
    )


def _with_channels(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        conv.out_channels,
        conv.kernel_size,  # pyright: ignore[reportArgumentType]
        conv.stride,  # pyright: ignore[reportArgumentType]
        conv.padding,  # pyright: ignore[reportArgumentType]
        bias=conv.bias is not None,
    )


def _function(path: Path, name: str) -> Callable[..., Any]:
    """A function from the user's file, which is imported as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"dropmix_network_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)
