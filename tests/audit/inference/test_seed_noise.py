"""Seeds that swing a few classes: how often these are called, and that equal classes are decided as before."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from dropmix.audit.inference import infer
from dropmix.audit.inference.decide import decide
from dropmix.audit.inference.seed_noise import (
    LIKELY,
    SPREADS,
    STEEP,
    TYPICAL,
    USUAL_CLASSES,
    USUAL_SPREAD,
    WIDE,
    BothArms,
    class_seed,
)
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings


def draw(rng, m, swing, seeds=(5, 5), n=60, level=1.5):
    """Two arms that do not differ; a seed moves each class by `swing` logits (M,), against its neighbour."""
    hard = np.broadcast_to(level, (m,))[:, None] + 2 * rng.standard_t(3, (m, n))
    arms = []
    for count in seeds:
        moved = swing * np.repeat(rng.standard_normal((count, m // 2)), 2, axis=1) * np.tile([1, -1], m // 2)
        arms.append((hard + moved[:, :, None] + rng.logistic(0, 0.5, (count, m, n)) > 0).reshape(count, -1))
    return np.repeat(np.arange(m), n), arms


def judged(position, arms):
    n = np.bincount(position)
    recall = [np.bincount(position, a.mean(axis=0)) / n for a in arms]
    noise = variances(position, *arms)
    seeds = len(arms[0]), len(arms[1])
    seen = infer.Observed(recall[1] - recall[0], *recall, n, n, seeds, noise, np.full(len(n), 0.01))
    return infer.tests_and_bounds(seen, Settings(), False)


@pytest.mark.parametrize(("seeds", "most"), [((5, 5), 8), ((2, 2), 14), ((3, 1), 8)])
def test_few_classes_that_seeds_swing_are_not_called_hurt(seeds, most):
    """With one variance for all classes, a class was called in nearly every study; by moments alone, in half."""
    rng, called, guaranteed = np.random.default_rng(0), 0, 0
    for _ in range(40):
        swing = np.repeat(0.4 * np.exp(0.8 * rng.standard_normal(150)), 2)
        tests, bounds = judged(*draw(rng, 300, swing, seeds))
        called += (decide([tests], [np.zeros(300, bool)])[0] == "hurt").any()
        guaranteed += bounds.hurt_among(np.arange(300))[0] > 0
    assert called <= most  # nominal 0.10: 8 of 40 by chance in 4 %
    assert guaranteed <= most / 2 + 1


def seen(position, arms):
    n = np.bincount(position)
    flips = [np.bincount(position, a.var(axis=0, ddof=1)) / n for a in arms]
    return flips, [np.stack([np.bincount(position, r) / n for r in a]) for a in arms], n


def test_two_seeds_find_as_much_scatter_as_many():
    """A class that moved little by luck also flips little: weights by its flips would find a third less."""
    rng, found = np.random.default_rng(3), {}
    for count in (2, 10):
        made = []
        for _ in range(12):
            swing = np.repeat(0.4 * np.exp(0.8 * rng.standard_normal(150)), 2)
            flips, recalls, n = seen(*draw(rng, 300, swing, (count, count)))
            made.append(class_seed(flips, flips, recalls, n).excess.mean())
        found[count] = np.mean(made)
    assert found[2] == pytest.approx(found[10], rel=0.2)


def test_a_shift_of_all_scores_moves_classes_near_recall_1_less():
    rng = np.random.default_rng(4)
    level = np.repeat([0.5, 8.0], 100)
    flips, recalls, n = seen(*draw(rng, 200, np.full(200, 0.5), (5, 5), level=level))
    made = class_seed(flips, [f + 0.002 for f in flips], recalls, n)
    assert made.excess[:, 100:].mean() < 0.6 * made.excess[:, :100].mean()


def test_luck_near_recall_1_makes_no_class_certain():
    """The variance is that of the supposed recalls; above the seen change, at least half of what was seen."""
    recalls, trials = np.array([[0.97], [0.99]]), np.full((2, 1), 500)
    arms = BothArms(recalls, trials, np.full((2, 1), 4e-5), np.array([8e-5]))
    at = [float(arms.variance(np.array([change]))[0]) for change in (-0.1, -0.02, 0.02, 0.5)]
    assert at[0] > at[1] > at[2]
    assert at[2] == pytest.approx(8e-5)
    assert at[3] >= 4e-5


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
    np.testing.assert_allclose(again.excess, made.excess[:, order], rtol=1e-9)


def prior(cv2, h):
    """Half the degrees of freedom and the scale of one class's prior."""
    logs = max(np.log(1 + cv2 * h**2), 1e-12)
    half = brentq(lambda a: polygamma(1, a) - logs, 1e-3, 1e13)
    return half, np.exp(digamma(half) - np.log(half) - logs / 2)


def naive_class_seed(flips, recalls, sizes):
    """The formulas of the module, a class at a time: c of both arms, and degrees of freedom."""
    m, total = range(len(sizes)), sum(sizes)
    q = [n / total for n in sizes]

    def centred(u):
        return [(1 - 2 * q[i]) * u[i] + sum(q[k] ** 2 * u[k] for k in m) for i in m]

    above = below = 0.0
    seen, steep = [], []
    for flip, recall in zip(flips, recalls):
        own = [[row[i] - sum(q[k] * row[k] for k in m) for row in recall] for i in m]
        observed = [np.var(values, ddof=1) for values in own]
        trials = [len(recall) * n for n in sizes]
        right = [(trials[i] * np.mean([row[i] for row in recall]) + 0.5) / (trials[i] + 1) for i in m]
        possible = [r * (1 - r) for r in right]
        steep.append([(p / STEEP) ** 0.5 for p in possible])
        usual = centred([possible[i] * (1 / sizes[i] + TYPICAL * steep[-1][i]) for i in m])
        by_flips, per_c = (centred([flip[i] * one[i] for i in m]) for one in ([1 / n for n in sizes], steep[-1]))
        for i in m:
            weight = (len(recall) - 1) * possible[i] * steep[-1][i] / usual[i] ** 2
            above += weight * (observed[i] - by_flips[i])
            below += weight * per_c[i]
        seen.append(observed)
    mean_c = max(above / below, 0)
    d = sum(len(recall) - 1 for recall in recalls)
    share = [(len(recall) - 1) / d for recall in recalls]
    expected = [centred([f[i] / sizes[i] + mean_c * k[i] * f[i] for i in m]) for f, k in zip(flips, steep)]
    x = [sum(w * one[i] / e[i] for w, one, e in zip(share, seen, expected)) for i in m]
    f = [sum(w * flip[i] for w, flip in zip(share, flips)) for i in m]
    k = [sum(w * flip[i] * one[i] for w, flip, one in zip(share, flips, steep)) / f[i] for i in m]
    c = [mean_c * one for one in k]
    h = [sizes[i] * c[i] / (1 + sizes[i] * c[i]) for i in m]
    noise = [2 / d + 1 / (sizes[i] * f[i] * (1 + sizes[i] * c[i]) ** 2) for i in m]
    weight = [(2 / d / one) ** 2 for one in noise]
    few = USUAL_CLASSES * np.mean(weight)
    unequal = few * USUAL_SPREAD + sum(weight[i] * h[i] ** 2 * ((x[i] - 1) ** 2 - noise[i]) / (1 + 2 / d) for i in m)
    cv2 = max(unequal / (few + sum(weight[i] * h[i] ** 4 for i in m)), 0)
    height = []
    for tried in SPREADS:
        priors = [prior(tried, h[i]) for i in m]
        each = [stats.f.logpdf(x[i] / s, 2 / noise[i], 2 * a) - np.log(s) for i, (a, s) in enumerate(priors)]
        height.append(sum(each) + stats.norm.logpdf(np.log(tried), LIKELY, WIDE))
    likely = np.cumsum(np.exp(np.array(height) - max(height)))
    median = np.interp(likely[-1] / 2, likely, SPREADS)
    made, dof = [], []
    for i in m:
        (half, mean), (other, _) = prior(cv2, h[i]), prior(median, h[i])
        half, own = min(half, other), 2 / noise[i]
        scale = (2 * half * mean + own * x[i]) / (2 * half + own)
        excess = max(scale * (1 + sizes[i] * c[i]) - 1, 0) / sizes[i]
        made.append([excess * one[i] / k[i] for one in steep])
        dof.append(2 * half + own)
    return np.array(made).T, np.array(dof)


def test_equals_its_formulas_class_by_class_for_unequal_seeds_and_sizes():
    rng = np.random.default_rng(5)
    sizes = np.array([20, 45, 80, 150, 300, 60])
    flips = [rng.uniform(0.02, 0.12, 6), rng.uniform(0.02, 0.12, 6)]
    moved = np.array([0.01, 0.01, 0.03, 0.08, 0.01, 0.02])
    recalls = [0.8 + moved * rng.standard_normal((seeds, 6)) for seeds in (2, 7)]
    made = class_seed(flips, flips, recalls, sizes)
    excess, dof = naive_class_seed(flips, recalls, sizes)
    assert (excess[0] > 0).sum() >= 3
    np.testing.assert_allclose(made.excess, excess, rtol=1e-6)
    np.testing.assert_allclose(made.dof, dof, rtol=1e-6)
