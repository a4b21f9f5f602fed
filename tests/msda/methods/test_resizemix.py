"""ResizeMix against torch's own resizing, sample by sample."""

import pytest
import torch
from scipy import stats

from dropmix import apply_mix
from dropmix.msda.methods.resizemix import resizemix

from ..conftest import images, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("shape", [(16, 16), (9, 20)])
def test_the_whole_partner_is_shrunk_into_the_box(per, shape):
    x = images(5, *shape)
    for seed in range(4):
        mix = resizemix(x, generator=seeded(seed), per=per)
        mixed, _ = apply_mix(x, torch.eye(5), mix)
        for i in range(5):
            y0, y1, x0, x1 = mix.box[i if per == "sample" else 0].tolist()
            small = torch.nn.functional.interpolate(x[mix.partner[i]][None], (y1 - y0, x1 - x0), mode="bilinear")[0]
            expected = x[i].clone()
            expected[:, y0:y1, x0:x1] = small
            torch.testing.assert_close(mixed[i], expected, rtol=0, atol=1e-5)
            assert mix.lam[i].item() == pytest.approx(1 - (y1 - y0) * (x1 - x0) / (shape[0] * shape[1]))


def test_boxes_lie_inside_and_sides_are_uniform():
    mix = resizemix(torch.zeros(4000, 1, 100, 50), generator=seeded(), per="sample")
    y0, y1, x0, x1 = mix.box.T
    assert min(y0.min(), x0.min()) == 0
    assert y1.max() == 100
    assert x1.max() == 50
    sides = (y1 - y0).numpy()
    assert stats.kstest(sides, stats.uniform(9.5, 70).cdf).statistic < 0.04
    assert stats.kstest((y0 / (100 - (y1 - y0) + 1)).numpy(), "uniform").statistic < 0.08


def test_full_scale_shows_the_partner():
    x = images(3)
    mixed, shares = apply_mix(x, torch.eye(3), mix := resizemix(x, generator=seeded(), scale=(1.0, 1.0)))
    torch.testing.assert_close(mixed, x[mix.partner], rtol=0, atol=1e-5)
    assert torch.equal(shares, torch.eye(3)[mix.partner])


@pytest.mark.parametrize("scale", [(0.0, 0.5), (0.5, 0.4), (0.5, 1.1)])
def test_bad_scale_is_named(scale):
    with pytest.raises(ValueError, match="expected scale with 0 < low <= high <= 1, got"):
        resizemix(images(2), scale=scale)


def test_integer_images_are_named():
    with pytest.raises(ValueError, match=r"expected float images, which it resizes, got torch\.uint8"):
        resizemix(images(2).byte())
