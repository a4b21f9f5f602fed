"""The choice of a rate: the rule, the rounds of halving, and the optimism against a brute force."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_grid, audit_predictions
from dropmix.audit.inputs.run_folders import Run, find_runs, pairs_by_rate
from dropmix.audit.rate_choice import (
    Candidate,
    candidates,
    choose,
    choose_on_test,
    halve,
    sweeps,
    told_apart,
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
        run("mixup r=0.4 unit=sample rates=mine", "mixup", 0.4, unit="sample", rates={"a": 0.8, "b": 0.0}),
        run("mixup r=0.3 partners=other", "mixup", 0.3, partners="other"),
        run("cutmix alpha=0.2 r=0.3", "cutmix", 0.3, options={"alpha": 0.2}),
    ]
    assert sweeps(runs) == {
        "cutmix": {0.5: "cutmix r=0.5"},
        "mixup": {0.0: "mixup", 0.4: "mixup r=0.4"},
        "mixup alpha=0.2": {0.0: "mixup alpha=0.2"},
        "mixup unit=sample": {0.0: "mixup", 0.4: "mixup r=0.4 unit=sample"},
        "mixup partners=other": {0.3: "mixup r=0.3 partners=other"},
        "cutmix alpha=0.2": {0.3: "cutmix alpha=0.2 r=0.3"},
    }


def test_options_are_sweeps_of_their_own_where_no_arm_is_plain():
    runs = [run("vanilla", "vanilla")]
    for rate in (0.2, 0.4):
        runs += [run(f"mixup r={rate}", "mixup", rate, options={"alpha": 1.0})]
        runs += [run(f"mixup alpha=0.2 r={rate}", "mixup", rate, options={"alpha": 0.2})]
        runs += [run(f"mixup r={rate} unit=sample", "mixup", rate, unit="sample", options={"alpha": 1.0})]
    assert sweeps(runs) == {
        "mixup": {0.2: "mixup r=0.2", 0.4: "mixup r=0.4"},
        "mixup alpha=0.2": {0.2: "mixup alpha=0.2 r=0.2", 0.4: "mixup alpha=0.2 r=0.4"},
        "mixup unit=sample": {0.2: "mixup r=0.2 unit=sample", 0.4: "mixup r=0.4 unit=sample"},
    }


def test_a_method_is_compared_with_itself_and_not_with_another_spread():
    runs = [
        run("vanilla", "vanilla"),
        run("mixup", "mixup"),
        run("mixup per=sample", "mixup", per="sample"),
        run("mixup r=0.4 unit=sample", "mixup", 0.4, unit="sample"),
        run("mixup per=sample r=0.4", "mixup", 0.4, per="sample"),
        run("cutmix per=sample r=0.4", "cutmix", 0.4, per="sample"),
        run("cutmix", "cutmix"),
    ]
    assert pairs_by_rate(runs) == [
        ("mixup per=sample", "mixup per=sample r=0.4"),
        ("mixup", "mixup r=0.4 unit=sample"),
    ]


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


def test_nothing_is_chosen_where_noise_hides_every_difference():
    rng = np.random.default_rng(0)
    flat = [Candidate(str(r), r, 0.8 + 0.01 * rng.standard_normal(5), 0.5, low=0.0) for r in (0.0, 0.4, 1.0)]
    choice = choose(flat)
    assert not choice.told_apart
    assert choice.why.startswith("No choice")
    assert not choose_on_test(flat).told_apart
    # One class that is lost beyond doubt tells a rate from vanilla, whatever the accuracies.
    assert choose([replace(flat[0], low=1.2), *flat[1:]]).told_apart


def test_single_seeds_that_are_always_right_are_told_apart_only_where_they_differ():
    """Accuracies of 0 and 1 have no standard error."""
    right = [Candidate(str(r), r, np.array([1.0]), 0.0, n_examples=50) for r in (0.0, 0.4, 1.0)]
    assert not told_apart(right)
    assert told_apart([*right[:2], replace(right[2], accuracies=np.array([0.0]))])


def test_the_test_of_accuracies_holds_its_level_and_agrees_with_statsmodels():
    rng = np.random.default_rng(1)
    made = [
        [Candidate(str(r), r, seeds + 0.01 * rng.standard_normal(3), 0.5) for r in (0.0, 0.3, 0.6, 1.0)]
        for seeds in 0.8 + 0.02 * rng.standard_normal((600, 3))
    ]
    assert np.mean([told_apart(found) for found in made]) == pytest.approx(0.05, abs=0.03)
    anova = pytest.importorskip("statsmodels.stats.anova")
    pandas = pytest.importorskip("pandas")
    for found in made[:20]:
        rows = [(c.rate, s, a) for c in found for s, a in enumerate(c.accuracies)]
        frame = pandas.DataFrame(rows, columns=["rate", "seed", "accuracy"])
        table = anova.AnovaRM(frame, "accuracy", "seed", within=["rate"]).fit().anova_table
        p = float(table["Pr > F"].iloc[0])
        assert told_apart(found, p * 1.0001)
        assert not told_apart(found, p * 0.9999)


def test_one_seed_is_told_apart_by_its_examples():
    one = [Candidate(str(r), r, np.array([a]), np.nan, n_examples=1000) for r, a in ((0.0, 0.80), (1.0, 0.81))]
    assert not told_apart(one)
    assert told_apart([one[0], replace(one[1], accuracies=np.array([0.88]))])


def test_reasons_say_when_vanilla_is_better():
    vanilla = Candidate("vanilla", 1.0, np.array([0.80, 0.80, 0.81]), 0.0, 0.0, 0.0)
    clear = replace(vanilla, arm="mixup", rate=0.0, comparison=object(), n_degraded=9, low=5, high=12)
    worse = choose([replace(clear, accuracies=vanilla.accuracies - 0.05), vanilla])
    assert "most accurate: do not mix" in worse.why
    level = choose([replace(clear, accuracies=vanilla.accuracies + np.array([0.02, -0.02, 0.002])), vanilla])
    assert level.chosen.arm == "vanilla"
    assert "no more than its standard error" in level.why
    better = choose([replace(clear, accuracies=vanilla.accuracies + 0.05), vanilla])
    assert better.why.startswith("Chosen: rate 0,")


def test_unequal_classes_count_alike():
    """A rate that wins on the common class and loses a rare one is not the accurate one."""
    labels = np.repeat([0, 1], [180, 20])

    def seeds(common, rare):
        hits = [np.r_[np.arange(180)[::turn] < common, np.arange(20)[::turn] < rare] for turn in (1, -1)]
        return {"labels": labels, "pred": np.stack([np.where(hit, labels, 1 - labels) for hit in hits])}

    audit = audit_predictions(seeds(150, 18), {"mixup": seeds(170, 4)}, refits=0)
    mixup, vanilla = candidates(audit_as_grid(audit), {0.0: "mixup"})
    assert mixup.accuracy == pytest.approx((170 / 180 + 4 / 20) / 2)
    assert vanilla.accuracy == pytest.approx((150 / 180 + 18 / 20) / 2)
    recall = np.array([170 / 180, 4 / 20])
    variance = (recall * (1 - recall) / [180, 20]).sum() / 4
    one = replace(mixup, accuracies=mixup.accuracies[:1])
    assert one.standard_error == pytest.approx(np.sqrt(variance), rel=0.02)


def audit_as_grid(audit):
    return replace(audit, comparisons=[replace(c, baseline="vanilla") for c in audit.comparisons])
