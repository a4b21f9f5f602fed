"""Closed testing against an enumeration of every intersection, and the guarantee itself by simulation."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from dropmix.audit.inference.guaranteed import (
    Evidence,
    Guarantee,
    fisher_discoveries,
    hommel,
    simes_discoveries,
)


def simes_rejects(p, level):
    p = np.sort(p)
    return bool((p <= np.arange(1, len(p) + 1) * level / len(p)).any())


def fisher_rejects(p, level):
    return bool(stats.combine_pvalues(p, "fisher").pvalue <= level)


def enumerated(p, rejects, level):
    """Discoveries of every subset, as a dictionary, by the definition of closed testing and nothing else."""
    m = len(p)
    sets = [frozenset(c) for size in range(1, m + 1) for c in combinations(range(m), size)]
    local = {s: rejects(p[sorted(s)], level) for s in sets}
    closed = {s: all(local[t] for t in sets if s <= t) for s in sets}
    found = {frozenset(): 0}
    for s in sets:
        kept = [len(t) for t in sets if t <= s and not closed[t]]
        found[s] = len(s) - max(kept, default=0)
    return found


def cases(rng, m):
    yield rng.random(m)
    yield rng.beta(0.3, 1, m)
    yield rng.beta(0.1, 2, m)
    yield np.where(rng.random(m) < 0.4, 1e-5, rng.random(m))
    yield np.round(rng.beta(0.3, 1, m), 1)  # ties, zeros and ones
    yield np.full(m, 0.04)


@pytest.mark.parametrize(
    ("shortcut", "rejects"), [(simes_discoveries, simes_rejects), (fisher_discoveries, fisher_rejects)]
)
@pytest.mark.parametrize("m", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("level", [0.025, 0.2])
def test_shortcut_equals_the_enumeration_for_every_subset(shortcut, rejects, m, level):
    rng = np.random.default_rng([m, int(1000 * level)])
    for p in cases(rng, m):
        for subset, wanted in enumerated(p, rejects, level).items():
            assert shortcut(p, np.array(sorted(subset), dtype=int), level) == wanted, (p, subset)


@pytest.mark.parametrize(
    ("shortcut", "rejects"), [(simes_discoveries, simes_rejects), (fisher_discoveries, fisher_rejects)]
)
def test_shortcut_equals_the_enumeration_for_ten(shortcut, rejects):
    """Every subset of ten; the closure from above by sizes, so that it takes seconds."""
    m, level, rng = 10, 0.05, np.random.default_rng(10)
    for p in [*cases(rng, m)][:4]:
        local = np.array([True] + [rejects(p[[i for i in range(m) if s >> i & 1]], level) for s in range(1, 1 << m)])
        closed = local.copy()
        for i in range(m):  # rejected only if every superset is
            for s in range(1 << m):
                if not s >> i & 1:
                    closed[s] &= closed[s | 1 << i]
        most = np.array([0 if closed[s] else bin(s).count("1") for s in range(1 << m)])
        for i in range(m):  # the largest subset that stands
            for s in range(1 << m):
                if s >> i & 1:
                    most[s] = max(most[s], most[s & ~(1 << i)])
        for s in range(1 << m):
            members = np.array([i for i in range(m) if s >> i & 1], dtype=int)
            assert shortcut(p, members, level) == len(members) - most[s]


def test_hommel_is_the_largest_set_that_stands():
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = np.sort(rng.beta(0.4, 1, 12))
        sizes = [size for size in range(1, 13) if not simes_rejects(p[12 - size :], 0.05)]
        assert hommel(p, 0.05) == max(sizes, default=0)


def test_no_bound_for_any_set_is_wrong_more_often_than_stated():
    rng = np.random.default_rng(1)
    m, wrong, studies = 40, 0, 1000
    for _ in range(studies):
        change = np.where(rng.random(m) < 0.5, rng.normal(0, 2, m), 0.0)
        z = change + rng.standard_normal(m)
        hurt = change < 0
        below, above = stats.norm.cdf(z), stats.norm.sf(z)
        bounds = Guarantee(Evidence(below, below), Evidence(above, above), 0.1)
        order = np.argsort(z)
        picked = [order[:5], order[:20], order[-10:], np.arange(m), np.flatnonzero(~hurt), np.flatnonzero(hurt)]
        outside = [not low <= hurt[s].sum() <= high for s in picked for low, high in [bounds.hurt_among(s)]]
        wrong += any(outside)
    # Two bounds at 0.1 each; six sets of many, so the rate is far below.
    assert wrong / studies <= 0.2


def test_each_local_test_finds_more_in_its_own_kind_of_truth():
    rng = np.random.default_rng(2)
    few = stats.norm.cdf(np.where(np.arange(100) < 5, -6, 0) + rng.standard_normal(100))
    many = stats.norm.cdf(-1.5 + rng.standard_normal(100))
    everything = np.arange(100)
    assert simes_discoveries(few, everything, 0.05) > fisher_discoveries(few, everything, 0.05)
    assert fisher_discoveries(many, everything, 0.05) > 2 * simes_discoveries(many, everything, 0.05)
    both = Evidence(many, many).discoveries(everything, 0.05)
    assert both == fisher_discoveries(many, everything, 0.025)


def test_nothing_chosen_and_no_evidence():
    p = np.ones(5)
    bounds = Guarantee(Evidence(p, p), Evidence(p, p))
    assert bounds.hurt_among(np.array([], dtype=int)) == (0, 0)
    assert bounds.hurt_among(np.ones(5, dtype=bool)) == (0, 5)
