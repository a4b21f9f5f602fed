"""SnapMix against a loop with torch's own resizing; labels whose shares do not sum to one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix import apply_mix
from dropmix.msda.mix import Mix
from dropmix.msda.weighed import snapmix as module
from dropmix.msda.weighed.snapmix import resize_between, snapmix

from ..conftest import images, seeded


@pytest.fixture
def boxes(monkeypatch):
    """Records the boxes that are drawn: the own one, then the partner's."""
    drawn = []
    original = module.draw_box

    def draw(*arguments):
        drawn.append(original(*arguments)[0])
        return drawn[-1], None

    monkeypatch.setattr(module, "draw_box", draw)
    return drawn


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("alpha", [0.5, 5.0])
def test_images_and_shares_are_a_loops(per, alpha, boxes):
    x, maps = images(8, 18, 22), torch.randn(8, 18, 22, generator=seeded(3))
    empty = full = 0
    for seed in range(6):
        boxes.clear()
        mix = snapmix(x, maps, generator=seeded(seed), per=per, alpha=alpha)
        mixed, shares = apply_mix(x, torch.eye(8), mix)
        for i in range(8):
            j, (own, cut) = int(mix.partner[i]), (box[i if per == "sample" else 0].tolist() for box in boxes)
            expected, mine, theirs = x[i].clone(), 1.0, 0.0
            y0, y1, x0, x1 = own
            v0, v1, u0, u1 = cut
            if y1 > y0 and x1 > x0 and v1 > v0 and u1 > u0:
                full += 1
                part = x[None, j, :, v0:v1, u0:u1]
                expected[:, y0:y1, x0:x1] = F.interpolate(
                    part, (y1 - y0, x1 - x0), mode="bilinear", align_corners=True
                )[0]
                first, second = ((m - m.min()) / (m - m.min()).sum() for m in (maps[i], maps[j]))
                mine, theirs = 1 - float(first[y0:y1, x0:x1].sum()), float(second[v0:v1, u0:u1].sum())
            else:
                empty += 1
            torch.testing.assert_close(mixed[i], expected, rtol=1e-4, atol=1e-5)
            label = mine * torch.eye(8)[i] + theirs * torch.eye(8)[j]
            torch.testing.assert_close(shares[i], label, rtol=1e-4, atol=1e-5)
    assert full > 10
    assert empty > 0 or alpha == 5.0
    assert (shares.sum(1) - 1).abs().max() > 0.01


def test_a_constant_map_makes_shares_of_areas(boxes):
    x = images(6, 20, 20)
    mix = snapmix(x, torch.full((6, 20, 20), 3.0), generator=seeded(1), per="sample")
    own, cut = ((box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) / 400 for box in boxes)
    torch.testing.assert_close(mix.lam, 1 - own)
    torch.testing.assert_close(mix.partner_lam, cut)


def test_maps_of_any_scale_give_the_same_shares():
    x, maps = images(6), torch.rand(6, 16, 16, generator=seeded(5))
    plain = snapmix(x, maps, generator=seeded(1))
    for scale in (1e-30, 1e30):
        scaled = snapmix(x, maps * scale - 5 * scale, generator=seeded(1))
        torch.testing.assert_close(scaled.lam, plain.lam, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(scaled.partner_lam, plain.partner_lam, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cut", [(0, 5, 2, 9), (3, 4, 1, 2), (0, 10, 0, 12)])
@pytest.mark.parametrize("box", [(0, 5, 2, 9), (2, 9, 0, 1), (0, 10, 0, 12)])
def test_resizing_between_boxes_is_torchs(cut, box):
    x = images(2, 10, 12)
    found = resize_between(x, torch.tensor([cut]), torch.tensor([box]))
    y0, y1, x0, x1 = box
    part = x[:, :, cut[0] : cut[1], cut[2] : cut[3]]
    expected = F.interpolate(part, (y1 - y0, x1 - x0), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found[:, :, y0:y1, x0:x1], expected, rtol=1e-4, atol=1e-5)


def test_losses_weigh_both_labels_and_divide_by_the_batch():
    mix = Mix(
        torch.tensor([1, 2, 0]), torch.tensor([0.9, 0.2, 1.0]), torch.full((1, 1, 1, 1), 0.5),
        partner_lam=torch.tensor([0.7, 0.1, 0.0]),
    )  # fmt: skip
    logits, y = torch.randn(3, 4, generator=seeded(2)), torch.tensor([0, 3, 1])
    each = nn.CrossEntropyLoss(reduction="none")
    expected = mix.lam * each(logits, y) + mix.partner_lam * each(logits, y[mix.partner])
    torch.testing.assert_close(mix.loss(each, logits, y), expected)
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(), logits, y), expected.mean())
    torch.testing.assert_close(mix.loss(nn.CrossEntropyLoss(reduction="sum"), logits, y), expected.sum())
    _, shares = apply_mix(torch.zeros(3, 1, 2, 2), y, mix, num_classes=4)
    torch.testing.assert_close(F.cross_entropy(logits, shares), expected.mean())
    with pytest.raises(ValueError, match="label mass is not 1, got their mean"):
        mix.loss(lambda z, y: F.cross_entropy(z, y), logits, y)


def test_masks_and_whole_numbers_are_refused():
    x = images(4)
    mix = snapmix(x, torch.rand(4, 16, 16), generator=seeded(1))
    with pytest.raises(ValueError, match="got parts of them, enlarged"):
        mix.targets(torch.zeros(4, 16, 16, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected float images, which it resizes, got torch\.uint8"):
        snapmix(x.byte(), torch.rand(4, 16, 16))
