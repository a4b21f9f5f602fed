"""Policies for the partner, and rates of 0 and 1 for one class: counted over all samples that were mixed."""

from typing import Any

import pytest
import torch
from scipy import stats

from dropmix import DropMix, apply_mix
from dropmix.msda.mix import Mix

from .conftest import draw_from, images, known, layers, saliency_of, taught, wants

K, B = 4, 24
CONFUSIONS = [1, 0, 3, 2]


def _saliency(x, _):
    return saliency_of(x)


def _labels(seed: int = 0) -> torch.Tensor:
    return torch.randint(K, (B,), generator=torch.Generator().manual_seed(seed))


def _augment(method: Any = "mixup", rate: Any = 0.0, **options: Any) -> DropMix:
    return DropMix(method, rate, num_classes=K, per="sample", seed=0, **taught(method), **options)


def _pairs(augment: DropMix, steps: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """How often each class was mixed with each other, (K, K), and how often its samples were not mixed, (K,)."""
    pairs, alone = torch.zeros(K, K), torch.zeros(K)
    for step in range(steps):
        y = _labels(step)
        mix = augment.draw(images(B, 8, 8), y, saliency=_saliency)
        mixed = mix.lam < 1
        pairs.index_put_((y[mixed], y[mix.partner[mixed]]), torch.ones(int(mixed.sum())), accumulate=True)
        alone += torch.bincount(y[~mixed], minlength=K)
    return pairs, alone


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
@pytest.mark.parametrize(("rate", "method"), [(0.0, "mixup"), (0.3, "mixup"), (0.3, "cutmix"), (0.0, "saliencymix")])
def test_each_policy_pairs_only_what_it_says(method, rate, unit):
    options = {"form": "continuous"} if method != "mixup" else {}
    for policy in ("other", "avoid", "only"):
        confusions = None if policy == "other" else CONFUSIONS
        pairs, _ = _pairs(_augment(method, rate, unit=unit, partners=policy, confusions=confusions, **options), 30)
        allowed = {
            "other": 1 - torch.eye(K),
            "only": torch.eye(K)[CONFUSIONS],
            "avoid": 1 - torch.eye(K)[CONFUSIONS],
        }[policy]
        assert bool((pairs[allowed == 0] == 0).all())
        assert bool((pairs[allowed == 1] > 0).all())


def test_partners_are_equally_likely_among_those_allowed():
    y = torch.arange(12) % 3
    augment: Any = DropMix("mixup", num_classes=3, per="sample", seed=0, partners="other")
    counts = torch.zeros(12, 12)
    for _ in range(1500):
        partner = augment.draw(images(12, 4, 4), y).partner
        counts[torch.arange(12), partner] += 1
    for i in range(12):
        allowed = y != y[i]
        assert float(counts[i][~allowed].sum()) == 0
        assert stats.chisquare(counts[i][allowed]).pvalue > 1e-4


def test_withheld_classes_are_partners_of_nobody_and_the_rest_is_as_it_was():
    plain, kept = _pairs(_augment()), _pairs(_augment(withhold=[2]))
    assert float(kept[0][:, 2].sum()) == 0
    others = [0, 1, 3]
    assert torch.equal(kept[0][:, others], plain[0][:, others])
    assert torch.equal(kept[1], plain[1] + plain[0][:, 2])
    assert float(kept[0][2].sum()) > 0  # class 2 itself is mixed with others


def test_a_class_that_finds_no_partner_stays_unmixed():
    x, y = images(4), torch.tensor([0, 0, 1, 0])
    augment: Any = DropMix("cutmix", num_classes=3, seed=0, partners="only", confusions={0: 1, 2: 0})
    moved = 0
    for _ in range(20):
        mixed, shares = augment(x, y)
        assert torch.equal(mixed[2], x[2])
        assert shares[2].tolist() == [0, 1, 0]
        assert float(shares[:, 2].sum()) == 0
        moved += int((shares[0, 1] > 0).item())
    assert moved > 5
    assert augment.draw(x, torch.zeros(4).long()).is_identity


@pytest.mark.parametrize("policy", [{"partners": "other"}, {"withhold": [1]}])
def test_pairs_that_are_not_wanted_leave_images_to_the_bit(method, policy):
    if method == "vanilla" or wants(method, "history"):  # the latter takes no policy: see its tests
        return
    x, y = images(8), torch.arange(8) % K
    for unit in ("batch", "sample"):
        free, bound = (_augment(method, 0.3 * (unit == "sample"), unit=unit, **options) for options in ({}, policy))
        for _ in range(4):
            first, second = (known(augment.draw(x, y, saliency=_saliency), x) for augment in (free, bound))
            mixed, shares = apply_mix(x, y, second, num_classes=K)
            for i in range(8):
                alone = all(int(layer.partner[i]) == i for layer in layers(second))
                if alone and not (second.pasted is not None and float(second.lam[i]) < 1):
                    assert torch.equal(mixed[i], x[i])
                    assert float(shares[i, y[i]]) == pytest.approx(1, abs=1e-6)
            if policy != {"partners": "other"} and method != "puzzlemix":
                same = (second.partner == first.partner) & (second.partner != torch.arange(8))
                assert torch.equal(mixed[same], apply_mix(x, y, first, num_classes=K)[0][same])


def test_arms_that_share_a_seed_keep_shares_and_boxes():
    x, y = images(16), torch.arange(16) % K
    for name in ("mixup", "cutmix"):
        free, bound = _augment(name), _augment(name, partners="other")
        for _ in range(5):
            first, second = free.draw(x, y), bound.draw(x, y)
            assert torch.equal(first.lam, second.lam)
            fits = y != y[first.partner]
            assert torch.equal(first.partner[fits], second.partner[fits])


def test_any_partner_is_the_plain_method_to_the_bit(method):
    x, y = images(6), torch.arange(6) % K
    plain, same = _augment(method, 0.2, unit="count"), _augment(method, 0.2, unit="count", partners="any", withhold=())
    for _ in range(3):
        first, second = (augment.draw(x, y, saliency=_saliency) for augment in (plain, same))
        assert torch.equal(first.partner, second.partner)
        assert torch.equal(first.lam, second.lam)


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_a_rate_of_one_class_leaves_or_removes_its_mixing_exactly(unit):
    """Counted over 60 batches: rate 1 keeps every image of a class, and it is nobody's partner; rate 0 mixes all."""
    pairs, alone = _pairs(_augment(rate={2: 1.0}, unit=unit))
    seen = torch.stack([torch.bincount(_labels(step), minlength=K) for step in range(60)]).sum(0)
    assert int(alone[2]) == int(seen[2]) > 300
    assert float(pairs[2].sum() + pairs[:, 2].sum()) == 0
    assert torch.equal(alone[[0, 1, 3]], torch.zeros(3))
    pairs, alone = _pairs(_augment(rate=[0.5, 0.5, 0.0, 0.5], unit=unit))
    assert int(alone[2]) == 0
    assert bool((alone[[0, 1, 3]] > 0.3 * seen[[0, 1, 3]]).all())


def test_only_restores_rows_of_every_kind_of_record(method):
    x, y = images(6), torch.arange(6)
    rows = torch.tensor([True, False, True, True, False, False])
    for per in ("batch", "sample"):
        mix = draw_from(method, x, 1, per=per)
        some = mix.only(rows)
        whole, part = (apply_mix(x, y, record, num_classes=6) for record in (mix, some))
        for a, b, untouched in zip(part, whole, (x, torch.eye(6))):
            assert torch.equal(a[rows], b[rows])
            assert torch.equal(a[~rows], untouched[~rows])
        assert mix.only(torch.ones(6, dtype=torch.bool)) is mix
        assert mix.only(torch.zeros(6, dtype=torch.bool)).is_identity
    assert Mix.identity(6).only(rows).is_identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partners": "others"}, "expected partners 'any', 'other', 'avoid' or 'only', got 'others'"),
        ({"partners": "avoid"}, "expected confusions with partners='avoid', got None"),
        ({"partners": "only", "confusions": [1, 2]}, "expected 4 confusions, one per class, got 2"),
        ({"partners": "only", "confusions": [0, 0, 0, 0]}, "another class as confusion of class 0, got 0 itself"),
        ({"partners": "only", "confusions": [4, 0, 0, 0]}, r"expected class ids in \[0, 4\) in confusions, got 4"),
        ({"confusions": CONFUSIONS}, "expected partners='avoid' or 'only' with confusions, got 'any'"),
        ({"withhold": [-1]}, r"expected class ids in \[0, 4\) in withhold, got -1"),
        ({"channels": "lst"}, "expected channels 'first' or 'last', got 'lst'"),
    ],
)
def test_bad_policies_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        _augment(**options)
    with pytest.raises(ValueError, match="expected num_classes with partners='other'"):
        DropMix("mixup", partners="other")
