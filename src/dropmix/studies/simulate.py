"""Simulated predictions with a known truth, for the floor of a study and the calibration of the audit.

Arm a gets example i of class m right under seed s if

    A_am + sd d_mi + sda e_ami + tau g_asm + noise > 0        (d, e, g, noise standard normal)

d is the example's difficulty, shared by the arms; e is specific to an arm; g is the effect of a seed on a whole class.
A gives the wanted class recalls. The three scales follow from observations on networks: how often two seeds of an arm
disagree on an image, how much more class recall varies over seeds than independent flips would, and how much more often
two arms disagree than two seeds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr, ndtri, owens_t


@dataclass(frozen=True)
class World:
    """A test set, two arms and their noise.

    Args:
        classes: M.
        per_class: examples of each class, n.
        seeds: seeds of each arm, (S0, S1).
        recall: mean class recall of the baseline.
        recall_sd: its sd over classes.
        disagreement: share of examples on which two seeds of one arm disagree (one is right, one is wrong).
        seed_ratio: variance of class recall over seeds / variance that independent flips would give, >= 1.
        arm_disagreement: how much more often two arms disagree than two seeds of one arm, >= 0.
        pairing: correlation of a seed's effects between the arms, in [0, 1].

    Example:
        >>> CIFAR.scales().round(2).tolist()  # sd, sda, tau
        [2.28, 0.0, 0.12]
    """

    classes: int = 100
    per_class: int = 100
    seeds: tuple[int, int] = (5, 5)
    recall: float = 0.77
    recall_sd: float = 0.11
    disagreement: float = 0.13
    seed_ratio: float = 1.3
    arm_disagreement: float = 0.0
    pairing: float = 0.0

    def baseline_recalls(self, rng: np.random.Generator) -> np.ndarray:
        """Class recalls of the baseline, (M,), from a Beta distribution with the stated mean and sd."""
        spread = self.recall * (1 - self.recall) / self.recall_sd**2 - 1
        return rng.beta(self.recall * spread, (1 - self.recall) * spread, self.classes).clip(0.005, 0.995)

    def scales(self) -> np.ndarray:
        """sd, sda and tau, (3,), that give the stated disagreements and ratio.

        Raises:
            ValueError: no scales can give them.
        """
        recalls = self.baseline_recalls_grid()
        flip = self.disagreement / 2
        both_seeds = recalls.mean() - flip
        both_arms = recalls.mean() - (self.disagreement + self.arm_disagreement) / 2
        # What two examples of a class share within one seed: n Cov = (ratio - 1) flip
        both_images = np.mean(recalls**2) + (self.seed_ratio - 1) * flip / self.per_class
        least = both_right(recalls, 0.0).mean()
        if min(both_seeds, both_arms) < least:
            most = 2 * (recalls.mean() - least)
            raise ValueError(
                f"World: expected disagreements up to {most:.3f} at this accuracy, got {self.disagreement} and "
                f"{self.arm_disagreement} more between arms. Lower them."
            )
        seed, arm, image = (_correlation(recalls, b) for b in (both_seeds, both_arms, both_images))
        if seed + image >= 1:
            raise ValueError(
                f"World: expected a seed_ratio that leaves room for disagreement, got {self.seed_ratio}. Lower it."
            )
        noise = 1 - seed - image
        return np.sqrt(np.array([arm, max(seed - arm, 0.0), image]) / noise)

    def baseline_recalls_grid(self, points: int = 400) -> np.ndarray:
        """Evenly spaced quantiles of the baseline's class recalls, (points,)."""
        spread = self.recall * (1 - self.recall) / self.recall_sd**2 - 1
        at = (np.arange(points) + 0.5) / points
        return betaincinv(self.recall * spread, (1 - self.recall) * spread, at).clip(0.005, 0.995)


CIFAR = World()
IMAGENET = World(classes=1000, per_class=50, recall_sd=0.15, disagreement=0.11)


@dataclass(frozen=True)
class Simulated:
    """Predictions and their truth.

    Args:
        correct0, correct1: (S, M, n), bool.
        change_fixed: true recall change on these examples, for new seeds, (M,).
        change_population: true recall change for new examples too, (M,).
    """

    correct0: np.ndarray
    correct1: np.ndarray
    change_fixed: np.ndarray
    change_population: np.ndarray


def both_right(recalls: np.ndarray, correlation: float) -> np.ndarray:
    """Probability that two predictions with correlated latent scores are both right, (M,): bivariate normal.

    Example:
        >>> both_right(np.array([0.8]), 0.0).round(6).tolist(), both_right(np.array([0.8]), 1.0).round(6).tolist()
        ([0.64], [0.8])
    """
    return recalls - 2 * owens_t(ndtri(recalls), np.sqrt((1 - correlation) / (1 + correlation)))


def _correlation(recalls: np.ndarray, wished: Any) -> float:
    gap = lambda c: float(both_right(recalls, c).mean() - wished)  # noqa: E731
    if gap(0.0) >= 0:
        return 0.0
    return float(brentq(gap, 0.0, 1.0 - 1e-9, xtol=1e-10))  # pyright: ignore[reportArgumentType]


def simulate(
    world: World, change: np.ndarray, rng: np.random.Generator, recalls: np.ndarray | None = None, scales=None
) -> Simulated:
    """Draw one test set and every seed's predictions.

    Args:
        world: sizes and noise.
        change: wanted change of each class's recall, (M,) or a scalar, fractions; recalls stay in [0.005, 0.995].
        rng: the only source of randomness.
        recalls: class recalls of the baseline, (M,); None draws them.
        scales: result of `world.scales()`, if solved already.

    Example:
        >>> s = simulate(World(classes=3, per_class=10), 0.01, np.random.default_rng(0))
        >>> s.correct0.shape, s.change_fixed.shape
        ((5, 3, 10), (3,))
    """
    sd, sda, tau = world.scales() if scales is None else scales
    m, n = world.classes, world.per_class
    before = world.baseline_recalls(rng) if recalls is None else recalls
    after = np.clip(before + change, 0.005, 0.995)
    spread = np.sqrt(1 + sd**2 + sda**2 + tau**2)
    shared = sd * rng.standard_normal((m, n), dtype=np.float32)
    score = [
        (ndtri(r) * spread).astype(np.float32)[:, None]
        + shared
        + (np.float32(sda) * rng.standard_normal((m, n), dtype=np.float32) if sda else 0)
        for r in (before, after)
    ]
    p = [ndtr(s / np.sqrt(1 + tau**2)).mean(axis=1) for s in score]
    correct0, correct1 = _draw_seeds(score, tau, world, rng)
    return Simulated(correct0, correct1, p[1] - p[0], after - before)


def _draw_seeds(score, tau: float, world: World, rng: np.random.Generator) -> list[np.ndarray]:
    m, n = world.classes, world.per_class
    own, common = np.float32(np.sqrt(1 - world.pairing)), np.float32(np.sqrt(world.pairing))
    most = max(world.seeds)

    def parts(shape: tuple[int, ...]) -> list[np.ndarray]:
        shared = rng.standard_normal((most, *shape), dtype=np.float32) if world.pairing else np.zeros((most, 1, 1))
        return [common * shared[:s] + own * rng.standard_normal((s, *shape), dtype=np.float32) for s in world.seeds]

    classes, noise = parts((m, 1)), parts((m, n))
    return [score[a] + np.float32(tau) * classes[a] + noise[a] > 0 for a in (0, 1)]
