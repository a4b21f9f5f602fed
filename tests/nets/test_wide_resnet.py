"""Wide residual networks against the equations of the paper, written out with functional calls."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dropmix.nets import build
from dropmix.nets.wide_resnet import WideResNet

State = dict[str, Tensor]


def normalise(state: State, name: str, x: Tensor) -> Tensor:
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    scale, shift = state[f"{name}.weight"], state[f"{name}.bias"]
    return (x - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def convolve(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    padding = weight.shape[-1] // 2
    return functional.conv2d(x, weight, state.get(f"{name}.bias"), stride=stride, padding=padding)


def reference(state: State, depth: int, released: bool, x: Tensor) -> Tensor:
    x = convolve(state, "stem", x)
    for stage in range(3):
        for block in range((depth - 4) // 6):
            at = f"stages.{stage}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            active = normalise(state, f"{at}.bn1", x).relu()
            out = convolve(state, f"{at}.conv1", active, 1 if released else stride)
            out = normalise(state, f"{at}.bn2", out).relu()
            out = convolve(state, f"{at}.conv2", out, stride if released else 1)
            if f"{at}.shortcut.weight" in state:
                x = convolve(state, f"{at}.shortcut", x if released else active, stride)
            x = x + out
    pooled = normalise(state, "bn", x).relu().mean((2, 3))
    return pooled @ state["classifier.weight"].T + state["classifier.bias"]


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize(("depth", "width"), [(10, 1), (16, 3)])
def test_logits_and_gradients_equal_the_equations(depth: int, width: int, released: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = WideResNet(depth, width, 5, in_channels=2, released=released).double()
        with torch.no_grad():  # At 1 and 0 a scale and a shift would be invisible.
            for parameter in net.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        x = torch.randn(4, 2, 11, 14, dtype=torch.float64)
    state = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    expected, actual = reference(state, depth, released, x), net(x)
    torch.testing.assert_close(actual, expected)
    actual.square().sum().backward()
    expected.square().sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.grad, state[name].grad, msg=name, rtol=1e-6, atol=1e-8)


def test_shortcut_is_a_convolution_only_where_the_shape_changes() -> None:
    def shortcuts(width: int) -> list[str]:
        net = WideResNet(16, width, 5)
        return [name for name, m in net.named_modules() if name.endswith("shortcut") and m is not None]

    # With width 1 the first stage keeps the 16 planes of the stem.
    assert shortcuts(1) == ["stages.1.0.shortcut", "stages.2.0.shortcut"]
    assert shortcuts(2) == ["stages.0.0.shortcut", "stages.1.0.shortcut", "stages.2.0.shortcut"]


def test_forms_differ_in_biases_and_last_momentum() -> None:
    for name, biased, momentum in (("wrn10-2", False, 0.1), ("wrn10-2-released", True, 0.9)):
        net = build(name, 5)
        convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all((m.bias is not None) == biased for m in convolutions)
        assert [m.momentum for m in norms] == [0.1] * (len(norms) - 1) + [momentum]


def test_initial_weights() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        standard, released = build("wrn10-4", 5), build("wrn10-4-released", 5)
    for net, square in ((standard, "fan_out"), (released, "fan_in")):
        convolution = net.get_submodule("stages.2.0.conv1")
        assert isinstance(convolution, nn.Conv2d)
        # He over the fan-out has variance 2 / fan_out; PyTorch's default has 1 / (3 fan_in).
        fan_in, fan_out = 9 * convolution.in_channels, 9 * convolution.out_channels
        variance = 2 / fan_out if square == "fan_out" else 1 / (3 * fan_in)
        # 294,912 weights: the sample variance is within 0.3 % of the true one at one standard deviation.
        assert convolution.weight.var().item() == pytest.approx(variance, rel=0.015)
    assert not standard.get_parameter("classifier.bias").any()
