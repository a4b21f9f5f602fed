"""Pre-activation residual networks against their equations, written out with functional calls."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dropmix.nets.preact_resnet import PreActBasic, PreActBottleneck, PreActResNet


def normalised(norm: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(norm, nn.BatchNorm2d)
    return functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True).relu()


def convolved(conv: nn.Module, x: Tensor, stride: int) -> Tensor:
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is None
    return functional.conv2d(x, conv.weight, stride=stride, padding=conv.weight.shape[-1] // 2)


def block_reference(block: PreActBasic | PreActBottleneck, strides: list[int], x: Tensor) -> Tensor:
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    convs = [m for name, m in block.named_modules() if isinstance(m, nn.Conv2d) and name != "shortcut"]
    active = out = normalised(norms[0], x)
    for i, (conv, stride) in enumerate(zip(convs, strides, strict=True)):
        out = convolved(conv, out if i == 0 else normalised(norms[i], out), stride)
    return out + (x if block.shortcut is None else convolved(block.shortcut, active, max(strides)))


def network_reference(net: PreActResNet, x: Tensor) -> Tensor:
    x = convolved(net.stem, x, 1)
    for i, stage in enumerate(net.stages):
        for j, block in enumerate(stage.children()):
            assert isinstance(block, PreActBasic | PreActBottleneck)
            stride = 2 if i > 0 and j == 0 else 1
            strides = [stride, 1] if isinstance(block, PreActBasic) else [1, stride, 1]
            x = block_reference(block, strides, x)
    return functional.linear(x.mean((2, 3)), net.classifier.weight, net.classifier.bias)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_logits_equal_the_equations(depth: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PreActResNet(depth, 5, in_channels=2)
        with torch.no_grad():  # At 1 and 0 a scale and a shift would be invisible.
            for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(std=0.2)
        x = torch.randn(4, 2, 16, 16)
    torch.testing.assert_close(net(x), network_reference(net, x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("block", [PreActBasic(8, 8, 1), PreActBasic(8, 16, 2), PreActBottleneck(8, 4, 2)])
def test_gradients_survive_the_in_place_steps(block: nn.Module) -> None:
    # Small and shifted, so that finite differences do not step over the kink of a ReLU.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.randn(2, 8, 4, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(block.double(), (x,), eps=1e-7, atol=1e-5, nondet_tol=0.0)


@pytest.mark.parametrize(("depth", "blocks"), [(18, [2, 2, 2, 2]), (34, [3, 4, 6, 3]), (50, [3, 4, 6, 3])])
def test_depth_counts_the_layers(depth: int, blocks: list[int]) -> None:
    with torch.device("meta"):
        net = PreActResNet(depth, 5)
    assert [len(list(stage.children())) for stage in net.stages] == blocks
    convolutions = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    assert len([name for name in convolutions if "shortcut" not in name]) + 1 == depth


def test_unknown_depth() -> None:
    with pytest.raises(ValueError, match="expected depth with 18, 34 or 50 layers, got 20"):
        PreActResNet(20, 5)
