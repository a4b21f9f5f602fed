"""Wide residual networks for small images, in the paper's form and in the form of the released code.

Source:
    Zagoruyko and Komodakis 2016, "Wide Residual Networks", arXiv:1605.07146.
"""

from torch import Tensor, nn
from torch.nn import functional

from dropmix.nets.names import check_depth, check_positive

__all__ = ["WideBlock", "WideResNet"]


class WideBlock(nn.Module):
    """Two pre-activated 3x3 convolutions and a shortcut: BN-ReLU-conv-BN-ReLU-conv plus x.

    The shortcut is the identity if the shape is unchanged, else a 1x1 convolution.

    Args:
        in_planes: channels of the input, >= 1.
        planes: channels of the output, >= 1.
        stride: spatial stride of the block, >= 1.
        released: False: stride on the first convolution, 1x1 shortcut on the activated input, no biases.
            True: stride on the second convolution, 1x1 shortcut on the raw input, biases everywhere.
    Example:
        >>> import torch
        >>> WideBlock(16, 32, stride=2)(torch.zeros(4, 16, 8, 8)).shape
        torch.Size([4, 32, 4, 4])
    """

    def __init__(self, in_planes: int, planes: int, stride: int, *, released: bool = False) -> None:
        super().__init__()
        first, second = (1, stride) if released else (stride, 1)
        self.released = released
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=first, padding=1, bias=released)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=second, padding=1, bias=released)
        reshapes = stride != 1 or in_planes != planes
        self.shortcut = nn.Conv2d(in_planes, planes, 1, stride=stride, bias=released) if reshapes else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_planes, H, W) to (B, planes, ceil(H / stride), ceil(W / stride))."""
        # In-place ReLUs and the in-place sum overwrite only values that no backward pass reads: batch normalisation
        # and convolutions keep their inputs, not their outputs.
        active = functional.relu(self.bn1(x), inplace=True)
        out = self.conv1(active)
        out = self.conv2(functional.relu(self.bn2(out), inplace=True))
        if self.shortcut is None:
            return out.add_(x)
        return out.add_(self.shortcut(x if self.released else active))


class WideResNet(nn.Module):
    """Wide ResNet: 3x3 stem to 16 planes, stages of 16, 32, 64 times `width` planes, BN-ReLU, mean, linear.

    Args:
        depth: layers, 6n + 4 with n >= 1 blocks per stage.
        width: factor on the planes, >= 1.
        num_classes: K, >= 1.
        in_channels: C of the images, >= 1.
        released: take the form that the released code of the paper (and of PuzzleMix before it) trains:
            biases in every convolution, stride on the second convolution of a block, the 1x1 shortcut on
            the raw input, and PyTorch's momentum argument 0.9 (not 0.1) in the last batch normalisation.
    Attributes:
        stages: the three stages in order.
    Raises:
        ValueError: depth is not 6n + 4, or another argument is below 1.
    Source:
        arXiv:1605.07146, section 2 and Table 1, without dropout.
        The standard form starts its convolutions from the normal He initialisation over the fan-out
        (He et al. 2015, arXiv:1502.01852) and the classifier's bias at 0; the released form, like the
        released code, from PyTorch's default initialisation.
    Example:
        >>> sum(p.numel() for p in WideResNet(28, 2, num_classes=100).parameters())
        1479220
    """

    def __init__(
        self, depth: int, width: int, num_classes: int, in_channels: int = 3, *, released: bool = False
    ) -> None:
        super().__init__()
        check_depth(depth)
        check_positive(width=width, num_classes=num_classes, in_channels=in_channels)
        planes = [16, 16 * width, 32 * width, 64 * width]
        self.stem = nn.Conv2d(in_channels, planes[0], 3, padding=1, bias=released)
        self.stages = nn.ModuleList(
            _stage((depth - 4) // 6, planes[i], planes[i + 1], 1 if i == 0 else 2, released) for i in range(3)
        )
        self.bn = nn.BatchNorm2d(planes[-1], momentum=0.9 if released else 0.1)
        self.classifier = nn.Linear(planes[-1], num_classes)
        if not released:
            self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) of any size, float, normalised, to logits (B, K)."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = functional.relu(self.bn(x), inplace=True)
        return self.classifier(x.mean((2, 3)))


def _stage(blocks: int, in_planes: int, planes: int, stride: int, released: bool) -> nn.Sequential:
    first = WideBlock(in_planes, planes, stride, released=released)
    return nn.Sequential(first, *(WideBlock(planes, planes, 1, released=released) for _ in range(blocks - 1)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
