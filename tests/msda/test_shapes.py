"""Sequences, volumes, vectors and channels last: mixed place by place like images."""

import inspect
import itertools
from typing import Any

import pytest
import torch

from dropmix import DropMix, apply_mix, input_gradient
from dropmix.msda import get_method
from dropmix.msda.boxes import box_around, draw_box
from dropmix.msda.methods.manifoldmix import mix_hidden
from dropmix.msda.mix import Mix

from .conftest import draw_from, saliency_of, seeded

PLACED = [
    "cutmix",
    "mixup_cutmix",
    "saliencymix",
    "attentivemix",
    "resizemix",
    "recursivemix",
    "fmix",
    "gridmix",
    "smoothmix",
]
ANY = ["vanilla", "mixup", "manifoldmix", "samplepairing"]
SHAPES = [(6, 2, 11), (5, 2, 5, 6, 4)]
OPTIONS: dict[str, Any] = {"attentivemix": {"grid": 3, "cells": 1}}


def _batch(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=seeded(1))


def _own_share(mix: Mix, i: int, place: tuple[int, ...], sides: torch.Size) -> float:
    if mix.box is not None:
        ends = mix.box[i if len(mix.box) > 1 else 0].tolist()
        return 0.0 if all(a <= p < b for p, a, b in zip(place, ends[::2], ends[1::2])) else 1.0
    if mix.mask is not None and mix.mask[0].numel() == 1:
        return float(mix.mask[i if len(mix.mask) > 1 else 0])
    if mix.mask is not None:
        return float(mix.mask.expand(-1, -1, *sides)[(i if len(mix.mask) > 1 else 0, 0, *place)])
    return 1.0


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("shape", SHAPES, ids=["sequence", "volume"])
@pytest.mark.parametrize("name", PLACED + ANY)
def test_a_record_means_the_same_on_any_number_of_axes(name, shape, per):
    x, y, moved = _batch(shape), torch.eye(shape[0]), 0
    for seed in range(2):
        mix = draw_from(name, x, seed, per=per, **OPTIONS.get(name, {}))
        if name == "manifoldmix":
            with mix_hidden([net := torch.nn.Identity()] * 3, mix):
                images = net(x)
            shares = apply_mix(x, y, Mix.identity(len(x)))[1]
        else:
            images, shares = apply_mix(x, y, mix)
        for i in range(len(x)):
            j, total = int(mix.partner[i]), 0.0
            other = x[j] if mix.pasted is None else mix.pasted[i]
            for place in itertools.product(*map(range, shape[2:])):
                share = _own_share(mix, i, place, x.shape[2:])
                expected = share * x[(i, slice(None), *place)] + (1 - share) * other[(slice(None), *place)]
                torch.testing.assert_close(images[(i, slice(None), *place)], expected)
                total += share
            if name not in ("samplepairing", "manifoldmix"):
                assert float(mix.lam[i]) == pytest.approx(total / x[0, 0].numel(), abs=1e-5)
                assert float(shares[i, i]) == pytest.approx(1.0 if i == j else float(mix.lam[i]), abs=1e-6)
            moved += float(mix.lam[i]) < 1
    assert moved == 0 if name in ("vanilla", "samplepairing") else moved > 2


@pytest.mark.parametrize("shape", [(8, 3, 40), (8, 3, 3, 40, 40)], ids=["sequence", "volume"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_boxes_are_pasted_the_same_by_every_kernel(shape, dtype):
    """Few elements are chosen by bits, many copied box by box, gradients and other devices take torch.where."""
    x = (_batch(shape) * 255).to(dtype)
    for per in ("batch", "sample"):
        mix = draw_from("cutmix", x, 3, per=per)
        images = apply_mix(x, torch.eye(8), mix)[0]
        inside = torch.zeros(8, *shape[2:], dtype=torch.bool)
        for i, ends in enumerate(mix.box.expand(8, -1).tolist()):  # pyright: ignore
            inside[(i, *(slice(a, b) for a, b in zip(ends[::2], ends[1::2])))] = True
        assert torch.equal(images, torch.where(inside[:, None], x[mix.partner], x))
        if dtype == torch.float32:
            leaf = x.clone().requires_grad_()
            assert torch.equal(apply_mix(leaf, torch.eye(8), mix)[0], images)


@pytest.mark.parametrize("form", ["integer", "continuous"])
@pytest.mark.parametrize(("sides", "lam", "length"), [((100,), 0.75, (24, 25)), ((16, 32, 64), 0.875, (0.5, 0.5))])
def test_spans_and_cuboids_have_the_share_that_was_drawn(sides, lam, length, form):
    """A span is (1 - lam) L long, and each side of a cuboid the cube root of 1 - lam; form "integer" halves evenly."""
    centre = torch.tensor([[side / 2] for side in sides], dtype=torch.float64).numpy()
    ends = box_around(torch.tensor([lam]), centre, sides, form).view(-1, 2)
    found = ends.diff(dim=1).flatten().tolist()
    expected = length[form == "continuous"]
    assert found == ([expected] if len(sides) == 1 else [side * expected for side in sides])
    drawn, share = draw_box(torch.full((500,), lam), sides, form, seeded())
    for one in range(3):  # one box is drawn by other code than several
        single, its_share = draw_box(torch.tensor([lam]), sides, form, seeded(one))
        several, _ = draw_box(torch.tensor([lam, lam]), sides, form, seeded(one))
        assert single.shape == (1, 2 * len(sides))
        volume = single.view(-1, 2).diff(dim=1).prod()
        assert float(its_share) == pytest.approx(1 - float(volume) / torch.tensor(sides).prod().item())
        assert several.shape == (2, 2 * len(sides))
    lengths = drawn.view(500, -1, 2).diff(dim=2)[..., 0]
    assert lengths.max(0).values.tolist() == found
    torch.testing.assert_close(share, 1 - (lengths.prod(1).double() / torch.tensor(sides).prod()).float())


@pytest.mark.parametrize("name", ["cutmix", "saliencymix", "mixup", "fmix", "resizemix"])
@pytest.mark.parametrize("shape", [(6, 12, 4), (6, 8, 9, 3)], ids=["(B, L, D)", "(B, H, W, C)"])
def test_channels_last_draws_and_mixes_what_channels_first_does(name, shape):
    x, y = _batch(shape), torch.arange(6)
    first: Any = DropMix(name, 0.4, num_classes=6, unit="sample", per="sample", seed=0)
    last: Any = DropMix(name, 0.4, num_classes=6, unit="sample", per="sample", seed=0, channels="last")
    for _ in range(3):
        images, shares = first(x.movedim(-1, 1).contiguous(), y, saliency=lambda x, y: saliency_of(x))
        mixed, labels = last(x, y, saliency=lambda x, y: x.square().mean(-1))
        torch.testing.assert_close(mixed.movedim(-1, 1), images)
        assert torch.equal(shares, labels)
        assert mixed.is_contiguous()
    out = torch.empty_like(x)
    again: Any = DropMix(name, 0.4, num_classes=6, unit="sample", per="sample", seed=0, channels="last")
    assert again(x, y, saliency=lambda x, y: x.square().mean(-1), out=out)[0] is out
    assert torch.equal(out, again(x, y, saliency=lambda x, y: x.square().mean(-1), step=0)[0])


def test_a_network_of_sequences_gives_its_own_saliency():
    torch.manual_seed(0)
    x, y = _batch((4, 9, 5)), torch.arange(4)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(45, 4))
    found = input_gradient(net, channels="last")(x, y)
    leaf = x.clone().requires_grad_()
    torch.nn.functional.cross_entropy(net(leaf), y).backward()
    torch.testing.assert_close(found, leaf.grad.square().mean(-1).sqrt())  # pyright: ignore
    puzzle: Any = DropMix("puzzlemix", num_classes=4, seed=0, channels="last", adversarial=1.0)
    pictures = _batch((4, 8, 8, 3))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))
    mixed, _ = puzzle(pictures, y, saliency=input_gradient(net, channels="last"))
    assert mixed.shape == pictures.shape
    assert not torch.equal(mixed, pictures)


@pytest.mark.parametrize("name", PLACED)
def test_vectors_have_no_places_to_cut(name):
    advice = "expected x of shape .*, got .*A vector has no places to cut: use mixup"
    with pytest.raises(ValueError, match=name + ": " + advice):
        draw_from(name, torch.zeros(4, 9))
    mixed, _ = DropMix("mixup", num_classes=4, seed=0)(_batch((4, 9)), torch.arange(4))
    assert mixed.shape == (4, 9)


@pytest.mark.parametrize(
    ("name", "shape", "advice"),
    [
        ("cutmix", (16,), r"\(B, C, L\), \(B, C, H, W\) or \(B, C, T, H, W\), got \(16,\)\. Add a batch axis"),
        ("mixup", (16,), r"expected x of shape \(B, C, \.\.\.\), got \(16,\)\. Add a batch axis"),
        ("cutmix", (2, 1, 4, 4, 4, 4), r"Use mixup, which takes any shape"),
        ("puzzlemix", (3, 16, 16), r"expected x of shape \(B, C, H, W\), got \(3, 16, 16\)\. Add a batch axis"),
        ("puzzlemix", (2, 3, 4, 16, 16), r"expected x of shape \(B, C, H, W\), got .* Use mixup"),
    ],
)
def test_shapes_that_make_no_sense_are_refused_with_advice(name, shape, advice):
    function = get_method(name)
    saliency = (torch.zeros(1),) if "saliency" in inspect.signature(function).parameters else ()
    with pytest.raises(ValueError, match=f"{name}: .*{advice}"):
        function(torch.zeros(shape), *saliency)


def test_a_single_image_is_not_taken_for_a_batch():
    with pytest.raises(ValueError, match=r"expected labels of the 3 samples of x, got 1\. .* x\[None\]"):
        DropMix("cutmix", num_classes=4)(torch.zeros(3, 16, 16), torch.tensor([1]))
