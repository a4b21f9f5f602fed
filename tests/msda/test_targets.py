"""Masks and boxes mixed along with their images: each mask pixel comes from the image that is shown there."""

from typing import Any

import pytest
import torch

from dropmix import DropMix, apply_mix
from dropmix.msda.mix import Mix

from .conftest import draw_from, images, seeded

CUTS = ["cutmix", "saliencymix", "resizemix", "fmix", "gridmix"]
EMPTY = torch.zeros(0, 4)


def _coded(batch: int = 6, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose pixels encode sample and place, and ids with the same numbers."""
    ids = torch.arange(batch * size * size).view(batch, size, size)
    return ids[:, None].double(), ids


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("name", CUTS)
def test_ids_follow_their_pixels(name, per):
    x, ids = _coded()
    for seed in range(3):
        mix = draw_from(name, x, seed, per=per)
        mixed, masks = apply_mix(x, torch.eye(6), mix)[0][:, 0], mix.targets(ids)
        assert masks.dtype == ids.dtype
        if name == "resizemix":  # pixels are interpolated; the nearest pixel of the partner is at most half a step away
            for i, (y0, y1, x0, x1) in enumerate(mix.box.expand(6, 4).tolist()):  # pyright: ignore
                inside = torch.zeros(16, 16, dtype=torch.bool)
                inside[y0:y1, x0:x1] = True
                assert torch.equal(masks[i][~inside], ids[i][~inside])
                assert bool((masks[i][inside] // 256 == mix.partner[i]).all())
                step = 16 / min(y1 - y0, x1 - x0)
                assert float((mixed[i] - masks[i])[inside].abs().max()) <= 17 * (step / 2 + 1)
        else:
            assert torch.equal(masks, mixed.long())
        assert torch.equal(mix.targets(ids[:, None])[:, 0], masks)
        assert torch.equal(mix.targets(torch.stack([ids, -ids], 1)), torch.stack([masks, -masks], 1))
    assert not torch.equal(masks, ids)


@pytest.mark.parametrize("name", ["mixup", "smoothmix", *CUTS])
def test_shares_of_classes_are_mixed_as_pixels_are(name):
    x = images(6)
    shares = torch.nn.functional.one_hot(torch.randint(3, (6, 16, 16), generator=seeded()), 3).movedim(-1, 1).float()
    mix = draw_from(name, x, 1)
    mixed = mix.targets(shares)
    torch.testing.assert_close(mixed.sum(1), torch.ones(6, 16, 16))
    if name != "resizemix":
        torch.testing.assert_close(mixed, apply_mix(shares, torch.eye(6), mix)[0])
    if name in ("mixup", "smoothmix"):
        with pytest.raises(ValueError, match=r"expected shares .*one_hot\(masks, K\).movedim\(-1, 1\)"):
            mix.targets(shares.argmax(1))


def test_the_own_label_stays_where_the_method_keeps_it():
    ids = _coded()[1]
    assert torch.equal(draw_from("samplepairing", images(6)).targets(ids), ids)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_cells_move_with_the_pixels_and_empty_ones_are_ignored(dtype):
    x = images(4)
    mix = draw_from("puzzlemix", x, 1, labels=2)
    assert mix.own_cells is not None
    mix.own_cells[:, 1, :2] = -1
    ids = torch.randint(1, 9, (4, 16, 16), generator=seeded()).to(dtype)
    zero = apply_mix(ids[:, None].float(), torch.eye(4), mix)[0][:, 0]
    expected = {torch.int64: -100, torch.uint8: 255, torch.float32: 0}[dtype]
    masks = mix.targets(ids)
    assert masks.dtype == dtype
    assert torch.equal(masks, torch.where(zero == 0, expected, zero).to(dtype))
    assert bool((mix.targets(ids, empty=9) == 9).any())
    with pytest.raises(ValueError, match="expected images whose cells stay where they are"):
        mix.targets([{"boxes": EMPTY}] * 4)


def _targets(*boxes: list[float], label: int = 0, **more: Any) -> dict[str, Any]:
    corners = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    return {"boxes": corners, "labels": torch.full((len(boxes),), label), "image_id": torch.tensor([label]), **more}


def _box_mix(y0: int, y1: int, x0: int, x1: int) -> Mix:
    return Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), box=torch.tensor([[y0, y1, x0, x1]]))


def test_boxes_are_cut_to_what_is_visible_and_weighed_by_it():
    own = _targets([0, 0, 10, 10], [2, 2, 4, 4], [0, 4, 8, 8], label=1)
    other = _targets([4, 0, 12, 4], [12, 12, 16, 16], label=2)
    # The right half of 16 x 16 shows the partner, from column 6 on.
    first, second = _box_mix(0, 16, 6, 16).targets([own, other])
    assert first["boxes"].tolist() == [[0, 0, 6, 10], [2, 2, 4, 4], [0, 4, 6, 8], [6, 0, 12, 4], [12, 12, 16, 16]]
    assert first["labels"].tolist() == [1, 1, 1, 2, 2]
    torch.testing.assert_close(first["weight"], torch.tensor([0.6, 1, 0.75, 0.75, 1]))
    assert first["image_id"].tolist() == [1]
    assert second["boxes"].tolist() == [[4, 0, 6, 4], [6, 0, 10, 10], [6, 4, 8, 8]]
    torch.testing.assert_close(second["weight"], torch.tensor([0.25, 0.4, 0.25]))
    assert _box_mix(0, 16, 6, 16).targets([own, other], min_visible=0.5)[1]["boxes"].shape == (0, 4)
    # A hole in the middle takes a part of a box, and no side of it.
    hole = _box_mix(4, 6, 4, 6).targets([_targets([0, 0, 10, 10]), _targets()])[0]
    assert hole["boxes"].tolist() == [[0, 0, 10, 10]]
    assert hole["weight"].tolist() == pytest.approx([0.96])
    assert own["boxes"][0].tolist() == [0, 0, 10, 10]


@pytest.mark.parametrize("name", ["cutmix", "fmix", "gridmix"])
def test_weights_and_boxes_are_those_of_the_pixels(name):
    for seed in range(4):
        mix = draw_from(name, images(4), seed, per="sample")
        given = [_targets([3, 2, 11, 9], label=i) for i in range(4)]
        instance = torch.zeros(1, 16, 16, dtype=torch.bool)
        instance[:, 2:9, 3:11] = True
        given = [target | {"masks": instance.clone()} for target in given]
        pixels = torch.arange(4)[:, None, None].expand(4, 16, 16) * 1000 + torch.arange(256).view(16, 16)
        shown = mix.targets(pixels) // 1000
        for i, found in enumerate(mix.targets(given)):
            for n, label in enumerate(found["labels"].tolist()):
                inside = (shown[i] == label) & instance[0]
                if int(mix.partner[i]) == i:
                    continue
                assert float(found["weight"][n]) == pytest.approx(float(inside.sum()) / 56)
                assert torch.equal(found["masks"][n], inside)
                rows, columns = (inside.any(axis).nonzero()[:, 0] for axis in (1, 0))
                around = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
                if name != "cutmix" or label == i:
                    assert found["boxes"][n].tolist() == around
            assert len(found["labels"]) <= 2


def test_shrunken_partners_bring_shrunken_boxes():
    x = images(2)
    mix = draw_from("resizemix", x, 5)
    mix = Mix(torch.tensor([1, 0]), mix.lam, box=torch.tensor([[4, 12, 2, 10]]), pasted=mix.pasted, shrunk=True)
    mask = torch.zeros(1, 16, 16)
    mask[:, :8, 4:12] = 1
    partner = _targets([4, 0, 12, 8], label=2, masks=mask, area=torch.tensor([64.0]))
    found = mix.targets([_targets(masks=torch.zeros(0, 16, 16), area=torch.zeros(0)), partner])[0]
    assert found["boxes"].tolist() == [[4, 4, 8, 8]]
    assert found["weight"].tolist() == [1]
    assert found["area"].tolist() == [16]
    expected = torch.zeros(16, 16)
    expected[4:8, 4:8] = 1
    assert torch.equal(found["masks"][0], expected)


def test_blended_images_have_the_boxes_of_both():
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.25]), mask=torch.tensor([0.75, 0.25]).view(2, 1, 1, 1))
    found = mix.targets([_targets([1, 1, 3, 3], label=1), _targets([2, 2, 5, 5], label=2)])
    assert found[0]["boxes"].tolist() == [[1, 1, 3, 3], [2, 2, 5, 5]]
    assert [target["weight"].tolist() for target in found] == [[0.75, 0.25], [0.25, 0.75]]
    # Nothing of the partner is left with SamplePairing, which keeps the own label.
    kept = draw_from("samplepairing", images(2)).targets([_targets([1, 1, 3, 3]), _targets([2, 2, 5, 5])])
    assert [target["boxes"].tolist() for target in kept] == [[[1, 1, 3, 3]], [[2, 2, 5, 5]]]


@pytest.mark.parametrize("kind", ["XYXY", "CXCYWH", "XYWH"])
def test_tv_tensors_keep_their_format(kind):
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    convert = pytest.importorskip("torchvision.transforms.v2.functional").convert_bounding_box_format
    plain = [_targets([0, 0, 10, 10], label=1), _targets([4, 0, 12, 4], label=2)]
    known = tv_tensors.BoundingBoxFormat[kind]
    given = [
        target | {"boxes": convert(
            tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=(16, 16)), new_format=known)}
        for target in plain
    ]  # fmt: skip
    for expected, found in zip(_box_mix(0, 16, 6, 16).targets(plain), _box_mix(0, 16, 6, 16).targets(given)):
        assert type(found["boxes"]) is tv_tensors.BoundingBoxes
        assert found["boxes"].format == known
        back = convert(found["boxes"], new_format=tv_tensors.BoundingBoxFormat.XYXY)
        torch.testing.assert_close(back.as_subclass(torch.Tensor), expected["boxes"])
    masks = tv_tensors.Mask(_coded(2)[1])
    assert type(_box_mix(0, 16, 6, 16).targets(masks)) is tv_tensors.Mask


def test_the_identity_gives_everything_back():
    ids = _coded()[1]
    assert Mix.identity(6).targets(ids) is ids
    given = [_targets([1, 1, 3, 3])] * 6
    found = Mix.identity(6).targets(given)
    assert found[0]["boxes"].tolist() == [[1, 1, 3, 3]]
    assert found[0]["weight"].tolist() == [1]


@pytest.mark.parametrize("method", ["cutmix", "fmix"])
def test_a_call_mixes_masks_and_boxes_given_as_labels_or_in_a_dict(method):
    x, ids = _coded()
    augment, again = (DropMix(method, num_classes=6, seed=1, per="sample") for _ in range(2))
    mixed, masks = augment(x, ids)
    assert torch.equal(masks, mixed[:, 0].long())
    batch = again({"image": x, "label": torch.arange(6), "mask": ids})
    assert torch.equal(batch["mask"], masks)
    assert torch.equal(batch["image"], mixed)
    assert batch["label"].shape == (6, 6)
    boxes = [_targets([3, 2, 11, 9], label=i) for i in range(6)]
    detection = DropMix(method, num_classes=6, seed=1, per="sample")({"images": x, "targets": boxes})
    expected = augment.draw(x, torch.arange(6), step=0).targets(boxes)
    assert [t["weight"].tolist() for t in detection["targets"]] == [t["weight"].tolist() for t in expected]
    assert augment.eval()(x, ids)[1] is ids
    dropped: Any = DropMix(method, 0.5, unit="count", seed=1, per="sample")
    mixed, found = dropped(x, boxes)
    kept = (mixed == x).flatten(1).all(1)
    assert 0 < int(kept.sum()) < 6
    assert all(found[i]["weight"].tolist() == [1] for i in kept.nonzero()[:, 0].tolist())


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(3, 16, 16), "expected targets of the mix's 2 samples, got 3"),
        (torch.zeros(2, 16), r"expected masks with 2 axes of places, .* got \(2, 16\)"),
        ([{"labels": 0}, {"labels": 1}], "expected a tensor of masks, or one dict with boxes per image"),
        ([_targets([0.1, 0.1, 0.5, 0.5]), _targets()], r"in pixels, got \(1, 4\), fractions of the image"),
        ([_targets([5, 5, 2, 2]), _targets()], "or another order"),
        ([{"boxes": EMPTY}, _targets()], "expected the same keys for every image, got boxes and boxes, labels"),
    ],
)
def test_bad_targets_are_named(targets, message):
    with pytest.raises(ValueError, match=message):
        _box_mix(0, 16, 6, 16).targets(targets)


@pytest.mark.parametrize("name", ["cutmix", "resizemix", "fmix"])
def test_places_that_a_cut_would_hide_or_move_are_refused(name):
    targets = [_targets([1, 1, 9, 9]) | {"keypoints": torch.tensor([[[3.0, 3.0, 1.0]]])} for _ in range(2)]
    with pytest.raises(ValueError, match="got 'keypoints', which it would hide or move"):
        draw_from(name, images(2), 1).targets(targets)
    blended = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))
    assert len(blended.targets(targets)[0]["keypoints"]) == 2


def test_masks_of_another_size_and_hidden_states_are_refused():
    with pytest.raises(ValueError, match=r"expected masks of the images' size \(16, 16\), got \(8, 8\)"):
        draw_from("fmix", images(2)).targets(torch.zeros(2, 8, 8).long())
    with pytest.raises(ValueError, match="got one that mixes hidden states"):
        draw_from("manifoldmix", images(2)).targets(torch.zeros(2, 16, 16))
    with pytest.raises(ValueError, match="expected images for boxes, got sequences or volumes"):
        draw_from("cutmix", torch.zeros(2, 1, 16)).targets([_targets(), _targets()])


def test_sequences_and_volumes_have_masks_of_their_places():
    ids = torch.arange(4 * 20).view(4, 20)
    mix = draw_from("cutmix", ids[:, None].float(), 2)
    assert torch.equal(mix.targets(ids), apply_mix(ids[:, None], torch.eye(4), mix)[0][:, 0])
