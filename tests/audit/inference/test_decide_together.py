"""What is guaranteed on the number of hurt classes helps to call single ones, and only where there is something."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from dropmix.audit import audit_predictions
from dropmix.audit.inference.decide import class_tests, decide
from dropmix.audit.inference.guaranteed import guarantee

CLASSES, IMAGES = 60, 50


def study(seed: int, lost: float, seeds: tuple[int, int] = (4, 4)):
    """Images of known difficulty, of which a seed learns some classes worse; two of three classes lose images.

    Returns the comparison and which classes lost more than a point in expectation.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), IMAGES)
    known = rng.random(len(labels)) ** 0.3  # most images are nearly always right
    unlearned = lost * (np.arange(CLASSES) % 3 > 0)

    def arm(count: int, less: np.ndarray) -> np.ndarray:
        rates = known * (1 - (less + 0.02 * np.abs(rng.standard_t(4, (count, CLASSES))))[:, labels])
        return np.where(rng.random(rates.shape) < rates, labels, (labels + 1) % CLASSES)

    sources = [(labels, arm(count, less)) for count, less in zip(seeds, (np.zeros(CLASSES), unlearned))]
    return audit_predictions(*sources, refits=0).only, unlearned * known.mean() > 0.01


def by_its_p_values_alone(c, word: str, twin: str = "") -> np.ndarray:
    p = np.asarray(c.classes[f"p_{word}{twin}"])
    judged = np.array(c.classes[f"decision{twin}"]) != "too few examples"
    called = np.zeros(len(p), dtype=bool)
    called[judged] = multipletests(p[judged], 0.1, "fdr_bh")[0]
    return called & (p <= 0.05)


@pytest.mark.parametrize(
    ("word", "lost", "seeds"), [("hurt", 0.12, (4, 4)), ("hurt", 0.2, (4, 1)), ("safe", -0.05, (3, 3))]
)
def test_more_classes_are_called_where_many_changed(word, lost, seeds):
    more = alone = false = 0
    for seed in range(4):
        c, hurt = study(seed, lost, seeds)
        for twin in ("", "_population"):
            called = np.array(c.classes[f"decision{twin}"]) == word
            plain = by_its_p_values_alone(c, word, twin)
            assert called[plain].all()
            assert np.asarray(c.classes[f"p_{word}{twin}"])[called].max(initial=0) <= 0.05
            low, high = c.summary[f"n_hurt_low{twin}"], c.summary[f"n_hurt_high{twin}"]
            assert called.sum() <= (high if word == "hurt" else CLASSES - low)
            more, alone = more + called.sum(), alone + plain.sum()
            false += (called & (hurt != (word == "hurt"))).sum()
    assert more > 1.1 * alone > 5
    assert false <= 0.1 * more


def test_nothing_is_eased_where_nothing_is_hurt():
    """Calls are then those of Benjamini & Hochberg alone."""
    for seed in range(4):
        c, _ = study(seed, 0.0)
        assert c.summary["n_hurt_low"] == 0
        np.testing.assert_array_equal(np.array(c.classes["decision"]) == "hurt", by_its_p_values_alone(c, "hurt"))


def test_few_calls_need_the_long_tails():
    """One class fell by far: that one class is guaranteed to be hurt is no reason to call others by normal p-values."""
    z = np.append(-9.0, np.full(199, -3.2))  # t with 8 degrees of freedom: p = 0.006; normal: 0.0007
    t = class_tests(0.01 * z - 0.01, np.full(200, 1e-4), 0.01, np.full(200, 100), dof=8)
    p = np.where(np.arange(200) < 5, t.p_hurt, 0.5)
    t = type(t)(p, 1 - p, t.low, t.high, t.too_few, t.dof)
    known = guarantee(np.where(p < 0.4, t.low, 0.0), np.full(200, 1e-4), 0.0, 8, 0.01, np.ones(200, bool), tail=8)
    assert known.hurt_among(np.arange(200))[0] >= 1
    assert (decide([t], [np.zeros(200, bool)], guarantees=[known])[0] == "hurt").sum() == 1


def test_arms_share_what_is_left():
    """Where all classes of one arm are guaranteed to be hurt, those of another may be called by twice as much."""
    n, free = 40, np.zeros(40, bool)
    far = class_tests(np.full(n, -0.3), np.full(n, 1e-4), 0.01, np.full(n, 100))
    near = class_tests(np.append(np.full(4, -0.0335), np.zeros(n - 4)), np.full(n, 1e-4), 0.01, np.full(n, 100))
    known = [guarantee(c, np.full(n, 1e-4), 0.0, 8, 0.01, ~free) for c in (np.full(n, -0.3), near.low)]
    assert (decide([far, near], [free, free], 0.001)[1] == "hurt").sum() == 0
    words = decide([far, near], [free, free], 0.001, guarantees=[known[0], known[0]])
    assert (words[1] == "hurt").sum() == 4
    every = decide([far], [free], 0.1, guarantees=known[:1])[0]
    assert (every == "hurt").all()
