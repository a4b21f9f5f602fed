"""What would decide a class, in numbers and in words per class."""

import numpy as np
import pytest

import dropmix
from dropmix.audit.rows.to_decide import to_decide


def test_only_open_classes_get_advice(audit):
    fox, lynx = to_decide(*audit())
    assert lynx.text == ""
    assert "more seeds per arm" in fox.text
    (only,) = to_decide(*audit(), names=["lynx"])
    assert only.name == "lynx"


def test_one_seed_asks_for_images(audit):
    fox, _ = to_decide(*audit(seed_variance_ratio=None, seeds_baseline=1, seeds_treated=1))
    assert "examples" in fox.text
    assert "seed " not in fox.text


def test_where_neither_alone_would_do_both_are_named_together(audit):
    summary, classes = audit(seeds_baseline=3, seeds_treated=3)
    classes |= {"n": np.array([20, 80]), "se_fixed_test": np.array([0.06, 0.015]), "se_population": np.full(2, 0.07)}
    classes |= {"recall_change": np.array([-0.04, -0.2])}
    fox, _ = to_decide(summary, classes)
    assert np.isinf([fox.seeds, fox.images]).all()
    assert "seeds per arm together with about" in fox.text
    assert fox.way


def test_at_the_tolerance_there_is_no_way_where_seeds_move_whole_classes(audit):
    summary, classes = audit(seed_variance_ratio=200.0)
    fox, _ = to_decide(summary, classes | {"recall_change": np.array([-0.01, -0.2])})
    assert (fox.way, fox.text, fox.open) == (False, "", True)


def test_where_each_alone_would_take_very_many_both_are_offered_too(audit):
    summary, classes = audit(seeds_baseline=3, seeds_treated=3)
    classes |= {"n": np.array([100, 80]), "se_fixed_test": np.array([0.025, 0.015]), "se_population": np.full(2, 0.03)}
    fox, _ = to_decide(summary, classes | {"recall_change": np.array([0.02, -0.2])})
    assert fox.seeds - 3 > 10
    assert fox.images > 200
    assert fox.both[0] < fox.seeds
    assert fox.both[1] < fox.images
    assert f"or about {fox.both[0] - 3:.0f} more seeds per arm together with about" in fox.text
    cheap, _ = to_decide(summary, classes | {"recall_change": np.array([-0.1, -0.2])})
    assert "together" not in cheap.text


def test_images_that_save_few_seeds_are_not_asked_for(audit):
    summary, classes = audit(seeds_baseline=3, seeds_treated=3, seed_variance_ratio=8.0)
    classes |= {"n": np.array([300, 80]), "se_fixed_test": np.array([0.025, 0.015]), "se_population": np.full(2, 0.026)}
    fox, _ = to_decide(summary, classes | {"recall_change": np.array([0.02, -0.2])})
    assert 10 < fox.seeds - 3 < 2 * (fox.both[0] - 3)
    assert "together" not in fox.text
    assert fox.text.endswith("more seeds per arm")


def test_the_arm_with_fewer_seeds_is_raised_first(audit):
    summary, classes = audit(seeds_baseline=4, seeds_treated=1)
    fox, _ = to_decide(summary, classes)
    assert fox.text.startswith("about ")
    assert "of the arm with 1" in fox.text or "seeds in each arm" in fox.text
    assert "per arm" not in fox.text


def test_images_of_unequal_arms_rest_on_the_seeds_of_both(audit):
    four, unequal = (to_decide(*audit(seeds_baseline=4, seeds_treated=seeds))[0].images for seeds in (4, 1))
    assert unequal == pytest.approx(four, rel=0.2)  # the same error was measured


def test_a_way_that_takes_more_than_most_could_add_is_far(audit):
    summary, classes = audit(seed_variance_ratio=None, seeds_baseline=1, seeds_treated=1)
    near, _ = to_decide(summary, classes | {"recall_change": np.array([-0.09, -0.2])})
    far, _ = to_decide(summary, classes | {"recall_change": np.array([0.02, -0.2])})
    assert (near.way, near.far) == (True, False)
    assert (far.way, far.far) == (True, True)
    assert far.images > 10 * far.held


def needs(labels, arms, group=None, new_images=True):
    """What an audit of three seeds says would decide its first class."""
    base, treated = ((labels, preds) for preds in arms)
    found = dropmix.audit_predictions(base, treated, refits=0, protect=["0"], group=group).only
    return to_decide(found.summary, found.classes, new_images=new_images)[0], found


def drawn(sizes, recalls, seed=0):
    """Labels, and three seeds of two arms, in which hard examples are hard for all."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    hard = np.log(1 / np.repeat(1 - np.array(recalls), sizes) - 1) + 2 * rng.standard_normal(len(labels))
    right = rng.random((2, 3, len(labels))) < 1 / (1 + np.exp(-hard - rng.standard_normal((2, 3, len(labels)))))
    return labels, np.where(right, labels, (labels + 1) % len(sizes))


def test_a_class_without_an_error_needs_the_images_at_which_none_lost_is_proof():
    def study(n):
        labels, arms = drawn([n, 80, 80], [0.9, 0.85, 0.8])
        return needs(labels, np.where(labels == 0, labels, arms))

    row, found = study(60)
    assert found.classes["decision_population"][0] == "undecided"
    assert row.images == 450
    assert "about 390 more test examples of the class" in row.text
    assert study(int(row.images))[1].classes["decision_population"][0] == "safe"
    assert study(int(row.images / 2))[1].classes["decision_population"][0] == "undecided"


@pytest.mark.parametrize("new_images", [False, True])
def test_what_belongs_together_is_counted_as_groups(new_images):
    labels, arms = drawn([30, 40, 40], [0.85, 0.85, 0.8])
    alone, _ = needs(labels, arms, new_images=new_images)
    eight = np.arange(len(labels)).repeat(8)
    grouped, found = needs(labels[eight], arms[..., eight], group=eight.tolist(), new_images=new_images)
    assert (found.classes["n"][0], found.classes["n_groups"][0], grouped.held) == (240, 30, 30)
    assert "more test examples of the class" in alone.text
    assert "more groups of the class" in grouped.text
    assert "example" not in grouped.text
    assert grouped.images == pytest.approx(alone.images, rel=0.1)
    assert grouped.both == pytest.approx(alone.both, rel=0.1)
