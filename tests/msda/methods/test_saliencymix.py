"""SaliencyMix against a loop over samples."""

import math

import pytest
import torch

from dropmix.msda.boxes import box_around, half_sides
from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.methods.saliencymix import box_around_pixel, saliencymix

from ..conftest import images, saliency_of, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_every_partner_has_a_box_of_its_own(per):
    x = images(6, 12, 20)
    saliency = saliency_of(x)
    mix = saliencymix(x, saliency, generator=seeded(2), per=per)
    generator = seeded(2)
    lam = draw_lam(6, 1.0, per, generator).double()
    partner = draw_partner(6, generator)
    for i in range(6):
        peak = max(
            ((row, column) for row in range(12) for column in range(20)),
            key=lambda p, i=i: saliency[partner[i], p[0], p[1]].item(),
        )
        share = math.sqrt(1 - lam[i if per == "sample" else 0])
        half = (int(12 * share) // 2, int(20 * share) // 2)
        expected = [max(peak[0] - half[0], 0), min(peak[0] + half[0], 12)]
        expected += [max(peak[1] - half[1], 0), min(peak[1] + half[1], 20)]
        assert mix.box[i].tolist() == expected
        area = (expected[1] - expected[0]) * (expected[3] - expected[2])
        assert mix.lam[i].item() == pytest.approx(1 - area / 240)


@pytest.mark.parametrize("form", ["integer", "continuous"])
def test_boxes_in_integers_are_those_of_real_numbers(form):
    lam = draw_lam(500, 1.0, "sample", seeded())
    lam[:3] = torch.tensor([0.0, 1.0, 0.75])
    peak = torch.randint(12 * 20, (500,), generator=seeded(1))
    centre = torch.stack([peak // 20, peak % 20]).double().numpy()
    box = box_around_pixel(peak, half_sides(lam, (12, 20), form), (12, 20))
    assert torch.equal(box, box_around(lam, centre, (12, 20), form))
    with pytest.raises(ValueError, match="form: expected 'integer' or 'continuous', got 'round'"):
        saliencymix(images(2), saliency_of(images(2)), form="round")


def test_a_function_of_images_may_stand_for_saliency():
    x = images(4)
    plain, asked = saliencymix(x, saliency_of(x), generator=seeded()), saliencymix(x, saliency_of, generator=seeded())
    assert torch.equal(plain.box, asked.box)


def test_bad_saliency_is_named():
    x = images(2)
    with pytest.raises(ValueError, match=r"expected saliency of shape .* = \(2, 16, 16\), got \(2, 3, 16, 16\)"):
        saliencymix(x, x)
    with pytest.raises(ValueError, match="expected finite saliency, got NaN or infinity"):
        saliencymix(x, torch.full((2, 16, 16), torch.nan))
