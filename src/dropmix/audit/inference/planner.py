"""How many more seeds or test images would decide a class.

The variance of a class's recall change, with S seeds in each arm and n test images of the class:

    V(S, n) = (2 / S) (flip / n + seed) + example / n

    flip       variance over seeds of one prediction
    seed       what a seed does to the whole class
    example    variance over images of the difference between the arms; 0 if only these images matter

If its true change is d and t is tolerated, a class is found hurt with power Phi((-t - d) / sqrt(V) - z) and found safe
with power Phi((d + t) / sqrt(V) - z), where z is the normal quantile of the test's level.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

ALONE = 0.05  # level of each one-sided test
POWER = 0.8  # chance of a decision to aim for
MOST_SEEDS = 50
MOST_IMAGES = 100  # times the present number
SEED_SHARE = 0.003  # `seed` / `flip` in networks measured so far
OTHER_IMAGES = 0.02  # how much more often two arms than two seeds of one arm disagree on an image


@dataclass(frozen=True)
class Noise:
    """Parts of the variance of M classes' recall changes; arrays (M,), of one seed in each arm and one image.

    Args:
        flip: variance over seeds of one prediction, in [0, 0.25].
        seed: variance over seeds of the whole class.
        example: variance over images of the difference between the arms.
    """

    flip: np.ndarray
    seed: np.ndarray
    example: np.ndarray

    def variance(self, seeds: float, images: np.ndarray | float) -> np.ndarray:
        """V(S, n), (M,).

        Args:
            seeds: of each arm, S.
            images: of each class, n; one number or (M,).

        Example:
            >>> Noise(np.array([0.05]), np.array([0.0]), np.array([0.0])).variance(5, 100).round(6).tolist()
            [0.0002]
        """
        return 2 / seeds * (self.flip / images + self.seed) + self.example / images

    def on_these_images(self) -> "Noise":
        """The same for new seeds on the same images alone."""
        return replace(self, example=np.zeros_like(self.example))


def noise_of_audit(summary: Mapping[str, Any], classes: Mapping[str, Any]) -> Noise:
    """The parts as an audit measured them.

    `seed_variance_ratio`, one number for all classes, separates what a seed does to single predictions from what it
    does to a whole class. With one seed per arm nothing is known about seeds, and all variance counts as that of
    images.

    Args:
        summary: of a comparison.
        classes: its columns: n, se_fixed_test, se_population.
    """
    n = np.asarray(classes["n"], dtype=float)
    fixed = np.asarray(classes["se_fixed_test"], dtype=float) ** 2
    population = np.asarray(classes["se_population"], dtype=float) ** 2
    ratio = summary["seed_variance_ratio"]
    if ratio is None:
        nothing = np.zeros_like(n)
        return Noise(nothing, nothing, population * n)
    per_seed = fixed * 2 / (2 * (1 / summary["seeds_baseline"] + 1 / summary["seeds_treated"]))
    share = 1 / max(float(ratio), 1.0)
    return Noise(per_seed * share * n, per_seed * (1 - share), np.maximum(population - fixed, 0) * n)


def assumed_noise(disagreement: float) -> Noise:
    """The parts for one class before anything was measured.

    Args:
        disagreement: share of its images on which two seeds of one arm disagree, in (0, 0.5]: about 0.13 on CIFAR-100,
            0.03 to 0.05 for a pretrained network that is right on 95 %.
    """
    flip = np.array([disagreement / 2])
    return Noise(flip, SEED_SHARE * flip, np.array([OTHER_IMAGES]))


def power_of_decision(
    change: Any, tolerance: Any, variance: Any, level: float = ALONE
) -> tuple[np.ndarray, np.ndarray]:
    """Chance that a class is found hurt, and that it is found safe.

    Args:
        change: true change, a fraction; any shape.
        tolerance: loss that is tolerated, >= 0.
        variance: of the observed change, > 0.
        level: of each one-sided test.

    Example:
        >>> hurt, safe = power_of_decision(-0.1, 0.01, 0.03**2)
        >>> round(float(hurt), 2), round(float(safe), 4)
        (0.91, 0.0)
    """
    distance = (np.asarray(change) + tolerance) / np.sqrt(variance)
    return ndtr(-distance + ndtri(level)), ndtr(distance + ndtri(level))


def seeds_needed(
    change: Any, tolerance: Any, noise: Noise, images: Any, power: float = POWER, level: float = ALONE
) -> np.ndarray:
    """Seeds per arm that decide each class if its true change is the given one, (M,); infinite if no number does.

    Args:
        change: (M,), fractions.
        tolerance: one or (M,).
        noise: (M,).
        images: of each class.
        power: wished chance of the decision.
        level: of each one-sided test.

    Example:
        >>> noise = Noise(np.array([0.05]), np.array([0.0]), np.array([0.0]))
        >>> seeds_needed(np.array([-0.05]), 0.01, noise, 100).tolist()
        [4.0]
    """
    wished = _largest_variance(change, tolerance, power, level)
    left = wished - noise.example / images
    with np.errstate(divide="ignore", invalid="ignore"):
        seeds = np.ceil(2 * (noise.flip / images + noise.seed) / left - 1e-9)
    return np.where((left > 0) & (seeds <= MOST_SEEDS), np.maximum(seeds, 1.0), np.inf)


def images_needed(
    change: Any, tolerance: Any, noise: Noise, seeds: float, power: float = POWER, level: float = ALONE
) -> np.ndarray:
    """Test images of each class that decide it, (M,); infinite if no number does, because seeds limit it.

    Args:
        change, tolerance, noise, power, level: as in `seeds_needed`.
        seeds: of each arm.

    Example:
        >>> noise = Noise(np.array([0.05]), np.array([0.0]), np.array([0.02]))
        >>> images_needed(np.array([-0.05]), 0.01, noise, 5).tolist()
        [155.0]
    """
    left = _largest_variance(change, tolerance, power, level) - 2 / seeds * noise.seed
    with np.errstate(divide="ignore", invalid="ignore"):
        images = np.ceil((2 / seeds * noise.flip + noise.example) / left - 1e-9)
    return np.where(left > 0, images, np.inf)


def _largest_variance(change: Any, tolerance: Any, power: float, level: float) -> np.ndarray:
    """The variance at which the likelier of the two decisions has the intended power."""
    distance = np.abs(np.asarray(change, dtype=float) + tolerance)
    return (distance / (ndtri(power) - ndtri(level))) ** 2


@dataclass(frozen=True)
class ToDecide:
    """What would decide one class.

    Args:
        name: of the class.
        decision: as it stands.
        seeds: seeds per arm that would do; infinite if 50 do not.
        images: test images of the class that would do with the present seeds; infinite if no number does.
        text: the same in words; "" if the class is decided.
    """

    name: str
    decision: str
    seeds: float
    images: float
    text: str

    @property
    def way(self) -> bool:
        """Whether the class is undecided and could be decided."""
        return bool(self.text) and min(self.seeds, self.images) < np.inf


def to_decide(
    summary: Mapping[str, Any],
    classes: Mapping[str, Any],
    names: Iterable[str] | None = None,
    new_images: bool = False,
    power: float = POWER,
) -> list[ToDecide]:
    """What would decide each class if its true change were the one seen.

    Args:
        summary, classes: of a comparison.
        names: classes to look at; all if None.
        new_images: whether to decide for new images too.
        power: wished chance of the decision.
    """
    noise = noise_of_audit(summary, classes)
    # One seed per arm shows no seed noise, so only new images can be planned for.
    noise = noise if new_images or summary["seed_variance_ratio"] is None else noise.on_these_images()
    n = np.asarray(classes["n"], dtype=float)
    now = min(summary["seeds_baseline"], summary["seeds_treated"])
    change, tolerance = (np.asarray(classes[key], dtype=float) for key in ("recall_change", "tolerance"))
    level = float(summary.get("protected_level", ALONE))  # audits from before looks were counted lack it
    seeds = seeds_needed(change, tolerance, noise, n, power, level)
    images = images_needed(change, tolerance, noise, now, power, level)
    images = np.where(images <= MOST_IMAGES * n, images, np.inf)
    decided = classes["decision_population" if new_images else "decision"]
    wanted = None if names is None else {str(name) for name in names}
    found = []
    for i, (name, decision) in enumerate(zip(classes["class"], decided)):
        if wanted is None or str(name) in wanted:
            text = "" if decision in ("hurt", "safe") else _in_words(seeds[i] - now, images[i] - n[i])
            found.append(ToDecide(str(name), decision, float(seeds[i]), float(images[i]), text))
    return found


def _in_words(seeds: float, images: float) -> str:
    """Example:
    >>> _in_words(4, np.inf), _in_words(np.inf, np.inf)
    ('about 4 more seeds per arm', 'too close to the tolerance to be decided by 50 seeds or 100 times the images')
    """
    ways = []
    if np.isfinite(seeds):
        count = max(int(seeds), 1)
        ways.append(f"about {count} more seed{'s' if count > 1 else ''} per arm")
    if np.isfinite(images):
        ways.append(f"about {_rounded(max(images, 1))} more test images")
    return " or ".join(ways) or "too close to the tolerance to be decided by 50 seeds or 100 times the images"


def _rounded(value: float) -> int:
    """Round up to two digits, all that such an estimate is worth.

    Example:
        >>> _rounded(1234.0), _rounded(7.2)
        (1300, 8)
    """
    step = 10 ** max(int(np.floor(np.log10(value))) - 1, 0)
    return int(np.ceil(value / step) * step)
