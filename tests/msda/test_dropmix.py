"""DropMix: what is dropped, how often, and what dropping must never cost or change."""

import copy
import pickle
from typing import Any

import pytest
import torch
from scipy import stats

from dropmix import DropMix, Mix, apply_mix
from dropmix.msda.methods.mixup import mixup
from dropmix.msda.methods.vanilla import vanilla
from dropmix.msda.rates import mixed_rows
from dropmix.msda.saliency import input_gradient

from .conftest import draw_from, images, known, remembered, saliency_of, seeded, taught

UNITS = ["batch", "sample", "count"]
PERS = ["batch", "sample"]


def _saliency(x, _):
    return saliency_of(x)


def _mixed(augment: DropMix, x, y, generator):
    """Draw and apply, as a call does; for methods that mix hidden states, as if x were such states."""
    augment.history = remembered(x, 10)
    mix = augment.draw(x, y, saliency=_saliency, generator=generator)
    return apply_mix(x, y, known(mix, x), num_classes=10)


def _augment(name: Any, rate: float, unit: Any = "batch", **options: Any) -> DropMix:
    return DropMix(name, rate, num_classes=10, unit=unit, **taught(name), **options)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("per", PERS)
def test_rate_zero_is_the_plain_method_and_rate_one_is_vanilla(method, unit, per):
    x, y = images(6), torch.arange(6)
    mixed, shares = _mixed(_augment(method, 0.0, unit, per=per), x, y, seeded(3))
    plain, plain_shares = apply_mix(x, y, draw_from(method, x, 3, torch.eye(10)[y], per=per), num_classes=10)
    assert torch.equal(mixed, plain)
    assert torch.equal(shares, plain_shares)
    generator = seeded(3)
    kept, kept_shares = _mixed(_augment(method, 1.0, unit, per=per), x, y, generator)
    assert kept is x
    assert torch.equal(kept_shares, torch.eye(10)[:6])
    assert torch.equal(generator.get_state(), seeded(3).get_state())


def _mixed_rows(augment, batch, seed):
    """Which samples a draw with this seed mixes: the drop draws come first."""
    mask = torch.zeros(batch, dtype=torch.bool)
    rows = mixed_rows(batch, augment.rate, augment.unit, seeded(seed))
    if rows is not None:
        mask[rows] = True
    return mask


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_unit_batch_drops_whole_batches_at_the_rate(rate):
    generator, augment = seeded(), _augment("mixup", rate)
    dropped = [augment.draw(images(4), torch.arange(4), generator=generator).is_identity for _ in range(2000)]
    assert stats.binomtest(sum(dropped), 2000, rate).pvalue > 0.01


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_unit_sample_drops_each_sample_at_the_rate(rate):
    generator, augment, counts = seeded(), _augment("mixup", rate, "sample", per="sample"), torch.zeros(40)
    for _ in range(300):
        mix = augment.draw(images(40, 16, 16), torch.arange(40) % 10, generator=generator)
        counts += mix.lam == 1
    assert stats.binomtest(int(counts.sum()), 40 * 300, rate).pvalue > 0.01
    expected = counts.mean().expand(40)
    assert stats.chisquare(counts, expected).pvalue > 0.01


@pytest.mark.parametrize("batch", [9, 10])
@pytest.mark.parametrize("rate", [0.1, 0.4, 0.75])
def test_unit_count_drops_exactly_the_rounded_share(batch, rate):
    for seed in range(20):
        mix = _augment("mixup", rate, "count", per="sample").draw(
            images(batch), torch.arange(batch), generator=seeded(seed)
        )
        assert int((mix.lam == 1).sum()) == round(batch * rate)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("per", PERS)
def test_dropped_samples_are_untouched_and_partners_are_mixed_samples(method, unit, per):
    x, y = images(8), torch.arange(8)
    for seed in range(5):
        augment = _augment(method, 0.5, unit, per=per)
        augment.history = remembered(x.flip(0), 10)
        mix = known(augment.draw(x, y, saliency=_saliency, generator=seeded(seed)), x)
        mixed, shares = apply_mix(x, y, mix, num_classes=10)
        rows = _mixed_rows(augment, 8, seed)
        assert torch.equal(mixed[~rows], x[~rows])
        assert torch.equal(shares[~rows], torch.eye(10)[:8][~rows])
        assert rows[mix.partner[rows]].all()


def test_a_dropped_image_of_nan_or_infinity_stays_where_it_is(method):
    x, y = images(8), torch.arange(8)
    for seed in range(6):
        augment = _augment(method, 0.5, "sample", per="sample")
        rows = _mixed_rows(augment, 8, seed)
        spoilt = x.clone()
        spoilt[~rows, :, :8] = torch.nan
        spoilt[~rows, :, 8:] = torch.inf
        mixed, _ = _mixed(augment, spoilt, y, seeded(seed))
        assert torch.equal(mixed[~rows].view(torch.int32), spoilt[~rows].view(torch.int32))
        assert torch.isfinite(mixed[rows]).all()


@pytest.mark.parametrize("unit", UNITS)
def test_saliency_is_asked_only_for_what_is_mixed(unit):
    x, y, asked = images(10), torch.arange(10), []

    def saliency(part, labels):
        asked.append((part, labels))
        return saliency_of(part)

    total = 0
    for seed in range(40):
        mix = _augment("saliencymix", 0.4, unit).draw(x, y, saliency=saliency, generator=seeded(seed))
        rows = torch.arange(10) if unit == "batch" and not mix.is_identity else None
        if asked:
            part, labels = asked.pop()
            total += len(part)
            assert torch.equal(part, x[labels])
            if rows is None:
                untouched = torch.ones(10, dtype=torch.bool)
                untouched[labels] = False
                assert (mix.lam[untouched] == 1).all()
        else:
            assert mix.is_identity
    assert 0.45 < total / 400 < 0.75
    if unit == "count":
        assert total == 240


def test_fewer_than_two_samples_to_mix_are_left_alone():
    x, y = images(3), torch.arange(3)
    assert _augment("mixup", 0.7, "count").draw(x, y).is_identity
    for unit in ("sample", "count"):
        assert _augment("mixup", 0.5, unit).draw(images(1), torch.zeros(1).long()).is_identity


def test_eval_mode_and_the_switch_mix_nothing():
    x, y = images(4), torch.arange(4)
    augment = _augment("cutmix", 0.0)
    assert augment.eval()(x, y)[0] is x
    assert augment.train()(x, y)[0] is not x
    augment.mixup_enabled = False
    assert augment(x, y)[0] is x


def test_drop_draws_may_have_a_generator_of_their_own():
    x, y = images(6), torch.arange(6)
    augment, plain = _augment("mixup", 0.5), _augment("mixup", 0.0)
    mixing, dropping, reference = seeded(1), seeded(2), seeded(1)
    seen = set()
    for _ in range(20):
        mix = augment.draw(x, y, generator=mixing, drop_generator=dropping)
        seen.add(mix.is_identity)
        if not mix.is_identity:
            assert torch.equal(mix.lam, plain.draw(x, y, generator=reference).lam)
    assert seen == {True, False}


@pytest.mark.parametrize("with_generator", [False, True])
def test_copies_and_pickles_draw_the_same(with_generator):
    x, y = images(6), torch.arange(6)
    generator = seeded(7) if with_generator else None
    augment = DropMix({"mixup": 0.5, "cutmix": 0.5}, 0.3, num_classes=10, unit="sample", generator=generator)
    augment(x, y)
    twins = [copy.deepcopy(augment), pickle.loads(pickle.dumps(augment))]
    torch.manual_seed(5)
    expected = [augment(x, y) for _ in range(4)]
    for twin in twins:
        torch.manual_seed(5)
        for (a, b), (c, d) in zip(expected, [twin(x, y) for _ in range(4)]):
            assert torch.equal(a, c)
            assert torch.equal(b, d)


def test_a_generator_keeps_the_global_state():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    augment = DropMix({"mixup": 1.0, "cutmix": 1.0}, 0.3, num_classes=10, unit="sample", generator=seeded())
    for _ in range(5):
        augment(images(6), torch.arange(6))
    assert torch.equal(torch.get_rng_state(), state)


def test_several_methods_are_drawn_by_weight():
    augment = DropMix({"mixup": 1.0, "cutmix": 3.0}, num_classes=10, generator=seeded(), mixup={"alpha": 0.2})
    boxes = sum(augment.draw(images(2), torch.arange(2)).box is not None for _ in range(1000))
    assert stats.binomtest(boxes, 1000, 0.75).pvalue > 0.01


def test_own_functions_and_soft_labels_work():
    def swap(x, *, generator=None, share=0.5):
        del generator
        lam = torch.full((len(x),), share)
        return Mix(torch.arange(len(x)).flip(0), lam, mask=lam.view(-1, 1, 1, 1))

    x, y = images(4), torch.eye(4)
    mixed, shares = DropMix(swap, share=0.25)(x, y)
    torch.testing.assert_close(mixed, 0.25 * x + 0.75 * x.flip(0))
    torch.testing.assert_close(shares, 0.25 * y + 0.75 * y.flip(0))
    both = DropMix({swap: 1.0, vanilla: 1.0}, num_classes=4, generator=seeded())
    assert {both.draw(x, y).is_identity for _ in range(20)} == {True, False}


def test_a_pixel_reading_function_sees_its_own_samples():
    seen = []

    def look(x, *, generator=None):
        seen.append(x.clone())
        return mixup(x, generator=generator)

    x, y = images(10), torch.arange(10)
    mix = DropMix(look, 0.5, unit="count", per="sample", num_classes=10).draw(x, y, generator=seeded())
    rows = (mix.lam < 1).nonzero().flatten()
    assert torch.equal(seen[0], x[rows])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mixup", -0.1), {}, r"expected rate in \[0, 1\], got -0.1"),
        (("mixup", 1.1), {}, r"expected rate in \[0, 1\], got 1.1"),
        (("mixup", float("nan")), {}, r"expected rate in \[0, 1\], got nan"),
        (("mixup", 0.1), {"unit": "epoch"}, "expected unit 'batch', 'sample' or 'count', got 'epoch'"),
        (("mixup", 0.1), {"beta": 2}, r"expected options of mixup \(alpha, per\), got beta"),
        (("mixupp", 0.1), {}, "Did you mean 'mixup'"),
        (({"mixup": 0.0}, 0.1), {}, "expected finite weights > 0"),
        (({}, 0.1), {}, "expected finite weights > 0"),
        (({"mixup": 1.0}, 0.1), {"alpha": 2}, r"expected options by method \(mixup\), got \['alpha'\]"),
    ],
)
def test_bad_arguments_are_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        DropMix(*arguments, **options)


def test_a_call_cannot_mix_hidden_states():
    with pytest.raises(ValueError, match="expected a method that mixes images, got manifoldmix"):
        _augment("manifoldmix", 0.0)(images(2), torch.arange(2))


def test_missing_saliency_is_named():
    with pytest.raises(ValueError, match=r"expected saliency=\.\.\. for method 'saliencymix', got None"):
        _augment("saliencymix", 0.0)(images(2), torch.arange(2))


def test_input_gradient_is_the_gradient_and_leaves_no_trace():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Flatten(),
        torch.nn.Linear(4 * 14 * 14, 10),
    )  # fmt: skip
    model[3].eval()
    x, y = images(5), torch.arange(5)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        saliency = input_gradient(model)(x, y)
    assert [module.training for module in model] == [True, True, True, False, True, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not x.requires_grad
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    model.eval()
    leaf = x.clone().requires_grad_()
    torch.nn.functional.cross_entropy(model(leaf), y).backward()
    assert leaf.grad is not None
    torch.testing.assert_close(saliency, leaf.grad.square().mean(1).sqrt())
    soft = input_gradient(model)(x, torch.eye(10)[:5])
    torch.testing.assert_close(soft, saliency)
