"""Mix.loss against torch's own losses on label shares, and on unmixed ids."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix import DropMix, mix_labels

from .conftest import images, seeded


def _mix(per, rate=0.4):
    augment = DropMix("mixup", rate, num_classes=5, unit="sample", per=per)
    return augment.draw(images(9), torch.arange(9) % 5, generator=seeded(3))


LOGITS = torch.randn(9, 5, generator=seeded(1))
Y = torch.arange(9) % 5
WEIGHT = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_cross_entropy_is_that_of_shares(per):
    mix = _mix(per)
    expected = F.cross_entropy(LOGITS, mix_labels(Y, mix, 5))
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(), LOGITS, Y), expected)
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(reduction="sum"), LOGITS, Y), expected * 9)
    losses = mix.loss(lambda z, y: F.cross_entropy(z, y, reduction="none"), LOGITS, Y)
    torch.testing.assert_close(losses.mean(), expected)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_class_weights_count_as_for_ids(per):
    mix = _mix(per)
    shares = mix_labels(Y, mix, 5)
    # Torch divides the weighted shares by B, and ids by the sum of their weights.
    expected = F.cross_entropy(LOGITS, shares, weight=WEIGHT) * 9 / (shares * WEIGHT).sum()
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(weight=WEIGHT), LOGITS, Y), expected)
    kept = _mix(per, 1.0)
    for criterion in (nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.1), nn.MultiMarginLoss()):
        assert torch.equal(kept.loss(criterion, LOGITS, Y), criterion(LOGITS, Y))


def test_a_scalar_function_needs_one_share():
    def focal(z, y):
        p = z.softmax(1).gather(1, y[:, None])[:, 0]
        return (-((1 - p) ** 2) * p.log()).mean()

    mix = _mix("batch")
    lam = float(mix.lam.min())
    expected = lam * focal(LOGITS, Y) + (1 - lam) * focal(LOGITS, Y[mix.partner])
    torch.testing.assert_close(mix.loss(focal, LOGITS, Y), expected)
    with pytest.raises(ValueError, match="expected one loss per sample where the share differs"):
        _mix("sample").loss(focal, LOGITS, Y)
    with pytest.raises(ValueError, match="expected logits and labels of the mix's 9 samples, got 3 and 9"):
        mix.loss(focal, LOGITS[:3], Y)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_each_class_are_shared_by_sample_even_where_there_are_as_many(per, reduction):
    mix = DropMix("mixup", 0.4, num_classes=9, unit="sample", per=per).draw(images(9), Y, generator=seeded(3))
    logits, y = torch.randn(9, 9, generator=seeded(4)), F.one_hot(Y, 9).float()
    shares = mix_labels(y, mix)
    found = mix.loss(nn.BCEWithLogitsLoss(reduction=reduction), logits, y)
    # Binary cross-entropy is linear in the labels.
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(logits, shares, reduction=reduction))


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_losses_of_each_pixel_are_shared_by_sample(weight):
    mix = _mix("sample")
    logits, y = torch.randn(9, 5, 9, generator=seeded(4)), torch.randint(0, 5, (9, 9), generator=seeded(5))
    y[:, 0] = -100  # ignored
    shared = [mix.lam[:, None], 1 - mix.lam[:, None]]
    total, mass = torch.zeros(()), torch.zeros(())
    for share, ids in zip(shared, (y, y[mix.partner])):
        total += (share * F.cross_entropy(logits, ids, weight=weight, reduction="none")).sum()
        mass += (share * (ids >= 0) * (1.0 if weight is None else weight[ids.clamp_min(0)])).sum()
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(weight=weight), logits, y), total / mass)


@pytest.mark.parametrize(
    ("name", "shape", "labels"), [("cutmix", (4, 3, 8, 8), (4, 8, 8)), ("fmix", (4, 3, 8, 8), (4, 8, 8)),
                                  ("cutmix", (4, 3, 9), (4, 9))]
)  # fmt: skip
def test_labels_per_pixel_are_cut_as_images_are_and_not_shared(name, shape, labels):
    x, y = torch.rand(shape, generator=seeded()), torch.randint(0, 5, labels, generator=seeded(5))
    mix = DropMix(name, num_classes=5, seed=0).draw(x, y)
    logits = torch.randn(4, 5, *shape[2:], generator=seeded(4))
    with pytest.raises(ValueError, match=r"got labels per pixel, .*criterion\(logits, mix.targets\(y\)\)"):
        mix.loss(nn.CrossEntropyLoss(), logits, y)
    assert nn.CrossEntropyLoss()(logits, mix.targets(y)).isfinite()
    shares = F.one_hot(y, 5).movedim(-1, 1).float()
    if len(shape) == 4:
        with pytest.raises(ValueError, match="got labels per pixel"):
            mix.loss(nn.CrossEntropyLoss(), logits, shares)


def test_a_module_that_reduces_elsewhere_is_a_scalar_function():
    class Focal(nn.Module):
        reduction = "mean"

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.CrossEntropyLoss()

        def forward(self, z, y):
            return self.inner(z, y)

    mix = _mix("batch")
    torch.testing.assert_close(mix.loss(Focal(), LOGITS, Y), mix.loss(nn.CrossEntropyLoss(), LOGITS, Y))
    with pytest.raises(ValueError, match="expected one loss per sample where the share differs"):
        _mix("sample").loss(Focal(), LOGITS, Y)
    with pytest.raises(ValueError, match=r"losses of the mix's 9 samples, got shape \(45,\)"):
        mix.loss(lambda z, y: z.flatten(), LOGITS, Y)
