"""Mix and apply_mix: exactness, errors, equality with torchvision and timm, one compiled graph."""

import copy
import os
import pickle
import shutil

import pytest
import torch
from torch import Tensor

from dropmix.msda.labels import label_shares, mix_labels
from dropmix.msda.mix import Mix, apply_mix, mix_images
from dropmix.msda.pixels import blend, move_cells, paste_boxes

from .conftest import draw_from, images, seeded
from .naive import naive_apply


def _mask_mix(values: list[float], partner: list[int]) -> Mix:
    lam = torch.tensor(values)
    return Mix(torch.tensor(partner), lam, mask=lam.view(-1, 1, 1, 1))


def _box_mix(boxes: list[list[int]], partner: list[int]) -> Mix:
    return Mix(torch.tensor(partner), torch.full((len(partner),), 0.5), box=torch.tensor(boxes))


def test_identity_is_the_identity_to_the_bit():
    x, y = images(5), torch.eye(5)
    mixed, shares = apply_mix(x, y, Mix.identity(5))
    assert mixed is x
    assert torch.equal(shares, y)
    out = torch.empty_like(x)
    assert torch.equal(apply_mix(x, y, Mix.identity(5), out=out)[0], x)
    assert Mix.identity(5).is_identity


@pytest.mark.parametrize("beside", [torch.nan, torch.inf, -torch.inf])
def test_lam_zero_and_one_show_one_image_to_the_bit_whatever_the_other_holds(beside):
    x = images(3)
    x[0] = beside
    mixed = mix_images(x, _mask_mix([0.0, 1.0, 0.5], [1, 0, 2]))
    assert torch.equal(mixed[0], x[1])
    assert torch.equal(mixed[1], x[1])
    assert torch.equal(mixed[2], x[2])


@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("boxes", [1, 4])
def test_boxes_copy_bits_even_beside_nan(size, boxes):
    x = torch.randn(4, 3, size, size, generator=seeded())
    x[1, :, 0, 0] = torch.nan
    x[2] = -0.0
    mix = _box_mix([[1, size - 2, 2, size - 1], [0, 0, 0, 0], [0, size, 0, size], [3, 3, 1, 5]][:boxes], [1, 2, 3, 0])
    expected, _ = naive_apply(x, torch.eye(4), mix)
    mixed = mix_images(x, mix)
    assert torch.equal(mixed.view(torch.int32), expected.view(torch.int32))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int16, torch.int64, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("boxes", [1, 3])
def test_boxes_take_any_dtype(dtype, boxes):
    x = torch.randint(0, 2, (3, 3, 8, 8), generator=seeded()).to(dtype)
    mix = _box_mix([[1, 7, 2, 8], [0, 3, 0, 3], [0, 8, 0, 8]][:boxes], [1, 2, 0])
    assert torch.equal(mix_images(x, mix), naive_apply(x, torch.eye(3), mix)[0])


@pytest.mark.parametrize("boxes", [1, 3])
@pytest.mark.parametrize("size", [8, 64])
def test_every_way_to_paste_agrees(boxes, size):
    x, pasted = images(3, size, size), images(3, size, size, seed=9)
    box = torch.tensor([[1, size - 1, 2, size], [0, 3, 0, 3], [0, size, 0, size]][:boxes])
    partner = torch.tensor([1, 2, 0])
    for stand_in in (None, pasted):
        plain = paste_boxes(x, partner, box, pasted=stand_in)
        by_where = paste_boxes(x.clone().requires_grad_(), partner, box, pasted=stand_in)
        assert by_where.requires_grad
        assert torch.equal(plain, by_where)
        out = torch.full_like(x, torch.nan)
        assert paste_boxes(x, partner, box, pasted=stand_in, out=out) is out
        assert torch.equal(plain, out)


def test_blend_equals_its_formula_and_is_exact_for_equal_images():
    own, other = images(4, seed=3), images(4, seed=4)
    mask = torch.rand(4, 1, 16, 16, generator=seeded())
    mask[:, :, :4] = 0.0
    mask[:, :, 4:8] = 1.0
    expected = mask.double() * own + (1 - mask.double()) * other
    torch.testing.assert_close(blend(own, other.clone(), mask), expected.float())
    assert torch.equal(blend(own, own.clone(), mask), own)


def test_hidden_states_keep_their_gradients():
    for mix in (_mask_mix([0.25, 1.0], [1, 0]), _box_mix([[0, 2, 0, 4]], [1, 0]), _box_mix([[0, 2, 0, 4]] * 2, [1, 0])):
        hidden = images(2, 4, 4).double().requires_grad_()
        assert torch.autograd.gradcheck(lambda h, mix=mix: mix_images(h, mix), hidden)


def test_move_cells_moves_and_blanks():
    x = images(2, 4, 8)
    cells = torch.tensor([[[3, -1], [0, 1]], [[0, 1], [2, 3]]])
    moved = move_cells(x, cells)
    assert torch.equal(moved[0, :, :2, :4], x[0, :, 2:, 4:])
    assert (moved[0, :, :2, 4:] == 0).all()
    assert torch.equal(moved[1], x[1])


def test_embed_leaves_other_rows_alone():
    x, y = images(6), torch.eye(6)
    rows = torch.tensor([1, 3, 4])
    part = Mix(
        torch.tensor([2, 0, 1]),
        torch.tensor([0.2, 0.4, 0.6]),
        mask=torch.rand(3, 1, 16, 16, generator=seeded()),
        own_cells=torch.tensor([[[3, 2], [1, 0]]]).expand(3, 2, 2),
        partner_cells=torch.tensor([[[-1, 2], [1, 0]]]).expand(3, 2, 2),
    )
    mixed, shares = apply_mix(x, y, part.embed(rows, 6))
    few, few_shares = apply_mix(x[rows], y[rows], part)
    assert torch.equal(mixed[rows], few)
    assert torch.equal(shares[rows], few_shares)
    others = torch.tensor([0, 2, 5])
    assert torch.equal(mixed[others], x[others])
    assert torch.equal(shares[others], y[others])


def test_soft_labels_and_ids_agree():
    mix = draw_from("mixup", images(6), per="sample")
    ids = torch.tensor([0, 1, 1, 2, 0, 3])
    soft = torch.nn.functional.one_hot(ids, 4)
    for y in (soft.float(), soft.bfloat16()):
        torch.testing.assert_close(mix_labels(y, mix), mix_labels(ids, mix, 4))
    assert mix_labels(soft.double(), mix).dtype == torch.float64
    for narrow in (torch.uint8, torch.int32):
        assert torch.equal(mix_labels(ids.to(narrow), mix, 4), mix_labels(ids, mix, 4))


@pytest.mark.parametrize(
    ("y", "num_classes", "message"),
    [
        (torch.tensor([0, 5]), 5, r"expected class ids in \[0, 5\), got 0 to 5"),
        (torch.tensor([-1, 0]), 5, r"expected class ids in \[0, 5\), got -1 to 0"),
        (torch.tensor([0, 1]), None, "expected num_classes with class ids, got None"),
        (torch.tensor([0.0, 1.0]), 5, r"got \(2,\) of torch.float32"),
        (torch.zeros(2, 5, dtype=torch.int64), 5, r"got \(2, 5\) of torch.int64"),
        (torch.zeros(2, 4), 5, "expected shares of num_classes = 5 classes, got 4"),
    ],
)
def test_bad_labels_are_named(y: Tensor, num_classes, message):
    with pytest.raises(ValueError, match=message):
        label_shares(y, num_classes)


def test_bad_images_are_named():
    mix = _mask_mix([0.5, 0.5], [1, 0])
    x = images(2)
    with pytest.raises(ValueError, match=r"expected x of the mix's 2 samples, got \(3, 16, 16\)\. .* a batch axis"):
        mix_images(x[0], mix)
    with pytest.raises(ValueError, match=r"expected x of the 4 axes that the mix was drawn for, got \(2, 3, 16\)"):
        mix_images(x[:, :, 0], mix)
    with pytest.raises(ValueError, match="expected x of the mix's 2 samples, got \\(3, 3, 16, 16"):
        mix_images(images(3), mix)
    with pytest.raises(ValueError, match="expected labels of the mix's 2 samples, got 3"):
        mix_labels(torch.eye(3), mix)
    with pytest.raises(ValueError, match=r"expected float images for a method that blends, got torch\.uint8"):
        mix_images(x.byte(), mix)
    for out in (x, torch.empty(1), torch.empty(x.shape, dtype=torch.float64)):
        with pytest.raises(ValueError, match="expected out like x"):
            mix_images(x, mix, out=out)


def test_an_empty_batch_stays_empty(method):
    x = torch.zeros(0, 3, 16, 16)
    mixed, shares = apply_mix(x, torch.zeros(0, 5), draw_from(method, x))
    assert mixed.shape == x.shape
    assert shares.shape == (0, 5)


def test_records_copy_and_pickle(method):
    mix = draw_from(method, images(4))
    x, y = images(4), torch.eye(4)
    for twin in (copy.deepcopy(mix), pickle.loads(pickle.dumps(mix))):
        assert torch.equal(apply_mix(x, y, twin)[0], apply_mix(x, y, mix)[0])


def _torchvision_partner(batch: int) -> Tensor:
    return torch.arange(batch).roll(1)  # torchvision and only torchvision rolls by one


def test_equals_torchvision_on_the_same_lam_and_box():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    x, ids = images(6, 16, 24), torch.tensor([0, 1, 2, 3, 4, 0])
    for kind in (v2.MixUp, v2.CutMix):
        theirs = kind(alpha=1.0, num_classes=5)
        torch.manual_seed(3)
        drawn = {"labels": ids, "batch_size": 6} | theirs.make_params([x])
        images_theirs, labels_theirs = theirs.transform(x, drawn), theirs.transform(ids, drawn)
        lam = drawn["lam"] if kind is v2.MixUp else drawn["lam_adjusted"]
        lam = torch.full((6,), lam)
        if kind is v2.MixUp:
            mix = Mix(_torchvision_partner(6), lam, mask=lam.view(-1, 1, 1, 1))
        else:
            x1, y1, x2, y2 = drawn["box"]
            mix = Mix(_torchvision_partner(6), lam, box=torch.tensor([[y1, y2, x1, x2]]))
        mixed, shares = apply_mix(x, ids, mix, num_classes=5)
        if kind is v2.CutMix:
            assert torch.equal(mixed, images_theirs)
        # Two products and a sum there, one lerp here: the last bit differs.
        torch.testing.assert_close(mixed, images_theirs, rtol=0, atol=2e-7)
        torch.testing.assert_close(shares, labels_theirs, rtol=0, atol=2e-7)


def test_equals_timm_on_the_same_lam_and_box(monkeypatch):
    timm = pytest.importorskip("timm.data.mixup", reason="timm is not installed")
    x, ids = images(6), torch.tensor([0, 1, 2, 3, 4, 0])
    box, lam = (2, 9, 4, 15), 1 - 7 * 11 / 256
    monkeypatch.setattr(timm, "cutmix_bbox_and_lam", lambda *_, **__: (box, lam))
    for name in ("mixup", "cutmix"):
        theirs = timm.Mixup(mixup_alpha=1.0 * (name == "mixup"), cutmix_alpha=1.0 * (name == "cutmix"),
                            label_smoothing=0.0, num_classes=5)  # fmt: skip
        monkeypatch.setattr(theirs, "_params_per_batch", lambda cut=name == "cutmix": (lam, cut))
        images_theirs, labels_theirs = theirs(x.clone(), ids)
        partner, share = torch.arange(6).flip(0), torch.full((6,), lam)
        shape = {"box": torch.tensor([box])} if name == "cutmix" else {"mask": share.view(-1, 1, 1, 1)}
        mixed, shares = apply_mix(x, ids, Mix(partner, share, **shape), num_classes=5)
        if name == "cutmix":
            assert torch.equal(mixed, images_theirs)
        torch.testing.assert_close(mixed, images_theirs, rtol=0, atol=2e-7)
        torch.testing.assert_close(shares, labels_theirs, rtol=0, atol=2e-7)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_one_graph_for_all_boxes_and_odd_last_batches(name, per):
    counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(apply_mix, fullgraph=True, dynamic=True, backend=counter)
    for seed in range(20):  # the last of every five batches is odd
        x, y = images(7 if seed % 5 == 4 else 8), torch.arange(7 if seed % 5 == 4 else 8)
        mix = draw_from(name, x, seed, per=per)
        mixed, shares = compiled(x, y, mix, num_classes=8)
        expected, expected_shares = apply_mix(x, y, mix, num_classes=8)
        torch.testing.assert_close(mixed, expected)
        torch.testing.assert_close(shares, expected_shares)
    assert counter.frame_count == 1


@pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX", "g++")) and not shutil.which("clang++"), reason="needs a C++ compiler"
)
@pytest.mark.parametrize(("name", "per"), [("cutmix", "batch"), ("mixup", "sample")])
def test_inductor_compiles_once_and_equals_eager(name, per):
    counters = pytest.importorskip("torch._dynamo.utils").counters
    torch._dynamo.reset()
    counters.clear()
    compiled = torch.compile(apply_mix, fullgraph=True, dynamic=True)
    for seed in range(20):
        batch = 7 if seed == 19 else 8
        x, y = images(batch), torch.arange(batch)
        mix = draw_from(name, x, seed, per=per)
        mixed, shares = compiled(x, y, mix, num_classes=8)
        expected, expected_shares = apply_mix(x, y, mix, num_classes=8)
        if name == "cutmix":
            assert torch.equal(mixed, expected)
        torch.testing.assert_close(mixed, expected, rtol=0, atol=2e-7)  # a fused product and sum rounds once less
        torch.testing.assert_close(shares, expected_shares, rtol=0, atol=2e-7)
    assert counters["stats"]["unique_graphs"] == 1
