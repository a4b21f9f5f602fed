"""Manifold Mixup against a network that is run a layer at a time."""

import pytest
import torch
from scipy import stats
from torch import nn

from dropmix.msda.cutmix import cutmix
from dropmix.msda.manifoldmix import manifoldmix
from dropmix.msda.mix import Mix
from dropmix.msda.mixup import mixup
from dropmix.nets import build

from .conftest import images, seeded

HALF = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))


def _network():
    torch.manual_seed(0)
    head = (nn.Flatten(), nn.Linear(4 * 14 * 14, 8), nn.Tanh(), nn.Linear(8, 5))
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)


@pytest.mark.parametrize("layer", range(7))
@pytest.mark.parametrize("per", ["batch", "sample"])
def test_equals_a_forward_pass_by_hand(layer, per):
    net, x = _network(), images(4)
    mix = mixup(x, generator=seeded(1), per=per)
    modules = [net, *net]
    with manifoldmix(modules, mix, layer=layer) as drawn:
        found = net(x)
    assert drawn == layer
    hidden, place = x, max(layer - 1, 0)
    for k, module in enumerate(net):
        if k == place:
            lam = mix.lam.view(-1, *[1] * (hidden.ndim - 1))
            hidden = lam * hidden + (1 - lam) * hidden[mix.partner]
        hidden = module(hidden)
    torch.testing.assert_close(found, hidden)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_layers_are_drawn_uniformly_and_gradients_flow():
    net, x, drawn, generator = _network(), images(2), [], seeded()
    for _ in range(300):
        with manifoldmix([net, net[3], net[5]], mixup(x, generator=generator), generator=generator) as layer:
            drawn.append(layer)
            out = net(x)
    assert stats.chisquare([drawn.count(k) for k in range(3)]).pvalue > 0.01
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["wrn10-1", "preactresnet18"])
def test_it_works_on_the_networks_of_this_package(name):
    net = build(name, 10).eval()
    stages = list(net.stages)[:2]
    x = images(2, 32, 32)
    with torch.no_grad():
        plain = net(x)
        for layer in range(len(stages) + 1):
            with manifoldmix([net, *stages], HALF, layer=layer):
                assert not torch.equal(net(x), plain)
            with manifoldmix([net, *stages], Mix.identity(2), layer=layer):
                assert torch.equal(net(x), plain)


def test_only_the_first_call_is_mixed():
    net, x = nn.Flatten(), images(2)
    with manifoldmix([net], HALF, layer=0):
        assert not torch.equal(net(x), x.flatten(1))
        assert torch.equal(net(x), x.flatten(1))


def test_misuse_is_named():
    net, x = _network(), images(2)
    with pytest.raises(ValueError, match="expected at least one module, got none"), manifoldmix([], mixup(x)):
        pass
    with pytest.raises(ValueError, match="expected a record with one share a sample"), manifoldmix([net], cutmix(x)):
        pass
    with pytest.raises(RuntimeError, match=r"expected a call of module 0 \(Conv2d\)"), manifoldmix([net[0]], mixup(x)):
        pass
    with pytest.raises(ZeroDivisionError), manifoldmix([net], mixup(x)):
        raise ZeroDivisionError
