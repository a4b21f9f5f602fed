"""Classes near recall 1: the examples that a class loses may by luck not be in the test set."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

from dropmix.audit import audit_predictions
from dropmix.audit.inference.infer import unseen_losses

CLASSES, LOST, EXAMPLES, LOSS = 8, 2, 150, 0.01


def study(rng: np.random.Generator, seeds: int):
    """The columns of the first classes, which lose `LOSS` of new examples; the others gain.

    Each example has its own chance of being right, and the arm moves it on the logit scale.
    """
    kind = logit(np.clip(rng.beta(0.99 * 0.5, 0.01 * 0.5, 200_000), 1e-9, 1 - 1e-9))
    shift = brentq(lambda d: expit(kind + d).mean() - expit(kind).mean() + LOSS, -12, 0)
    labels = np.repeat(np.arange(CLASSES), EXAMPLES)
    base = rng.choice(kind, len(labels))
    arms = []
    for logits in (base, base + np.where(labels < LOST, shift, 0.3)):
        right = rng.random((seeds, len(labels))) < expit(logits + rng.normal(0, 0.15, (seeds, CLASSES))[:, labels])
        arms.append((labels, np.where(right, labels, (labels + 1) % CLASSES)))
    names = [str(i) for i in range(CLASSES)]
    classes = audit_predictions(*arms, protect=names[:LOST], tolerance=LOSS, refits=0).only.classes
    return {key: values[:LOST] for key, values in classes.items()}


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_class_that_lost_its_tolerance_is_seldom_safe_for_new_examples(seeds):
    rng = np.random.default_rng(seeds)
    safe, held = [], []
    for _ in range(100):
        c = study(rng, seeds)
        safe += [word == "safe" for word in c["decision_population"]]
        held += ((c["recall_change_low_population"] <= -LOSS) & (c["recall_change_high_population"] >= -LOSS)).tolist()
    assert np.mean(safe) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(safe)), np.mean(safe)
    assert np.mean(held) >= 0.88, np.mean(held)


def test_the_least_variance_is_that_of_examples_that_lose_half_their_passes():
    rng = np.random.default_rng(0)
    lost = -0.5 * (rng.random((4000, 100)) < 0.04)
    assert lost.mean(axis=1).var() == pytest.approx(float(unseen_losses(np.array(-0.02))) / 100, rel=0.07)
