"""Mixup + CutMix: the records of both, and timm's distributions."""

import numpy as np
import pytest
import torch
from scipy import stats

from dropmix import DropMix, Mix
from dropmix.msda.methods.mixup_cutmix import mixup_cutmix
from dropmix.msda.mix import mix_images

from ..conftest import images, seeded

timm = pytest.importorskip("timm.data.mixup")
# Even sides: timm's boxes and those of form "integer" differ where a side is odd.
SIDES = (200, 120)


@pytest.fixture
def numpy_seed():
    """timm draws from numpy's global state; it is put back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


def _kind(mix: Mix) -> str:
    return "cut" if mix.box is not None else "blend"


def _ours(count, **options):
    generator, x = seeded(), torch.empty(2, 3, *SIDES)
    return [mixup_cutmix(x, generator=generator, **options) for _ in range(count)]


def _timms(count, **options):
    """Share and, where it cuts, box of timm's draws."""
    mixup = timm.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, **options)
    for _ in range(count):
        lam, cuts = mixup._params_per_batch()
        box = None
        if cuts:
            box, lam = timm.cutmix_bbox_and_lam((3, *SIDES), lam, ratio_minmax=mixup.cutmix_minmax)
        yield lam, box


@pytest.mark.parametrize("switch_prob", [0.3, 0.5])
def test_shares_are_distributed_as_timms(switch_prob, numpy_seed):
    ours = _ours(3000, switch_prob=switch_prob)
    theirs = list(_timms(3000, switch_prob=switch_prob))
    cuts = [mix for mix in ours if mix.box is not None]
    assert stats.binomtest(len(cuts), 3000, switch_prob).pvalue > 0.01
    blended = [float(mix.lam[0]) for mix in ours if mix.box is None]
    assert stats.ks_2samp(blended, [lam for lam, box in theirs if box is None]).pvalue > 0.01
    # The whole and half sides that both cut to pixels differ by up to two of 120: compared at 0.03.
    shares = np.array([float(mix.lam[0]) for mix in cuts])
    other = np.array([lam for lam, box in theirs if box is not None])
    assert stats.ks_2samp(shares, other).statistic < 1.63 * np.sqrt(1 / len(shares) + 1 / len(other)) + 0.03
    assert abs(shares.mean() - other.mean()) < 0.03


def test_minmax_boxes_are_timms(numpy_seed):
    ours = [mix.box[0].tolist() for mix in _ours(4000, switch_prob=1.0, minmax=(0.2, 0.8)) if mix.box is not None]
    theirs = [box for _, box in _timms(4000, switch_prob=1.0, cutmix_minmax=(0.2, 0.8))]
    assert len(ours) == len(theirs) == 4000
    for axis in (0, 2):
        for pick in (lambda box, a=axis: box[a + 1] - box[a], lambda box, a=axis: box[a]):
            first, second = [pick(box) for box in ours], [pick(box) for box in theirs]
            assert stats.ks_2samp(first, second).pvalue > 0.01
        lengths = {box[axis + 1] - box[axis] for box in ours}
        side = SIDES[axis // 2]
        assert min(lengths) == int(0.2 * side)
        assert max(lengths) == int(0.8 * side) - 1


def test_a_mix_per_sample_holds_both_kinds_and_timms_shares(numpy_seed):
    x = torch.empty(1500, 1, *SIDES)
    mix = mixup_cutmix(x, generator=seeded(), per="sample")
    assert mix.mask is not None
    flat = mix.mask.flatten(1)
    cut = ((flat == 0) | (flat == 1)).all(1)
    assert (flat[~cut] == flat[~cut][:, :1]).all()
    torch.testing.assert_close(mix.lam, flat.double().mean(1).float(), rtol=0, atol=1e-5)
    lam, cuts = timm.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0)._params_per_elem(1500)
    assert stats.ks_2samp(mix.lam[~cut].numpy(), lam[~cuts]).pvalue > 0.01
    assert stats.binomtest(int(cut.sum()), 1500, 0.5).pvalue > 0.01


def test_each_sample_is_blended_or_cut_as_a_loop_does_it():
    x = images(12, 10, 14)
    mix = mixup_cutmix(x, generator=seeded(2), per="sample")
    assert mix.mask is not None
    mixed = mix_images(x, mix)
    kinds = set()
    for i in range(12):
        other, mask = x[mix.partner[i]], mix.mask[i, 0]
        if bool((mask == mask[0, 0]).all()):
            kinds.add("blend")
            expected = mask[0, 0] * x[i] + (1 - mask[0, 0]) * other
        else:
            kinds.add("cut")
            rows, columns = (mask == 0).any(1).nonzero()[:, 0], (mask == 0).any(0).nonzero()[:, 0]
            expected = x[i].clone()
            place = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            expected[:, place[0], place[1]] = other[:, place[0], place[1]]
        torch.testing.assert_close(mixed[i], expected)
    assert kinds == {"blend", "cut"}


def test_the_switch_at_its_ends_is_one_method():
    assert {_kind(mix) for mix in _ours(50, switch_prob=1.0)} == {"cut"}
    assert {_kind(mix) for mix in _ours(50, switch_prob=0.0)} == {"blend"}


@pytest.mark.parametrize("unit", ["batch", "sample"])
def test_timms_prob_is_one_minus_the_rate(unit):
    augment = DropMix("mixup_cutmix", 0.4, num_classes=2, unit=unit, per="sample", seed=0)
    x, y = torch.rand(20, 1, 8, 8), torch.arange(20) % 2
    kept = torch.cat([augment.draw(x, y).lam == 1 for _ in range(300)]).float().mean()
    assert abs(kept - 0.4) < 0.1


@pytest.mark.parametrize("minmax", [None, (0.2, 0.8)])
@pytest.mark.parametrize(("mode", "unit"), [("batch", "batch"), ("elem", "sample")])
def test_labels_are_shared_as_by_timms_own_call(mode, unit, minmax, numpy_seed):
    """timm's whole call, with prob, switch_prob and boxes: the own label's share of every image, over many batches."""
    batches, batch, (height, width) = {"batch": 1500, "elem": 40}[mode], {"batch": 2, "elem": 50}[mode], (40, 60)
    x, y = torch.zeros(batch, 1, height, width), torch.arange(batch)
    theirs = timm.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, cutmix_minmax=minmax, prob=0.7, switch_prob=0.4, mode=mode,
                        label_smoothing=0.0, num_classes=batch)  # fmt: skip
    options = {"per": {"batch": "batch", "elem": "sample"}[mode], "switch_prob": 0.4, "minmax": minmax}
    augment = DropMix("mixup_cutmix", 0.3, num_classes=batch, unit=unit, seed=0, **options)

    rows = slice(1) if mode == "batch" else slice(None)  # one lam per batch, or one per image
    ours, other = [], []
    for _ in range(batches):
        ours.append(augment.draw(x, y).lam[rows])
        other.append(theirs(x.clone(), y)[1].diagonal()[rows])
    a, b = torch.cat(ours).numpy(), torch.cat(other).numpy()
    for kept in (a == 1, b == 1):  # boxes cut to nothing are rare
        assert abs(kept.mean() - 0.3) < 0.05
    a, b = a[a < 1], b[b < 1]
    # Sides that timm halves and ours halve alike differ by a pixel of 40: compared at 0.03.
    assert stats.ks_2samp(a, b).statistic < 1.63 * np.sqrt(1 / len(a) + 1 / len(b)) + 0.03
    assert abs(a.mean() - b.mean()) < 0.04


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"switch_prob": 1.5}, r"expected switch_prob in \[0, 1\], got 1.5"),
        ({"minmax": (0.8, 0.2)}, r"expected minmax with 0 <= low < high <= 1, a pixel apart on 16 x 16 pixels"),
        ({"minmax": (0.2, 0.21)}, "expected minmax"),
        ({"mixup_alpha": 0}, "expected a finite number > 0, got 0"),
        ({"cutmix_alpha": -1}, "expected a finite number > 0, got -1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        mixup_cutmix(images(2), **options)
