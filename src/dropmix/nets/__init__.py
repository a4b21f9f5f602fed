"""Networks by name: wide residual, pre-activation residual and residual networks.

`NETWORKS` describes the names and needs no torch; `build` makes one.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "build"]

NETWORKS: dict[str, str] = {
    "wrn{depth}-{width}": "Wide ResNet, depth 6n + 4, any width, as in wrn28-2, wrn10-2, wrn40-4",
    "wrn{depth}-{width}-released": "Wide ResNet in the form of the released code, as in wrn28-2-released",
}
"""Name, or pattern of names, to what it is."""


def build(name: str, num_classes: int, in_channels: int = 3) -> "nn.Module":
    """Make a network with fresh weights, drawn from torch's global generator."""
    if wide := re.fullmatch(r"wrn(\d+)-(\d+)(-released)?", name):
        from dropmix.nets.wide_resnet import WideResNet

        depth, width = int(wide[1]), int(wide[2])
        return WideResNet(depth, width, num_classes, in_channels, released=bool(wide[3]))
    raise ValueError(f"build: expected name with one of {', '.join(NETWORKS)}, got {name!r}. Pick one.")
