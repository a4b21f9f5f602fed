"""Co-Mixup: its labels against what its images show, its parts, and its options."""

import pytest
import torch

from dropmix import DropMix, apply_mix
from dropmix.msda.joint.objective import JointProblem, objective, own_labelling
from dropmix.msda.several.comixup import comixup

from ..conftest import images, layers, seeded


def shown(mix, batch: int, side: int) -> torch.Tensor:
    """Share of every image at every pixel of each output, (B, B, side, side): images of one's and zeros mixed."""
    return apply_mix(torch.eye(batch)[:, :, None, None].expand(-1, -1, side, side).contiguous(), torch.eye(batch), mix)[
        0
    ]


def peaky(batch: int, side: int = 16, seed: int = 3) -> torch.Tensor:
    coarse = torch.rand(batch, 1, 4, 4, generator=seeded(seed)) ** 4
    return torch.nn.functional.interpolate(coarse, size=(side, side))[:, 0]


@pytest.mark.parametrize(("batch", "part"), [(5, 20), (9, 4), (22, 20)])
def test_labels_are_the_areas_that_a_loop_over_pixels_finds(batch, part):
    x, y = images(batch), torch.eye(batch)
    mix = comixup(x, peaky(batch), generator=seeded(), part=part)
    share = shown(mix, batch, 16)
    mixed, shares = apply_mix(x, y, mix)
    torch.testing.assert_close(shares, share.mean((2, 3)))
    torch.testing.assert_close(mixed, torch.einsum("ijhw,jchw->ichw", share, x))
    blocks = share.view(batch, batch, 4, 4, 4, 4).transpose(3, 4).flatten(4)
    assert (blocks == blocks[..., :1]).all()
    assert set(share.unique().tolist()) <= {0.0, 0.5, 1.0}
    sizes = [len(cut) for cut in torch.arange(batch).tensor_split(-(-batch // part))]
    for cut in torch.arange(batch).split(sizes):
        outside = torch.ones(batch, dtype=torch.bool)
        outside[cut] = False
        assert not shares[cut][:, outside].any()


def test_it_reaches_less_than_unmixed_images_and_shows_salient_blocks():
    saliency, batch = peaky(12), 12
    mix = comixup(images(batch), saliency, generator=seeded(), eta=0.0, omega=0.0)
    share = shown(mix, batch, 16)
    assert len(layers(mix)) > 1
    s = saliency.view(batch, 4, 4, 4, 4).mean((2, 4))
    s = s / s.sum((1, 2), keepdim=True)
    kept = torch.einsum("ijhw,jhw->i", share[..., ::4, ::4], s)
    assert kept.mean() > 1.5  # an unmixed image keeps its own, 1
    problem = JointProblem(-s.flatten(1).double()[None], torch.eye(batch).double()[None], 4, 0.02, 1 / 16, 0.83 * 16)
    halves = (2 * share[..., ::4, ::4].flatten(2)).long().movedim(1, 2)  # (B, n, B)
    labelling = torch.stack([halves.argmax(2), batch - 1 - halves.flip(2).argmax(2)], 2)
    value, unmixed = (float(objective(problem, z)) for z in (labelling[None], own_labelling(1, batch, 16)))
    assert value < 1.5 * unmixed


def test_no_output_has_more_images_than_asked_for():
    mix = comixup(images(16), peaky(16), generator=seeded(), most=2)
    assert len(layers(mix)) == 1
    many = comixup(images(16), peaky(16), generator=seeded(), most=16)
    assert apply_mix(images(16), torch.eye(16), many)[1].gt(0).sum(1).max() > 2
    assert apply_mix(images(16), torch.eye(16), mix)[1].gt(0).sum(1).max() == 2


def test_a_large_prior_decides_and_follows_its_generator():
    x, saliency = images(6), torch.ones(6, 16, 16)
    shares = [
        apply_mix(x, torch.eye(6), comixup(x, saliency, generator=seeded(seed), eta=5.0, gamma=0.0, alpha=0.5))[1]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert torch.equal(shares[0], shares[1])
    assert len({int(share.sum(0).argmax()) for share in shares}) > 1
    assert all(share.sum(0).max() > 5 for share in shares)


def test_losses_of_class_ids_are_those_of_the_shares():
    y, logits = torch.arange(12) % 5, torch.randn(12, 5, generator=seeded(7))
    mix = comixup(images(12), peaky(12), generator=seeded())
    assert mix.below is not None
    shares = apply_mix(images(12), y, mix, num_classes=5)[1]
    expected = torch.nn.functional.cross_entropy(logits, shares)
    torch.testing.assert_close(mix.loss(torch.nn.CrossEntropyLoss(), logits, y), expected)
    torch.testing.assert_close(mix.loss(torch.nn.CrossEntropyLoss(reduction="sum"), logits, y), 12 * expected)
    each = mix.loss(lambda z, ids: torch.nn.functional.cross_entropy(z, ids, reduction="none"), logits, y)
    torch.testing.assert_close(each.mean(), expected)
    weight = torch.arange(1.0, 6.0)
    weighted = -(shares * weight * logits.log_softmax(1)).sum() / (shares * weight).sum()
    torch.testing.assert_close(mix.loss(torch.nn.CrossEntropyLoss(weight), logits, y), weighted)
    with pytest.raises(ValueError, match="expected one loss per sample under a method of several partners"):
        mix.loss(torch.nn.functional.cross_entropy, logits, y)


def test_masks_follow_every_partner_and_boxes_are_refused():
    mix = comixup(images(9), peaky(9), generator=seeded())
    masks = torch.rand(9, 2, 16, 16, generator=seeded(5))
    expected = torch.einsum("ijhw,jkhw->ikhw", shown(mix, 9, 16), masks)
    torch.testing.assert_close(mix.targets(masks), expected)
    with pytest.raises(ValueError, match="expected one partner per image for boxes"):
        mix.targets([{"boxes": torch.zeros(0, 4)} for _ in range(9)])


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_policies_hold_for_every_partner(unit):
    y = torch.arange(20) % 4
    augment = DropMix("comixup", 0.2, num_classes=4, unit=unit, seed=0, partners="other", withhold=[3])
    for _ in range(3):
        x = images(20)
        mix = augment.draw(x, y, saliency=lambda x, y: peaky(len(x)))
        shares = apply_mix(torch.rand(20, 1, 16, 16), torch.eye(20), mix)[1]
        for i in range(20):
            for j in shares[i].nonzero()[:, 0].tolist():
                assert i == j or (y[i] != y[j] and y[j] != 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 5}, "expected blocks that divide 16 x 16 pixels, got 5"),
        ({"blocks": 16}, r"expected blocks in \[2, 8\], got 16"),
        ({"part": 1}, r"expected part in \[2, inf\), got 1"),
        ({"most": 1}, r"expected most in \[2, inf\), got 1"),
        ({"beta": -1.0}, r"expected beta in \[0, inf\), got -1.0"),
        ({"omega": 2.0}, r"expected omega in \[0, 1\], got 2.0"),
        ({"alpha": 0.0}, "alpha: expected a finite number > 0, got 0.0"),
        ({"clean": 1.0}, "expected saliency as a function of images that takes clean"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        comixup(images(4), torch.ones(4, 16, 16), **options)
