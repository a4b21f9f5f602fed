"""Attention of a vision transformer's class token to the patches, seen in the network's own pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropmix.msda.maps.network import unwrapped


class SeenAttention:
    """What a pass has shown.

    Attributes:
        map: the attention to each patch, (B, h, w), float32, without gradient; sums to less than 1.
    """

    def __init__(self) -> None:
        self._map: Tensor | None = None

    @property
    def map(self) -> Tensor:
        """The attention. Raises a RuntimeError if the network has not run within the context."""
        if self._map is None:
            raise RuntimeError(
                "class_attention: expected a pass of the network within the context, got none. Run model(x) inside, "
                "uncompiled."
            )
        return self._map


@contextmanager
def class_attention(model: nn.Module) -> Iterator[SeenAttention]:
    """Within the context, see the class token's attention in the last block of the network's passes.

        A = mean over heads of softmax(q k^T scale), row of the class token, without its own columns

    Args:
        model: a vision transformer with a class token, of timm (`blocks[-1].attn` with `qkv`) or torchvision
            (`encoder.layers[-1].self_attention`), possibly wrapped.
    Raises:
        ValueError: another network.
    Source:
        Chen et al. 2022 (TransMix), Sec. 3.2.
    Example:
        >>> from torchvision.models import VisionTransformer
        >>> net = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=3)
        >>> with class_attention(net) as seen:
        ...     logits = net(torch.rand(2, 3, 16, 16))
        >>> seen.map.shape
        torch.Size([2, 4, 4])
    """
    network, seen = unwrapped(model), SeenAttention()
    check_class_token(network)
    _, attention, prefix = cast(tuple[nn.Module, Any, int], last_block(network))
    if hasattr(attention, "qkv"):

        def look(_: nn.Module, __: Any, qkv: Tensor) -> None:
            seen._map = _of_class(qkv, attention, attention.num_heads, float(attention.scale), prefix)

        handle = attention.qkv.register_forward_hook(look)
    else:

        def look_before(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            with torch.no_grad():
                qkv = F.linear(arguments[0], attention.in_proj_weight, attention.in_proj_bias)
            seen._map = _of_class(qkv, attention, attention.num_heads, attention.head_dim**-0.5, prefix)

        handle = attention.register_forward_pre_hook(look_before)
    try:
        yield seen
    finally:
        handle.remove()


def check_class_token(model: nn.Module) -> None:
    """Raise a ValueError unless `class_attention` can see the network's attention."""
    network = unwrapped(model)
    if last_block(network) is None:
        raise ValueError(
            f"class_attention: expected a vision transformer of timm or torchvision with a class token, got "
            f"{type(network).__name__}. Use one, e.g. timm:vit_small_patch16_224, or another method, e.g. cutmix."
        )


def last_block(network: nn.Module) -> tuple[nn.Module, nn.Module, int] | None:
    """Parts of the last block of a vision transformer of timm or torchvision that has a class token.

    Returns:
        the norm before its attention, the attention, and how many tokens stand before those of the patches; None for
        another network.
    """
    parts: Any = network
    blocks = getattr(parts, "blocks", None)
    if getattr(parts, "cls_token", None) is not None and isinstance(blocks, nn.Sequential | nn.ModuleList):
        norm, attention = getattr(blocks[-1], "norm1", None), getattr(blocks[-1], "attn", None)
        known = hasattr(parts, "num_prefix_tokens") and hasattr(attention, "scale")
        if known and isinstance(norm, nn.Module) and isinstance(getattr(attention, "qkv", None), nn.Linear):
            return norm, cast(nn.Module, attention), int(parts.num_prefix_tokens)
    layers = getattr(getattr(parts, "encoder", None), "layers", None)
    if getattr(parts, "class_token", None) is not None and isinstance(layers, nn.Sequential):
        norm, attention = getattr(layers[-1], "ln_1", None), getattr(layers[-1], "self_attention", None)
        if isinstance(norm, nn.Module) and isinstance(attention, nn.MultiheadAttention):
            return norm, attention, 1
    return None


@torch.no_grad()
def _of_class(qkv: Tensor, attention: nn.Module, heads: int, scale: float, prefix: int) -> Tensor:
    """Attention of the first token to those after `prefix` ones, as a square map, from queries, keys and values."""
    batch, tokens, width = qkv.shape
    q, k, _ = qkv.view(batch, tokens, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4).unbind(0)
    q, k = getattr(attention, "q_norm", nn.Identity())(q), getattr(attention, "k_norm", nn.Identity())(k)
    weights = (q[:, :, :1].float() * scale @ k.float().transpose(-2, -1)).softmax(-1)[:, :, 0, prefix:].mean(1)
    side = round(weights.shape[1] ** 0.5)
    if side * side != weights.shape[1]:
        raise ValueError(
            f"class_attention: expected square images, got {weights.shape[1]} patches. Resize or crop them to squares."
        )
    return weights.view(batch, side, side)
