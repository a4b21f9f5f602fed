"""Precision, F1 and flips against scikit-learn, a bootstrap, new draws and plain loops."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score

from dropmix.audit.measures.precision import flips, precision_and_f1

NO_AVERAGE: Any = None
ZERO: Any = 0


def draw(rng, labels, rates, k, seeds, shared=0.0):
    """Predictions of several seeds; `rates` is each example's pass rate, `shared` what a seed adds to all."""
    right = rng.random((seeds, len(labels))) < rates + shared * rng.standard_normal((seeds, 1))
    return np.where(right, labels, (labels + 1 + rng.integers(0, 2, (seeds, len(labels)))) % k)


def test_values_are_scikit_learns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    arms = [draw(rng, labels, 0.6, 4, s) for s in (3, 2)]
    for found, score in zip(precision_and_f1(labels, arms[0], arms[1], 4), (precision_score, f1_score)):
        means = [
            np.mean([score(labels, p, average=NO_AVERAGE, zero_division=ZERO) for p in arm], axis=0) for arm in arms
        ]
        np.testing.assert_allclose(found.baseline, means[0])
        np.testing.assert_allclose(found.treated, means[1])
        np.testing.assert_allclose(found.change, means[1] - means[0])


@pytest.mark.parametrize("clustered", [False, True])
def test_errors_are_those_of_a_bootstrap_over_examples(clustered):
    rng = np.random.default_rng(0)
    k, n = 3, 600
    groups = np.arange(n) // (6 if clustered else 1)
    labels = (groups % k).astype(int)
    rates = rng.beta(2, 1, groups.max() + 1)[groups]
    arms = [draw(rng, labels, rates, k, 1) for _ in range(2)]  # one seed: nothing but examples
    found = precision_and_f1(labels, arms[0], arms[1], k, groups)
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    again: tuple[list, list] = ([], [])
    for _ in range(800):
        rows = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        for held, m in zip(again, precision_and_f1(labels[rows], arms[0][:, rows], arms[1][:, rows], k)):
            held.append(m.change)
    for m, held in zip(found, again):
        spread = np.std(held, axis=0)
        assert (m.error > 0.9 * spread).all()
        assert (m.error < 1.1 * spread).all()


@pytest.mark.parametrize("shared", [0.0, 0.05])
def test_intervals_hold_the_truth_for_new_examples_and_seeds(shared):
    rng = np.random.default_rng(1)
    k, n, held, studies = 5, 400, [0, 0], 150
    for _ in range(studies):
        labels = rng.integers(0, k, n)
        rates = rng.beta(3, 1, n)
        arms = [draw(rng, labels, rates, k, 4, shared) for _ in range(2)]
        for i, m in enumerate(precision_and_f1(labels, arms[0], arms[1], k)):
            held[i] += int((np.abs(m.change) < 1.645 * m.error).sum())  # the arms do not differ
    coverage = np.array(held) / (studies * k)
    assert (coverage > 0.86).all()
    assert (coverage < 0.96).all()


def test_a_class_never_predicted_has_no_precision():
    labels = np.array([0, 1, 1])
    precision, f1 = precision_and_f1(labels, np.array([[1, 1, 1]]), np.array([[0, 1, 1]]), 3)
    assert np.isnan(precision.baseline[[0, 2]]).all()
    assert np.isnan(precision.error[0])
    assert f1.baseline[0] == 0
    assert precision.treated[0] == 1


def test_flips_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    position = rng.integers(0, 3, 60)
    base, new = rng.random((3, 60)) < 0.7, rng.random((4, 60)) < 0.6
    found = flips(position, base, new)
    for c in range(3):
        at = position == c
        negative = np.mean([(a & ~b)[at].mean() for a in base for b in new])
        positive = np.mean([(~a & b)[at].mean() for a in base for b in new])
        own = np.mean([(base[i] & ~base[j])[at].mean() for i in range(3) for j in range(3) if i != j])
        assert found.negative[c] == pytest.approx(negative)
        assert found.positive[c] == pytest.approx(positive)
        assert found.by_seed[c] == pytest.approx(own)
    change = np.array([new[:, position == c].mean() - base[:, position == c].mean() for c in range(3)])
    np.testing.assert_allclose(found.positive - found.negative, change)


def test_one_seed_has_no_flips_of_its_own():
    assert np.isnan(flips(np.array([0]), np.array([[True]]), np.array([[False]])).by_seed).all()
