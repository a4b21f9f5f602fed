"""How much a choice on the test set flatters itself, against a brute force."""

from dataclasses import replace

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.rate_choice import Candidate
from dropmix.studies.rate_optimism import expected_optimism


def comparison():
    """Of two arms, three seeds each, four classes of ten examples."""
    labels = np.repeat(np.arange(4), 10)
    draw = np.random.default_rng(0)
    base, treated = (np.where(draw.random((3, 40)) < right, labels, (labels + 1) % 4) for right in (0.6, 0.7))
    arms = [{"labels": labels, "pred": pred} for pred in (base, treated)]
    return audit_predictions(arms[0], arms[1], refits=0).only


def test_optimism_of_equal_rates_is_that_of_the_largest_of_normal_draws():
    """K equally good rates with noise of one sd: the best seen is too high by E[max of K normals] x sd."""
    base = comparison()
    m, se = 200, 0.02
    columns = {
        "recall_change_estimate": np.full(m, 0.05),  # so far above vanilla that it is never chosen
        "se_fixed_test": np.full(m, se),
        "baseline_noise_share": np.full(m, 0.5),
        "n": np.full(m, 50),
    }
    one = replace(base, classes=columns)
    found = [Candidate(f"r{r}", r / 10, np.array([0.8, 0.8]), 1.0, comparison=one) for r in range(8)]
    sd = se * np.sqrt(0.5 / m)
    largest = np.random.default_rng(5).standard_normal((200_000, 8)).max(axis=1).mean()
    got = expected_optimism(found, repetitions=4000)
    assert got.accuracy == pytest.approx(sd * largest, rel=0.04)
    assert got.n_degraded > 0  # the noise that chose the rate also hid some of its losses


def test_optimism_needs_noise_that_is_known():
    base = comparison()
    nothing = base.classes | {"se_fixed_test": np.full(4, np.nan)}
    one_seed = replace(base, classes=nothing, summary=base.summary | {"seeds_treated": 1})
    for broken, message in ((one_seed, "two seeds"), (replace(base, classes=nothing), "enough examples")):
        with pytest.raises(AuditError, match=message):
            expected_optimism([Candidate("a", 0.0, np.array([0.8]), 1.0, comparison=broken)])


def test_a_class_with_too_few_examples_is_left_out():
    base = comparison()
    keys = ("recall_change_estimate", "se_fixed_test", "baseline_noise_share")
    known = {key: np.full(4, 0.1) for key in keys}
    one_less = {key: np.where(np.arange(4) == 2, np.nan, 0.1) for key in keys}
    three = {key: np.full(3, 0.1) for key in keys}
    got = [
        expected_optimism([Candidate("a", 0.0, np.array([0.8]), 1.0, comparison=replace(base, classes=classes))])
        for classes in (base.classes | known | one_less, three)
    ]
    assert got[0] == got[1]
