"""Manifold Mixup against a network that is run layer by layer."""

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import nn
from torch.utils.checkpoint import checkpoint

from dropmix import DropMix
from dropmix.msda.methods.cutmix import cutmix
from dropmix.msda.methods.manifoldmix import manifoldmix, mix_hidden
from dropmix.msda.methods.mixup import mixup
from dropmix.msda.mix import Mix
from dropmix.nets import build

from ..conftest import images, seeded

HALF = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5), layer=0)


def _network():
    torch.manual_seed(0)
    head = (nn.Flatten(), nn.Linear(4 * 14 * 14, 8), nn.Tanh(), nn.Linear(8, 5))
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)


@pytest.mark.parametrize("layer", range(7))
@pytest.mark.parametrize("per", ["batch", "sample"])
def test_equals_a_forward_pass_by_hand(layer, per):
    net, x = _network(), images(4)
    mix = replace(manifoldmix(x, generator=seeded(1), per=per), layer=layer)
    with mix_hidden([net, *net], mix):
        found = net(x)
    hidden, place = x, max(layer - 1, 0)
    for k, module in enumerate(net):
        if k == place:
            lam = mix.lam.view(-1, *[1] * (hidden.ndim - 1))
            hidden = lam * hidden + (1 - lam) * hidden[mix.partner]
        hidden = module(hidden)
    torch.testing.assert_close(found, hidden)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_it_is_mixup_and_a_layer_drawn_uniformly():
    x, drawn = images(4), []
    for seed in range(300):
        mix, plain = manifoldmix(x, generator=seeded(seed), alpha=1.0), mixup(x, generator=seeded(seed))
        assert torch.equal(mix.lam, plain.lam)
        assert torch.equal(mix.partner, plain.partner)
        drawn.append(mix.layer)
    assert stats.chisquare([drawn.count(k) for k in range(3)]).pvalue > 0.01
    assert {manifoldmix(x, generator=seeded(seed), layers=1).layer for seed in range(9)} == {0}


def test_gradients_flow():
    net, x = _network(), images(2)
    with mix_hidden([net, net[3]], replace(HALF, layer=1)):
        net(x).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["wrn10-1", "preactresnet18", "resnet18"])
def test_it_works_on_the_networks_of_this_package(name):
    net = build(name, 10).eval()
    places = [net, *list(net.stages)[1:]]
    x = images(2, 32, 32)
    with torch.no_grad():
        plain = net(x)
        for layer in range(len(places)):
            with mix_hidden(places, replace(HALF, layer=layer)):
                assert not torch.equal(net(x), plain)
            for nothing in (replace(Mix.identity(2), layer=layer), replace(HALF, layer=None)):
                with mix_hidden(places, nothing):
                    assert torch.equal(net(x), plain)


def test_states_keep_their_memory_format():
    seen, net = [], nn.Conv2d(3, 4, 3)
    x = images(2).contiguous(memory_format=torch.channels_last)
    net.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with mix_hidden([net], HALF):
        net(x)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_only_the_first_call_is_mixed():
    net, x = nn.Flatten(), images(2)
    with mix_hidden([net], HALF):
        assert not torch.equal(net(x), x.flatten(1))
        assert torch.equal(net(x), x.flatten(1))


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_dropped_samples_pass_as_they_are(unit):
    net, x, y = _network(), images(8), torch.arange(8)
    augment = DropMix("manifoldmix", 0.5, unit=unit, per="sample", layers=4)
    plain, layers, dropped, mixed = net(x), set(), 0, 0
    for seed in range(12):
        mix = augment.draw(x, y, generator=seeded(seed))
        with mix_hidden([net, net[0], net[1], net[3]], mix):
            found = net(x)
        kept = mix.lam == 1
        torch.testing.assert_close(found[kept], plain[kept])
        dropped += int(kept.sum())
        mixed += int((found[~kept] != plain[~kept]).any(1).sum())
        layers.add(mix.layer)
    assert len(layers) >= 4
    assert dropped >= 24
    assert mixed >= 24


def test_misuse_is_named():
    net, x = _network(), images(2)
    with pytest.raises(ValueError, match="expected layers >= 1, got 0"):
        manifoldmix(x, layers=0)
    with pytest.raises(ValueError, match="expected modules for layer 0, got 0"), mix_hidden([], HALF):
        pass
    with (
        pytest.raises(ValueError, match="expected a record with one share per sample"),
        mix_hidden([net], replace(cutmix(x), layer=0)),
    ):
        pass
    with pytest.raises(RuntimeError, match=r"expected a call of module 0 \(Conv2d\)"), mix_hidden([net[0]], HALF):
        pass
    with pytest.raises(ZeroDivisionError), mix_hidden([net], HALF):
        raise ZeroDivisionError


def test_hidden_states_may_be_given_by_name():
    class Block(nn.Module):
        def forward(self, hidden, scale=1.0):
            return hidden * scale

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def forward(self, x, wrong=False):
            return self.block(scale=2.0) if wrong else self.block(scale=2.0, hidden=x)

    net = Outer()
    with mix_hidden([net.block], HALF):
        assert torch.equal(net(torch.tensor([[0.0], [1.0]])), torch.ones(2, 1))
    with pytest.raises(RuntimeError, match="as the first argument of Block, got scale"), mix_hidden([net.block], HALF):
        net(torch.zeros(2, 1), wrong=True)


def test_compiled_networks_are_mixed_as_others_are():
    counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
    torch._dynamo.reset()
    net, x = _network(), images(2)
    compiled = torch.compile(net, backend=counter)
    half = replace(HALF, layer=1)
    plain = compiled(x)
    for _ in range(2):
        with mix_hidden([net, net[3]], half):
            found = compiled(x)
        with mix_hidden([net, net[3]], half):
            assert torch.equal(found, net(x))
        assert not torch.equal(found, plain)
        torch.testing.assert_close(compiled(x), plain)


def test_a_compiled_step_with_the_context_inside_is_mixed_too():
    counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
    torch._dynamo.reset()
    net, x = _network(), images(2)
    augment = DropMix("manifoldmix", 0.3, num_classes=2, seed=0, layers=2)

    def step(x, mix):
        with mix_hidden([net, net[3]], mix):
            return net(x)

    compiled = torch.compile(step, backend=counter)
    seen = set()
    for _ in range(12):
        mix = augment.draw(x, torch.tensor([0, 1]))
        seen.add(mix.layer)
        torch.testing.assert_close(compiled(x, mix), step(x, mix))
    assert seen == {None, 0, 1}


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_blocks_are_refused_and_what_holds_them_is_not(reentrant):
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Linear(4, 4)

        def forward(self, x):
            return checkpoint(self.block, x, use_reentrant=reentrant)

    torch.manual_seed(0)
    net, x = Checkpointed(), torch.rand(2, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="outside checkpointed blocks"), mix_hidden([net.block], HALF):
        net(x)
    gradients = []
    for module in (net, net.block):
        net.zero_grad()
        with mix_hidden([module], HALF):
            module(x).square().sum().backward()
        gradients.append(net.block.weight.grad.clone())
    torch.testing.assert_close(*gradients)
