"""What DropMix takes and gives back: evaluation, lone images, default dtypes, dicts, tv_tensors."""

from collections import UserDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from dropmix import DropMix, apply_mix

from .conftest import draw_from, images, known, remembered, saliency_of, seeded, taught


def _saliency(x, _):
    return saliency_of(x)


def test_evaluation_gives_back_what_was_given():
    x = images(4)
    augment = DropMix("cutmix", num_classes=4).eval()
    for y in (torch.tensor([3, 1, 0, 2]), torch.eye(4).half(), torch.tensor([9, 9, 9, 9])):
        same, labels = augment(x, y)
        assert same is x
        assert labels is y
    out = torch.empty_like(x)
    assert augment(x, y, out=out)[0] is out
    assert torch.equal(out, x)
    augment.train().mixup_enabled = False
    same, labels = augment(x, torch.tensor([3, 1, 0, 2]))
    assert same is x
    assert torch.equal(labels, torch.eye(4)[[3, 1, 0, 2]])


def test_a_lone_image_is_never_mixed(method):
    x = images(1)
    for per in ("batch", "sample"):
        for seed in range(4):
            assert draw_from(method, x, seed, per=per).is_identity
            for rate, unit in ((0.0, "batch"), (0.3, "sample"), (0.3, "count")):
                augment: Any = DropMix(method, rate, num_classes=2, per=per, unit=unit, **taught(method))  # pyright: ignore
                assert augment.draw(x, torch.zeros(1).long(), saliency=_saliency, generator=seeded(seed)).is_identity


@pytest.mark.parametrize("name", ["cutmix", "saliencymix"])
@pytest.mark.parametrize("shape", [(2, 2), (1, 8), (8, 2)])
def test_boxes_that_would_be_empty_are_refused(name, shape):
    with pytest.raises(ValueError, match=f"{name}: expected sides of at least 3 pixels, got {shape[0]} x {shape[1]}"):
        draw_from(name, images(4, *shape))


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16, torch.float16])
def test_the_default_dtype_changes_nothing(method, default):
    x, y = images(6), torch.arange(6)
    augment: Any = DropMix(method, 0.4, num_classes=6, unit="sample", **taught(method))
    augment.history = remembered(x, 6)
    plain = augment.draw(x, y, saliency=_saliency, generator=seeded(2))
    plain = known(plain, x)
    expected = [apply_mix(x, y, mix, num_classes=6) for mix in (plain, augment.eval().draw(x, y))]
    try:
        torch.set_default_dtype(default)
        augment.history = remembered(x, 6)
        mix = known(augment.train().draw(x, y, saliency=_saliency, generator=seeded(2)), x)
        found = [apply_mix(x, y, mix, num_classes=6) for mix in (mix, augment.eval().draw(x, y))]
    finally:
        torch.set_default_dtype(torch.float32)
    assert mix.lam.dtype == torch.float32
    for (a, b), (c, d) in zip(expected, found):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
        assert d.dtype == torch.float32


@pytest.mark.parametrize("kind", [dict, UserDict, MappingProxyType])
def test_a_dict_is_copied_with_mixed_images_and_labels(kind):
    batch = {"pixel_values": images(4), "labels": torch.arange(4), "path": ["a", "b", "c", "d"]}
    given = kind(batch)
    mixed = DropMix("mixup", num_classes=4, generator=seeded())(given)
    x, y = DropMix("mixup", num_classes=4, generator=seeded())(batch["pixel_values"], batch["labels"])
    assert torch.equal(mixed["pixel_values"], x)
    assert torch.equal(mixed["labels"], y)
    assert mixed["path"] is batch["path"]
    assert given["labels"].ndim == 1
    if kind is not MappingProxyType:
        assert type(mixed) is kind
    with pytest.raises(ValueError, match=r"expected a dict with one key of labels, .* got pixel_values, path"):
        DropMix("mixup", num_classes=4)({"pixel_values": 0, "path": 1})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([(images(1)[0], 0)],), r"got a list. Call augment\(x, y\), in a collate function augment\(\*default_collate"),
        (((images(2), torch.arange(2)),), "got a tuple"),
        (([images(2), images(2, 8, 8)], torch.arange(2)), "Mix each view of the images in a call of its own, with the"),
        ((images(2).numpy(), torch.arange(2)), "got a ndarray. Convert it first"),
        (({"images": {"left": images(2)}, "labels": torch.arange(2)},), r"expected images as a tensor .* got a dict"),
        ((images(2),), "expected labels beside the images, got none"),
        ((images(2), [0, 1]), r"expected labels as a tensor, .* got a list. Convert class ids with torch.as_tensor"),
        ((images(2), np.arange(2)), "got a ndarray"),
        ((images(2), torch.randn(2, 4) - 9), "expected label shares >= 0, got -"),
        ((images(2), torch.full((2, 4), torch.nan)), "expected label shares >= 0, got nan"),
        ((torch.rand(2, 32, 24, 3), torch.arange(2)), "looks like channels last"),
    ],
)
def test_what_is_no_batch_is_named(given, message):
    augment = DropMix("cutmix", num_classes=4, seed=0)
    with pytest.raises(ValueError, match=message):
        augment(*given)
    rows, x = given[0], images(4)
    assert augment.eval()(x, rows)[1] is rows


def test_channels_last_may_be_said_or_not_matter():
    x, y = torch.rand(4, 32, 24, 3), torch.arange(4)
    assert DropMix("cutmix", num_classes=4, channels="last", seed=0)(x, y)[0].shape == x.shape
    mixed = DropMix("mixup", num_classes=4, seed=0)(x, y)[0]
    assert torch.equal(mixed, DropMix("mixup", num_classes=4, seed=0, channels="last")(x, y)[0])


@pytest.mark.parametrize("key", ["boxes", "keypoints", "depth", "segmentation"])
def test_a_dict_with_what_would_stay_unmixed_is_refused(key):
    batch = {"image": images(4), "label": torch.arange(4), key: images(4)[:, :1]}
    with pytest.raises(ValueError, match=f"got '{key}' too, which would stay unmixed beside mixed images"):
        DropMix("cutmix", num_classes=4)(batch)
    batch[key] = torch.rand(4, 7)
    if key not in ("boxes", "keypoints"):
        assert DropMix("cutmix", num_classes=4)(batch)[key] is batch[key]


@pytest.mark.parametrize("options", [{"withhold": [1]}, {"rate": {1: 0.5}, "unit": "sample"}, {"partners": "other"}])
def test_rates_and_policies_want_one_class_per_sample(options):
    augment: Any = DropMix("cutmix", num_classes=4, seed=0, **options)
    x = images(4)
    for labels in (torch.tensor([[1.0, 1, 0, 0]] * 4), torch.zeros(4, 4)):
        with pytest.raises(
            ValueError, match=r"expected one class per sample .* got several with equal shares, or none"
        ):
            augment(x, labels)
    for targets in (torch.zeros(4, 16, 16).long(), [{"boxes": torch.zeros(0, 4)}] * 4, torch.eye(4).long()):
        with pytest.raises(ValueError, match=r"expected class ids .* got other targets"):
            augment(x, targets)
    assert augment(x, 0.1 + 0.6 * torch.eye(4))[1].shape == (4, 4)


def test_saliency_given_as_a_map_is_named():
    with pytest.raises(ValueError, match="expected saliency as a function of images and labels, got Tensor"):
        DropMix("saliencymix", num_classes=4)(images(4), torch.arange(4), saliency=images(4)[:, 0])  # pyright: ignore


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_complex_images_of_any_size_are_cut(per):
    x = torch.complex(images(4).double(), images(4).double())
    mixed, _ = DropMix("cutmix", num_classes=4, per=per, seed=0)(x, torch.arange(4))
    real, _ = DropMix("cutmix", num_classes=4, per=per, seed=0)(images(4), torch.arange(4))
    assert torch.equal(mixed.real.float(), real)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_tv_tensors_stay_tv_tensors(method, rate):
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    if method in ("manifoldmix", "transmix"):  # no calls: see their tests
        return
    x, y = images(6), torch.arange(6)
    augment: Any = DropMix(method, rate, num_classes=6, **taught(method))
    augment.history = before = remembered(x, 6)
    mixed, _ = augment(tv_tensors.Image(x), y, saliency=_saliency, generator=seeded())
    augment.history = before
    assert type(mixed) is tv_tensors.Image
    assert torch.equal(mixed.as_subclass(torch.Tensor), augment(x, y, saliency=_saliency, generator=seeded())[0])


def test_batches_that_cannot_be_mixed_are_told():
    augment = DropMix("cutmix", num_classes=10, seed=0)
    x, y = torch.rand(4, 3, 8, 8), torch.arange(4)
    with pytest.raises(ValueError, match="dense tensors"):
        augment(x, torch.eye(4).to_sparse())
    with pytest.raises(ValueError, match="a single value"):
        augment(x, torch.tensor(1))
    with pytest.raises(ValueError, match="Leave out samples without a label"):
        augment(x, torch.tensor([0, 1, 2, -100]))
    with pytest.raises(ValueError, match=r"torch\.func"):
        torch.func.vmap(augment, in_dims=(0, 0), randomness="different")(x[:, None], y[:, None])
    with pytest.raises(ValueError, match="images and labels that it holds"):
        augment(object(), y)
