"""PuzzleMix's adversarial noise and clean loss, by loops over pixels and by hand-written gradients."""

import copy

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from dropmix import DropMix, apply_mix, input_gradient
from dropmix.msda.draw import draw_lam, draw_partner, uniform
from dropmix.msda.methods.puzzlemix import puzzlemix
from dropmix.msda.puzzle.adversarial import draw_attack

from ..conftest import images, saliency_of, seeded

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def _normalised(x):
    return (x - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _cut(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def test_noise_equals_the_loop_over_pixels():
    pixels = images(3, 4, 4)
    pixels[0, 0] = torch.tensor([0.0, 1.0, 0.01, 0.99]).repeat(4, 1)  # at the border of what an image may hold
    pixels[1, 0] = torch.tensor([-0.3, 1.4, 1.02, -0.02]).repeat(4, 1)  # as colour jitter may leave it
    x = _normalised(pixels)
    gradient = torch.randn(3, 3, 4, 4, generator=seeded(8))
    gradient[1, :, 0] = 0.0
    seen = []

    def saliency(z, *, signed=False):
        seen.append(z)
        return gradient if signed else gradient.square().mean(1).sqrt()

    mix = puzzlemix(x, saliency, generator=seeded(4), block_counts=[2], adversarial=1.0, mean=MEAN, std=STD)
    generator = seeded(4)
    partner = draw_partner(3, generator)
    draw_lam(3, 1.0, "batch", generator)
    torch.randint(1, (), generator=generator)
    share = float(uniform(3, generator=generator)[2])
    u = 2 * torch.rand(x.shape, generator=generator) - 1
    assert torch.equal(mix.partner, partner)
    start, final = torch.zeros_like(x), torch.zeros_like(x)
    for i in range(3):
        for c in range(3):
            for row in range(4):
                for column in range(4):
                    place = (i, c, row, column)
                    pixel = float(pixels[place])
                    low, high = min(pixel, 0), max(pixel, 1)
                    begun = _cut(pixel + float(u[place]) * 10 / 255, low, high) - pixel
                    stepped = _cut(begun + 12 / 255 * _sign(float(gradient[place])), -10 / 255, 10 / 255)
                    start[place] = begun / STD[c]
                    final[place] = (_cut(pixel + share * stepped, low, high) - pixel) / STD[c]
    torch.testing.assert_close(seen[0], x + start, rtol=0, atol=2e-6)
    torch.testing.assert_close(mix.own_noise, final, rtol=0, atol=2e-6)
    torch.testing.assert_close(mix.partner_noise, final[partner], rtol=0, atol=2e-6)
    plain = puzzlemix(x, saliency, generator=seeded(4), block_counts=[2], mean=MEAN, std=STD)
    assert plain.own_noise is None
    assert torch.equal(plain.mask, mix.mask)  # the mask is found on the images without noise


def test_each_side_is_attacked_with_the_stated_probability():
    dot, generator, own, partner, both = torch.full((1, 1, 1, 1), 0.5), seeded(), 0, 0, 0
    for _ in range(2000):
        attack = draw_attack(dot, 0.3, 10.0, generator)
        if attack is not None:
            assert attack.own or attack.partner
            assert attack.start.abs() <= 10 / 255
            own, partner, both = own + attack.own, partner + attack.partner, both + (attack.own and attack.partner)
    for count, p in ((own, 0.3), (partner, 0.3), (both, 0.09)):
        assert stats.binomtest(count, 2000, p).pvalue > 0.01


def test_a_batch_without_attack_is_the_plain_one():
    x = images(4)
    seen = set()
    for seed in range(12):
        mix = puzzlemix(x, _of, generator=seeded(seed), adversarial=0.3)
        plain = puzzlemix(x, _of, generator=seeded(seed))
        seen.add((mix.own_noise is None, mix.partner_noise is None))
        assert torch.equal(mix.partner, plain.partner)
        if mix.own_noise is None and mix.partner_noise is None:
            assert torch.equal(apply_mix(x, torch.eye(4), mix)[0], apply_mix(x, torch.eye(4), plain)[0])
    assert len(seen) >= 3


def _of(x, *, signed=False):
    return x - 0.5 if signed else saliency_of(x - 0.5)


def test_dropped_samples_stay_and_mixed_ones_stay_in_range():
    x, y = images(8), torch.arange(8)
    augment = DropMix("puzzlemix", 0.5, num_classes=8, unit="count", adversarial=1.0, epsilon=40)
    mix = augment.draw(x, y, saliency=lambda x, y, signed=False: _of(x, signed=signed), generator=seeded())
    kept = mix.partner == torch.arange(8)
    assert int(kept.sum()) >= 4
    assert mix.own_noise is not None
    kept &= (mix.own_noise == 0).all((1, 2, 3))
    mixed, _ = apply_mix(x, y, mix, num_classes=8)
    assert torch.equal(mixed[kept], x[kept])
    assert not torch.equal(mixed[~kept], x[~kept])
    assert 0 <= mixed.min() <= mixed.max() <= 1


def test_clean_loss_adds_its_gradient_and_takes_saliency_as_the_model_trains():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))
    x, y, again = images(5), torch.arange(5), copy.deepcopy(model)
    saliency = input_gradient(model)(x, y, clean=0.3)
    assert int(model[1].num_batches_tracked) == 1
    found = [parameter.grad.clone() for parameter in model.parameters()]
    leaf = x.clone().requires_grad_()
    F.cross_entropy(again(leaf), y).backward()
    assert leaf.grad is not None
    torch.testing.assert_close(saliency, leaf.grad.square().mean(1).sqrt())
    for ours, parameter in zip(found, again.parameters()):
        torch.testing.assert_close(ours, 0.3 * parameter.grad)
    torch.testing.assert_close(input_gradient(copy.deepcopy(again))(x, y, clean=0.3, signed=True), leaf.grad)


def test_the_method_asks_for_what_its_options_say():
    asked = []

    def saliency(x, y, **what):
        asked.append((len(x), what))
        return x if what.get("signed") else saliency_of(x)

    x, y = images(6), torch.arange(6)
    for options in ({}, {"clean": 0.5}, {"clean": 0.5, "adversarial": 1.0}):
        DropMix("puzzlemix", 0.5, unit="count", num_classes=6, **options)(x, y, saliency=saliency)
    assert asked == [(3, {}), (3, {"clean": 0.5}), (3, {"clean": 0.5, "signed": True})]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clean": -1.0}, r"expected clean in \[0, inf\), got -1"),
        ({"adversarial": 1.5}, r"expected adversarial in \[0, 1\], got 1.5"),
        ({"epsilon": 0.0}, r"expected epsilon in \(0, inf\), got 0"),
        ({"clean": 1.0}, "expected saliency as a function of images that takes clean, got a tensor"),
        ({"adversarial": 1.0}, "expected saliency as a function of images that takes signed, got a tensor"),
    ],
)
def test_bad_options_are_named(options, message):
    x = images(2)
    with pytest.raises(ValueError, match=message):
        puzzlemix(x, saliency_of(x), **options)


def test_a_gradient_of_another_shape_is_named():
    x = images(2)
    with pytest.raises(ValueError, match=r"expected a signed gradient of shape \(B, C, H, W\) = \(2, 3, 16, 16\), got"):
        puzzlemix(x, lambda x, signed: saliency_of(x), adversarial=1.0)
