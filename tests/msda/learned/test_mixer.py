"""The Mix Block and its teacher against loops over images and places."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from dropmix.msda.learned.mixer import MixBlock, Mixer

from ..conftest import images, seeded

SIDES = torch.Size((4, 4))


def small_net(seed: int = 0) -> nn.Module:
    """Stages of 8 x 8 and 4 x 4 places, for images of 16 x 16."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first = [nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True)]
        second = [nn.Conv2d(6, 4, 3, 2, 1), nn.Dropout(0.5), nn.ReLU(inplace=True)]
        return nn.Sequential(
            nn.Sequential(*first), nn.Sequential(*second), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        )


def block_with_weights(channels: int) -> MixBlock:
    block = MixBlock(channels, torch.device("cpu"))
    block.weights.normal_(generator=seeded(3))
    return block


def naive_masks(weights: torch.Tensor, z: torch.Tensor, partner, lam, side: int) -> torch.Tensor:
    """Pixel by pixel, from the weights in the order W, b, w, c."""
    count, channels, height, width = z.shape
    inner = max(channels // 2, 1)
    rows, at = [], 0
    for size in (inner * (channels + 1), inner, channels + 1, 1):
        rows.append(weights[at : at + size])
        at += size
    assert at == len(weights)
    matrix, shift, value, offset = rows[0].reshape(inner, channels + 1), rows[1], rows[2], rows[3][0]
    masks = torch.zeros(count, 1, side, side)
    z = torch.stack([part / part.square().mean().sqrt() for part in z])
    for i in range(count):
        j = int(partner[i])
        for row in range(side):
            for column in range(side):
                here = z[i, :, row * height // side, column * width // side]
                query = matrix @ torch.cat([here, lam[i, None]]) + shift
                scores, values = [], []
                for other in z[j].flatten(1).T:
                    joined = torch.cat([other, 1 - lam[i, None]])
                    scores.append(query @ (matrix @ joined + shift) / math.sqrt(inner))
                    values.append(value @ joined + offset)
                weight = torch.stack(scores).exp()
                seen = (weight * torch.stack(values)).sum() / weight.sum()
                masks[i, 0, row, column] = 1 - 1 / (1 + (-seen).exp())
    return masks


@pytest.mark.parametrize("channels", [1, 5])
def test_masks_are_those_of_a_loop_over_pixels_and_places(channels):
    z = torch.randn(3, channels, 2, 2, generator=seeded(1))
    partner, lam, block = torch.tensor([1, 0, 0]), torch.tensor([0.2, 0.9, 0.5]), block_with_weights(channels)
    found = block.masks(z, partner, lam, SIDES)
    torch.testing.assert_close(found, naive_masks(block.weights, z, partner, lam, 4), rtol=1e-5, atol=1e-6)
    assert found.std() > 0.01


def test_first_weights_are_small_and_the_seeds():
    blocks = [MixBlock(16, torch.device("cpu")) for _ in range(3)]
    for block, seed in zip(blocks, (0, 0, 1)):
        block.start(seeded(seed))
    assert torch.equal(blocks[0].weights, blocks[1].weights)
    assert not torch.equal(blocks[0].weights, blocks[2].weights)
    used = blocks[0].weights[blocks[0].weights != 0]
    assert len(used) == 8 * 17 + 16 + 2
    assert 0.008 < float(used[:-2].std()) < 0.012
    z, lam = torch.randn(50, 16, 4, 4, generator=seeded(2)), torch.linspace(0, 1, 50)
    masks = blocks[0].masks(z, torch.arange(50).flip(0), lam, SIDES)
    assert (masks.mean((1, 2, 3)) - lam).abs().max() < 0.15  # as large as lam asks for before anything is learned
    assert (masks.mean((1, 2, 3)) - lam).abs().mean() < 0.06


def test_a_step_is_the_gradient_of_the_loss_written_out():
    x, y = images(4), torch.tensor([0, 1, 2, 1])
    mixer = Mixer(small_net(), seed=0)
    teacher = mixer.follow(0.9)
    z = mixer.features(x, None)
    assert mixer.block is not None
    mixer.block.weights.mul_(30)  # masks whose means leave the slack
    partner, lam = torch.tensor([1, 2, 0, 0]), torch.tensor([0.1, 0.8, 0.5, 0.3])
    twin = mixer.block.weights.clone().requires_grad_()
    adam = torch.optim.Adam([twin], lr=0.03)
    for _ in range(3):
        masks = naive_masks_with_gradient(twin, z, partner, lam)
        loss = torch.zeros(())
        for i in range(4):
            j = int(partner[i])
            chances = teacher((masks[i] * x[i] + (1 - masks[i]) * x[j])[None])[0].log_softmax(0)
            entropy = -(lam[i] * chances[y[i]] + (1 - lam[i]) * chances[y[j]])
            loss = loss + (entropy + 0.7 * max((masks[i].mean() - lam[i]).abs() - 0.1, torch.zeros(()))) / 4
        (twin.grad,) = torch.autograd.grad(loss, twin)
        adam.step()
        found = mixer.learn(x, y, z, partner, lam, lr=0.03, area=0.7)
        torch.testing.assert_close(found, loss.detach())
        used = twin.grad.abs() > 1e-6  # Adam takes the signs of rounding errors for gradients
        assert used.sum() > 10
        torch.testing.assert_close(mixer.block.weights[used], twin.detach()[used], rtol=1e-3, atol=1e-5)


def naive_masks_with_gradient(leaf, z, partner, lam):
    """As `naive_masks`, with one torch module per map."""
    channels = z.shape[1]
    inner = channels // 2
    z = torch.stack([part / part.square().mean().sqrt() for part in z])
    parts = leaf.split([inner * (channels + 1), inner, channels + 1, 1])
    plane = torch.ones(len(z), 1, *z.shape[2:])
    own = torch.cat([z, lam[:, None, None, None] * plane], 1)
    other = torch.cat([z[partner], (1 - lam)[:, None, None, None] * plane], 1)
    kernel = parts[0].view(inner, channels + 1, 1, 1)
    query, key = (nn.functional.conv2d(part, kernel, parts[1]).flatten(2) for part in (own, other))
    value = nn.functional.conv2d(other, parts[2].view(1, -1, 1, 1), parts[3]).flatten(2)
    attention = torch.einsum("bdi,bdj->bij", query, key).div(math.sqrt(inner)).softmax(2)
    small = torch.einsum("bij,bkj->bki", attention, value).view(len(z), 1, *z.shape[2:])
    large = small.repeat_interleave(16 // z.shape[2], 2).repeat_interleave(16 // z.shape[3], 3)
    return 1 - large.sigmoid()


def test_shares_as_labels_teach_as_ids_do_and_nothing_else_learns():
    x, y, net = images(4), torch.tensor([0, 1, 2, 1]), small_net().train()
    before = copy.deepcopy(net.state_dict())
    found = []
    for labels in (y, torch.eye(5)[y]):
        mixer = Mixer(net, seed=0)
        teacher = mixer.follow(0.9)
        mixer.learn(
            x, labels, mixer.features(x, None), torch.tensor([1, 2, 0, 0]), torch.full((4,), 0.3), lr=1.0, area=1.0
        )
        assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())
        assert mixer.block is not None
        found.append(mixer.block.weights)
    torch.testing.assert_close(found[0], found[1])
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())


def test_the_teacher_is_the_moving_average():
    net = small_net()
    mixer, expected = Mixer(net, seed=0), {key: value.clone().double() for key, value in net.state_dict().items()}
    mixer.follow(0.3)
    for n in range(1, 6):
        with torch.no_grad():
            for value in net.state_dict().values():
                value.add_(1)
        teacher = mixer.follow(0.3)
        m = min(0.3, (1 + n) / (10 + n))
        for key, value in net.state_dict().items():
            expected[key] = m * expected[key] + (1 - m) * value.double() if value.is_floating_point() else value
            torch.testing.assert_close(teacher.state_dict()[key].double(), expected[key].double(), rtol=1e-5, atol=1e-6)
    fixed = Mixer(net, seed=0)
    first = copy.deepcopy(fixed.follow(1.0).state_dict())
    for _ in range(3):
        fixed.follow(1.0)
    assert fixed.steps == 4
    assert all(torch.equal(value, first[key]) or "num_batches" in key for key, value in first.items())


def test_the_teacher_stays_in_eval_mode_and_no_other_optimiser_finds_anything():
    mixer = Mixer(small_net(), seed=0)
    teacher = mixer.follow(0.9)
    x = images(4)
    first = mixer.features(x, None)
    mixer.train()
    assert not any(module.training for module in teacher.modules())
    assert torch.equal(mixer.features(x, None), first)  # no dropout, no batch statistics
    assert not any(parameter.requires_grad for parameter in mixer.parameters())


def test_features_are_those_of_the_stage_as_it_left_them():
    x, net = images(4), small_net().eval()
    mixer = Mixer(net, seed=0)
    mixer.follow(0.9)
    found = mixer.features(x, None)
    assert found.shape == (4, 6, 8, 8)
    assert mixer.stage == "0"
    torch.testing.assert_close(found, net[0](x))  # pyright: ignore
    named = Mixer(net, seed=0)
    named.follow(0.9)
    assert named.features(x, "1.0").shape == (4, 4, 4, 4)
    for stage, message in (
        ("layer9", r"name of a module .* \(at its top: 0, 1, 2, 3, 4\), got 'layer9'"),
        ("4", "map"),
    ):
        other = Mixer(net, seed=0)
        other.follow(0.9)
        with pytest.raises(ValueError, match=message):
            other.features(x, stage)


def test_a_gradient_that_is_not_finite_spoils_nothing():
    x, y = images(4), torch.tensor([0, 1, 2, 1])
    mixer = Mixer(small_net(), seed=0)
    mixer.follow(0.9)
    z = mixer.features(x, None)
    mixer.learn(x * torch.nan, y, z, torch.tensor([1, 2, 0, 0]), torch.full((4,), 0.3), lr=1.0, area=1.0)
    assert mixer.block is not None
    assert mixer.block.weights.isfinite().all()


class InWorker:
    """A data set whose items are drawn in a worker."""

    def __init__(self) -> None:
        self.mixer = Mixer(small_net(), seed=0)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        self.mixer.follow(0.9)
        return index


def test_a_worker_is_refused():
    with pytest.raises(RuntimeError, match="automix: expected calls in the main process"):
        next(iter(DataLoader(InWorker(), num_workers=1)))  # pyright: ignore
