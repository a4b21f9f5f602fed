"""The choice of a rate: the rule, the rounds of halving, and the optimism against a brute force."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_grid
from dropmix.audit.inputs.run_folders import Run, find_runs
from dropmix.audit.rate_choice import (
    Candidate,
    candidates,
    choose,
    choose_on_test,
    expected_optimism,
    halve,
    sweeps,
)


def candidate(rate, accuracy, number, spread=0.01):
    return Candidate(f"a{rate}", rate, np.array([accuracy - spread, accuracy, accuracy + spread]), number)


def run(name, method, rate=0.0, **more):
    arm = {"name": name, "method": method, "rate": rate, "unit": "batch", "per": "batch", "options": {}} | more
    return Run(Path(name), {"arm": arm, "seed": 0}, {})


def test_the_fewest_degraded_within_one_standard_error_of_the_best():
    # The best rate's standard error is 0.01 / sqrt(3) = 0.0058.
    found = [candidate(0.0, 0.80, 1), candidate(0.3, 0.81, 9), candidate(0.6, 0.805, 4), candidate(1.0, 0.77, 0)]
    choice = choose(found)
    assert (choice.best.rate, choice.eligible, choice.chosen.rate) == (0.3, (0.3, 0.6), 0.6)
    assert choose_on_test(found).chosen.rate == 0.3


def test_ties_go_to_the_smallest_rate_and_an_unknown_number_loses():
    assert choose([candidate(0.6, 0.8, 4.02), candidate(0.2, 0.8, 4.04)]).chosen.rate == 0.2
    assert choose([candidate(0.2, 0.8, np.nan), candidate(0.6, 0.8, 40)]).chosen.rate == 0.6


def test_vanilla_is_chosen_where_mixing_gains_less_than_the_standard_error():
    assert choose([candidate(0.0, 0.801, 6), candidate(1.0, 0.80, 0)]).chosen.rate == 1.0


def test_one_seed_takes_its_standard_error_from_the_examples():
    one = Candidate("a", 0.0, np.array([0.8]), 1.0, n_examples=400)
    assert one.standard_error == pytest.approx(0.02)


def test_no_candidates_are_an_error():
    for rule in (choose, choose_on_test):
        with pytest.raises(AuditError, match="expected candidates"):
            rule([])


def test_sweeps_keep_methods_options_and_units_apart():
    runs = [
        run("vanilla", "vanilla"),
        run("mixup", "mixup"),
        run("mixup r=0.4", "mixup", 0.4),
        run("mixup r=0.4 unit=sample", "mixup", 0.4, unit="sample"),
        run("mixup alpha=0.2", "mixup", options={"alpha": 0.2}),
        run("cutmix r=0.5", "cutmix", 0.5),
    ]
    assert sweeps(runs) == {
        "cutmix": {0.5: "cutmix r=0.5"},
        "mixup": {0.0: "mixup", 0.4: "mixup r=0.4"},
        "mixup alpha=0.2": {0.0: "mixup alpha=0.2"},
        "mixup unit=sample": {0.0: "mixup", 0.4: "mixup r=0.4 unit=sample"},
    }


def test_halving_ranks_on_the_seeds_of_the_round_before_only():
    found = [Candidate(str(r), r / 10, np.array([0.7 + r / 100]), 1.0) for r in range(11)]
    first = halve(found)
    assert [c.rate for c in first.left] == [0.6, 0.7, 0.8, 0.9, 1.0]
    assert (first.seeds, first.trained) == (3, False)
    # Two more seeds turn the order of the four: that decides the next round, and never this one.
    more = [
        replace(c, accuracies=np.append(c.accuracies, [1 - c.rate, 1 - c.rate])) if c in first.left else c
        for c in found
    ]
    second = halve(more)
    assert [c.rate for c in second.left] == [0.6, 0.7, 1.0]
    assert (second.seeds, second.trained) == (5, False)
    last = [replace(c, accuracies=np.append(c.accuracies, [0.0, 0.0])) if c in second.left else c for c in more]
    assert [c.rate for c in halve(last).left] == [0.6, 0.7, 1.0]
    assert halve(last).trained


def test_candidates_come_from_the_audit_with_vanilla_as_rate_one(grid):
    found = candidates(audit_grid(grid, refits=0), {0.0: "mixup"})
    runs, _ = find_runs(grid)
    assert len(runs) == 9
    assert [(c.arm, c.rate) for c in found] == [("mixup", 0.0), ("vanilla", 1.0)]
    assert len(found[0].accuracies) == 3
    assert (found[1].n_degraded, found[1].comparison) == (0.0, None)
    with pytest.raises(AuditError, match="'fmix'"):
        candidates(audit_grid(grid, refits=0), {0.0: "fmix"})


def test_optimism_of_equal_rates_is_that_of_the_largest_of_normal_draws(grid):
    """K equally good rates with noise of one sd: the best seen is too high by E[max of K normals] x sd."""
    base = audit_grid(grid, refits=0).comparisons[0]
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


def test_optimism_needs_noise_that_is_known(grid):
    base = audit_grid(grid, refits=0).comparisons[0]
    broken = replace(base, classes=base.classes | {"se_fixed_test": np.full(4, np.nan)})
    with pytest.raises(AuditError, match="two seeds"):
        expected_optimism([Candidate("a", 0.0, np.array([0.8]), 1.0, comparison=broken)])
    with pytest.raises(AuditError, match="vanilla alone"):
        expected_optimism([Candidate("vanilla", 1.0, np.array([0.8]), 0.0)])
