"""Pre-activation residual networks for small images.

Source:
    He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv:1603.05027, in the form that the
    mixing papers train on 32 x 32 images: 3x3 stem, four stages, no normalisation before the classifier.
"""

from torch import Tensor, nn
from torch.nn import functional

from dropmix.nets.names import check_positive

__all__ = ["PreActBasic", "PreActBottleneck", "PreActResNet"]


class _PreActBlock(nn.Module):
    """BN-ReLU-conv once per convolution, plus x or a 1x1 convolution of the activated input."""

    def __init__(self, convs: list[nn.Conv2d], stride: int) -> None:
        super().__init__()
        in_planes, planes = convs[0].in_channels, convs[-1].out_channels
        self.bn = nn.BatchNorm2d(in_planes)
        self.conv = convs[0]
        self.rest = nn.Sequential()
        for conv in convs[1:]:
            self.rest.extend([nn.BatchNorm2d(conv.in_channels), nn.ReLU(inplace=True), conv])
        reshapes = stride != 1 or in_planes != planes
        self.shortcut = nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False) if reshapes else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_planes, H, W) to (B, out_planes, ceil(H / stride), ceil(W / stride))."""
        # In place: neither a normalisation nor a convolution keeps its output for the backward pass.
        active = functional.relu(self.bn(x), inplace=True)
        out = self.rest(self.conv(active))
        return out.add_(x if self.shortcut is None else self.shortcut(active))


class PreActBasic(_PreActBlock):
    """Two 3x3 convolutions, the first with the stride.

    Args:
        in_planes: channels of the input, >= 1.
        planes: channels of both convolutions and of the output, >= 1.
        stride: spatial stride, >= 1.
    Example:
        >>> import torch
        >>> PreActBasic(16, 32, stride=2)(torch.zeros(4, 16, 8, 8)).shape
        torch.Size([4, 32, 4, 4])
    """

    expansion = 1

    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        first = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        super().__init__([first, nn.Conv2d(planes, planes, 3, padding=1, bias=False)], stride)


class PreActBottleneck(_PreActBlock):
    """1x1, 3x3 and 1x1 convolutions, the 3x3 with the stride, the last four times as wide.

    Args:
        in_planes: channels of the input, >= 1.
        planes: channels of the first two convolutions, >= 1; the output has 4 * planes.
        stride: spatial stride, >= 1.
    Example:
        >>> import torch
        >>> PreActBottleneck(16, 32, stride=2)(torch.zeros(4, 16, 8, 8)).shape
        torch.Size([4, 128, 4, 4])
    """

    expansion = 4

    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        narrow = nn.Conv2d(in_planes, planes, 1, bias=False)
        middle = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        super().__init__([narrow, middle, nn.Conv2d(planes, 4 * planes, 1, bias=False)], stride)


_FORMS: dict[int, tuple[type[PreActBasic | PreActBottleneck], list[int]]] = {
    18: (PreActBasic, [2, 2, 2, 2]),
    34: (PreActBasic, [3, 4, 6, 3]),
    50: (PreActBottleneck, [3, 4, 6, 3]),
}


class PreActResNet(nn.Module):
    """PreActResNet-18, 34 or 50: 3x3 stem to 64 planes, four stages of 64 to 512 planes, mean, linear.

    Args:
        depth: 18, 34 or 50 layers.
        num_classes: K, >= 1.
        in_channels: C of the images, >= 1.
    Attributes:
        stages: the four stages in order.
    Raises:
        ValueError: depth is not 18, 34 or 50, or another argument is below 1.
    Source:
        As in the released code of PuzzleMix and DropMix: no normalisation after the stem and none before the
        pooling, PyTorch's default initialisation. Differs: the mean runs over the whole map, not 4 x 4
        windows of it, which is the same at 32 x 32 and lets any size through.
    Example:
        >>> sum(p.numel() for p in PreActResNet(18, num_classes=100).parameters())
        11217316
    """

    def __init__(self, depth: int, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        if depth not in _FORMS:
            raise ValueError(f"PreActResNet: expected depth with 18, 34 or 50 layers, got {depth}. Use one of these.")
        check_positive(num_classes=num_classes, in_channels=in_channels)
        block, blocks = _FORMS[depth]
        self.stem = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        in_planes, self.stages = 64, nn.ModuleList()
        for i, count in enumerate(blocks):
            planes, stride = 64 * 2**i, 1 if i == 0 else 2
            stage = [block(in_planes, planes, stride)]
            in_planes = planes * block.expansion
            stage += [block(in_planes, planes, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*stage))
        self.classifier = nn.Linear(in_planes, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) of any size, float, normalised, to logits (B, K)."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x.mean((2, 3)))
