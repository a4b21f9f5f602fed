"""SmoothMix against a loop over pixels."""

import math

import pytest

from dropmix.msda.draw import draw_partner, uniform
from dropmix.msda.methods.smoothmix import smoothmix

from ..conftest import images, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_equals_a_loop_over_pixels(per):
    n, height, width = (1 if per == "batch" else 3), 6, 9
    mix = smoothmix(images(3, height, width), generator=seeded(2), per=per)
    generator = seeded(2)
    draw_partner(3, generator)
    drawn = uniform(3, n, generator=generator)
    for i in range(n):
        cy, cx, sigma = drawn[0, i] * height, drawn[1, i] * width, (0.25 + 0.25 * drawn[2, i]) * height
        total = 0.0
        for row in range(height):
            for column in range(width):
                squared = (row + 0.5 - cy) ** 2 + (column + 0.5 - cx) ** 2
                expected = 1 - math.exp(-squared / (2 * sigma**2))
                assert mix.mask[i, 0, row, column].item() == pytest.approx(expected, abs=1e-6)
                total += expected
        assert mix.lam[i].item() == pytest.approx(total / (height * width), abs=1e-6)


@pytest.mark.parametrize("spread", [(0.0, 0.5), (0.5, 0.2)])
def test_bad_spread_is_named(spread):
    with pytest.raises(ValueError, match="expected spread with 0 < low <= high, got"):
        smoothmix(images(2), spread=spread)
