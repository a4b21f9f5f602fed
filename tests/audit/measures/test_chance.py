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
    assert text.startswith("Undecided, on a baseline no better than chance: baseline is right on ")
    assert "always answering the largest class on 33.3 %. Train it longer" in text
    assert "chance" not in verdict(audit_predictions((labels, good), (labels, guess), refits=0).only)
