"""Decisions on classes: the words, their corrections, and the classes that are left out."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dropmix.audit.inference.decide import class_tests, decide, overall, power, rejected, tail_dof


def test_rejections_equal_statsmodels():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.beta(0.4, 1, 30)
        np.testing.assert_array_equal(rejected(p, 0.1), multipletests(p, 0.1, "fdr_bh")[0])


def test_power_is_the_share_of_studies_that_find_it():
    rng = np.random.default_rng(0)
    change = -0.06 + 0.03 * rng.standard_normal(20_000)
    found = stats.norm.cdf((change + 0.01) / 0.03) <= 0.05
    assert power(0.06, np.array([0.03**2]), 0.01)[0] == pytest.approx(found.mean(), abs=0.01)


def test_a_large_tolerance_does_not_set_a_class_apart():
    for tolerance in (0.0, 0.01, 0.05, 0.15, 0.5):
        assert not class_tests(np.zeros(1), np.array([0.02**2]), tolerance, np.array([100])).too_few[0]
    assert class_tests(np.zeros(1), np.array([0.12**2]), 0.01, np.array([100])).too_few[0]
    assert class_tests(np.zeros(1), np.array([0.02**2]), 0.01, np.array([9])).too_few[0]


def test_ends_are_the_changes_that_a_test_just_keeps():
    """If the variance depends on the change: exactly those intervals exclude -0.01 whose class is decided alone."""
    rng = np.random.default_rng(0)
    change = rng.normal(-0.02, 0.05, 300)
    supposed = lambda x: 0.02**2 * (1 + 10 * np.abs(x))  # noqa: E731
    t = class_tests(change, np.full(300, 1.0), 0.01, np.full(300, 100), 0.9, supposed)
    for end in (t.low, t.high):
        np.testing.assert_allclose(np.abs(change - end), stats.norm.ppf(0.95) * np.sqrt(supposed(end)), rtol=1e-6)
    np.testing.assert_array_equal(t.high < -0.01, t.p_hurt < 0.05)
    np.testing.assert_array_equal(t.low > -0.01, t.p_safe < 0.05)
    plain = class_tests(change, np.full(300, 0.02**2), 0.01, np.full(300, 100))
    same = class_tests(change, np.full(300, 1.0), 0.01, np.full(300, 100), 0.9, lambda x: np.full(x.shape, 0.02**2))
    np.testing.assert_allclose(same.low, plain.low)
    np.testing.assert_allclose(same.high, plain.high)


def test_protected_classes_stand_alone_and_the_others_are_corrected_over_arms():
    change = np.array([-0.045, -0.045, *[0.0] * 98])
    tests = [class_tests(change, np.full(100, 0.02**2), 0.01, np.full(100, 100)) for _ in range(3)]
    named = np.arange(100) == 0
    words = decide(tests, [named] * 3)
    assert words[0][0] == "hurt"  # p = 0.04, a question of its own
    assert words[0][1] == "undecided"  # the same p among 297


def test_no_class_is_called_by_less_evidence_than_a_protected_one_needs():
    """Where nearly all classes are safe, Benjamini & Hochberg alone would take single p-values of up to 0.10."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        change = np.append(rng.normal(0.05, 0.02, 40), rng.normal(-0.01, 0.02, 5))
        t = class_tests(change, np.full(45, 0.02**2), 0.01, np.full(45, 100))
        free, named = (decide([t], [np.full(45, word)])[0] for word in (False, True))
        assert t.p_safe[free == "safe"].max() <= 0.05
        assert (named[free != "undecided"] == free[free != "undecided"]).all()
    one = class_tests(np.array([0.02]), np.array([0.02**2]), 0.01, np.array([100]))
    assert 0.05 < one.p_safe[0] < 0.1
    assert decide([one], [np.zeros(1, bool)])[0].tolist() == ["undecided"]


def test_few_seeds_make_long_tails():
    change, variance, n = np.array([-0.05, 0.03]), np.full(2, 0.02**2), np.full(2, 100)
    last = None
    for seeds in ((1, 1), (4, 3), (2, 5), (6, 1)):
        dof = tail_dof(seeds)
        t = class_tests(change, variance, 0.01, n, dof=dof)
        z = (change + 0.01) / 0.02
        own = stats.norm() if np.isinf(dof) else stats.t(dof)
        np.testing.assert_allclose([t.p_hurt, t.p_safe], [own.cdf(z), own.sf(z)])
        np.testing.assert_allclose(t.high - change, own.ppf(0.95) * 0.02)
        assert last is None or (t.high > last).all()
        last = t.high


@pytest.mark.parametrize(
    ("words", "protected", "whole"),
    [
        (["safe", "hurt"], [True, False], "do not ship"),
        (["safe", "undecided"], [True, False], "ship"),
        (["undecided", "safe"], [True, False], "undecided"),
        (["too few examples", "safe"], [True, False], "undecided"),
        (["safe", "too few examples"], [False, False], "ship"),
        (["safe", "undecided"], [False, False], "undecided"),
        (["too few examples", "too few examples"], [False, False], "undecided"),
    ],
)
def test_the_whole_follows_from_the_classes(words, protected, whole):
    assert overall(np.array(words, dtype=object), np.array(protected)) == whole
