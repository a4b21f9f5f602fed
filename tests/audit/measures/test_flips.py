"""Flips against plain loops over all pairs of seeds."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.measures.flips import flips


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


def test_the_audit_counts_them_per_class_and_in_all():
    base = {"labels": [0, 0, 1, 1, 1, 1], "pred": [[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0]]}
    new = {"labels": base["labels"], "pred": [[0, 1, 1, 0, 0, 1]]}
    found = audit_predictions(base, new, refits=0)
    assert found.classes["negative_flips"].tolist() == [0.25, 0.25]
    assert found.classes["negative_flips_by_seed"].tolist() == [0.25, 0.0]
    assert found.classes["positive_flips"].tolist() == [0.0, 0.25]
    assert found.summary["negative_flips"] == pytest.approx(0.25)
    assert found.summary["negative_flips_by_seed"] == pytest.approx(0.25 / 3)
