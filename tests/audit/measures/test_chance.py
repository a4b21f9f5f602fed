"""Whether an arm guesses, against guesses and against arms that do not."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions, verdict
from dropmix.audit.measures.chance import at_chance


def recall_of(pred: np.ndarray, labels: np.ndarray, m: int) -> np.ndarray:
    return np.array([(pred[labels == k] == k).mean() for k in range(m)])


@pytest.mark.parametrize("sizes", [[150, 150], [300, 40, 12, 8], [30] * 10, [10] * 100])
def test_guesses_are_at_chance_and_better_arms_are_not(sizes):
    rng, m = np.random.default_rng(0), len(sizes)
    labels = np.repeat(np.arange(m), sizes)
    share = np.array(sizes) / len(labels)
    guesses = [rng.integers(0, m, len(labels)) for _ in range(200)]
    guesses += [rng.choice(m, len(labels), p=share) for _ in range(200)]
    guesses += [np.full(len(labels), np.argmax(sizes))]
    missed = [not at_chance(recall_of(pred, labels, m), np.array(sizes)) for pred in guesses]
    assert np.mean(missed) <= 0.01
    knows = rng.random(len(labels)) < 0.6
    better = np.where(knows, labels, rng.integers(0, m, len(labels)))
    assert not at_chance(recall_of(better, labels, m), np.array(sizes))


def test_balanced_training_below_the_share_of_the_largest_class_is_not_chance():
    sizes = np.array([900, 40, 30, 30])
    assert not at_chance(np.array([0.7, 0.8, 0.75, 0.8]), sizes)


def test_the_verdict_says_it_first():
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(4), [60, 40, 40, 40])
    guess, guess_too = (rng.integers(0, 4, (3, len(labels))) for _ in range(2))
    good = np.where(rng.random((3, len(labels))) < 0.7, labels, guess)
    text = verdict(audit_predictions((labels, guess), (labels, guess_too), refits=0).only)
    assert text.startswith("Undecided: the baseline may be guessing. baseline is right on ")
    assert "always answering the largest class on 33.3 %. Train it longer" in text
    assert "guessing" not in verdict(audit_predictions((labels, good), (labels, guess), refits=0).only)


def three_runs(pred, at, as_class):
    """Runs that differ in one example each."""
    runs = np.tile(pred, (3, 1))
    runs[range(3), range(at, at + 3)] = as_class
    return runs


def test_a_baseline_that_guesses_ships_nothing():
    """An arm whose classes are safe only because they cannot lose what was never learned."""
    labels = np.repeat(np.arange(4), 50)
    guess = np.zeros(len(labels), dtype=int)
    before, after = (labels, three_runs(guess, 60, 2)), (labels, three_runs(guess, 70, 3))
    found = audit_predictions(before, after, tolerance=0.1, refits=0).only
    assert set(found.classes["decision"]) == {"safe"}
    assert found.summary["decision"] == found.summary["decision_population"] == "undecided"
    before, after = (labels, three_runs(labels, 60, 2)), (labels, three_runs(labels, 70, 3))
    assert audit_predictions(before, after, tolerance=0.1, refits=0).only.summary["decision"] == "ship"


def test_a_protected_class_that_was_never_found_is_named():
    labels = np.repeat(np.arange(4), 50)
    blind = np.where(labels == 1, 0, labels)
    before, after = (labels, three_runs(blind, 110, 3)), (labels, three_runs(blind, 120, 3))
    lost, seen = (
        verdict(audit_predictions(before, after, protect=[name], tolerance=0.1, refits=0).only) for name in "12"
    )
    assert lost.startswith("Undecided: no class is shown to lose more than 10 points, and 4 of 4 are shown to be safe.")
    assert seen.startswith("Ship: ")
    assert "But baseline hardly finds 1 (recall 0.0 %), so nothing could be lost there." in lost
    assert "hardly finds" not in seen


def test_a_class_that_is_found_is_no_such_class_however_much_of_it_may_be_lost():
    labels = np.repeat(np.arange(4), 50)
    half = np.where((labels == 1) & (np.arange(200) % 2 == 0), 0, labels)
    before, after = (labels, three_runs(half, 110, 3)), (labels, three_runs(half, 120, 3))
    found = audit_predictions(before, after, protect=["1"], tolerance=0.9, refits=0).only
    assert found.summary["decision"] == "ship"
    assert "hardly finds" not in verdict(found)


def test_seeds_and_images_are_not_asked_for_where_nothing_can_be_lost():
    """A rare class that a short training never finds, undecided for its few cameras: more of either decide nothing."""
    labels = np.repeat(np.arange(4), [60, 20, 60, 60])
    blind = np.where(labels == 1, 0, labels)
    before, after = (labels, three_runs(blind, 110, 3)), (labels, three_runs(blind, 120, 3))
    found = audit_predictions(before, after, protect=["1"], group=np.arange(len(labels)) // 2, refits=0)
    text = verdict(found.only)
    assert text.startswith("Undecided: 1 is not shown to be safe. baseline hardly finds 1 (recall 0.0 %), so nothing ")
    assert "would decide" not in text
    assert "wider tolerance" not in text
