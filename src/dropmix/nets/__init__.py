"""Networks by name: wide residual, pre-activation residual and residual networks.

Read in this order: `names`, `wide_resnet`, `preact_resnet`, `resnet`, `efficientnet_lite`; then networks that are not
ours, `foreign`, and trained weights, `weights` and `trained`.

`NETWORKS` and `check_name` need no torch; `build` makes a network. Every network made here maps float
images (B, C, H, W) of 8 x 8 to 224 x 224 pixels, in either memory format, to logits (B, K), and has
`stages`, the blocks of its body in order. `build` also takes networks of timm, torchvision or your own file;
`weights` fills any of them with trained weights.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from dropmix.nets.names import NETWORKS, Network, check_name, check_positive, find, is_foreign

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "Network", "build", "check_name", "flops", "hidden_modules"]


def build(name: str, num_classes: int, in_channels: int = 3, size: int | None = None) -> "nn.Module":
    """Make a network with fresh weights.

    Args:
        name: one of `NETWORKS`, with numbers in place of the braces, such as `"wrn28-2"`; or
            `timm:NAME`, `torchvision:NAME`, `path/net.py:function`.
        num_classes: K, >= 1.
        in_channels: C of the images, >= 1.
        size: side of the images in pixels, for networks of timm that are made for one size.
    Returns:
        The network, in training mode, float32, on torch's current default device (use
        `with torch.device("meta")` for one without storage). Its weights come from torch's global
        generator: seed it first, inside `torch.random.fork_rng` to restore it afterwards.
    Raises:
        ValueError: no network has that name, or a number is out of range.
    Example:
        >>> net = build("wrn28-2", num_classes=10)
        >>> sum(p.numel() for p in net.parameters())
        1467610
    """
    if is_foreign(name):
        from dropmix.nets.foreign import build_foreign

        check_positive(num_classes=num_classes, in_channels=in_channels)
        return build_foreign(name, num_classes, in_channels, size)
    network, numbers = find(name)
    module, maker = network.maker.split(":")
    check_positive(num_classes=num_classes, in_channels=in_channels)
    options = {**network.options, **numbers, "num_classes": num_classes, "in_channels": in_channels}
    return getattr(import_module(f"dropmix.nets.{module}"), maker)(**options)


def hidden_modules(net: "nn.Module") -> "list[nn.Module]":
    """List the stages of a network, between which hidden states can be mixed (Manifold Mixup).

    Mixing the input of `hidden_modules(net)[k]` mixes the state after k stages. Verma et al. 2019
    (arXiv:1806.05236) draw k from 0, 1 and 2, where their 0 is the image, not the output of the stem.

    Args:
        net: made by `build`, or any module with an iterable `stages` of modules that run in order.
    Returns:
        The stages in the order in which they run; not copies.
    Raises:
        ValueError: net has no `stages`.
    Example:
        >>> len(hidden_modules(build("wrn10-1", 10)))
        3
    """
    stages = getattr(net, "stages", None)
    if stages is None:
        raise ValueError(
            f"hidden_modules: expected net with an attribute stages, got {type(net).__name__}. "
            "Give it one that lists its blocks in order."
        )
    return list(stages)


def flops(net: "nn.Module", image_shape: tuple[int, int, int]) -> int:
    """Count the floating-point operations of one forward pass over one image.

    A multiplication and an addition count as two; convolutions and linear layers count, normalisation,
    activation and sums do not. A training step costs three times this per image (forward, gradient of the
    states, gradient of the weights) less one forward pass of the stem, because the gradient of the images is
    not needed: 0.07 % less for WRN28-2 on 32 x 32 images.

    Args:
        net: made by `build`; neither it nor its statistics change. Its device does not matter.
        image_shape: (C, H, W).
    Returns:
        Operations per image, not in billions.
    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     net = build("wrn28-2", num_classes=100)
        >>> flops(net, (3, 32, 32))
        428729344
    """
    import copy

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    twin = copy.deepcopy(net).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(torch.empty(1, *image_shape, device="meta"))
    return counter.get_total_flops()
