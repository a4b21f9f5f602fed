import numpy as np
import pytest
from scipy.stats import norm, spearmanr
from statsmodels.stats.multitest import multipletests

from dropmix.studies.explain import explain, holm, mean_correlation, ranks


def simulated(rng, m=100, seeds=6, rho=0.5, reliability=0.5):
    """Changes of rank correlation `rho` to a predictor, seen through seeds so that their mean has `reliability`."""
    pearson = 2 * np.sin(np.pi * rho / 6)
    x = rng.normal(size=m)
    true = pearson * x + np.sqrt(1 - pearson**2) * rng.normal(size=m)
    noise = np.sqrt(seeds * (1 / reliability - 1) / 2)
    base = rng.normal(size=m) * 5
    recall0 = base + noise * rng.normal(size=(seeds, m))
    recall1 = base + true + noise * rng.normal(size=(seeds, m))
    return x, recall0, recall1


def test_correlations_equal_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (3, 40)), rng.integers(0, 9, (3, 40))
    expected = np.mean([spearmanr(a, b).statistic for a, b in zip(x, y)])
    assert mean_correlation(ranks(x), ranks(y), np.arange(40)[None])[0] == pytest.approx(expected)


def test_holm_equals_statsmodels():
    p = np.random.default_rng(0).random(12) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_a_planted_correlation_is_found_without_bias_and_the_interval_covers():
    rng = np.random.default_rng(1)
    estimates, raw, covered, reliabilities = [], [], [], []
    for k in range(120):
        x, recall0, recall1 = simulated(rng)
        found = explain(recall0, recall1, {}, {"planted": x}, splits=10, bootstraps=200, shuffles=1, seed=k)
        one = found.predictors[0]
        if one.corrected is None:
            continue
        estimates.append(one.corrected)
        raw.append(one.correlation)
        reliabilities.append(found.reliability)
        covered.append(one.corrected_low <= 0.5 <= one.corrected_high)
    assert len(estimates) >= 115
    assert np.mean(raw) == pytest.approx(0.5 * np.sqrt(0.5), abs=0.03)
    assert np.mean(reliabilities) == pytest.approx(0.5, abs=0.05)
    assert np.median(estimates) == pytest.approx(0.5, abs=0.04)
    assert np.mean(covered) >= 0.9


def test_a_corrected_correlation_stays_between_its_ends_and_within_one():
    """Of few classes, the correction overshoots: it multiplies a large correlation by much."""
    overshot = 0
    for k in range(40):
        x, recall0, recall1 = simulated(np.random.default_rng([6, k]), m=10, seeds=2, rho=0.9)
        one = explain(recall0, recall1, {}, {"planted": x}, bootstraps=50, shuffles=1, seed=k).predictors[0]
        if one.corrected is not None:
            overshot += one.corrected == 1
            assert -1 <= one.corrected_low <= one.corrected <= one.corrected_high <= 1
    assert overshot >= 1


def test_regression_to_the_mean_alone_is_no_finding():
    """Recalls of which only seeds differ: the naive correlation of baseline recall and change is far below 0."""
    rng = np.random.default_rng(2)
    naive, findings = [], 0
    for k in range(150):
        probability = norm.cdf(rng.normal(0.8, 0.3, 100))
        recall0, recall1 = (rng.binomial(50, probability, (6, 100)) / 50 for _ in range(2))
        naive.append(spearmanr(recall0.mean(0), recall1.mean(0) - recall0.mean(0)).statistic)
        runs = {"baseline recall": recall0}
        found = explain(recall0, recall1, runs, {}, splits=10, bootstraps=200, shuffles=1, seed=k)
        findings += found.predictors[0].holm < 0.05
    assert np.mean(naive) < -0.1
    # 5 % of 150 is 7.5; a binomial of 5 % passes 13 in 98 of 100 cases. Long runs at the defaults: docs/LOG.md.
    assert findings <= 13


def test_a_model_of_a_good_predictor_beats_shuffled_classes_and_one_of_noise_does_not():
    rng = np.random.default_rng(3)
    x, recall0, recall1 = simulated(rng, rho=0.8, reliability=0.8)
    groups = np.repeat(np.arange(20), 5)
    good = explain(recall0, recall1, {}, {"planted": x}, groups)
    assert good.model > 0.4
    assert good.model > good.shuffled
    bad = explain(recall0, recall1, {}, {"noise": rng.normal(size=100)}, groups)
    assert bad.model < 0.1


def test_what_a_predictor_adds_beyond_baseline_recall():
    rng = np.random.default_rng(4)
    x, recall0, recall1 = simulated(rng, rho=0.8, reliability=0.9)
    copy = recall0 + 0.01 * rng.normal(size=recall0.shape)
    found = explain(recall0, recall1, {"baseline recall": recall0, "copy": copy}, {"planted": x})
    recall, same, planted = found.predictors
    assert recall.beyond_recall is None
    assert abs(same.beyond_recall) < 0.3
    assert planted.beyond_recall > 0.5


def test_changes_of_noise_alone_get_no_corrected_number():
    rng = np.random.default_rng(5)
    recalls = rng.normal(size=(2, 4, 60))
    found = explain(*recalls, {}, {"x": rng.normal(size=60)}, seed=1)
    if found.reliability < 0.1:
        assert found.predictors[0].corrected is None
    assert found.reliability < 0.5


def test_one_seed_is_refused():
    with pytest.raises(ValueError, match="2 seeds or more per arm, got 1 and 2"):
        explain(np.zeros((1, 20)), np.zeros((2, 20)), {}, {})
    with pytest.raises(ValueError, match="10 classes or more, among which to compare, got 5"):
        explain(np.zeros((3, 5)), np.zeros((3, 5)), {}, {})
