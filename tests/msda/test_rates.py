"""One rate per class: its draws, counted, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from dropmix import DropMix

from .conftest import images, saliency_of, seeded, taught, wants

FORMS = {
    "list": lambda rate: [rate] * 3,
    "mapping": lambda rate: dict.fromkeys(range(3), rate),
    "double": lambda rate: torch.full((3,), rate, dtype=torch.float64),
    "float": lambda rate: torch.full((3,), rate, dtype=torch.float32, requires_grad=True),
    "array": lambda rate: np.full(3, rate, np.float32),
    "scalar": lambda rate: torch.tensor(rate, dtype=torch.float32),
}


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_equal_rates_draw_the_bits_of_the_number(unit, form):
    """In single precision too, where 0.1 is a little more, and a tenth of 25 samples would round up instead of down."""
    for rate in (0.0, 0.1, 0.3, 0.7, 1.0):
        number: Any = DropMix("mixup", rate, num_classes=3, unit=unit, per="sample")
        vector: Any = DropMix("mixup", FORMS[form](rate), num_classes=3, unit=unit, per="sample")
        for seed, size in enumerate((5, 9, 15, 25, 35)):
            x, y = images(size, 2, 2), torch.arange(size) % 3
            first, second = (augment.draw(x, y, generator=seeded(seed)) for augment in (number, vector))
            assert torch.equal(first.lam, second.lam)
            assert torch.equal(first.partner, second.partner)


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_rate_one_keeps_a_class_out_of_every_mixture(method, unit):
    """Read off the pixels: channel c holds class c alone, so whatever is pasted shows, by any method."""
    if method in ("vanilla", "manifoldmix", "transmix") or wants(method, "history"):  # the latter is refused below
        return
    augment: Any = DropMix(method, {2: 1.0}, num_classes=10, unit=unit, seed=0, **taught(method))
    mixed_others = 0
    for step in range(12):
        y = torch.randint(3, (16,), generator=seeded(step))
        x = torch.zeros(16, 3, 16, 16)
        x[torch.arange(16), y] = 1
        mixed, shares = augment(x, y, saliency=lambda x, _: saliency_of(x))
        kept = y == 2
        assert torch.equal(mixed[kept], x[kept])
        assert bool((shares[kept, 2] == 1).all())
        assert float(shares[~kept, 2].abs().sum()) == 0
        assert float(mixed[~kept, 2].abs().max()) < 1e-6
        mixed_others += int((mixed[~kept] != x[~kept]).flatten(1).any(1).sum())
    assert mixed_others > 5


def test_rates_per_class_are_refused_where_the_batch_before_is_mixed_in():
    """Its pictures are of any class, also of one whose rate is 1."""
    message = "expected one rate and partners='any' with recursivemix, .* got a rate per class"
    with pytest.raises(ValueError, match=message):
        DropMix("recursivemix", {2: 1.0}, num_classes=3, unit="sample")
    augment = DropMix("recursivemix", [0.5, 0.5, 0.5], num_classes=3, unit="sample")
    with pytest.raises(ValueError, match=message):
        augment.rate = [0.5, 0.5, 1.0]


@pytest.mark.parametrize("unit", ["sample", "count"])
@pytest.mark.parametrize("soft", [False, True])
def test_each_class_stays_unmixed_at_its_own_rate(unit, soft):
    rates, y = [0.0, 0.2, 0.7, 1.0], torch.arange(4).repeat(10)
    augment: Any = DropMix("mixup", rates, num_classes=4, unit=unit, per="sample", seed=1)
    kept, counts = np.zeros(4), set()
    for _ in range(250):
        mix = augment.draw(images(40, 4, 4), torch.eye(4)[y] if soft else y)
        own = (mix.lam == 1).numpy()
        kept += np.bincount(y.numpy(), weights=own, minlength=4)
        counts.add(int(own.sum()))
    assert kept[0] == 0
    assert kept[3] == 2500
    for label in (1, 2):
        assert stats.binomtest(int(kept[label]), 2500, rates[label]).pvalue > 0.01
    if unit == "count":
        assert counts <= {18, 19, 20}


def test_rates_per_class_may_change_and_are_checked():
    augment: Any = DropMix("mixup", {2: 1.0}, num_classes=3, unit="sample")
    assert augment.rate.tolist() == [0, 0, 1]
    augment.rate = [0.5, 0.5, 0.5]
    assert augment.rate == 0.5
    for rate, options, message in (
        ([0.1, 0.2], {"unit": "batch", "num_classes": 2}, "expected unit 'sample' or 'count' with a rate per class"),
        ([0.1, 1.2], {"num_classes": 2}, r"expected rate in \[0, 1\], got 1.2"),
        ([0.1, 0.2], {"num_classes": 3}, r"expected one rate or one per class, \(3,\), got shape \(2,\)"),
        ({3: 0.2}, {"num_classes": 3}, r"expected class ids in \[0, 3\) as rate's keys, got 3"),
        ({0: 0.2}, {}, "expected num_classes with a mapping of rates"),
        ({"fox": 0.2}, {"num_classes": 3}, "expected class ids in .* as rate's keys, got 'fox'"),
        ([0.1, float("nan")], {"num_classes": 2}, r"expected rate in \[0, 1\], got nan"),
        ([0.1, None], {"num_classes": 2}, r"expected numbers as rates, got \[0.1, None\]"),
        (torch.zeros(2, device="meta"), {"num_classes": 2}, "expected numbers as rates, got tensor"),
    ):
        with pytest.raises(ValueError, match=message):
            DropMix("mixup", rate, **({"unit": "sample"} | options))  # pyright: ignore
    with pytest.raises(ValueError, match=r"expected class ids in \[0, 3\), got 0 to 3"):
        DropMix("mixup", {2: 0.5}, num_classes=3, unit="sample").draw(images(4), torch.arange(4))
