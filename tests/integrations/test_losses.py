"""Losses and labels of real loops beside mixing: teachers, margins, smoothing, several labels, masks."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix import apply_mix

from .plain_loop import X, Y, cutmix, make_net


def test_distillation_from_a_teacher_that_saw_the_unmixed_images():
    teacher, net = make_net().eval(), make_net()
    with torch.no_grad():
        raw = teacher(X)
    known = (4 * raw).softmax(1)
    x, shares = cutmix(per="sample")(X, known, step=1)
    mix = cutmix(per="sample").draw(X, Y, step=1)
    assert not mix.is_identity
    lam = mix.lam[:, None]
    torch.testing.assert_close(shares, lam * known + (1 - lam) * known[mix.partner])
    loss = F.kl_div(net(x).log_softmax(1), shares, reduction="batchmean")
    torch.testing.assert_close(loss, (shares * (shares.log() - net(x).log_softmax(1))).sum() / len(X))
    with pytest.raises(ValueError, match=r"expected label shares >= 0, got -.* Pass probabilities"):
        cutmix()(X, raw - 1)


def test_metric_learning_with_a_margin_at_the_ids():
    net, centres = nn.Sequential(nn.Flatten(), nn.Linear(768, 8)), torch.randn(4, 8)

    def margin(embedded, ids):
        near = F.linear(F.normalize(embedded), F.normalize(centres))
        return F.cross_entropy(8 * (near - 0.3 * F.one_hot(ids, 4)), ids, reduction="none")

    mix = cutmix(per="sample", unit="sample").draw(X, Y, step=0)
    embedded = net(apply_mix(X, Y, mix, num_classes=4)[0])
    expected = torch.stack(
        [
            mix.lam[i] * margin(embedded[i : i + 1], Y[i : i + 1])[0]
            + (1 - mix.lam[i]) * margin(embedded[i : i + 1], Y[mix.partner[i]][None])[0]
            for i in range(16)
        ]
    )
    torch.testing.assert_close(mix.loss(margin, embedded, Y), expected)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_smoothing_and_mixing_are_each_done_once(per):
    x, shares = cutmix(per=per, unit="sample")(X, Y, step=1)
    logits = make_net()(x)
    smooth = 0.9 * shares + 0.1 / 4
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(F.cross_entropy(logits, shares, label_smoothing=0.1), expected)
    mix = cutmix(per=per, unit="sample").draw(X, Y, step=1)
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(label_smoothing=0.1), logits, Y), expected)


def test_several_labels_per_image_under_a_binary_loss():
    y = (torch.rand(16, 4, generator=torch.Generator().manual_seed(3)) < 0.4).float()
    x, shares = cutmix(per="sample")(X, y, step=1)
    mix, logits = cutmix(per="sample").draw(X, y, step=1), make_net()(x)
    own, other = (
        F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1) for labels in (y, y[mix.partner])
    )
    expected = (mix.lam * own + (1 - mix.lam) * other).mean()
    torch.testing.assert_close(F.binary_cross_entropy_with_logits(logits, shares), expected)
    for wrong in (y.long(), y.bool()):
        with pytest.raises(ValueError, match=r"or shares \(B, K\) of float, got \(16, 4\)"):
            cutmix()(X, wrong)


def test_a_segmentation_loop():
    net, masks = nn.Conv2d(3, 4, 1), torch.randint(0, 4, (16, 16, 16), generator=torch.Generator().manual_seed(2))
    masks[:, 0] = 255  # ignored
    x, y = cutmix(per="sample")(X, masks, step=1)
    mix = cutmix(per="sample").draw(X, Y, step=1)
    assert mix.box is not None
    expected = masks.clone()
    for i, (y0, y1, x0, x1) in enumerate(mix.box.tolist()):
        expected[i, y0:y1, x0:x1] = masks[mix.partner[i], y0:y1, x0:x1]
    assert torch.equal(y, expected)
    assert F.cross_entropy(net(x), y, ignore_index=255).isfinite()
