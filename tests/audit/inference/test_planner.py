"""The planner against simulation, and against its own arithmetic."""

import numpy as np
import pytest

from dropmix.audit.inference.planner import (
    Noise,
    assumed_noise,
    both_needed,
    chance_of_decision,
    images_needed,
    noise_of_audit,
    power_of_decision,
    seeds_needed,
)
from dropmix.audit.rows.to_decide import seeds_of_each
from dropmix.audit.rows.ways import as_arms


@pytest.mark.parametrize("change", [-0.06, -0.02, 0.01, 0.03])
def test_power_is_what_simulation_gives(change):
    rng = np.random.default_rng(0)
    se = 0.015
    seen = change + se * rng.standard_normal(200_000)
    hurt, safe = power_of_decision(change, 0.01, se**2)
    assert hurt == pytest.approx(((seen + 0.01) / se < -1.6973).mean(), abs=0.004)
    assert safe == pytest.approx(((seen + 0.01) / se > 1.6973).mean(), abs=0.004)


@pytest.mark.parametrize("seen", [-0.06, -0.02, 0.03])
def test_the_chance_after_more_seeds_is_that_of_studies_in_which_the_same_was_seen(seen):
    """True changes of a tenth, three seeds that saw about the same of them, and nine more seeds."""
    rng = np.random.default_rng(1)
    one, first, added = 0.12**2, 3, 9
    true = 0.1 * rng.standard_normal(6_000_000)
    saw = true + np.sqrt(one / first) * rng.standard_normal(len(true))
    true, seen = true[near := np.abs(saw - seen) < 0.002], saw[near]
    last = (first * seen + added * (true + np.sqrt(one / added) * rng.standard_normal(len(true)))) / (first + added)
    decided = np.abs(last + 0.01) / np.sqrt(one / (first + added)) > 1.6973
    found = chance_of_decision(seen.mean(), 0.01, np.array([one / first]), np.array([one / (first + added)]))
    assert found[0] == pytest.approx(decided.mean(), abs=0.008)


def test_seeds_that_are_named_after_an_audit_reach_the_chance_and_one_less_does_not():
    noise, n, now = Noise(np.array([0.06]), np.array([2e-4]), np.zeros(1)), 50, 3
    seen, variance = np.array([-0.06]), noise.variance(3, 50)
    seeds = seeds_needed(seen, 0.01, noise, n, now=variance)[0]
    chances = [chance_of_decision(seen, 0.01, variance, noise.variance(s, n))[0] for s in (seeds - 1, seeds)]
    assert chances[0] < 0.8 <= chances[1]
    assert seeds > seeds_needed(seen, 0.01, noise, n)[0] > now
    times = both_needed(seen, 0.01, noise, now, np.array([n]), 0.8, 0.05, variance)[0]
    both = chance_of_decision(seen, 0.01, variance, noise.variance(times * now, times * n))[0]
    assert both == pytest.approx(0.8, abs=1e-4)
    assert times < seeds / now


def test_variance_is_that_of_simulated_predictions():
    rng = np.random.default_rng(0)
    seeds, n = 4, 60
    rate = rng.beta(2, 1, n)
    changes = []
    for _ in range(3000):
        moves = 0.3 * rng.standard_normal((2, seeds, 1))
        p = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + moves)))
        right = rng.random((2, seeds, n)) < p
        changes.append(right[1].mean() - right[0].mean())
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    at = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + 0.3 * nodes[:, None])))
    weights = weights / weights.sum()
    mean = weights @ at.mean(axis=1)
    class_part = weights @ (at.mean(axis=1) - mean) ** 2
    flip = weights @ (at * (1 - at)).mean(axis=1)
    noise = Noise(np.array([flip]), np.array([class_part]), np.zeros(1))
    assert noise.variance(seeds, n)[0] == pytest.approx(np.var(changes), rel=0.08)


def test_what_is_needed_is_just_enough():
    noise = Noise(np.array([0.06, 0.03]), np.array([2e-4, 1e-4]), np.array([0.02, 0.01]))
    change = np.array([-0.06, 0.04])
    seeds = seeds_needed(change, 0.01, noise, np.array([200, 300]))
    assert np.isfinite(seeds).all()
    for i in range(2):
        n = (200, 300)[i]
        powers = [
            max(float(p[i]) for p in power_of_decision(change, 0.01, noise.variance(s, n)))
            for s in (seeds[i] - 1, seeds[i])
            if s > 0
        ]
        assert powers[-1] >= 0.8
        assert seeds[i] == 1 or powers[0] < 0.8
    images = images_needed(change, 0.01, noise, 5)
    for i in range(2):
        less, enough = (
            max(float(p[i]) for p in power_of_decision(change, 0.01, noise.variance(5, n)))
            for n in (images[i] - 1, images[i])
        )
        assert less < 0.8 <= enough


def test_assumed_noise_is_about_what_runs_on_cifar_100_show():
    """CIFAR-100 with 100 images per class and five seeds: 1.8 points over seeds, a little more for new images."""
    noise = assumed_noise(0.13)
    (seeds_only,), (images_too,) = (np.sqrt(part.variance(5, 100)) for part in (noise.on_these_images(), noise))
    assert 0.017 < seeds_only < 0.021
    assert 0.022 < images_too < 0.027


def test_a_change_at_the_tolerance_is_never_decided():
    noise = Noise(np.array([0.06]), np.array([2e-4]), np.array([0.02]))
    assert seeds_needed(np.array([-0.01]), 0.01, noise, 1000).tolist() == [np.inf]
    assert images_needed(np.array([-0.01]), 0.01, noise, 5).tolist() == [np.inf]


def test_seeds_alone_cannot_make_up_for_few_images():
    noise = Noise(np.array([0.06]), np.array([1e-5]), np.array([0.1]))
    assert seeds_needed(np.array([-0.05]), 0.01, noise, 20).tolist() == [np.inf]
    assert np.isfinite(images_needed(np.array([-0.05]), 0.01, noise, 5)).all()


def test_noise_of_an_audit_gives_back_its_errors(audit):
    summary, classes = audit()
    noise = noise_of_audit(summary, classes)
    np.testing.assert_allclose(noise.on_these_images().variance(4, classes["n"]), classes["se_fixed_test"] ** 2)
    np.testing.assert_allclose(noise.variance(4, classes["n"]), classes["se_population"] ** 2)


@pytest.mark.parametrize(("classes", "seeds", "expected"), [(400, 20, 0.01), (2, 2, 0.01 / 3 + 2 * 0.005 / 3)])
def test_what_seeds_do_to_classes_is_as_measured_if_much_was_seen_and_else_near_other_networks(
    audit, classes, seeds, expected
):
    """The variance of recall is twice that of flips at 100 images: 0.01 of a flip; other networks have 0.005."""
    summary, _ = audit(seed_variance_ratio=2.0, seeds_baseline=seeds, seeds_treated=seeds)
    each = {"n": 100, "se_fixed_test": 0.02, "se_population": 0.03}
    noise = noise_of_audit(summary, {key: np.full(classes, value) for key, value in each.items()})
    np.testing.assert_allclose(noise.seed / noise.flip, expected, rtol=0.01)


def test_a_small_class_has_a_smaller_share_of_what_seeds_do_to_whole_classes(audit):
    summary, classes = audit()
    noise = noise_of_audit(summary, classes)
    whole = noise.seed / (noise.seed + noise.flip / classes["n"])
    assert 0 < whole[0] < whole[1]


@pytest.mark.parametrize("counts", [(3, 1), (1, 3), (10, 2), (4, 4), (5, 3)])
@pytest.mark.parametrize("wished", [2, 5, 12])
def test_arms_are_raised_to_what_does_as_well_as_the_wished_seeds(counts, wished):
    arms = as_arms(wished, counts)
    assert all(after >= before for after, before in zip(arms, counts))
    assert seeds_of_each(arms) >= wished - 1e-9
    fewer = (arms[0] - 1, arms[1]) if counts[0] < counts[1] else (arms[0], arms[1] - 1)
    assert fewer[0] < counts[0] or fewer[1] < counts[1] or seeds_of_each(fewer) < wished
