"""AutoMix: its draws, its training, and whether its masks do what they are meant to do."""

import copy
import io

import pytest
import torch
from torch import nn

from dropmix import DropMix, apply_mix
from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.learned.automix import automix
from dropmix.msda.learned.mixer import Mixer
from dropmix.msda.saliency import input_gradient

from ..conftest import images, seeded
from .test_mixer import small_net


def made(net: nn.Module, rate: float = 0.0, **options) -> DropMix:
    return DropMix("automix", rate, num_classes=5, network=net, **({"clean": 0.0, "seed": 0} | options))


def test_the_record_is_the_blocks_mask_and_the_drawn_lam():
    x, y, net = images(6), torch.arange(6) % 5, small_net().eval()
    mixer = Mixer(net, seed=4)
    automix(x, y=y, mixer=mixer, lr=0.5, generator=seeded(1), clean=0)
    before, generator = copy.deepcopy(mixer), seeded(2)
    mix = automix(x, y=y, mixer=mixer, lr=0.5, generator=seeded(2), clean=0, per="sample", margin=0.0)
    partner, lam = draw_partner(6, generator), draw_lam(6, 2.0, "sample", generator)
    assert torch.equal(mix.partner, partner)
    assert torch.equal(mix.lam, lam)
    assert before.block is not None
    mask = before.block.masks(net[0](x), partner, lam, x.shape[2:])  # pyright: ignore
    torch.testing.assert_close(mix.mask, mask.detach())
    assert mix.mask is not None
    assert not mix.mask.requires_grad
    images_mixed, shares = apply_mix(x, y, mix, num_classes=5)
    torch.testing.assert_close(images_mixed, mask * x + (1 - mask) * x[partner])
    expected = lam[:, None] * torch.eye(5)[y] + (1 - lam)[:, None] * torch.eye(5)[y[partner]]
    torch.testing.assert_close(shares, expected)
    # Then the block learns from mixed images of its own draws.
    trial, trial_lam = draw_partner(6, generator), draw_lam(6, 2.0, "sample", generator)
    before.learn(x, y, net[0](x).detach(), trial, trial_lam, lr=0.5, area=0.1)  # pyright: ignore
    assert mixer.block is not None
    torch.testing.assert_close(mixer.block.weights, before.block.weights)


def test_without_labels_or_with_a_rate_of_zero_nothing_is_learned():
    x, y, net = images(4), torch.arange(4), small_net()
    mixer = Mixer(net, seed=0)
    automix(x, mixer=mixer, clean=0, generator=seeded(1))
    assert mixer.block is not None
    first = mixer.block.weights.clone()
    automix(x, mixer=mixer, clean=0, generator=seeded(1))
    automix(x, y=y, mixer=mixer, clean=0, lr=0.0, generator=seeded(1))
    assert torch.equal(mixer.block.weights, first)
    automix(x, y=y, mixer=mixer, clean=0, generator=seeded(1))
    assert not torch.equal(mixer.block.weights, first)


def test_lam_near_the_ends_mixes_as_mixup_does(monkeypatch):
    lam = torch.tensor([0.01, 0.08, 0.5, 0.92, 0.99])
    monkeypatch.setattr("dropmix.msda.learned.automix.draw_lam", lambda *_: lam)
    mix = automix(images(5), network=small_net(), clean=0, margin=0.0801, per="sample")
    assert mix.mask is not None
    flat = mix.mask.flatten(1)
    assert (flat == lam[:, None]).all(1).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_dropped_images_go_through_nothing(unit):
    seen, cleaned = [], []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, x):
            seen.append(x)
            return self.net(x)

    def saliency(x, y, *, signed=False, clean=0.0):
        cleaned.append((x, y, clean))
        return x.mean(1)

    x, y, net = images(8), torch.arange(8) % 5, Counting()
    augment = made(net, 0.5, unit=unit, clean=0.7, stage="net.0")
    for _ in range(5):
        seen.clear()
        cleaned.clear()
        before = copy.deepcopy(augment.state_dict())
        mix = augment.draw(x, y, saliency=saliency)
        mixed = (mix.lam < 1).nonzero()[:, 0]
        if len(mixed):
            assert {len(part) for part in seen} == {len(mixed)}
            assert torch.equal(seen[0], x[mixed])
            ((part, labels, weight),) = cleaned
            assert torch.equal(part, x[mixed])
            assert torch.equal(labels, y[mixed])
            assert weight == 0.7
        else:
            assert not seen
            assert augment.mixer.steps == before["mixer._extra_state"]["steps"]
    seen.clear()
    whole = made(net, 1.0, unit=unit)
    whole(x, y)
    assert not seen
    assert whole.mixer.steps == 0


def test_the_clean_loss_trains_on_the_unmixed_images():
    x, y, net = images(6), torch.arange(6) % 5, small_net()
    augment = made(net, clean=0.5)
    torch.manual_seed(0)
    augment.draw(x, y, saliency=input_gradient(net))
    found = [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]
    twin = small_net()
    torch.manual_seed(0)
    (0.5 * nn.functional.cross_entropy(twin(x), y)).backward()
    for gradient, parameter in zip(found, twin.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_a_state_goes_on_to_the_bit_and_global_state_is_untouched():
    x, y, net = images(6), torch.arange(6) % 5, small_net().eval()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    augment = made(net, 0.3, unit="sample", per="sample", lr=0.1)
    fresh = copy.deepcopy(augment.state_dict())
    for _ in range(3):
        augment(x, y)
    file = io.BytesIO()
    torch.save(augment.state_dict(), file)
    file.seek(0)
    other = made(net, 0.3, unit="sample", per="sample", lr=0.1)
    other.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(3):
        for ours, theirs in zip(augment(x, y), other(x, y)):
            assert torch.equal(ours, theirs)
    ours, theirs = augment.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items() if isinstance(value, torch.Tensor))
    other.load_state_dict(fresh)
    assert other.mixer.block is None
    assert other.mixer.teacher is None
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_fixes_the_first_weights_whatever_the_rate():
    x, y, net = images(8), torch.arange(8) % 5, small_net()
    found = []
    for rate in (0.0, 0.6):
        augment = made(net, rate, lr=0.0)
        while augment.mixer.block is None:
            augment(x, y)
        found.append(augment.mixer.block.weights)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], _first(made(net, seed=1, lr=0.0), x, y))
    generated = [_first(made(net, seed=None, generator=seeded(5), lr=0.0), x, y) for _ in range(2)]
    assert torch.equal(generated[0], generated[1])


def _first(augment: DropMix, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    augment(x, y)
    assert augment.mixer is not None
    assert augment.mixer.block is not None
    return augment.mixer.block.weights


def test_the_network_is_no_part_of_the_state_and_plain_methods_have_no_mixer():
    net = small_net()
    augment = made(net)
    assert [*augment.state_dict()] == ["_extra_state", "mixer._extra_state"]
    augment(images(4), torch.arange(4))
    assert all(key.startswith(("_extra", "mixer.block.", "mixer.teacher.", "mixer._")) for key in augment.state_dict())
    plain = DropMix("mixup", num_classes=5, seed=0)
    assert plain.mixer is None
    assert [*plain.state_dict()] == ["_extra_state"]
    assert augment.depends_on_the_past
    assert not plain.depends_on_the_past


def test_learned_masks_show_what_the_teacher_looks_for():
    """Images of noise with a bright square somewhere, in the colour of their class."""
    generator = seeded(0)
    y = torch.arange(48) % 3
    x = 0.1 * torch.rand(48, 3, 16, 16, generator=generator)
    places = torch.randint(0, 4, (48, 2), generator=generator) * 4
    for i in range(48):
        row, column = places[i].tolist()
        x[i, int(y[i]), row : row + 4, column : column + 4] += 1
    layers = nn.AvgPool2d(4), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    with torch.no_grad():  # it sees squares, and none that is half transparent
        for layer, weight, bias in ((layers[1], 1, -0.5), (layers[5], 150, 0)):
            layer.weight.copy_(weight * torch.eye(3).view_as(layer.weight))  # pyright: ignore
            layer.bias.fill_(bias)  # pyright: ignore
    net = nn.Sequential(*layers)
    augment = DropMix("automix", num_classes=3, seed=0, network=net, clean=0, per="sample", lr=0.01, stage="2")
    for _ in range(200):
        augment(x, y)
    partner, lam = torch.randperm(48, generator=generator), torch.linspace(0.2, 0.8, 48)
    mixer = augment.mixer
    assert mixer is not None
    assert mixer.block is not None
    masks = mixer.block.masks(mixer.features(x, "2"), partner, lam, x.shape[2:])
    even = lam[:, None, None, None]
    target = lam[:, None] * torch.eye(3)[y] + (1 - lam)[:, None] * torch.eye(3)[y[partner]]
    loss = [nn.functional.cross_entropy(net(m * x + (1 - m) * x[partner]), target) for m in (masks, even)]
    assert loss[0] < loss[1] - 0.03
    # Masks pick out the squares: there they differ most from their own mean.
    unlike = (masks - masks.flatten(1).median(1).values[:, None, None, None]).abs()[:, 0]
    at_squares = torch.stack([m[r : r + 4, c : c + 4].mean() for m, (r, c) in zip(unlike, places.tolist())])
    assert at_squares.mean() > 3 * unlike.mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": None}, r"expected network=\.\.\., the classifier in training .*, got None"),
        ({"network": "resnet18"}, r"expected network=\.\.\., .*, got str"),
        ({"clean": 1.0}, r"expected saliency=\.\.\., whose pass also trains .*clean=1\.0\), got None"),
        ({"clean": -1.0}, r"expected clean in \[0, inf\), got -1\.0"),
        ({"momentum": 1.5}, r"expected momentum in \[0, 1\], got 1\.5"),
        ({"lr": float("inf")}, r"expected lr in \[0, inf\), got inf"),
        ({"area": float("nan")}, r"expected area in \[0, inf\), got nan"),
        ({"margin": 0.6}, r"expected margin in \[0, 0\.5\], got 0\.6"),
        ({"stage": 3}, r"expected stage as the name of a module of the network, got 3"),
        ({"y": torch.zeros(4, 16, 16)}, r"expected class ids \(B,\) or shares \(B, K\), got masks or boxes"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match="automix: " + message):
        automix(images(4), **({"network": small_net(), "clean": 0} | options))
    with pytest.raises(ValueError, match=r"expected float images, got torch\.uint8"):
        automix(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), network=small_net(), clean=0)


def test_networks_without_maps_are_refused_with_advice():
    net = nn.Sequential(nn.Flatten(2), nn.Linear(256, 4), nn.Flatten(), nn.Linear(12, 5))
    with pytest.raises(ValueError, match=r"expected a network with a last map .* such as cutmix"):
        automix(images(4), network=net, clean=0)
