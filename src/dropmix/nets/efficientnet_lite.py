"""EfficientNet-Lite0, a small network whose ImageNet weights come as a Python package.

Source:
    Tan and Le 2019, "EfficientNet", arXiv:1905.11946; the Lite form drops squeeze-and-excitation and uses ReLU6.
"""

from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import stochastic_depth

from dropmix.nets.names import check_positive

__all__ = ["EfficientNetLite0"]

# Expansion, planes, blocks, kernel, stride of the seven stages.
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
DROPOUT, DROP_CONNECT = 0.2, 0.2


class SameConv(nn.Conv2d):
    """Convolution that pads as TensorFlow does: with stride 2 and an even side, one pixel less before than after."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, planes, ceil(H / stride), ceil(W / stride))."""
        if self.stride[0] == 1:
            return super().forward(input)
        pads: list[int] = []
        for side, kernel, stride in zip(input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [missing // 2, missing - missing // 2]
        return functional.conv2d(functional.pad(input, pads), self.weight, None, self.stride, 0, 1, self.groups)


def _conv(planes: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> SameConv:
    padding = kernel // 2 if stride == 1 else 0
    return SameConv(planes, out, kernel, stride, padding, groups=groups, bias=False)


def _norm(planes: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(planes, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted bottleneck: 1x1 expansion, depthwise convolution, 1x1 projection, and a shortcut if shapes agree.

    Args:
        planes, out: channels of input and output.
        expand: expansion factor; 1 for no expansion.
        kernel, stride: of the depthwise convolution.
        drop: probability that training drops a sample's branch, in [0, 1).
    """

    def __init__(self, planes: int, out: int, expand: int, kernel: int, stride: int, drop: float) -> None:
        super().__init__()
        inner = planes * expand
        self._expand_conv = _conv(planes, inner, 1) if expand > 1 else None
        self._bn0 = _norm(inner) if expand > 1 else None
        self._depthwise_conv = _conv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = _conv(inner, out, 1)
        self._bn2 = _norm(out)
        self.shortcut, self.drop = stride == 1 and planes == out, drop

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, planes, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = functional.relu6(self._bn0(self._expand_conv(y)), inplace=True)
        y = functional.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        if not self.shortcut:
            return y
        return stochastic_depth(y, self.drop, "row", self.training).add_(x)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0; module names as in the package `efficientnet-lite-pytorch`, so that its weights fit.

    Args:
        num_classes: K, >= 1.
        in_channels: C of the images, >= 1.
    Example:
        >>> sum(p.numel() for p in EfficientNetLite0(1000).parameters())
        4652008
    """

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        check_positive(num_classes=num_classes, in_channels=in_channels)
        self._conv_stem, self._bn0 = _conv(in_channels, 32, 3, 2), _norm(32)
        blocks, ends, planes = [], [], 32
        total = sum(stage[2] for stage in STAGES)
        for expand, out, count, kernel, stride in STAGES:
            for k in range(count):
                drop = DROP_CONNECT * len(blocks) / total
                blocks.append(Block(planes, out, expand, kernel, stride if k == 0 else 1, drop))
                planes = out
            ends.append(len(blocks))
        self._blocks, self._ends = nn.ModuleList(blocks), ends
        self._conv_head, self._bn1 = _conv(planes, 1280, 1), _norm(1280)
        self._fc = nn.Linear(1280, num_classes)

    @property
    def stages(self) -> list[nn.Module]:
        """The first block of each stage: mixing its input mixes the state between two stages."""
        return [self._blocks[0], *(self._blocks[end] for end in self._ends[:-1])]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to logits (B, K)."""
        x = functional.relu6(self._bn0(self._conv_stem(x)), inplace=True)
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)), inplace=True).mean((2, 3))
        return self._fc(functional.dropout(x, DROPOUT, self.training))
