"""Seeds that swing a few classes: how often these are called, and that equal classes are decided as before."""

import numpy as np
import pytest

from dropmix.audit.inference import infer
from dropmix.audit.inference.decide import decide
from dropmix.audit.inference.seed_noise import class_seed
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings


def draw(rng, m, swing, seeds=5, n=60):
    """Two arms that do not differ; a seed moves each class by `swing` logits (M,), against its neighbour."""
    hard = 1.5 + 2 * rng.standard_t(3, (m, n))
    arms = []
    for _ in range(2):
        moved = swing * np.repeat(rng.standard_normal((seeds, m // 2)), 2, axis=1) * np.tile([1, -1], m // 2)
        arms.append((hard + moved[:, :, None] + rng.logistic(0, 0.5, (seeds, m, n)) > 0).reshape(seeds, -1))
    return np.repeat(np.arange(m), n), arms


def judged(position, arms):
    n = np.bincount(position)
    recall = [np.bincount(position, a.mean(axis=0)) / n for a in arms]
    noise = variances(position, *arms)
    seeds = len(arms[0]), len(arms[1])
    seen = infer.Observed(recall[1] - recall[0], *recall, n, n, seeds, noise, np.full(len(n), 0.01))
    return infer.tests_and_bounds(seen, Settings(), False)


def test_few_classes_that_seeds_swing_are_not_called_hurt():
    """With one variance for all classes, a class was called in nearly every study."""
    rng, called, guaranteed = np.random.default_rng(0), 0, 0
    for _ in range(40):
        swing = np.repeat(0.4 * np.exp(0.8 * rng.standard_normal(150)), 2)
        tests, bounds = judged(*draw(rng, 300, swing))
        called += (decide([tests], [np.zeros(300, bool)])[0] == "hurt").any()
        guaranteed += bounds.hurt_among(np.arange(300))[0] > 0
    assert called <= 8  # nominal 0.10: 8 of 40 by chance in 4 %
    assert guaranteed <= 4


def test_classes_alike_keep_nearly_the_pooled_variance():
    rng, narrowest, widest, dof = np.random.default_rng(1), [], [], []
    for _ in range(10):
        position, arms = draw(rng, 100, np.full(100, 0.15))
        flips = [np.bincount(position, a.var(axis=0, ddof=1)) / 60 for a in arms]
        recalls = [np.stack([np.bincount(position, r) / 60 for r in a]) for a in arms]
        made = class_seed(flips, flips, recalls, np.full(100, 60))
        whole = 1 + 60 * made.excess
        narrowest.append(whole.min() / whole.mean())
        widest.append(whole.max() / whole.mean())
        dof.append(np.median(made.dof))
    assert np.mean(narrowest) > 0.7
    assert np.mean(widest) < 1.5
    assert np.mean(dof) > 30


@pytest.mark.parametrize("flip", [0.0, 0.05])
def test_a_class_never_varies_less_than_its_flips(flip):
    """Also if no prediction of a class flips, or no class varies at all."""
    flips = [np.array([flip, 0.05, 0.05])] * 2
    smooth = [np.full(3, 0.05)] * 2
    made = class_seed(flips, smooth, [np.full((3, 3), 0.9)] * 2, np.array([10, 50, 3000]))
    assert (made.excess >= 0).all()
    assert np.isfinite(made.excess).all()
    assert (made.dof > 4).all()
    assert not np.isnan(made.dof).any()


def test_the_order_of_classes_changes_nothing():
    rng = np.random.default_rng(2)
    recalls = [rng.random((4, 30)) * 0.1 + 0.8 for _ in range(2)]
    flips, sizes = [np.full(30, 0.04)] * 2, rng.integers(10, 300, 30)
    made, order = class_seed(flips, flips, recalls, sizes), rng.permutation(30)
    again = class_seed(flips, flips, [r[:, order] for r in recalls], sizes[order])
    np.testing.assert_allclose(again.excess, made.excess[order], rtol=1e-9)
