"""SuperMix against a loop over images and steps, and what its masks are for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix import DropMix, apply_mix
from dropmix.msda.several.supermix import supermix

from ..conftest import images, layers, seeded


def small_net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        return net.append(nn.Linear(128, 5))


def blurred(slope: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian blur as a convolution, zero outside, of a map (grid, grid)."""
    grid = len(slope)
    place = torch.arange(-grid, grid + 1).float()
    line = torch.exp(-(place**2) / (2 * sigma**2))
    line = line / line.sum()
    kernel = (line[:, None] * line)[None, None]
    return F.conv2d(slope[None, None], kernel, padding=grid)[0, 0]


@pytest.mark.parametrize(("count", "steps"), [(2, 1), (2, 4), (3, 3)])
def test_masks_are_those_of_a_loop_over_images(count, steps):
    x, net = images(4), small_net().eval()
    options = {"images": count, "grid": 4, "sigma": 1.0, "sparsity": 5.0, "steps": steps, "per": "sample"}
    mix = supermix(x, teacher=net, generator=seeded(2), **options)
    assert len(layers(mix)) == count - 1
    below = layers(mix)[::-1]
    for i in range(4):
        rows = [i, *(int(layer.partner[i]) for layer in below)]
        share = [1.0]
        for layer in below:
            lam = float(layer.lam[i])
            share = [*(part * lam for part in share), 1 - lam]
        free = torch.zeros(count, 4, 4)
        classes = [int(net(x[row, None]).argmax()) for row in rows]
        for step in range(steps):
            leaf = free.clone().requires_grad_()
            masks = F.interpolate(leaf[None], (16, 16), mode="bilinear")[0].sigmoid()
            masks = masks / masks.sum(0)
            logits = net(sum(masks[k] * x[row] for k, row in enumerate(rows))[None])[0]
            target = torch.zeros(5)
            for k, label in enumerate(classes):
                target[label] += share[k]
            entropy = sum(float(t * t.log()) for t in target if t > 0)
            loss = entropy - (target * logits.log_softmax(0)).sum() + 5.0 * (masks * (1 - masks)).mean()
            (slope,) = torch.autograd.grad(loss, leaf)
            loss = loss.detach()
            first = logits.topk(count).indices.tolist()
            if step > 0 and all(label in first for label in classes):
                break
            smooth = torch.stack([blurred(part, 1.0) for part in slope])
            free = free - min(max(float(loss) / (float((slope * smooth).sum()) + 1e-10), 1e-4), 2e3) * smooth
        masks = F.interpolate(free[None], (16, 16), mode="bilinear")[0].sigmoid()
        masks = masks / masks.sum(0)
        expected = sum(masks[k] * x[row] for k, row in enumerate(rows))
        torch.testing.assert_close(apply_mix(x, torch.eye(4), mix)[0][i], expected, rtol=1e-3, atol=1e-4)


def test_the_teacher_sees_both_images_in_masks_that_choose():
    x = torch.rand(64, 1, 1, 1, generator=seeded(1)) * torch.ones(64, 3, 16, 16) * 0.1
    y = torch.arange(64) % 4
    for i in range(64):  # a bright square in the quarter that is its class
        row, column = divmod(int(y[i]), 2)
        x[i, :, 8 * row + 2 : 8 * row + 6, 8 * column + 2 : 8 * column + 6] += 1
    teacher = nn.Sequential(nn.AdaptiveMaxPool2d(2), nn.Conv2d(3, 1, 1, bias=False), nn.Flatten(), nn.Linear(4, 4))
    nn.init.constant_(teacher[1].weight, 2.0)  # pyright: ignore
    nn.init.eye_(teacher[3].weight)  # pyright: ignore
    teacher[3].bias = nn.Parameter(torch.tensor([3.5, 0, 0, 0]))  # a half of any other square is less than nothing of 0
    assert (teacher(x).argmax(1) == y).all()
    mix = supermix(x, teacher=teacher, generator=seeded(), per="sample", steps=20)
    apart = y != y[mix.partner]

    def seen(found: torch.Tensor) -> float:
        """How often the teacher's first two classes are those of the two images."""
        first = teacher(found).topk(2, 1).indices.sort(1).values
        return float((first == torch.stack([y, y[mix.partner]], 1).sort(1).values).all(1)[apart].double().mean())

    assert seen((x + x[mix.partner]) / 2) < 0.6
    assert seen(apply_mix(x, y, mix, num_classes=4)[0]) > 0.9


def test_the_teacher_is_left_as_it_was():
    net = small_net().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    augment = DropMix("supermix", 0.3, num_classes=5, unit="sample", seed=0, teacher=net)
    augment(images(8), torch.arange(8) % 5)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert "teacher" not in " ".join(augment.state_dict())


def test_a_dropped_image_costs_no_pass_of_the_teacher():
    seen = []

    class Counting(nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x.mean((2, 3))

    augment = DropMix("supermix", 0.5, num_classes=3, unit="count", seed=0, teacher=Counting(), steps=3)
    augment(images(8), torch.arange(8) % 3)
    assert seen == [4] * 4
    DropMix("supermix", 1.0, num_classes=3, teacher=Counting())(images(8), torch.arange(8) % 3)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": None}, r"expected teacher=\.\.\., a trained classifier .*, got None"),
        ({"teacher": "resnet50"}, r"expected teacher=\.\.\., a trained classifier .*, got str"),
        ({"images": 1}, r"expected images in \[2, inf\), got 1"),
        ({"grid": 0}, r"expected grid in \[1, inf\), got 0"),
        ({"sigma": -1.0}, r"expected sigma in \[0, inf\), got -1.0"),
        ({"steps": 0}, r"expected steps in \[1, inf\), got 0"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match="supermix: " + message):
        supermix(images(4), **({"teacher": small_net()} | options))
    with pytest.raises(ValueError, match=r"expected float images, got torch\.uint8"):
        supermix(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), teacher=small_net())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_masks_are_found_where_no_gradients_are_recorded(mode, count):
    expected = supermix(images(count), teacher=small_net(), generator=seeded(0))
    net = small_net()
    with mode():
        found = supermix(images(count).clone(), teacher=net, generator=seeded(0))
    mixed = apply_mix(images(count), torch.arange(count), found, num_classes=10)[0]
    assert torch.equal(mixed, apply_mix(images(count), torch.arange(count), expected, num_classes=10)[0])


def test_a_teacher_made_in_inference_mode_is_told():
    with torch.inference_mode():
        net = small_net()
    with pytest.raises(RuntimeError, match=r"supermix: expected a network made outside torch\.inference_mode\(\)"):
        supermix(images(4), teacher=net)
