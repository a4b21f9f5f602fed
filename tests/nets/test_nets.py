"""One contract for all networks, their sizes and their cost."""

import math

import pytest
import torch
from torch import Tensor, nn

from dropmix.nets import build, flops, hidden_modules

NAMES = [
    "wrn10-1",
    "wrn16-2",
    "wrn10-2-released",
    "preactresnet18",
    "preactresnet50",
    "resnet18",
    "resnet50",
]
LAST_STRIDE = {"wrn": 4, "preactresnet": 8, "resnet18": 8, "resnet50": 32}


def seeded(name: str, num_classes: int = 7, in_channels: int = 3, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(name, num_classes, in_channels)


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters"),
    [
        ("wrn28-2-released", 100, 1_481_252),
        ("wrn28-2-released", 10, 1_469_642),
        ("wrn28-2", 100, 1_479_220),
        ("wrn28-2", 10, 1_467_610),
        ("preactresnet18", 100, 11_217_316),
        ("preactresnet34", 100, 21_325_476),
        ("preactresnet50", 100, 23_693_476),
        ("resnet18", 10, 11_173_962),
        ("resnet50", 1000, 25_557_032),
    ],
)
def test_number_of_parameters(name: str, num_classes: int, parameters: int) -> None:
    with torch.device("meta"):
        net = build(name, num_classes)
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (17, 40), (224, 224)])
def test_any_image_gives_logits(name: str, channels: int, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        net = build(name, 7, channels)
        assert net(torch.empty(2, channels, *size)).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_stages_run_in_order_at_the_expected_resolution(name: str) -> None:
    with torch.device("meta"):
        net, x = build(name, 7), torch.empty(2, 3, 64, 64)
    seen: list[tuple[int, int]] = []
    for i, stage in enumerate(hidden_modules(net)):

        def note(_: nn.Module, __: tuple[Tensor], out: Tensor, i: int = i) -> None:
            seen.append((i, out.shape[-1]))

        stage.register_forward_hook(note)
    net(x)
    assert [i for i, _ in seen] == list(range(3 if name.startswith("wrn") else 4))
    family = next(key for key in LAST_STRIDE if name.startswith(key))
    assert seen[-1][1] == 64 // LAST_STRIDE[family]


@pytest.mark.parametrize("name", NAMES)
def test_a_hidden_state_can_be_replaced_before_any_stage(name: str) -> None:
    net, x = seeded(name).eval(), images(4, 3, 16, 16)
    partner = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        expected = net(x)[partner]
        for stage in hidden_modules(net):
            handle = stage.register_forward_pre_hook(lambda _, args: (args[0][partner],))
            torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
            handle.remove()


def test_hidden_modules_of_a_foreign_module() -> None:
    with pytest.raises(ValueError, match="expected net with an attribute stages, got Linear"):
        hidden_modules(nn.Linear(2, 2))


@pytest.mark.parametrize("name", NAMES)
def test_in_place_steps_overwrite_nothing_that_is_still_needed(name: str) -> None:
    net, x = seeded(name), images(4, 3, 16, 16)
    kept: list[tuple[Tensor, Tensor]] = []
    blocks = [block for stage in hidden_modules(net) for block in stage.children()]
    for block in blocks:
        block.register_forward_hook(lambda _, args, out: kept.append((args[0], args[0].detach().clone())))
    before = x.clone()
    net(x).square().sum().backward()
    assert len(kept) == len(blocks)
    assert torch.equal(x, before)
    assert all(torch.equal(state, copy) for state, copy in kept)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_changes_the_layout_and_not_the_result(name: str) -> None:
    # In double precision, because statistics over three values of a 1 x 1 map magnify rounding errors.
    net, x = seeded(name).double(), images(3, 3, 32, 32).double()
    plain = net(x)
    net = net.to(memory_format=torch.channels_last)
    layouts: list[bool] = []
    for stage in hidden_modules(net):
        stage.register_forward_hook(
            lambda _, __, out: layouts.append(out.is_contiguous(memory_format=torch.channels_last))
        )
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), plain, rtol=1e-6, atol=1e-8)
    assert all(layouts)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_judged_alone_in_evaluation(name: str) -> None:
    net, x = seeded(name, in_channels=1).eval(), images(3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_the_global_seed(name: str) -> None:
    first, again, other = (seeded(name, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    convolutions = [key for key in first if first[key].dim() == 4]
    assert convolutions
    assert not any(torch.equal(first[key], other[key]) for key in convolutions)


@pytest.mark.parametrize("name", ["wrn10-1", "wrn10-2-released", "preactresnet18", "preactresnet50", "resnet18"])
def test_flops_equal_a_count_by_hand(name: str) -> None:
    net, total = seeded(name), 0

    def count(module: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            window = math.prod(module.kernel_size) * module.in_channels
            total += 2 * window * out[0].numel()
        elif isinstance(module, nn.Linear):
            total += 2 * module.in_features * out[0].numel()

    before = {key: value.clone() for key, value in net.state_dict().items()}
    counted = flops(net, (3, 20, 28))
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    for module in net.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        net(images(2, 3, 20, 28))
    assert counted == total


def test_flops_of_a_single_value_per_channel() -> None:
    # In training mode, batch normalisation of one image on a 1 x 1 map would be refused.
    with torch.device("meta"):
        net = build("preactresnet18", 100)
    assert 0 < flops(net, (3, 8, 8)) < flops(net, (3, 16, 16))


@pytest.mark.parametrize(
    ("name", "gflop"),
    [
        ("wrn28-2-released", 1.455),
        ("preactresnet18", 3.33),
        ("preactresnet34", 6.95),
        ("preactresnet50", 7.79),
    ],
)
def test_a_training_step_costs_three_forward_passes(name: str, gflop: float) -> None:
    with torch.device("meta"):
        net = build(name, 100)
    # Known costs of forward and backward, rounded; three forward passes are at most 0.11 % more.
    assert 3 * flops(net, (3, 32, 32)) / 1e9 == pytest.approx(gflop, rel=2e-3)
