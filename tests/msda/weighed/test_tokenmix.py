"""TokenMix: cells in blocks as published, and labels against a loop over pixels."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from dropmix import apply_mix
from dropmix.msda.weighed.tokenmix import draw_cells, tokenmix

from ..conftest import images, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("grid", [7, 5])
def test_images_and_labels_are_a_loops(per, grid):
    side, width = 14, 17
    x, maps = images(6, side, width), torch.randn(6, side, width, generator=seeded(3))
    mix = tokenmix(x, maps, generator=seeded(2), grid=grid, per=per)
    mixed, shares = apply_mix(x, torch.eye(6), mix)
    assert mix.mask is not None
    assert len(mix.mask) == (1 if per == "batch" else 6)
    for i in range(6):
        j, mask = int(mix.partner[i]), mix.mask[i if per == "sample" else 0, 0]
        own, theirs, cells = 0.0, 0.0, {}
        sums = [float(maps[k].clamp(min=0).sum()) for k in (i, j)]
        for row in range(side):
            for column in range(width):
                shown = float(mask[row, column])
                cells.setdefault((row * grid // side, column * grid // width), set()).add(shown)
                source = x[i] if shown else x[j]
                assert torch.equal(mixed[i, :, row, column], source[:, row, column])
                own += shown * max(float(maps[i, row, column]), 0) / sums[0]
                theirs += (1 - shown) * max(float(maps[j, row, column]), 0) / sums[1]
        assert all(len(kinds) == 1 for kinds in cells.values())  # a cell is of one image
        assert sum(kinds == {0.0} for kinds in cells.values()) <= round(4 / 7 * grid * grid)
        label = own * torch.eye(6)[i] + theirs * torch.eye(6)[j]
        torch.testing.assert_close(shares[i], label, rtol=1e-4, atol=1e-5)


def test_cells_come_in_blocks_and_rarely_fall_short():
    generator, counts, pieces, borders = seeded(), [], [], []
    for _ in range(300):
        cells = draw_cells(14, 112, generator)
        counts.append(int(cells.sum()))
        pieces.append(ndimage.label(cells)[1])
        borders.append(int((np.diff(cells, axis=0) != 0).sum() + (np.diff(cells, axis=1) != 0).sum()))
    assert max(counts) == 112
    assert np.mean([count == 112 for count in counts]) > 0.8
    assert np.mean(pieces) < 6  # cells chosen one by one fall into more: about 10
    scattered = 2 * 14 * 13 * 2 * (4 / 7) * (3 / 7)  # expected number of borders of cells chosen one by one
    assert np.mean(borders) < 0.6 * scattered


def test_every_cell_may_be_chosen():
    generator, total = seeded(), np.zeros((6, 6))
    for _ in range(400):
        total += draw_cells(6, 20, generator)
    assert total.min() > 50
    assert total.max() < 390


def test_a_map_without_positive_values_makes_shares_of_areas():
    mix = tokenmix(images(4), torch.full((4, 16, 16), -2.0), generator=seeded(1), grid=4)
    assert mix.mask is not None
    torch.testing.assert_close(mix.lam, mix.mask.mean().expand(4))
    torch.testing.assert_close(mix.partner_lam, 1 - mix.lam)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 17}, r"expected grid in \[2, 16\], got 17"),
        ({"share": 1.0}, r"expected share in \(0, 1\), got 1.0"),
        ({"share": 0.0}, r"expected share in \(0, 1\), got 0.0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        tokenmix(images(2), torch.ones(2, 16, 16), **options)
