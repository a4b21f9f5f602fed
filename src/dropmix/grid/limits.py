"""What a device can do at best: its measured arithmetic and copying, and how much of both a step needs."""

import statistics
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dropmix.grid.estimate import Sizes, clocked
from dropmix.nets import build

REPEATS = 20


@dataclass(frozen=True)
class Limits:
    """Floating point operations, and bytes read and written, per second."""

    flops: float
    bytes: float


def measure_limits(device: torch.device, dtype: torch.dtype) -> Limits:
    """Measure a device with the current number of threads: the faster of matrix product and convolution, and a copy.

    In many short pieces, because a busy machine leaves some undisturbed: the fastest product or convolution, and the
    median piece of a copy too large for any cache.
    """
    gpu = device.type == "cuda"
    side, batch, pieces, size = (8192, 512, 16, 2**27) if gpu else (512, 8, 64, 2**22)
    a = torch.randn(side, side, device=device).to(dtype)
    x = torch.randn(batch, 64, 16, 16, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    product = 2 * side**3 / min(clocked(lambda: a @ a, device) for _ in range(REPEATS))
    each = 2 * batch * 16**2 * 64**2 * 9
    convolution = each / min(clocked(lambda: F.conv2d(x, weight, padding=1), device) for _ in range(REPEATS))
    source = torch.ones(pieces, size, dtype=torch.uint8, device=device)
    target = source + 1  # written once, so that all of its pages exist
    copied = [clocked(lambda i=i: target[i].copy_(source[i]), device) for i in range(pieces)]
    return Limits(max(product, convolution), 2 * size / statistics.median(copied))


@dataclass
class Traffic:
    """Bytes that a vanilla training step moves per image.

    Args:
        eager: every operation reads its inputs and writes its outputs.
        fused: element-wise operations run where their first operand is computed, and read only the others.
    """

    eager: float
    fused: float


def traffic(network: str, sizes: Sizes, batch: int, precision: str) -> Traffic:
    """Count the bytes that forward and backward pass move; a hidden number takes 2 bytes in bf16 and 4 in fp32.

    Example:
        >>> work = traffic("wrn10-1", Sizes(100, 100, 10, (32, 32, 3)), 100, "fp32")
        >>> work.fused < work.eager
        True
    """
    height, width, channels = sizes.shape
    with torch.device("meta"):
        net = build(network, sizes.classes, channels, height)
        x, y = torch.empty(batch, channels, height, width), torch.empty(batch, sizes.classes)
    with _Counter() as counter:
        F.cross_entropy(net(x), y).backward()
    size = 2 if precision == "bf16" else 4
    return Traffic(size * counter.eager / batch, size * counter.fused / batch)


class _Counter(TorchDispatchMode):
    """Counts the numbers that single operations read and write; views move nothing."""

    eager = fused = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            [leaf.numel() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
            for tree in ((args, kwargs), result)
        )
        if not func.is_view and func.namespace == "aten":
            self.eager += sum(given) + sum(made)
            self.fused += sum(given[1:]) if torch.Tag.pointwise in func.tags else sum(given) + sum(made)
        return result
