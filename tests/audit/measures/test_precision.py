"""Precision and F1 against scikit-learn, a bootstrap over examples and seeds, and new draws.

Studies are drawn from scores, since the wrong class matters too. Each class has a skill, each pair of classes a
likeness, each clip (or image) a difficulty and a taste for certain wrong classes; a seed moves the bias of every
class. The highest score is the prediction. Nothing is a binomial draw.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from dropmix.audit import audit_predictions
from dropmix.audit.measures.precision import precision_and_f1

NO_AVERAGE: Any = None
ZERO: Any = 0


@dataclass
class ScoreWorld:
    """Where studies are drawn from.

    Args:
        rng: of the world and of all studies.
        sizes: examples of each class, (M,).
        class_seed: sd over seeds of each class's bias.
        cluster: images per clip, which share nearly everything.
        shift: sd over classes of the treated arm's effect on their bias.
    """

    rng: np.random.Generator
    sizes: np.ndarray
    class_seed: float = 0.15
    cluster: int = 1
    shift: float = 0.0

    def __post_init__(self) -> None:
        m = len(self.sizes)
        self.alike, self.skill = self.rng.normal(0, 0.7, (m, m)), self.rng.normal(4, 0.8, m)
        self.bias = self.rng.normal(0, 0.3, m)
        self.moved = self.bias + self.rng.normal(0, 1, m) * self.shift

    def draw(
        self, seeds: tuple[int, int], sizes: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Labels (N,), predictions (S0, N) and (S1, N), and the clip of each image (N,)."""
        labels = np.repeat(np.arange(len(self.sizes)), self.sizes if sizes is None else sizes)
        clip = np.unique(labels * (len(labels) + 1) + np.arange(len(labels)) // self.cluster, return_inverse=True)[1]
        true = labels[np.unique(clip, return_index=True)[1]]
        shape = len(true), len(self.sizes)
        base = self.alike[true] + self.rng.gumbel(0, 0.7, shape)
        base[np.arange(len(true)), true] += self.skill[true] - self.rng.gamma(1.5, 0.8, len(true))
        arms = []
        for count, bias in zip(seeds, (self.bias, self.moved)):
            arms.append(np.empty((count, len(labels)), int))
            for row in arms[-1]:
                seed = bias + self.class_seed * self.rng.standard_normal(shape[1])
                row[:] = (base + seed + self.rng.gumbel(0, 0.5, shape)).argmax(axis=1)[clip]
        return labels, arms, clip

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """True change of precision and of F1, from many more images and seeds, (M,) each."""
        if not self.shift:
            return np.zeros(len(self.sizes)), np.zeros(len(self.sizes))
        cluster, self.cluster = self.cluster, 1
        labels, arms, _ = self.draw((60, 60), self.sizes * max(1, 20_000 // int(self.sizes.sum())))
        self.cluster = cluster
        measures = []
        for pred in arms:
            hit, taken = (np.bincount(x, minlength=len(self.sizes)) for x in (pred[pred == labels], pred.reshape(-1)))
            true = len(pred) * np.bincount(labels)
            measures.append(np.stack([hit / taken, 2 * hit / (taken + true)]))
        return measures[1][0] - measures[0][0], measures[1][1] - measures[0][1]


def long_tail(m: int) -> np.ndarray:
    """From 5 to 500 examples per class, (M,)."""
    return np.round(np.exp(np.linspace(np.log(5), np.log(500), m))).astype(int)


def of_scikit_learn(labels, arm):
    """Precision and F1 of all seeds' predictions, concatenated."""
    scores = precision_recall_fscore_support(
        np.tile(labels, len(arm)), np.concatenate(arm), average=NO_AVERAGE, zero_division=ZERO
    )
    return np.array(scores)[[0, 2]]


def counted(labels, arm):
    """The same by counting, for resampling."""
    hit, taken = np.bincount(arm[arm == labels], minlength=3), np.bincount(arm.reshape(-1), minlength=3)
    return np.stack([hit / taken, 2 * hit / (taken + len(arm) * np.bincount(labels))])


@pytest.fixture
def world():
    return ScoreWorld(np.random.default_rng(0), np.array([40, 80, 120, 60, 300]), shift=0.5)


def test_values_are_scikit_learns(world):
    labels, arms, _ = world.draw((3, 2))
    before, after = (of_scikit_learn(labels, arm) for arm in arms)
    for i, found in enumerate(precision_and_f1(labels, arms[0], arms[1], 5)):
        np.testing.assert_allclose(found.baseline, before[i])
        np.testing.assert_allclose(found.treated, after[i])
        np.testing.assert_allclose(found.change, after[i] - before[i], atol=1e-12)


def test_the_audit_holds_them_for_its_classes(world):
    labels, arms, _ = world.draw((3, 2))
    names = ("absent", "a", "b", "c", "d", "e")
    base, new = ({"labels": labels + 1, "pred": arm + 1} for arm in arms)
    found = audit_predictions(base, new, classes=names, refits=0).only
    for i, found_of in enumerate(("precision", "f1")):
        for arm, side in zip(arms, ("baseline", "treated")):
            np.testing.assert_allclose(found.classes[f"{found_of}_{side}"], of_scikit_learn(labels, arm)[i])
        low, high = found.classes[f"{found_of}_change_low"], found.classes[f"{found_of}_change_high"]
        assert ((low <= found.classes[f"{found_of}_change"]) & (found.classes[f"{found_of}_change"] <= high)).all()
    wide = audit_predictions(base, new, classes=names, refits=0, level=0.99).only
    assert (wide.classes["f1_change_low"] < found.classes["f1_change_low"]).all()


@pytest.mark.parametrize(("seeds", "cluster"), [((1, 1), 1), ((1, 1), 6), ((6, 6), 1), ((6, 6), 6)])
def test_errors_lie_between_bootstraps_over_examples_and_over_examples_and_seeds(seeds, cluster):
    """A bootstrap over both counts single flips twice; one over examples alone misses the moves of whole classes."""
    world = ScoreWorld(np.random.default_rng(4), np.array([240, 240, 240]), cluster=cluster, shift=0.2)
    labels, arms, clip = world.draw(seeds)
    found = precision_and_f1(labels, arms[0], arms[1], 3, clip if cluster > 1 else None)
    members = [np.flatnonzero(clip == g) for g in range(clip.max() + 1)]
    rng = np.random.default_rng(0)
    spread = []
    for resampled in (False, True):
        again = []
        for _ in range(300):
            rows = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
            drawn = [arm[rng.integers(0, len(arm), len(arm))] if resampled else arm for arm in arms]
            again.append(counted(labels[rows], drawn[1][:, rows]) - counted(labels[rows], drawn[0][:, rows]))
        spread.append(np.std(again, axis=0))
    errors = np.array([m.error for m in found])
    assert (errors > 0.85 * spread[0]).all()
    assert (errors < 1.3 * spread[1]).all()


@pytest.mark.parametrize(("sizes", "seeds", "cluster", "shift"), [
    (np.full(10, 100), (3, 3), 1, 0.4),
    (long_tail(12), (3, 3), 1, 0.0),
    (long_tail(12), (5, 5), 1, 0.4),
    (long_tail(12), (1, 4), 1, 0.0),
    (np.full(10, 100), (4, 4), 10, 0.4),
])  # fmt: skip
def test_intervals_hold_the_truth_for_new_examples_and_seeds(sizes, seeds, cluster, shift):
    world = ScoreWorld(np.random.default_rng(1), sizes, cluster=cluster, shift=shift)
    truth, held, known = world.truth(), np.zeros((2, len(sizes))), np.zeros((2, len(sizes)))
    for _ in range(60):
        labels, arms, clip = world.draw(seeds)
        for i, m in enumerate(precision_and_f1(labels, arms[0], arms[1], len(sizes), clip if cluster > 1 else None)):
            low, high = m.interval(0.9)
            held[i] += (low <= truth[i]) & (truth[i] <= high)
            known[i] += ~np.isnan(m.error)
    coverage = held.sum(axis=1) / known.sum(axis=1)
    assert (coverage > 0.87).all(), coverage
    assert (coverage < 0.97).all(), coverage


def test_a_class_never_predicted_has_no_precision():
    labels = np.array([0, 1, 1])
    precision, f1 = precision_and_f1(labels, np.array([[1, 1, 1]]), np.array([[0, 1, 1]]), 3)
    assert np.isnan(precision.baseline[[0, 2]]).all()
    assert np.isnan(precision.error[0])
    assert f1.baseline[0] == 0
    assert precision.treated[0] == 1


def test_no_class_is_certain_by_luck():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [5, 400, 400])
    arms = [np.where((rng.random((3, 805)) < 0.8) | (labels == 0), labels, 3 - labels) for _ in range(2)]
    for m in precision_and_f1(labels, arms[0], arms[1], 3):
        assert (m.baseline[0], m.treated[0]) == (1, 1)
        assert (m.error[1:] > 0).all()
        assert m.error[0] > m.error[1:].max()
