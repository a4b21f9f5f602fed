"""RecursiveMix: a naive loop over several batches, its memory in state_dict, and what it refuses."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from dropmix import DropMix, apply_mix
from dropmix.msda.history import History
from dropmix.msda.methods.recursivemix import recursivemix

from ..conftest import images, seeded

SIZES = [6, 6, 4, 8, 5]  # the history may be smaller and larger than the batch


def _batches():
    for k, size in enumerate(SIZES):
        yield images(size, 12, 16, seed=k + 1), (torch.arange(size) + k) % 4


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_each_batch_shows_the_one_before_as_a_loop_does_it(per):
    augment = DropMix("recursivemix", num_classes=4, per=per, seed=0)
    old_images = old_shares = None
    pasted, most = 0, 0
    for step, (x, y) in enumerate(_batches()):
        record = copy.deepcopy(augment).draw(x, y)
        mixed, shares = augment(x, y)
        expected, labels = x.clone(), torch.eye(4)[y]
        if old_images is None or old_shares is None:
            assert step == 0
            assert record.is_identity
        else:
            assert record.box is not None
            for i in range(len(x)):
                y0, y1, x0, x1 = record.box[i if per == "sample" else 0].tolist()
                j, area = i % len(old_images), (y1 - y0) * (x1 - x0)
                if area:
                    pasted += 1
                    small = F.interpolate(old_images[None, j], (y1 - y0, x1 - x0), mode="bilinear")
                    expected[i, :, y0:y1, x0:x1] = small[0]
                labels[i] = (1 - area / 192) * labels[i] + area / 192 * old_shares[j]
        torch.testing.assert_close(mixed, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(shares, labels)
        old_images, old_shares = mixed, shares
        most = max(most, int((shares > 0).sum(1).max()))
    assert pasted > 10
    assert most > 2  # labels of batches before the last one are still there


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_shares_are_drawn_as_published(alpha):
    side, generator = 400, seeded()
    x = torch.zeros(2, 1, side, side)
    history = History(x, torch.ones(2, 1))
    inside = []
    for _ in range(2000):
        mix = recursivemix(x, history, generator=generator, alpha=alpha)
        y0, y1, x0, x1 = mix.box[0].tolist()  # pyright: ignore
        if y0 > 0 and y1 < side and x0 > 0 and x1 < side:  # not clipped
            inside.append((y1 - y0) * (x1 - x0) / side**2)
        if len(inside) == 150:
            break
    # A box of side s lies inside with probability (1 - s)^2: compare with shares drawn and kept so.
    rng = np.random.default_rng(0)
    share = alpha * rng.random(200_000)
    kept = share[rng.random(200_000) < (1 - np.sqrt(share)) ** 2]
    assert stats.ks_2samp(inside, kept).pvalue > 0.01
    assert max(inside) < alpha


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_a_dropped_sample_is_remembered_as_it_was(unit):
    augment = DropMix("recursivemix", 0.5, num_classes=4, unit=unit, per="sample", seed=3)
    kept = 0
    for x, y in _batches():
        mixed, shares = augment(x, y)
        assert augment.history is not None
        assert torch.equal(augment.history.images, mixed)
        assert torch.equal(augment.history.shares, shares)
        same = (mixed == x).flatten(1).all(1)
        kept += int(same.sum())
        assert torch.equal(shares[same], torch.eye(4)[y][same])
    assert kept > len(SIZES)


def test_the_history_is_memory_of_its_own():
    augment = DropMix("recursivemix", 1.0, num_classes=4, seed=0)
    x, y = next(_batches())
    augment(x, y)
    before = x.clone()
    x.zero_()
    assert augment.history is not None
    assert torch.equal(augment.history.images, before)


@pytest.mark.parametrize("source", ["seed", "generator"])
def test_a_resumed_loop_repeats_what_the_whole_one_drew(source, tmp_path):
    def make() -> DropMix:
        given: Any = {"seed": 1} if source == "seed" else {"generator": seeded(1)}
        return DropMix("recursivemix", 0.3, num_classes=4, unit="sample", **given)

    batches, whole = list(_batches()), make()
    expected = [whole(x, y) for x, y in batches]
    for cut in range(len(batches)):
        first, rest = make(), make()
        for x, y in batches[:cut]:
            first(x, y)
        torch.save(first.state_dict(), tmp_path / "state.pt")
        rest.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        for (x, y), (mixed, shares) in zip(batches[cut:], expected[cut:]):
            again, labels = rest(x, y)
            assert torch.equal(again, mixed)
            assert torch.equal(labels, shares)


def test_states_of_other_methods_are_refused_and_keep_their_form():
    plain, remembering = DropMix("mixup", seed=0), DropMix("recursivemix", seed=0)
    assert isinstance(plain.get_extra_state(), torch.Tensor)
    with pytest.raises(ValueError, match="expected the state of a module with history"):
        remembering.load_state_dict(plain.state_dict())
    with pytest.raises(ValueError, match="expected the state of a module without history"):
        plain.load_state_dict(remembering.state_dict())


def test_eval_mode_and_the_switch_remember_nothing():
    augment = DropMix("recursivemix", num_classes=4, seed=0)
    x, y = next(_batches())
    augment.eval()(x, y)
    augment.train().mixup_enabled = False
    augment(x, y)
    assert augment.history is None


def test_what_needs_partners_of_the_batch_is_refused():
    x, y = next(_batches())
    mix = recursivemix(x, History(x, torch.eye(4)[y]), generator=seeded(1))
    with pytest.raises(ValueError, match=r"Mix\.loss: expected partners of this batch"):
        mix.loss(torch.nn.CrossEntropyLoss(), torch.zeros(6, 4), y)
    with pytest.raises(ValueError, match=r"Mix\.targets: expected partners of this batch"):
        mix.targets(torch.zeros(6, 12, 16, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected one rate and partners='any' with recursivemix"):
        DropMix("recursivemix", num_classes=4, partners="other")
    with pytest.raises(ValueError, match=r"expected class ids \(B,\) or shares .* got masks or boxes"):
        DropMix("recursivemix", num_classes=4)(x, torch.zeros(6, 12, 16, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected labels of the 4 classes that the batch before had, got 5"):
        apply_mix(x, y, mix, num_classes=5)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (images(2), {"alpha": 1.5}, "expected a finite number > 0, got 1.5. It is a share, at most 1"),
        (images(2).byte(), {}, "expected float images, which it resizes, got torch.uint8"),
        (images(2, channels=1), {}, r"expected a history of images \(1, 16, 16\) with their shares"),
    ],
)
def test_bad_input_is_named(x, options, message):
    with pytest.raises(ValueError, match=message):
        recursivemix(x, History(images(2), torch.eye(2)), **options)


def test_a_loader_worker_is_refused():
    class Collate:
        augment = DropMix("recursivemix", num_classes=2, seed=0)

        def __call__(self, items):
            return self.augment(torch.stack(items), torch.zeros(len(items), dtype=torch.int64))

    loader = torch.utils.data.DataLoader(list(images(4)), batch_size=2, num_workers=1, collate_fn=Collate())  # pyright: ignore
    with pytest.raises(RuntimeError, match="expected a method without history in a DataLoader worker"):
        next(iter(loader))
