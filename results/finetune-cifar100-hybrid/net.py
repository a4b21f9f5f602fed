"""A small vision transformer on the pretrained trunk of EfficientNet-Lite0, for TransMix and TokenMix."""

from functools import partial

import torch
from dropmix.nets import build
from dropmix.nets.weights import load_weights, read_weights
from timm.layers import HybridEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional


class Trunk(nn.Module):
    """The first five stages: images (B, 3, 64, 64) to features (B, 112, 4, 4)."""

    def __init__(self) -> None:
        super().__init__()
        net = build("efficientnet-lite0", 1000)
        load_weights(net, read_weights("pretrained", "efficientnet-lite0"))
        self.stem, self.norm, self.blocks = net._conv_stem, net._bn0, net._blocks[: net._ends[4]]

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return x


def hybrid(num_classes: int, in_channels: int) -> nn.Module:
    """The trunk's 4 x 4 cells and a class token through four blocks of width 192."""
    state = torch.get_rng_state()
    trunk = Trunk()
    torch.set_rng_state(state)
    net = VisionTransformer(
        img_size=64, patch_size=1, in_chans=in_channels, num_classes=num_classes, embed_dim=192, depth=4, num_heads=3,
        embed_layer=partial(HybridEmbed, backbone=trunk),
    )
    net.mean = net.std = (0.5, 0.5, 0.5)
    return net
