"""Where the components of the priors lie, and which shape contains which."""

import numpy as np

from dropmix.audit.inference.prior_shapes import shapes, sigma_grid

VARIANCE = np.array([1e-4, 4e-4, 9e-4, 1e-4, 1e-4])
CHANGE = np.array([0.01, -0.05, 0.08, 0.0, -0.02])


def components(shape):
    """Each component as its centres and widths over the classes."""
    return {(*np.round([*centre, *sigma], 12),) for centre, sigma in zip(shape.centre.T, shape.sigma.T)}


def test_widths_go_in_steps_from_a_quarter_of_the_noise_to_twice_the_excess():
    grid = sigma_grid(CHANGE, VARIANCE)
    assert grid[0] == 0
    assert grid[1] == np.sqrt(VARIANCE.min()) / 4
    np.testing.assert_allclose(grid[2:] / grid[1:-1], np.sqrt(2))
    largest = 2 * np.sqrt(max((CHANGE - np.median(CHANGE)) ** 2 - VARIANCE))
    assert grid[-2] < largest <= grid[-1]


def test_components_of_the_four_shapes():
    scales, relative, located, spike = shapes(CHANGE, VARIANCE)
    assert (scales.centre == 0).all()
    assert (scales.sigma == scales.sigma[:1]).all()
    assert (relative.centre == 0).all()
    noise = np.sqrt(VARIANCE)
    wide = [sigma for sigma in relative.sigma.T if len({*sigma}) > 1]
    assert len(wide) == len(scales.sigma[0][1::2])
    for sigma, usual in zip(wide, scales.sigma[0][1::2]):
        np.testing.assert_allclose(sigma, usual * noise / np.median(noise))
    assert components(relative) < components(located) == components(spike)
    away = [(centre, sigma) for centre, sigma in zip(located.centre.T, located.sigma.T) if centre.any()]
    z = (CHANGE - np.median(CHANGE)) / noise
    places = [k for k in range(int(np.floor(z.min())), int(np.ceil(z.max())) + 1) if k]
    assert len(away) == len(places)
    for (centre, sigma), place in zip(away, places):
        np.testing.assert_allclose(centre, place * noise)
        np.testing.assert_allclose(sigma, 0.7 * noise)


def test_only_the_spike_stays_at_no_change_wherever_the_others_go():
    *others, spike = shapes(CHANGE, VARIANCE)
    assert all((shape.moving == 1).all() for shape in others)
    assert spike.moving[0] == 0
    assert (spike.moving[1:] == 1).all()
    assert not spike.centre[:, 0].any()
    assert not spike.sigma[:, 0].any()


def test_shapes_of_more_freedom_pay_more():
    penalties = [shape.penalty for shape in shapes(CHANGE, VARIANCE)]
    assert penalties[0] == 0
    assert penalties[1] == 0.5 * np.log(5)
    assert penalties[2] == penalties[3] == np.log(5)
    many = shapes(np.tile(CHANGE, 40), np.tile(VARIANCE, 40))
    assert many[2].penalty == np.sqrt(200) / 2
