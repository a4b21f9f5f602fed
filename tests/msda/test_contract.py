"""One contract for all methods, and the error messages of their table."""

import dataclasses
import inspect
import re
from importlib import import_module

import numpy as np
import pytest
import torch

from dropmix.msda import METHODS, get_method
from dropmix.msda.mix import Mix, apply_mix, mix_images

from .conftest import draw_from, images, remembered, seeded, taught, their_share, wants, without
from .naive import naive_apply

SHAPES = [(8, 16, 16), (7, 16, 16), (2, 16, 32), (1, 16, 16), (3, 32, 16)]
PERS = ["batch", "sample"]


def _same(a, b) -> bool:
    if isinstance(a, Mix) and isinstance(b, Mix):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_record_is_valid_and_means_what_the_loop_says(method, shape, per):
    batch, height, width = shape
    x, y = images(batch, height, width), torch.eye(batch)
    before = x.clone()
    for seed in range(3):
        mix = draw_from(method, x, seed, per=per)
        assert mix.partner.shape == mix.lam.shape == (batch,)
        assert mix.partner.dtype == torch.int64
        assert mix.partner.min() >= 0
        assert mix.partner.max() < batch
        assert mix.lam.dtype == torch.float32
        assert ((mix.lam >= 0) & (mix.lam <= 1)).all()
        if mix.mask is not None:
            assert ((mix.mask >= 0) & (mix.mask <= 1)).all()
        mixed, shares = apply_mix(x, y, mix)
        expected, expected_shares = naive_apply(x, y, mix)
        torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(shares.double(), expected_shares, rtol=0, atol=1e-6)
        assert shares.dtype == torch.float32
        torch.testing.assert_close(shares.sum(1), mix.lam + their_share(mix))
        assert mix.partner_lam is not None or bool((mix.lam + their_share(mix) == 1).all())
        assert torch.equal(x, before)


def test_same_generator_same_record(method):
    x = images(6)
    first, again, other = (draw_from(method, x, seed) for seed in (3, 3, 4))
    pairs = [(getattr(first, f.name), getattr(again, f.name)) for f in dataclasses.fields(first)]
    assert all(_same(a, b) for a, b in pairs)
    changed = [not _same(getattr(first, f.name), getattr(other, f.name)) for f in dataclasses.fields(first)]
    assert any(changed) != (method == "vanilla")


def test_global_state_is_used_only_without_a_generator(method):
    x = images(6)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    states = torch.get_rng_state(), np.asarray(np.random.get_state()[1]).copy()  # noqa: NPY002 # pyright: ignore
    draw_from(method, x, 5)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002 # pyright: ignore
    arguments = (x, x.mean(1)) if wants(method, "saliency") else (x,)
    get_method(method)(
        *arguments, **taught(method), **({"history": remembered(x, 6)} if wants(method, "history") else {})
    )
    assert torch.equal(torch.get_rng_state(), states[0]) == (method == "vanilla")


def test_a_default_device_changes_nothing(method):
    x = images(4)
    plain = draw_from(method, x)
    with torch.device("meta"):
        drawn = draw_from(method, x)
    assert torch.equal(plain.lam, drawn.lam)
    assert torch.equal(plain.partner, drawn.partner)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_dtype_is_kept_and_labels_are_not_rounded(method, dtype):
    x, y = images(8).to(dtype), torch.arange(992, 1000)
    mix = draw_from(method, x, y=torch.eye(1000)[y])
    mixed, shares = apply_mix(x, y, mix, num_classes=1000)
    assert mixed.dtype == dtype
    assert shares.dtype == torch.float32
    expected, expected_shares = naive_apply(x, torch.eye(1000)[y], mix)
    torch.testing.assert_close(shares.double(), expected_shares, rtol=0, atol=1e-6)
    if mix.below is None:
        own, other = shares.gather(1, y[:, None])[:, 0], shares.gather(1, y[mix.partner][:, None])[:, 0]
        same = mix.partner == torch.arange(8)
        theirs = their_share(mix)
        torch.testing.assert_close(own, mix.lam + torch.where(same, theirs, 0.0))
        torch.testing.assert_close(other, theirs + torch.where(same, mix.lam, 0.0))
    tolerance = {torch.float64: 1e-6, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(mixed, expected, rtol=tolerance, atol=tolerance)


def test_memory_format_is_kept(method):
    x = images(6)
    mix = draw_from(method, x)
    last, _ = apply_mix(x.contiguous(memory_format=torch.channels_last), torch.eye(6), mix)
    plain, _ = apply_mix(x, torch.eye(6), mix)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.is_contiguous()
    assert torch.equal(last, plain)


def test_out_is_written_and_returned(method):
    x, y = images(6), torch.eye(6)
    mix = draw_from(method, x)
    plain, _ = apply_mix(x, y, mix)
    for layout in (torch.contiguous_format, torch.channels_last):
        out = torch.full_like(x, torch.nan, memory_format=layout)
        assert apply_mix(x, y, mix, out=out)[0] is out
        assert torch.equal(out, plain)


def test_images_of_one_colour_stay_as_they_are(method):
    x = torch.full((4, 3, 16, 16), 0.3)
    mix = draw_from(method, x)
    mixed, _ = apply_mix(x, torch.eye(4), mix)
    shown = mixed if mix.own_cells is None else mixed[mixed != 0]
    torch.testing.assert_close(shown, torch.full_like(shown, 0.3))
    assert torch.isfinite(mixed).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("per", PERS)
def test_saliency_of_zeros_is_as_good_as_any(shape, per):
    batch, height, width = shape
    x, y = images(batch, height, width), torch.eye(batch)
    for name in METHODS:
        function = get_method(name)
        if "saliency" not in inspect.signature(function).parameters:
            continue
        mix = function(x, torch.zeros(shape), generator=seeded(), per=per, **taught(name))
        mixed, shares = apply_mix(x, y, mix)
        assert mixed.isfinite().all()
        torch.testing.assert_close(shares.sum(1), mix.lam + their_share(mix))


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_lam_of_zero_or_one_shows_what_it_says(method, per, value, monkeypatch):
    modules = [import_module(METHODS[name].split(":")[0]) for name in (method, "mixup")]
    for module in modules:
        if hasattr(module, "draw_lam"):
            size = {"batch": 1, "sample": 6}[per]
            monkeypatch.setattr(module, "draw_lam", lambda *_, size=size: torch.full((size,), value))
    x, y = images(6), torch.eye(6)
    mix = draw_from(method, x, per=per)
    mixed, shares = apply_mix(x, y, mix)
    expected, expected_shares = naive_apply(x, y, mix)
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shares.double(), expected_shares, rtol=0, atol=1e-6)
    if method in ("mixup", "manifoldmix", "fmix", "gridmix") or (value == 1 and method in ("cutmix", "saliencymix")):
        assert torch.equal(mixed, x if value else x[mix.partner])
        assert torch.equal(mix.lam, torch.full((6,), value))


@pytest.mark.parametrize("per", PERS)
def test_a_partner_equal_to_the_image_changes_nothing(method, per, monkeypatch):
    if method == "comixup":
        return  # it draws no partners
    for name in (method, "mixup", "cutmix"):
        module = import_module(METHODS[name].split(":")[0])
        if hasattr(module, "draw_partner"):
            monkeypatch.setattr(module, "draw_partner", lambda batch, *_: torch.arange(batch))
    x, y = images(5), torch.eye(5)
    mix = draw_from(method, x, per=per, **({"transport": False} if method == "puzzlemix" else {}))
    mixed, shares = apply_mix(x, y, mix)
    torch.testing.assert_close(shares, y * (mix.lam + their_share(mix))[:, None])
    if mix.pasted is None:  # a shrunken image in itself is another image
        assert torch.equal(mixed, x)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_drawing_from_non_finite_images_is_right_or_refused(method, value):
    x = images(6)
    x[2] = value
    refused = {"puzzlemix": r"expected images in \[0, 1\]"}
    if abs(value) == torch.inf:
        refused |= dict.fromkeys(
            ("saliencymix", "attentivemix", "snapmix", "tokenmix", "comixup"),
            "expected finite saliency, got NaN or inf",
        )
    if method in refused:
        with pytest.raises(ValueError, match=refused[method]):
            draw_from(method, x, 1)
        return
    mix = draw_from(method, x, 1)
    mixed, shares = apply_mix(x, torch.eye(6), mix)
    untouched = without(mix, 2)
    assert mixed[untouched].isfinite().all()
    torch.testing.assert_close(shares.sum(1), mix.lam + their_share(mix))


def test_non_finite_values_stay_in_the_images_that_hold_them(method):
    x = images(6)
    for value in (torch.nan, torch.inf):
        spoilt = x.clone()
        spoilt[2] = value
        mix = draw_from(method, x, 1)
        mixed, shares = apply_mix(spoilt, torch.eye(6), mix)
        untouched = without(mix, 2)
        assert torch.isfinite(mixed[untouched]).all()
        assert torch.isfinite(shares).all()


@pytest.mark.parametrize("largest", [3e38, 6e4], ids=["float32", "float16"])
def test_no_nan_out_of_the_largest_finite_images(method, largest):
    dtype = torch.float16 if largest == 6e4 else torch.float32
    x = largest * (2.0 * torch.randint(0, 2, (6, 3, 16, 16), generator=seeded()) - 1).to(dtype)
    for seed in range(3):
        mix = draw_from(method, images(6), seed)
        assert not apply_mix(x, torch.eye(6), mix)[0].isnan().any()


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_must_be_positive(method, alpha):
    if "alpha" not in inspect.signature(get_method(method)).parameters:
        return
    with pytest.raises(ValueError, match="expected a finite number > 0, got"):
        draw_from(method, images(2), alpha=alpha)


def test_per_must_be_known(method):
    if method == "vanilla":
        return
    with pytest.raises(ValueError, match="per: expected 'batch' or 'sample', got 'image'"):
        draw_from(method, images(2), per="image")


def test_docstring_describes_every_option(method):
    function = get_method(method)
    described = inspect.getdoc(function).split("Args:")[1].split("Returns:")[0]
    for name in inspect.signature(function).parameters:
        assert re.search(rf"^ {{4}}(\w+, )*{name}(, \w+)*: \S", described, re.M), f"{method} does not describe {name}"


def test_unknown_method_names_the_nearest():
    with pytest.raises(ValueError, match=r"method: expected one of .*cutmix.*, got 'cutmx'\. Did you mean 'cutmix'"):
        get_method("cutmx")


def test_table_is_literal_and_complete():
    for name, where in METHODS.items():
        assert where in (
            f"dropmix.msda.{folder}.{name}:{name}" for folder in ("methods", "weighed", "several", "learned")
        )


@pytest.mark.parametrize("per", PERS)
def test_part_of_a_record_gives_those_rows_to_the_bit(method, per):
    x, y = images(7), torch.arange(7)
    for mix in (
        draw_from(method, x, 2, per=per),
        draw_from(method, x[:4], y=torch.eye(7)[:4], per=per).embed(torch.tensor([0, 2, 3, 6]), 7),
    ):
        whole = apply_mix(x, y, mix, num_classes=7)[0]
        for rows in (slice(0, 3), slice(3, 7), slice(2, 3), slice(4, 4)):
            assert torch.equal(mix_images(x[rows], mix.part(rows, x)), whole[rows])
