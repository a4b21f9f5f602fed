"""Residual networks: torchvision's body, with a small stem for small images.

Source:
    He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.
"""

from torch import nn
from torchvision.models import resnet

from dropmix.nets.names import check_positive

__all__ = ["ResNet"]

_FORMS: dict[int, tuple[type[resnet.BasicBlock | resnet.Bottleneck], list[int]]] = {
    18: (resnet.BasicBlock, [2, 2, 2, 2]),
    50: (resnet.Bottleneck, [3, 4, 6, 3]),
}


class ResNet(resnet.ResNet):
    """ResNet-18 or 50 without pretrained weights, for small or large images.

    Args:
        depth: 18 or 50 layers.
        num_classes: K, >= 1.
        in_channels: C of the images, >= 1.
        small: True: a 3x3 stem with stride 1 and no max-pooling, as usual for 32 x 32 images.
            False: torchvision's 7x7 stem with stride 2 and max-pooling.
    Raises:
        ValueError: depth is not 18 or 50, or another argument is below 1.
    Source:
        torchvision's ResNet (stride on the 3x3 convolution of a bottleneck) and its initialisation: normal
        He over the fan-out for every convolution, the exchanged stem included.
    Example:
        >>> sum(p.numel() for p in ResNet(18, num_classes=10, small=True).parameters())
        11173962
    """

    def __init__(self, depth: int, num_classes: int, in_channels: int = 3, *, small: bool = False) -> None:
        if depth not in _FORMS:
            raise ValueError(f"ResNet: expected depth with 18 or 50 layers, got {depth}. Use one of these.")
        check_positive(num_classes=num_classes, in_channels=in_channels)
        super().__init__(*_FORMS[depth], num_classes=num_classes)
        kernel, stride = (3, 1) if small else (7, 2)
        if small or in_channels != 3:
            self.conv1 = nn.Conv2d(in_channels, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        if small:
            self.maxpool = nn.Identity()

    @property
    def stages(self) -> list[nn.Module]:
        """The four stages in order."""
        return [self.layer1, self.layer2, self.layer3, self.layer4]
