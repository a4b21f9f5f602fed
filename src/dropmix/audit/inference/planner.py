"""How many more seeds or test images would decide a class.

The variance of a class's recall change, with S seeds in each arm and n test images of the class:

    V(S, n) = (2 / S) (flip / n + seed) + example / n

    flip       variance over seeds of one prediction
    seed       what a seed does to the whole class
    example    variance over images of the difference between the arms; 0 if only these images matter

If its true change is d and t is tolerated, a class is found hurt with power Phi((-t - d) / sqrt(V) - z) and found safe
with power Phi((d + t) / sqrt(V) - z), where z is the quantile of the test's level.

After an audit, d is not known but seen, with variance V_now. True changes lie around 0 with standard deviation SPREAD:
d lies around k seen with variance k V_now, where k = SPREAD^2 / (SPREAD^2 + V_now). More seeds or images are added to
those there are: with w = 1 - V / V_now, the change seen in the end lies around (1 - w + w k) seen with variance
w V + w^2 k V_now, and

    P(hurt) = P(change in the end < -t - z sqrt(V)),    P(safe) likewise

By the power at the seen change, half as many seeds would seem to do: a class that looks clear often does so by luck.
If true changes are much smaller than SPREAD, more of them lie near -t than this allows for: where the chance does not
hold, the true change lies within `margin` of -t. So whoever names seeds or images names this range too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from dropmix.audit.inference.decide import USUAL_TAIL, quantile

ALONE = 0.05  # level of each one-sided test
POWER = 0.8  # chance of a decision to aim for
HALVINGS = 30
MOST_SEEDS = 50
MOST_IMAGES = 100  # times the present number
SEED_SHARE = 0.005  # `seed` / `flip` in networks measured so far; it differed between them by about as much
SPREAD = 0.1  # sd of true changes, generously; with all of them equally likely, too few seeds were named
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

    def variance(self, seeds: np.ndarray | float, images: np.ndarray | float) -> np.ndarray:
        """V(S, n), (M,).

        Args:
            seeds: of each arm, S; one number or (M,).
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
    does to a whole class; where few classes and seeds say little, it is drawn towards what other networks have. With
    one seed per arm nothing is known about seeds, and all variance counts as that of images.

    Args:
        summary: of a comparison.
        classes: its columns: n, se_fixed_test, se_population, and n_groups where examples belong together. A group then
            stands for what is called an image here.
    """
    n = np.asarray(classes.get("n_groups", classes["n"]), dtype=float)
    fixed = np.asarray(classes["se_fixed_test"], dtype=float) ** 2
    population = np.asarray(classes["se_population"], dtype=float) ** 2
    ratio = summary["seed_variance_ratio"]
    if ratio is None:
        nothing = np.zeros_like(n)
        return Noise(nothing, nothing, population * n)
    counts = summary["seeds_baseline"], summary["seeds_treated"]
    per_seed = fixed / (1 / counts[0] + 1 / counts[1])
    size = float((1 / n).mean())
    error = size * np.sqrt(2 / (len(n) * max(sum(counts) - 2, 1)))  # of `measured`, if only predictions flip
    measured, trust = (float(ratio) - 1) * size, SEED_SHARE**2 / (SEED_SHARE**2 + error**2)
    share = 1 / (1 + n * max(trust * measured + (1 - trust) * SEED_SHARE, 0.0))
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
        (0.9, 0.0)
    """
    distance = (np.asarray(change) + tolerance) / np.sqrt(variance)
    critical = quantile(level, USUAL_TAIL)
    return ndtr(-distance + critical), ndtr(distance + critical)


def margin(variance: Any, power: float = POWER, level: float = ALONE, dof: float = USUAL_TAIL) -> np.ndarray:
    """How far from the tolerated loss a true change must lie to be decided with this chance, whatever was seen.

    Args:
        variance: of the change that will be observed.
        power, level, dof: wished chance, level of each one-sided test and degrees of freedom of its t distribution.

    Example:
        >>> float(margin(0.02**2).round(3))
        0.051
    """
    return (ndtri(power) - quantile(level, dof)) * np.sqrt(variance)


def chance_of_decision(
    seen: np.ndarray,
    tolerance: Any,
    now: np.ndarray,
    then: np.ndarray,
    level: float = ALONE,
    dof: float = USUAL_TAIL,
) -> np.ndarray:
    """Chance that a class is found hurt or safe once its change is known better, (M,).

    Args:
        seen, tolerance: change seen so far, (M,), and the tolerated loss, one or (M,); fractions.
        now: variance of the seen change, (M,).
        then: variance with what is added, (M,), below `now`.
        level, dof: as in `margin`.

    Example:
        >>> chance_of_decision(np.array([-0.05]), 0.01, np.array([9e-4]), np.array([1e-4])).round(2).tolist()
        [0.79]
    """
    mean, spread = _later(seen, now, then)
    distance = mean + tolerance
    needed = -quantile(level, dof) * np.sqrt(then)
    return ndtr((-distance - needed) / spread) + ndtr((distance - needed) / spread)


def seeds_needed(
    change: Any,
    tolerance: Any,
    noise: Noise,
    images: Any,
    power: float = POWER,
    level: float = ALONE,
    now: np.ndarray | None = None,
) -> np.ndarray:
    """Seeds per arm that decide each class, (M,); infinite if no number does.

    Args:
        change: true change, (M,), fractions; the one seen so far if `now` is given.
        tolerance: one or (M,).
        noise: (M,).
        images: of each class.
        power, level: as in `margin`.
        now: variance of the seen change, (M,); None if the change is supposed to be the true one.

    Example:
        >>> noise = Noise(np.array([0.05]), np.array([0.0]), np.array([0.0]))
        >>> seeds_needed(np.array([-0.05]), 0.01, noise, 100).tolist()
        [5.0]
        >>> seeds_needed(np.array([-0.05]), 0.01, noise, 100, now=np.array([6e-4])).tolist()
        [7.0]
    """
    wished = _largest_variance(change, tolerance, power, level, now)
    left = wished - noise.example / images
    with np.errstate(divide="ignore", invalid="ignore"):
        seeds = np.ceil(2 * (noise.flip / images + noise.seed) / left - 1e-9)
    return np.where((left > 0) & (seeds <= MOST_SEEDS), np.maximum(seeds, 1.0), np.inf)


def images_needed(
    change: Any,
    tolerance: Any,
    noise: Noise,
    seeds: float,
    power: float = POWER,
    level: float = ALONE,
    now: np.ndarray | None = None,
    dof: float = USUAL_TAIL,
) -> np.ndarray:
    """Test images of each class that decide it, (M,); infinite if no number does, because seeds limit it.

    Args:
        change, tolerance, noise, power, level, now: as in `seeds_needed`.
        seeds, dof: of each arm, and of the tests' t distribution: few seeds stay few.

    Example:
        >>> noise = Noise(np.array([0.05]), np.array([0.0]), np.array([0.02]))
        >>> images_needed(np.array([-0.05]), 0.01, noise, 5).tolist()
        [162.0]
    """
    left = _largest_variance(change, tolerance, power, level, now, dof) - 2 / seeds * noise.seed
    with np.errstate(divide="ignore", invalid="ignore"):
        images = np.ceil((2 / seeds * noise.flip + noise.example) / left - 1e-9)
    return np.where(left > 0, images, np.inf)


def both_needed(change: Any, tolerance: Any, noise: Noise, seeds: float, images: np.ndarray, *asked: Any) -> np.ndarray:
    """How many times both the seeds and the images there are decide each class, (M,); infinite if no number does.

    Args:
        change, tolerance, noise: as in `seeds_needed`.
        seeds, images: of each arm and of each class, so far.
        asked: power, level and now, as in `seeds_needed`.

    Example:
        >>> noise = Noise(np.array([0.05]), np.array([0.0]), np.array([0.0]))
        >>> both_needed(np.array([-0.05]), 0.01, noise, 2, np.array([25]), 0.8, 0.05, None).round(2).tolist()
        [2.84]
    """
    wished = _largest_variance(change, tolerance, *asked)
    # The variance is square x^2 + single x, where x is one over the multiple.
    square, single = 2 / seeds * noise.flip / images, 2 / seeds * noise.seed + noise.example / images
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (single + np.sqrt(single**2 + 4 * square * wished)) / (2 * wished)
    return np.where(wished > 0, times, np.inf)


def tolerance_decided(
    seen: np.ndarray,
    now: np.ndarray,
    then: np.ndarray,
    power: float = POWER,
    level: float = ALONE,
) -> np.ndarray:
    """The smallest tolerated loss at which each class would be found safe with the wished chance, (M,).

    Args:
        seen, now, then, level, power: as in `chance_of_decision` and `margin`.

    Example:
        >>> tolerance_decided(np.array([0.0]), np.array([4e-4]), np.array([1e-4])).round(3).tolist()
        [0.031]
    """
    mean, spread = _later(seen, now, np.minimum(then, now))
    return ndtri(power) * spread - quantile(level, USUAL_TAIL) * np.sqrt(then) - mean


def _later(seen: Any, now: np.ndarray, then: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the change that will be seen."""
    new, known = 1 - then / now, SPREAD**2 / (SPREAD**2 + now)
    return np.asarray(seen) * (1 - new * (1 - known)), np.sqrt(new * (then + new * known * now))


def _largest_variance(
    change: Any,
    tolerance: Any,
    power: float,
    level: float,
    now: np.ndarray | None,
    dof: float = USUAL_TAIL,
) -> np.ndarray:
    """The variance at which a decision has the intended chance."""
    if now is None:
        return ((np.asarray(change, dtype=float) + tolerance) / margin(1.0, power, level, dof)) ** 2
    enough, short = np.zeros_like(now), np.asarray(now, dtype=float)
    for _ in range(HALVINGS):
        middle = (enough + short) / 2
        does = chance_of_decision(change, tolerance, now, middle, level, dof) >= power
        enough, short = np.where(does, middle, enough), np.where(does, short, middle)
    return enough
