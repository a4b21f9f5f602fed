"""Residual networks against torchvision's."""

import pytest
import torch
import torchvision
from torch import nn

from dropmix.nets import build
from dropmix.nets.resnet import ResNet


def test_resnet50_is_that_of_torchvision() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = build("resnet50", 9)
        torch.manual_seed(0)
        theirs = torchvision.models.resnet50(weights=None, num_classes=9)
        x = torch.randn(2, 3, 64, 64)
    for (name, a), (other, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b)
    assert torch.equal(ours(x), theirs(x))


def test_small_form_is_the_body_of_torchvision_after_another_stem() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours, theirs = build("resnet18", 9).eval(), torchvision.models.resnet18(num_classes=9).eval()
        x = torch.randn(2, 3, 16, 16)
    body = {key: value for key, value in ours.state_dict().items() if not key.startswith("conv1")}
    theirs.load_state_dict(body, strict=False)
    theirs.set_submodule("conv1", nn.Identity())
    theirs.set_submodule("maxpool", nn.Identity())
    stem = nn.functional.conv2d(x, ours.get_parameter("conv1.weight"), padding=1)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(stem))


@pytest.mark.parametrize(("name", "kernel"), [("resnet18", 3), ("resnet50", 7)])
def test_exchanged_stem_starts_like_the_other_convolutions(name: str, kernel: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = build(name, 5, in_channels=6).get_parameter("conv1.weight")
    assert weight.shape == (64, 6, kernel, kernel)
    # At least 3,456 weights: one standard deviation of the sample variance is at most 2.5 % of it.
    assert weight.var().item() == pytest.approx(2 / (64 * kernel**2), rel=0.1)


def test_unknown_depth() -> None:
    with pytest.raises(ValueError, match="expected depth with 18 or 50 layers, got 34"):
        ResNet(34, 5)
