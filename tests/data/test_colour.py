"""Colour shifts of a batch against CutMix's transforms, applied to each picture one after the other."""

import itertools

import pytest
import torch

from dropmix.data.stream import COLOUR_DRAWS, EIGENVALUES, EIGENVECTORS, colour_shifts, shift_colours


def gray(picture):
    return (0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]).expand(3, -1, -1)


def brightness(picture, alpha):
    return picture.lerp(torch.zeros_like(picture), alpha)


def contrast(picture, alpha):
    return picture.lerp(torch.full_like(picture, gray(picture).mean().item()), alpha)


def saturation(picture, alpha):
    return picture.lerp(gray(picture), alpha)


def lighting(picture, alpha):
    added = (torch.tensor(EIGENVECTORS) * alpha * torch.tensor(EIGENVALUES)).sum(1)
    return picture + added[:, None, None]


@pytest.mark.parametrize("order", range(6))
def test_equal_to_one_transform_after_the_other(order):
    generator = torch.Generator().manual_seed(order)
    x = torch.rand(4, 3, 5, 7, generator=generator)
    draws = torch.rand(4, COLOUR_DRAWS, generator=generator, dtype=torch.float64)
    draws[:, 3] = (order + 0.5) / 6
    got = shift_colours(x, colour_shifts(draws))
    transforms = list(itertools.permutations([brightness, contrast, saturation]))[order]
    which = [brightness, contrast, saturation]
    for row in range(4):
        alphas = (0.8 * draws[row, :3] - 0.4).tolist()
        picture = x[row]
        for transform in transforms:
            picture = transform(picture, alphas[which.index(transform)])
        normal = torch.distributions.Normal(0.0, 0.1).icdf(draws[row, 4:].float())
        assert torch.allclose(got[row], lighting(picture, normal), atol=1e-6)


def test_draws_reach_all_orders_and_the_lightings_spread():
    draws = torch.rand(60_000, COLOUR_DRAWS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    light = colour_shifts(draws)[:, 3:].double()
    vectors, values = torch.tensor(EIGENVECTORS), torch.tensor(EIGENVALUES)
    expected = (vectors * 0.1 * values) @ (vectors * 0.1 * values).T
    assert torch.allclose(light.T.cov(), expected.double(), atol=5e-6)  # 2 % of the largest entry
    draws[0, 4] = 0.0  # the end of the range stays finite
    assert colour_shifts(draws).isfinite().all()


def test_memory_format_stays():
    x = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    shifts = colour_shifts(torch.full((2, COLOUR_DRAWS), 0.3, dtype=torch.float64))
    assert shift_colours(x, shifts).is_contiguous(memory_format=torch.channels_last)
