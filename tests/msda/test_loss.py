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
