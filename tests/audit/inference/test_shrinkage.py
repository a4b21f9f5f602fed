"""Empirical Bayes against direct likelihood maximisation and known truths."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from dropmix.audit.inference.bootstrap import intervals
from dropmix.audit.inference.shrinkage import Shape, fit, losses, posterior, shape_weights, shapes


def one_shape(sigma, m):
    return Shape(np.zeros((m, len(sigma))), np.ones((m, 1)) * sigma, 0.0, np.ones(len(sigma)))


def test_em_reaches_the_maximum_likelihood():
    rng = np.random.default_rng(0)
    variance = rng.uniform(1, 4, 60) * 1e-4
    theta = 0.01 + np.where(rng.random(60) < 0.5, 0, 0.04) * rng.standard_normal(60)
    change = theta + np.sqrt(variance) * rng.standard_normal(60)
    sigma = np.array([0.0, 0.02, 0.05])
    prior = fit(change, variance, [one_shape(sigma, 60)], rounds=400)[0]

    def loss(x):
        weight = np.exp(np.append(x[1:], 0))
        density = stats.norm.pdf(change[:, None], x[0] / 100, np.sqrt(variance[:, None] + sigma**2))
        return -np.log(density @ (weight / weight.sum())).sum()

    best = optimize.minimize(loss, [1.0, 0.0, 0.0], method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-10})
    found = loss(np.append(100 * prior.mu[0], np.log(prior.weight[0, :2] + 1e-12) - np.log(prior.weight[0, 2] + 1e-12)))
    assert found == pytest.approx(best.fun, abs=0.02)
    # The value leaves out the constant of the normal density.
    assert prior.value[0] == pytest.approx(-found + 60 * np.log(2 * np.pi) / 2, abs=0.05)


def plain_em(change, variance, shape, rounds, inner=10):
    """The same steps for one data set, in double precision, with every component to the end."""
    total, moving = variance[:, None] + shape.sigma**2, shape.moving
    mu = (change / variance).sum() / (1 / variance).sum()
    weight, density = np.full(len(moving), 1 / len(moving)), np.empty(0)
    for _ in range(rounds):
        gap = change[:, None] - mu * moving - shape.centre
        density = np.exp(-0.5 * gap**2 / total) / np.sqrt(total)
        for _ in range(inner):
            weight = weight * (density / (density @ weight)[:, None]).mean(axis=0) ** 1.7
            weight /= weight.sum()
        pull = weight * density / (density @ weight)[:, None] * moving / total
        mu += (pull * gap).sum() / pull.sum()
    return mu, weight, np.log(density @ weight).sum()


@pytest.mark.parametrize("which", range(4))
def test_components_without_weight_are_left_out_and_nothing_changes(which):
    rng = np.random.default_rng(3)
    variance = rng.uniform(1, 4, 150) * 1e-4
    theta = np.where(rng.random(150) < 0.3, 0.06, 0.0)
    change = theta + np.sqrt(variance) * rng.standard_normal(150)
    shape = shapes(change, variance)[which]
    prior = fit(change, variance, [shape], rounds=8)[0]
    mu, weight, value = plain_em(change, variance, shape, rounds=8)
    assert (prior.weight[0] == 0).any()
    assert prior.mu[0] == pytest.approx(mu, abs=1e-6)
    assert prior.weight[0] == pytest.approx(weight, abs=1e-4)
    assert prior.value[0] == pytest.approx(value, abs=1e-3)


def test_losses_are_a_part_of_the_posterior():
    rng = np.random.default_rng(0)
    variance, change = rng.uniform(1, 4, 30) * 1e-4, rng.normal(0, 0.03, 30)
    priors = fit(change, variance)
    whole, part = (found(priors, change, variance, 0.005, 1e-5) for found in (posterior, losses))
    assert np.array_equal(part.below, whole.below)
    assert np.array_equal(part.change_below, whole.change_below)


def test_posterior_is_bayes_rule():
    variance = np.array([2e-4])
    change = np.array([-0.02])
    sigma = np.array([0.01, 0.03])
    shape = one_shape(sigma, 1)
    prior = fit(change, variance, [shape], rounds=1, inner=1)[0]
    prior = type(prior)(shape, np.array([0.005]), np.array([0.0]), np.array([[0.3, 0.7]]), prior.value)
    found = posterior([prior], change, variance, 0.005)

    def density(t):
        prior_density = 0.3 * stats.norm.pdf(t, 0.005, 0.01) + 0.7 * stats.norm.pdf(t, 0.005, 0.03)
        return stats.norm.pdf(-0.02, t, np.sqrt(2e-4)) * prior_density

    total = integrate.quad(density, -0.3, 0.3, limit=400, points=[-0.02, 0.005])[0]
    below = integrate.quad(density, -0.3, -0.005, limit=400, points=[-0.02])[0] / total
    moment = integrate.quad(lambda t: t * density(t), -0.3, -0.005, limit=400, points=[-0.02])[0] / total
    mean = integrate.quad(lambda t: t * density(t), -0.3, 0.3, limit=400, points=[-0.02, 0.005])[0] / total
    assert found.below[0, 0] == pytest.approx(below, rel=1e-6)
    assert found.change_below[0, 0] == pytest.approx(moment, rel=1e-6)
    assert found.mean[0, 0] == pytest.approx(mean, rel=1e-6)


def test_equal_gains_give_almost_no_degraded_class():
    rng = np.random.default_rng(0)
    variance = rng.uniform(1, 5, 100) * 1e-4
    numbers = []
    for _ in range(20):
        change = 0.0084 + np.sqrt(variance) * rng.standard_normal(100)
        found = posterior(fit(change, variance), change, variance, 0.005)
        numbers.append(found.number[0])
    assert np.mean(numbers) < 3


def test_a_group_far_below_is_counted_and_sized():
    rng = np.random.default_rng(0)
    variance = rng.uniform(2, 4, 200) * 1e-4
    true = np.where(np.arange(200) < 30, -0.06, 0.02)
    change = true + np.sqrt(variance) * rng.standard_normal(200)
    priors = fit(change, variance)
    found = posterior(priors, change, variance, 0.005)
    assert found.number[0] == pytest.approx(30, abs=6)
    assert found.mean_change[0] == pytest.approx(-0.06, abs=0.008)
    assert shape_weights(priors)[0, 2:].sum() > 0.5  # two humps need the third shape
    bounds = intervals(priors, found, change, variance, 0.005, 0.9, 60, rng)
    assert bounds.number_low <= 30 <= bounds.number_high
    assert bounds.change_low <= -0.06 <= bounds.change_high


def test_batch_equals_one_by_one():
    rng = np.random.default_rng(0)
    variance = rng.uniform(1, 5, 40) * 1e-4
    change = rng.normal(0.01, 0.03, (5, 40))
    shape = one_shape(np.array([0.0, 0.01, 0.03, 0.06]), 40)
    batch = fit(change, variance, [shape], rounds=30)
    for i in range(5):
        single = fit(change[i], variance, [shape], rounds=30)
        ours, alone = (posterior(p, c, variance, 0.005) for p, c in ((batch, change), (single, change[i])))
        # The batch goes on until the slowest member has converged.
        np.testing.assert_allclose(ours.below[i], alone.below[0], atol=0.02)


def test_margin_and_direction():
    rng = np.random.default_rng(0)
    variance = np.full(50, 1e-4)
    change = rng.normal(0, 0.03, 50)
    one, other = (posterior(fit(c, variance), c, variance, 0.005) for c in (change, -change))
    np.testing.assert_allclose(one.below, other.above, atol=0.02)


def test_identical_arms_are_no_problem():
    variance = np.full(30, 1e-4)
    found = posterior(fit(np.zeros(30), variance), np.zeros(30), variance, 0.005)
    assert np.isfinite(found.number[0])
    assert found.number[0] < 5


def test_classes_that_did_not_change_are_not_counted():
    """Most classes exactly unchanged, the others up: the spike's case."""
    rng = np.random.default_rng(0)
    variance = np.full(100, 0.015**2)
    true = np.where(np.arange(100) < 30, 0.06, 0.0)
    numbers = []
    for _ in range(20):
        change = true + 0.015 * rng.standard_normal(100)
        numbers.append(posterior(fit(change, variance), change, variance, 0.005).number[0])
    assert np.mean(numbers) < 8


def test_what_moves_all_classes_widens_every_estimate():
    variance, change = np.full(50, 1e-4), np.random.default_rng(0).normal(0, 0.02, 50)
    priors = fit(change, variance)
    alone, shared = (posterior(priors, change, variance, 0.005, common) for common in (0.0, 4e-4))
    assert (shared.sd[0] > alone.sd[0] + 0.005).all()
