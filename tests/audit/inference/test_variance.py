"""Variances against the truth of simulations, and what duplication does to them."""

import numpy as np
import pytest

from dropmix.audit.inference.decide import class_tests
from dropmix.audit.inference.seed_noise import lone_arm
from dropmix.audit.inference.variance import variances
from dropmix.studies.simulate import CIFAR, World, simulate


def measured(s, shared=None):
    m, n = s.correct0.shape[1:]
    position = np.repeat(np.arange(m), n)
    recall = [c.mean(axis=2) for c in (s.correct0, s.correct1)]
    flat = [c.reshape(len(c), -1) for c in (s.correct0, s.correct1)]
    return variances(position, flat[0], flat[1], shared=shared), recall[1].mean(axis=0) - recall[0].mean(axis=0)


@pytest.mark.parametrize(
    "world",
    [
        CIFAR,
        World(per_class=50, recall_sd=0.15),
        World(seed_ratio=1.8),
        World(arm_disagreement=0.02),
        World(seeds=(3, 6)),
    ],
    ids=["cifar", "small classes", "strong seeds", "arms disagree", "uneven seeds"],
)
def test_z_scores_have_unit_variance(world):
    rng = np.random.default_rng(0)
    scales = world.scales()
    fixed, population = [], []
    for _ in range(25):
        s = simulate(world, np.asarray(0.01), rng, scales=scales)
        v, change = measured(s)
        fixed.append((change - s.change_fixed) / np.sqrt(v.fixed))
        population.append((change - s.change_population) / np.sqrt(v.population))
    # 2500 scores: the sd of their sd is 0.014; the second is allowed to be a little cautious.
    assert np.std(fixed) == pytest.approx(1, abs=0.05)
    assert 0.9 < np.std(population) < 1.05


def test_what_moves_all_classes_is_the_gains_variance_beyond_the_classes_own_for_unequal_shared_seeds():
    rng = np.random.default_rng(7)
    position = np.repeat([0, 1, 2], [400, 250, 100])
    moved = rng.normal(0, 0.1, 9)  # by seed; the first three seeds of both arms are the same
    of_arm = moved[[0, 1, 2]], moved[[0, 1, 2, 3, 4, 5]] + rng.normal(0, 0.03, 6)
    right = [rng.random((len(by_seed), 750)) < 0.7 + by_seed[:, None] for by_seed in of_arm]
    v = variances(position, *right, shared=(np.arange(3), np.arange(3)))
    accuracy = [arm.mean(axis=1) for arm in right]
    gain = accuracy[0].var(ddof=1) / 3 + accuracy[1].var(ddof=1) / 6
    gain -= 2 * np.cov(accuracy[0], accuracy[1][:3])[0, 1] * 3 / (3 * 6)
    share = np.array([400, 250, 100]) / 750
    assert v.common > 0
    assert v.common == pytest.approx(gain - float((share**2 * v.fixed).sum()), rel=1e-9)


def test_shared_seeds_are_found_and_subtracted():
    rng = np.random.default_rng(0)
    world = World(pairing=0.6)
    rows = np.arange(5), np.arange(5)
    z = []
    for _ in range(25):
        s = simulate(world, np.asarray(0.01), rng)
        v, change = measured(s, shared=rows)
        z.append((change - s.change_fixed) / np.sqrt(v.fixed))
        assert v.shared == 5
        assert v.covariance > 0
    assert np.std(z) == pytest.approx(1, abs=0.06)


def test_duplicating_every_example_halves_the_flips_and_groups_undo_it():
    s = simulate(World(classes=30, per_class=40), np.asarray(0.0), np.random.default_rng(0))
    once, change = measured(s)
    both = [np.concatenate([c, c], axis=2) for c in (s.correct0, s.correct1)]
    twice = type(s)(both[0], both[1], s.change_fixed, s.change_fixed)
    doubled, same_change = measured(twice)
    np.testing.assert_allclose(same_change, change)
    np.testing.assert_allclose(doubled.flip, once.flip / 2, rtol=0.1)
    # Seeds move both copies together, so their effect on a whole class stays the same.
    np.testing.assert_allclose(doubled.seed, once.seed)
    position = np.repeat(np.arange(30), 80)
    flat = [c.reshape(5, -1) for c in both]
    copies = np.tile(np.arange(40), 60) + 40 * position
    grouped = variances(position, flat[0], flat[1], groups=copies)
    np.testing.assert_allclose(grouped.flip, once.flip, rtol=0.02)
    np.testing.assert_allclose(grouped.population, once.population, rtol=0.02)


def test_recalls_of_0_and_1_keep_a_variance():
    ones = np.ones((5, 20), dtype=bool)
    v = variances(np.repeat([0, 1], 10), ones, ones)
    # At least as if a single prediction had come out differently.
    assert (v.fixed > 0.1 / (10 * 5) ** 2).all()
    assert np.isfinite(1 / v.population).all()


def test_flips_by_brute_force():
    rng = np.random.default_rng(0)
    right = rng.random((2, 4, 3, 2000)) < 0.6
    v, _ = measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))
    expected = np.zeros(3)
    for arm in range(2):
        for m in range(3):
            expected[m] += np.mean([right[arm, :, m, i].var(ddof=1) for i in range(2000)]) / (2000 * 4)
    np.testing.assert_allclose(v.flip, expected, rtol=2e-3)  # ten examples' worth of the recall's own prediction


def test_what_moves_all_classes_is_kept_apart():
    rng = np.random.default_rng(0)
    alike = []
    for _ in range(40):
        level = 0.7 + 0.03 * rng.standard_normal((2, 5, 1, 1))
        right = rng.random((2, 5, 20, 100)) < level
        v, _ = measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))
        alike.append(v.common)
        assert v.common_scaled >= v.common
    assert np.mean(alike) == pytest.approx(2 * 0.03**2 / 5, rel=0.2)


def test_a_lone_seed_has_the_other_arms_noise():
    rng = np.random.default_rng(0)
    z = []
    for _ in range(60):
        level = 0.7 + 0.04 * rng.standard_normal((2, 5, 20, 1))
        right = rng.random((2, 5, 20, 100)) < level
        v, change = measured(type("S", (), {"correct0": right[0], "correct1": right[1, :1]}))
        z.append(change / np.sqrt(v.fixed + v.common))
    assert np.std(z) == pytest.approx(1, abs=0.06)


def test_few_classes_that_move_on_their_own_are_not_overstated():
    """Centring on the mean of five classes removes a fifth of each class's variance, once and not twice."""
    rng = np.random.default_rng(0)
    ratio = []
    for _ in range(200):
        level = 0.7 + 0.05 * rng.standard_normal((2, 5, 5, 1))
        right = rng.random((2, 5, 5, 200)) < level
        v, _ = measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))
        ratio.append(v.fixed.mean() / (2 / 5 * (0.05**2 + 0.7 * 0.3 / 200)))
    assert np.mean(ratio) == pytest.approx(1, abs=0.04)  # 0.66 is the sd of one study's common part


def lone(treated, recalls, seeds=5, n=400):
    """The lone arm if the other's classes lie at `recalls`, twenty classes at each."""
    rng = np.random.default_rng(0)
    right = rng.random((2, seeds, 20 * len(recalls), n)) < np.repeat(recalls, 20)[:, None]
    arms = (right[0], right[1, :1]) if treated else (right[1, :1], right[0])
    return measured(type("S", (), {"correct0": arms[0], "correct1": arms[1]}))[0].lone


@pytest.mark.parametrize(("treated", "sign"), [(True, 1), (False, -1)])
def test_a_lone_arm_flips_as_its_supposed_recall_predicts(treated, sign):
    recalls, n = np.array([0.95, 0.8, 0.5]), 400
    arm = lone(treated, recalls, n=n)
    for change in (-0.41, 0.0, 0.41):
        # Within a point of the other arm's recall the flips are the other arm's.
        moved = recalls + sign * np.sign(change) * max(abs(change) - 0.01, 0)
        supposed = np.clip((5 * moved + recalls) / 6, 0, 1)  # five seeds say where it would be, its own where it is
        wanted = recalls * (1 - recalls) / (5 * n) + supposed * (1 - supposed) / n
        mean = arm.variance(np.full(60, change)).reshape(3, 20).mean(axis=1)
        np.testing.assert_allclose(mean, wanted, rtol=0.15)


def test_a_lone_arm_that_did_worse_flips_more_where_recalls_are_high():
    """A class is not called safe because its one baseline seed was low by luck, and the others high."""
    n, flip = np.array([100]), np.array([0.03])
    after = [
        lone_arm(flip, flip, np.full((3, 1), 0.95), np.array([own]), n, n, 0.0, 10.0, treated=False)
        for own in (0.95, 0.8)
    ]
    even, lower = (arm.variance(np.full(1, -0.02)) for arm in after)
    assert lower > 1.2 * even


def test_no_arm_is_alone_where_both_have_seeds():
    right = np.random.default_rng(0).random((2, 3, 4, 50)) < 0.7
    assert measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))[0].lone is None


def test_a_class_that_was_always_right_still_may_flip():
    arm = lone(True, [1.0, 0.9, 0.8])
    # Supposed to have fallen by 11 points, it flips nearly as a class at 0.9 does.
    assert arm.variance(np.full(60, -0.11))[0] > 0.7 * 0.9 * 0.1 / 400


def test_one_seed_uses_examples():
    rng = np.random.default_rng(0)
    right = rng.random((2, 1, 3, 50)) < 0.7
    v, _ = measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))
    difference = right[1, 0].astype(int) - right[0, 0]
    centred = difference - difference.mean(axis=1, keepdims=True)
    changed = (centred**4).sum() / (centred**2).sum()  # of one more image that changed
    np.testing.assert_allclose(v.fixed, ((centred**2).sum(axis=1) + changed) / (49 * 50))
    assert v.one_seed
    assert v.dof == 0


def test_a_class_whose_few_losses_the_test_set_may_lack_is_not_sure_for_new_images():
    """20 classes of 40 images; the treated arm loses 0 to 4 of each for good, by chance: a tenth of all."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(60):
        lost = rng.random((20, 40)) < 0.1
        flips = rng.random((2, 3, 20, 40)) < 0.02
        right = np.stack([~flips[0], ~flips[1] & ~lost])
        v, change = measured(type("S", (), {"correct0": right[0], "correct1": right[1]}))
        p_safe = class_tests(change, v.population + v.common_scaled, 0.1, np.full(20, 40), dof=20).p_safe
        missed += (p_safe <= 0.05).sum()
    assert missed / 1200 < 0.07
