"""GridMix against a loop over cells."""

import pytest
import torch

from dropmix.msda.draw import draw_lam, draw_partner, uniform
from dropmix.msda.methods.gridmix import gridmix

from ..conftest import images, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize(("height", "width", "grid"), [(16, 16, 4), (10, 7, 3), (5, 5, 5), (8, 8, 1)])
def test_equals_a_loop_over_cells(per, height, width, grid):
    n = 1 if per == "batch" else 3
    mix = gridmix(images(3, height, width), generator=seeded(2), grid=grid, per=per)
    generator = seeded(2)
    lam = draw_lam(3, 1.0, per, generator)
    draw_partner(3, generator)
    drawn = uniform(n, grid * grid, generator=generator)
    for i in range(n):
        count = round(float(lam[i]) * grid * grid)
        chosen = sorted(range(grid * grid), key=lambda cell: drawn[i, cell])[:count]
        expected = torch.zeros(height, width)
        for row in range(height):
            for column in range(width):
                if (row * grid // height) * grid + column * grid // width in chosen:
                    expected[row, column] = 1
        assert torch.equal(mix.mask[i, 0], expected)
        assert mix.lam[i] == pytest.approx(expected.mean().item())


def test_every_cell_is_chosen_equally_often():
    mask = gridmix(torch.zeros(4000, 1, 4, 4), generator=seeded(), per="sample").mask
    assert (mask.mean(0) - 0.5).abs().max() < 0.03


@pytest.mark.parametrize("grid", [0, 17])
def test_bad_grid_is_named(grid):
    with pytest.raises(ValueError, match=rf"expected grid in \[1, 16\], got {grid}"):
        gridmix(images(2), grid=grid)
