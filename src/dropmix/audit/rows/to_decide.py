"""What would decide the classes that are neither hurt nor safe: more seeds, more test images, or both together.

One seed per arm shows nothing of what another seed would do. More images then decide between the two trained models
only, and the words say so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dropmix.audit.inference.decide import FEW_EXAMPLES, HURT, SAFE, TOO_FEW, USUAL_TAIL, quantile, tail_dof
from dropmix.audit.inference.infer import unseen_losses
from dropmix.audit.inference.planner import (
    ALONE,
    MOST_IMAGES,
    MOST_SEEDS,
    POWER,
    Noise,
    both_needed,
    images_needed,
    margin,
    noise_of_audit,
    seeds_needed,
    tolerance_decided,
)
from dropmix.audit.inputs.scores import SPECIFICITY
from dropmix.audit.quantities.table import TWIN
from dropmix.audit.quantities.words import units
from dropmix.audit.rows.ways import EXAMPLE, FEW_SEEDS, GROUP, OF_CLASS, in_words

TENTH = 0.001  # of a point, as changes are printed
STEP = 0.005  # tolerances are proposed in half points
WORTH = 1.5 * STEP  # more data that lower the tolerance by less than this are not worth asking for
CLEAN = 1.5  # times the images that rule the loss out if none of them is lost: with those alone, many classes lose one
FAR_SEEDS, FAR_IMAGES = 20, 5  # more seeds per arm, or more times the images, than most could add


@dataclass(frozen=True)
class ToDecide:
    """What would decide one class.

    Args:
        name: of the class.
        decision: as it stands.
        seeds: seeds in each arm that would do; infinite if 50 do not.
        images: test images of the class that would do with the present seeds (groups of them where some belong
            together, here and below); infinite if no number does.
        both: seeds in each arm and images that would do together; infinite if 50 seeds with 100 times the images do
            not.
        tolerance: the tolerated loss, a fraction.
        wider: the tolerated loss, in half points, that `wider_seeds` and `wider_images` would decide.
        wider_seeds: 10 seeds per arm, or twice the present ones if more; the one of each arm if nothing is known of
            seeds; 0 if the class is shown to be safe at `wider` as it stands.
        wider_images: the present ones; twice as many for one seed per arm or too few examples.
        text: the ways in words; "" if the class is decided or there is no way.
        unit: what `held` and the images are counted in: "test example" or "group".
        open: whether the class is neither hurt nor safe.
        held: images of the class so far.
        alone: "hurt" or "safe" if an open class is just that when tested alone, as a protected one; else "".
        near: the two ends, fractions, of the true changes for which the ways take more than they say.
    """

    name: str
    decision: str
    seeds: float
    images: float
    both: tuple[float, float]
    tolerance: float
    wider: float
    wider_seeds: int
    wider_images: int
    text: str
    open: bool
    held: int
    alone: str = ""
    unit: str = EXAMPLE
    near: tuple[float, float] = (0.0, 0.0)

    @property
    def way(self) -> bool:
        """Whether the class is undecided and could be decided at its tolerance."""
        return bool(self.text)

    @property
    def far(self) -> bool:
        """Whether every way takes more than most could add."""
        ways = (self.seeds, self.held), (1, self.images), self.both
        return self.way and all(s > FAR_SEEDS or n > FAR_IMAGES * self.held for s, n in ways)


def to_decide(
    summary: Mapping[str, Any],
    classes: Mapping[str, Any],
    names: Iterable[str] | None = None,
    new_images: bool = False,
    power: float = POWER,
) -> list[ToDecide]:
    """What would decide each class with the wished chance, allowing for the noise in the change seen.

    Args:
        summary, classes: of a comparison.
        names: classes to look at; all if None.
        new_images: whether to decide for new images too.
        power: wished chance of the decision.
    """
    noise = noise_of_audit(summary, classes)
    # One seed per arm shows no seed noise, so only new images can be planned for.
    lone_models = one_seed_each(summary)
    noise = noise if new_images or lone_models else noise.on_these_images()
    n = np.asarray(units(classes), dtype=float)
    counts = summary["seeds_baseline"], summary["seeds_treated"]
    now = seeds_of_each(counts)
    change, tolerance = (np.asarray(classes[key], dtype=float) for key in ("recall_change", "tolerance"))
    level = float(summary.get("protected_level", ALONE))  # audits from before looks were counted lack it
    variance = np.asarray(classes["se_population" if new_images else "se_fixed_test"], dtype=float) ** 2
    if new_images and not lone_models:
        examples = np.maximum(noise.example, unseen_losses(tolerance))
        variance, noise = variance + (examples - noise.example) / n, replace(noise, example=examples)
    seeds = seeds_needed(change, tolerance, noise, n, power, level, variance)
    images = images_needed(change, tolerance, noise, now, power, level, variance, tail_dof(counts))
    if new_images or lone_models:
        flawless = np.all([np.asarray(classes[f"recall_{arm}"]) == 1 for arm in ("baseline", "treated")], axis=0)
        images = np.where(flawless, np.minimum(images, _without_errors(tolerance, level)), images)
    images = np.where(images <= MOST_IMAGES * n, np.maximum(images, FEW_EXAMPLES), np.inf)
    seeds_too, images_too = _together(noise, now, n, (change, tolerance, power, level, variance))
    images_too = np.maximum(images_too, FEW_EXAMPLES)
    decided = classes["decision_population" if new_images else "decision"]
    # No number of seeds makes up for images that hardly show anything; ten and more may be too few for this noise only.
    few = np.asarray(decided, dtype=object) == TOO_FEW
    seeds = np.where(few & (n < FEW_EXAMPLES), np.inf, seeds)
    ways = (seeds, n, USUAL_TAIL), (now, images, tail_dof(counts)), (seeds_too, images_too, USUAL_TAIL)
    far = np.max([_margin(noise, *way, power, level) for way in ways], axis=0)
    # Rounded outwards, to what is printed: a range must not look empty.
    low = np.floor((-tolerance - far).clip(-1, 1) / TENTH + 1e-6) * TENTH
    high = np.ceil((far - tolerance).clip(-1, 1) / TENTH - 1e-6) * TENTH
    more_seeds = int(max(FEW_SEEDS, 2 * max(counts))) if not lone_models else 1
    more_images = np.where(few | lone_models, np.maximum(2 * n, 2 * FEW_EXAMPLES), n)
    wider = tolerance_decided(change, variance, noise.variance(more_seeds, more_images), power, level)
    wider = np.maximum(np.ceil(wider / STEP - 1e-9) * STEP, tolerance + STEP)
    # More data only pay where they decide a smaller tolerance than the one at which the class is safe already.
    shown = -quantile(level, tail_dof(counts)) * np.sqrt(variance) - change
    shown = np.maximum(shown, -np.asarray(classes.get(f"recall_change_low{TWIN if new_images else ''}", -shown)))
    shown = np.maximum(np.ceil(shown / STEP - 1e-9) * STEP, tolerance + STEP)
    stands = (shown - wider < WORTH) & ~few
    wider = np.where(stands, shown, wider)
    alone = _alone(classes, new_images, level)
    wanted = None if names is None else {str(name) for name in names}
    needs = []
    for i, (name, decision) in enumerate(zip(classes["class"], decided)):
        if wanted is None or str(name) in wanted:
            both = float(seeds_too[i]), float(images_too[i])
            more = float(seeds[i]), images[i] - n[i], (both[0], both[1] - n[i])
            left = decision not in (HURT, SAFE)
            whose = OF_CLASS
            if "measure" in classes:
                whose = "without the label" if classes["measure"][i] == SPECIFICITY else "with the label"
            unit = EXAMPLE if n[i] == classes["n"][i] else GROUP
            text = in_words(*more, n[i], counts, (unit, whose)) if left and not alone[i] else ""
            asked = float(seeds[i]), float(images[i]), both
            least = float(tolerance[i]), float(wider[i]), 0 if stands[i] else more_seeds, int(more_images[i])
            said = text, left, int(n[i]), alone[i] if left else "", unit, (float(low[i]), float(high[i]))
            needs.append(ToDecide(str(name), decision, *asked, *least, *said))
    return needs


def _margin(noise: Noise, seeds: Any, images: Any, dof: float, power: float, level: float) -> np.ndarray:
    """How near to the tolerated loss a way does not reach, (M,); 0 where there is no such way."""
    there = np.isfinite(seeds) & np.isfinite(images)
    variance = noise.variance(np.where(there, seeds, 1.0), np.where(there, images, 1.0))
    return np.where(there, margin(variance, power, level, dof), 0.0)


def _without_errors(tolerance: np.ndarray, level: float) -> np.ndarray:
    """Images that decide a class of which neither arm has lost any so far, for new images, (M,).

    A loss t spares all of n images with probability (1 - t)^n, so n falls with t, not with its square. In simulations
    with losses around half the tolerance, this number decided 0.68 to 0.88 (1 v 1 to 5 v 5 seeds).
    """
    with np.errstate(divide="ignore"):
        return np.ceil(CLEAN * np.log(1 / level) / tolerance)


def _alone(classes: Mapping[str, Any], new_images: bool, level: float) -> list[str]:
    """The decision on each class if it were tested alone; "" if neither test says anything, or none was kept."""
    hurt, safe = (classes.get(f"p_{word}{TWIN if new_images else ''}") for word in (HURT, SAFE))
    if hurt is None or safe is None:
        return [""] * len(classes["class"])
    return [HURT if h <= level else SAFE if s <= level else "" for h, s in zip(hurt, safe)]


def one_seed_each(summary: Mapping[str, Any]) -> bool:
    """Whether two trained models are compared, so that nothing is known of seeds."""
    return summary["seed_variance_ratio"] is None


def seeds_of_each(counts: tuple[int, int]) -> float:
    """Seeds in each arm that give the same noise as these, S with 2 / S = 1 / S0 + 1 / S1.

    Example:
        >>> seeds_of_each((3, 3)), seeds_of_each((3, 1))
        (3.0, 1.5)
    """
    return 2 / (1 / counts[0] + 1 / counts[1])


def _together(noise: Noise, now: float, n: np.ndarray, asked: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Seeds in each arm and images of each class that decide it together, (M,) each; infinite if no number does."""
    change, tolerance, power, level, variance = asked
    times = both_needed(change, tolerance, noise, now, n, power, level, variance)
    most = images_needed(change, tolerance, noise, MOST_SEEDS, power, level, variance)
    alike = times * now <= MOST_SEEDS
    images = np.where(alike, np.ceil(times * n), most)
    possible = (images <= MOST_IMAGES * n) & noise.flip.any()
    return np.where(possible, np.where(alike, np.ceil(times * now), MOST_SEEDS), np.inf), np.where(
        possible, images, np.inf
    )
