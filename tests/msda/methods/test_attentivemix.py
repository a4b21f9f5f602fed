"""Attentive CutMix against a loop over cells."""

import pytest
import torch

from dropmix import apply_mix
from dropmix.msda.methods.attentivemix import attentivemix

from ..conftest import images, seeded


@pytest.mark.parametrize(("side", "grid", "cells"), [(14, 7, 6), (16, 7, 6), (9, 4, 15), (8, 2, 1)])
def test_the_most_attended_cells_are_pasted_as_a_loop_does_it(side, grid, cells):
    x, width = images(6, side, side + 3), side + 3
    attention = torch.rand(6, side, width, generator=seeded(4))
    mix = attentivemix(x, attention, generator=seeded(2), grid=grid, cells=cells)
    mixed, shares = apply_mix(x, torch.eye(6), mix)
    for i in range(6):
        j = int(mix.partner[i])
        members: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for row in range(side):
            for column in range(width):
                members.setdefault((row * grid // side, column * grid // width), []).append((row, column))
        assert len(members) == grid * grid
        means = {
            cell: sum(float(attention[j, r, c]) for r, c in places) / len(places) for cell, places in members.items()
        }
        best = sorted(members, key=lambda cell: -means[cell])[:cells]
        expected, area = x[i].clone(), 0
        for cell in best:
            for row, column in members[cell]:
                expected[:, row, column] = x[j, :, row, column]
                area += 1
        assert torch.equal(mixed[i], expected)
        if i != j:
            assert float(shares[i, j]) == pytest.approx(area / (side * width), abs=1e-6)


def test_where_the_grid_divides_the_image_the_label_is_the_papers():
    mix = attentivemix(torch.zeros(3, 3, 28, 28), torch.rand(3, 28, 28), generator=seeded())
    torch.testing.assert_close(mix.lam, torch.full((3,), 1 - 6 / 49))


def test_equal_cells_are_taken_in_reading_order():
    mix = attentivemix(images(2, 8, 8), torch.ones(2, 8, 8), generator=seeded(), grid=4, cells=3)
    assert mix.mask is not None
    assert (mix.mask[:, 0, ::2, ::2].flatten(1) == torch.tensor([0.0] * 3 + [1.0] * 13)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 17}, r"expected grid in \[2, 16\], got 17"),
        ({"grid": 1}, r"expected grid in \[2, 16\], got 1"),
        ({"cells": 49}, r"expected cells in \[1, 48\], got 49"),
        ({"cells": 0}, r"expected cells in \[1, 48\], got 0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        attentivemix(images(2), torch.ones(2, 16, 16), **options)
