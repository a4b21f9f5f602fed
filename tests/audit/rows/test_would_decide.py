"""What would decide the protected classes, in sentences."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.inference.planner import chance_of_decision, noise_of_audit, power_of_decision
from dropmix.audit.rows.to_decide import to_decide
from dropmix.audit.rows.would_decide import decided_alone, out_of_reach, what_would_decide


def test_one_open_class_is_named_once_and_several_each(audit):
    summary, classes = audit()
    classes |= {"recall_change_low_population": np.array([-0.08, -0.3]), "protected": ["yes", "no"]}
    text = what_would_decide(summary, classes)
    assert text.startswith("About ")
    (row,) = to_decide(summary, classes, ["fox"])
    low, high = (f"{100 * end:+.1f}" for end in row.near)
    assert (
        f"would decide fox with a chance of 80 %, unless its true change lies between {low} and {high} points. " in text
    )
    assert " So far, the interval" in text
    assert text.endswith("rules out losses of more than 8.0 points.")
    both = classes | {"decision": ["undecided", "undecided"], "protected": ["yes", "yes"]}
    text = what_would_decide(summary, both)
    assert "this would decide them, unless a true change lies in its brackets (points): fox (about " in text
    assert f"; [{low}, {high}])" in text
    assert what_would_decide(summary, classes | {"protected": ["no", "yes"]}) == ""


@pytest.mark.parametrize("new_images", [False, True])
def test_outside_of_the_named_range_every_named_way_decides_with_the_chance(audit, new_images):
    summary, classes = audit()
    noise = noise_of_audit(summary, classes)
    noise = noise if new_images else noise.on_these_images()
    (row,) = to_decide(summary, classes, ["fox"], new_images)
    ways = [(row.seeds, row.held), (summary["seeds_baseline"], row.images), row.both]
    ways = [(s, n) for s, n in ways if np.isfinite(s + n)]
    assert ways
    for end, which in zip(row.near, (0, 1)):
        chances = [power_of_decision(end, row.tolerance, noise.variance(s, n)[0])[which] for s, n in ways]
        assert min(chances) >= 0.795
        assert max(chances) < 0.9
    assert row.near[0] < -row.tolerance < row.near[1]


@pytest.mark.parametrize("se", [1e-5, 0.6])
def test_the_named_range_is_neither_empty_nor_beyond_what_a_recall_can_change_by(audit, se):
    summary, classes = audit()
    classes |= {key: np.full(2, se) for key in ("se_fixed_test", "se_population")}
    for row in to_decide(summary, classes):
        low, high = (round(100 * end, 1) for end in row.near)
        assert -100 <= low < high <= 100 or not row.way


@pytest.mark.parametrize(("seeds", "first"), [((2, 2), True), ((3, 1), True), ((3, 3), False)])
def test_with_fewer_than_three_seeds_the_third_comes_first(audit, seeds, first):
    summary, classes = audit(seeds_baseline=seeds[0], seeds_treated=seeds[1])
    classes |= {"recall_change_low_population": np.array([-0.08, -0.3]), "protected": ["yes", "no"]}
    text = what_would_decide(summary, classes)
    assert text.startswith("Train until both arms have three seeds, then ask again") == first
    assert "would decide fox" in text
    assert "three" not in what_would_decide(summary, classes | {"protected": ["no", "yes"]})


def test_where_hardly_anything_decides_wider_tolerances_are_named(audit):
    summary, classes = audit(seeds_baseline=3, seeds_treated=3, seed_variance_ratio=1.2)
    classes |= {"n": np.array([200, 80]), "se_fixed_test": np.array([0.06, 0.015]), "se_population": np.full(2, 0.07)}
    classes |= {"recall_change": np.array([-0.01, -0.02]), "protected": ["yes", "no"]}
    classes |= {"recall_change_low_population": np.array([-0.12, -0.3])}
    fox, _ = rows = to_decide(summary, classes)
    said = out_of_reach(rows, summary)
    points = f"{100 * fox.wider:g}"
    assert said == (
        "Not even 50 seeds per arm with 100 times the examples would be likely to decide fox at a tolerance of 1 point"
        f"; with a wider tolerance, you could decide fox at {points} points with 10 seeds per arm (chance 80 %)."
    )
    assert f"{said} So far, the interval" in what_would_decide(summary, classes)
    assert fox.wider < 1.697 * 0.06 + 0.01  # at more than that, fox is safe as it stands

    noise, now = noise_of_audit(summary, classes).on_these_images(), classes["se_fixed_test"] ** 2
    asked = classes["recall_change"], now, noise.variance(10, classes["n"])
    does, less = (chance_of_decision(asked[0], t, *asked[1:])[0] for t in (fox.wider, fox.wider - 0.005))
    assert less < 0.8 <= does
    assert (200 * fox.wider) % 1 == pytest.approx(0, abs=1e-9)


def test_no_data_are_asked_for_at_a_tolerance_where_a_class_is_safe_already(audit):
    summary, classes = audit(seed_variance_ratio=50.0)
    classes |= {"recall_change": np.array([-0.01, -0.2])}
    fox, lynx = to_decide(summary, classes)
    assert (fox.wider, fox.wider_seeds) == (0.045, 0)  # 1 point lost, and 1.7 standard errors of 2 points
    assert out_of_reach([fox, lynx], summary).endswith(
        "; at a tolerance of 4.5 points, fox would be safe as it stands."
    )
    told, _ = to_decide(summary, classes | {"recall_change_low": np.array([-0.052, -0.3])})
    assert (told.wider, told.wider_seeds) == (0.045, 10)  # its own interval is wider
    half, _ = to_decide(summary, classes | {"recall_change_low": np.array([-0.048, -0.3])})
    assert (half.wider, half.wider_seeds) == (0.05, 0)  # seven more seeds would gain half a point
    two = {"decision": ["undecided"] * 2, "recall_change": np.full(2, -0.01)}
    assert "; as they stand, these would be safe: fox at 4.5 points and lynx at" in out_of_reach(
        to_decide(summary, classes | two), summary
    )


def test_many_images_for_one_seed_each_come_with_a_tolerance_that_fewer_decide(audit):
    summary, classes = audit(seed_variance_ratio=None, seeds_baseline=1, seeds_treated=1)
    classes |= {"n": np.array([20, 80])} | {
        f"se_{kind}": np.array([0.1, 0.02]) for kind in ("population", "fixed_test")
    }
    rows = to_decide(summary, classes | {"recall_change": np.array([-0.09, -0.02])})
    assert "with 40 test examples (chance 80 %)" in out_of_reach(rows, summary)
    assert "seeds" not in out_of_reach(rows, summary).partition(";")[2]
    assert out_of_reach(to_decide(summary, classes | {"recall_change": np.array([-0.3, -0.2])}), summary) == ""


def test_a_class_that_is_undecided_only_beside_others_is_not_asked_for_more(audit):
    summary, classes = audit()
    classes |= {"p_hurt": np.array([0.02, 0.0]), "p_safe": np.array([0.98, 1.0])}
    fox, lynx = to_decide(summary, classes)
    assert (fox.alone, fox.text, lynx.alone) == ("hurt", "", "")
    assert out_of_reach([fox, lynx], summary) == ""
    assert decided_alone([fox, lynx]).startswith("Undecided only because all classes are judged together: fox (hurt).")
    assert decided_alone(to_decide(*audit())) == ""


def test_a_class_that_is_safe_here_and_not_for_new_examples_is_told_what_decides_these():
    labels = np.repeat([0, 1], 60)
    before, after = np.tile(labels, (2, 3, 1))
    before[:, 0] = after[:, 0] = 1
    after[2, 70] = before[1, 80] = 0
    audit = audit_predictions((labels, before), (labels, after), protect=["0"], refits=0).only
    assert (audit.by_class["0"]["decision"], audit.by_class["0"]["decision_population"]) == ("safe", "undecided")
    told = what_would_decide(audit.summary, audit.classes)
    assert told.startswith("For new examples: about ")
    assert "more test examples of the class" in told
    assert told in audit.verdict()
