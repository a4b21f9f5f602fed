"""Distributions of lam, partners and boxes, against scipy and a loop."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from dropmix.msda import TEXT_METHODS
from dropmix.msda.binding import is_of_hidden
from dropmix.msda.boxes import box_around, box_share, draw_box
from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.dropmix import DropMix

from .conftest import draw_from, images, seeded

N = 20_000


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_lam_is_beta(alpha):
    lam = draw_lam(N, alpha, "sample", seeded()).double().numpy()
    # Kolmogorov's distance on a grid below 1: float32 rounds what is nearest to 1.
    grid = np.concatenate([np.logspace(-9, -1), np.linspace(0.1, 0.999)])
    distance = np.abs((lam[:, None] <= grid).mean(0) - stats.beta(alpha, alpha).cdf(grid)).max()
    assert distance < 1.63 / math.sqrt(N)  # the 1 % point
    assert abs(lam.mean() - 0.5) < 0.015
    assert abs(lam.var() - 1 / (4 * (2 * alpha + 1))) < 0.01


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_alpha_gives_shares(alpha):
    lam = draw_lam(N, alpha, "sample", seeded())
    assert lam.isfinite().all()
    assert lam.min() >= 0
    assert lam.max() <= 1
    assert abs(lam.mean() - 0.5) < 0.015


def test_lam_per_batch_is_one_value_and_differs_between_batches():
    generator = seeded()
    drawn = torch.cat([draw_lam(7, 1.0, "batch", generator) for _ in range(2000)])
    assert drawn.shape == (2000,)
    assert stats.kstest(drawn.numpy(), "uniform").statistic < 1.63 / math.sqrt(2000)


@pytest.mark.parametrize("alpha", [1e-6, 0.2, 1.0, 1e6])
def test_lam_per_batch_is_that_of_a_batch_of_one_sample(alpha):
    # One number takes another path than many: the same draws must give the same lam.
    one = torch.cat([draw_lam(7, alpha, "batch", seeded(i)) for i in range(500)])
    many = torch.cat([draw_lam(1, alpha, "sample", seeded(i)) for i in range(500)])
    torch.testing.assert_close(one, many, rtol=1.2e-7, atol=0)


def test_partners_are_uniform_permutations():
    generator, counts = seeded(), np.zeros((5, 5))
    for _ in range(4000):
        partner = draw_partner(5, generator)
        assert sorted(partner.tolist()) == list(range(5))
        counts[np.arange(5), partner.numpy()] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 0.01


def _official_box(lam: float, cy: float, cx: float, height: int, width: int, form: str) -> list[int]:
    """Two published rules, one number at a time."""
    if form == "integer":
        cut_h, cut_w = int(height * math.sqrt(1 - lam)), int(width * math.sqrt(1 - lam))
        ends = (cy - cut_h // 2, cy + cut_h // 2, cx - cut_w // 2, cx + cut_w // 2)
    else:
        h, w = height * math.sqrt(1 - lam), width * math.sqrt(1 - lam)
        ends = (cy - h / 2, cy + h / 2, cx - w / 2, cx + w / 2)
    limits = (height, height, width, width)
    return [int(min(max(end, 0), limit)) for end, limit in zip(ends, limits)]


@pytest.mark.parametrize("form", ["integer", "continuous"])
def test_boxes_follow_the_published_rules(form):
    generator = seeded()
    for height, width in ((32, 32), (7, 13), (1, 5)):
        lam = torch.cat([draw_lam(200, 1.0, "sample", generator), torch.tensor([0.0, 0.25, 0.75, 1.0])])
        centre = torch.rand(2, len(lam), dtype=torch.float64, generator=generator).numpy() * [[height], [width]]
        centre = np.floor(centre) if form == "integer" else centre
        box = box_around(lam, centre, (height, width), form)
        expected = [_official_box(float(v), cy, cx, height, width, form) for v, cy, cx in zip(lam.double(), *centre)]
        assert box.tolist() == expected
        loops = [1 - (y1 - y0) * (x1 - x0) / (height * width) for y0, y1, x0, x1 in expected]
        torch.testing.assert_close(box_share(box, (height, width)), torch.tensor(loops))


@pytest.mark.parametrize("form", ["integer", "continuous"])
@pytest.mark.parametrize("count", [1, 2])  # one box takes another path than several
def test_drawn_boxes_follow_the_published_rules(form, count):
    for seed in range(300):
        lam = torch.cat([draw_lam(count - 1, 1.0, "sample", seeded(seed)), torch.tensor([(seed % 4) / 3])])
        y, x = torch.rand(2, count, dtype=torch.float64, generator=seeded(seed)).numpy() * [[7], [13]]
        y, x = (np.floor(y), np.floor(x)) if form == "integer" else (y, x)
        box, share = draw_box(lam, (7, 13), form, seeded(seed))
        assert box.tolist() == [_official_box(v, cy, cx, 7, 13, form) for v, cy, cx in zip(lam.tolist(), y, x)]
        shares = [1 - (y1 - y0) * (x1 - x0) / (7 * 13) for y0, y1, x0, x1 in box.tolist()]
        assert share.tolist() == box_share(box, (7, 13)).tolist() == torch.tensor(shares).tolist()


@pytest.mark.parametrize("form", ["integer", "continuous"])
def test_box_places_are_uniform_and_areas_as_expected(form):
    lam = torch.full((N,), 0.75)
    box = draw_box(lam, (32, 32), form, seeded())[0].numpy()
    assert box.min() >= 0
    assert box.max() <= 32
    centre = (box[:, 0] + box[:, 1]) / 2
    assert abs(centre.mean() - 16) < 0.3
    inner = box[(box[:, 0] > 0) & (box[:, 1] < 32)]
    assert abs((inner[:, 1] - inner[:, 0]).mean() - 16) < 0.05
    # A side of 16 whose centre is uniform on 32 keeps 14 pixels on average: 16 minus 2 x (1/4) x 4.
    assert abs((box[:, 1] - box[:, 0]).mean() - 14) < 0.2
    assert abs(box_share(torch.from_numpy(box), (32, 32)).mean() - (1 - 14 * 14 / 1024)) < 0.01


def test_lam_zero_covers_and_lam_one_cuts_nothing():
    box = box_around(torch.tensor([0.0, 1.0]), np.array([[16.0, 3.0], [16.0, 3.0]]), (32, 32))
    assert box[0].tolist() == [0, 32, 0, 32]
    assert box_share(box, (32, 32)).tolist() == [0.0, 1.0]


def test_unknown_form_is_named():
    with pytest.raises(ValueError, match="form: expected 'integer' or 'continuous', got 'round'"):
        draw_box(torch.tensor([0.5]), (8, 8), "round")  # pyright: ignore[reportArgumentType]


def test_a_record_for_hidden_states_comes_from_a_method_known_for_it(method):
    assert (draw_from(method, images(4)).layer is not None) == is_of_hidden(method)


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_so_it_does_among_methods_for_texts(name):
    texts, y = torch.ones(4, 1, 1, 8, dtype=torch.int64), torch.arange(4)
    record = DropMix(name, num_classes=4).draw(texts, y, saliency=lambda x, y: x.float().mean(1))
    assert (record.layer is not None) == is_of_hidden(name)
