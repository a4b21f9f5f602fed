"""What would decide the classes that are neither hurt nor safe: more seeds, more test images, or both together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropmix.audit.inference.decide import FEW_EXAMPLES, TOO_FEW
from dropmix.audit.inference.planner import (
    ALONE,
    MOST_IMAGES,
    MOST_SEEDS,
    POWER,
    Noise,
    both_needed,
    images_needed,
    noise_of_audit,
    seeds_needed,
)
from dropmix.audit.quantities.table import TWIN
from dropmix.audit.quantities.words import NAMED, listed

FEW_SEEDS = 10  # more seeds than this are many: where they and as many images again are not enough, both are named


@dataclass(frozen=True)
class ToDecide:
    """What would decide one class.

    Args:
        name: of the class.
        decision: as it stands.
        seeds: seeds per arm that would do; infinite if 50 do not.
        images: test images of the class that would do with the present seeds; infinite if no number does.
        both: seeds per arm and images that would do together; infinite if 50 seeds with 100 times the images do not.
        text: the same in words; "" if the class is decided.
    """

    name: str
    decision: str
    seeds: float
    images: float
    both: tuple[float, float]
    text: str

    @property
    def way(self) -> bool:
        """Whether the class is undecided and could be decided."""
        return bool(self.text) and min(self.seeds, self.images, self.both[0]) < np.inf


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
    noise = noise if new_images or summary["seed_variance_ratio"] is None else noise.on_these_images()
    n = np.asarray(classes["n"], dtype=float)
    now = min(summary["seeds_baseline"], summary["seeds_treated"])
    change, tolerance = (np.asarray(classes[key], dtype=float) for key in ("recall_change", "tolerance"))
    level = float(summary.get("protected_level", ALONE))  # audits from before looks were counted lack it
    error = np.asarray(classes["se_population" if new_images else "se_fixed_test"], dtype=float)
    seeds = seeds_needed(change, tolerance, noise, n, power, level, error**2)
    images = images_needed(change, tolerance, noise, now, power, level, error**2)
    images = np.where(images <= MOST_IMAGES * n, np.maximum(images, FEW_EXAMPLES), np.inf)
    seeds_too, images_too = _together(noise, now, n, (change, tolerance, power, level, error**2))
    images_too = np.maximum(images_too, FEW_EXAMPLES)
    decided = classes["decision_population" if new_images else "decision"]
    # No number of seeds makes up for images that hardly show anything.
    seeds = np.where(np.asarray(decided, dtype=object) == TOO_FEW, np.inf, seeds)
    wanted = None if names is None else {str(name) for name in names}
    needs = []
    for i, (name, decision) in enumerate(zip(classes["class"], decided)):
        if wanted is None or str(name) in wanted:
            both = float(seeds_too[i]), float(images_too[i])
            more = seeds[i] - now, images[i] - n[i], (both[0] - now, both[1] - n[i])
            text = "" if decision in ("hurt", "safe") else _in_words(*more, n[i])
            needs.append(ToDecide(str(name), decision, float(seeds[i]), float(images[i]), both, text))
    return needs


def _together(noise: Noise, now: int, n: np.ndarray, asked: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Seeds per arm and images of each class that decide it together, (M,) each; infinite if no number does."""
    change, tolerance, power, level, variance = asked
    times = both_needed(change, tolerance, noise, now, n, power, level, variance)
    most = images_needed(change, tolerance, noise, MOST_SEEDS, power, level, variance)
    alike = times * now <= MOST_SEEDS
    images = np.where(alike, np.ceil(times * n), most)
    possible = (images <= MOST_IMAGES * n) & noise.flip.any()
    return np.where(possible, np.where(alike, np.ceil(times * now), MOST_SEEDS), np.inf), np.where(
        possible, images, np.inf
    )


def _in_words(seeds: float, images: float, both: tuple[float, float], images_now: float) -> str:
    """The ways in words; both together where each alone would take very many.

    Example:
    >>> _in_words(4, np.inf, (2, 30), 50)
    'about 4 more seeds per arm'
    >>> _in_words(np.inf, 2000, (9, 300), 313)
    'about 2000 more test images of the class, or about 9 more seeds per arm together with about 300 images'
    >>> _in_words(np.inf, np.inf, (2, 30), 20)
    'about 2 more seeds per arm together with about 30 more test images of the class'
    """
    ways = [_seeds(seeds)] if np.isfinite(seeds) else []
    ways += [_images(images)] if np.isfinite(images) else []
    if np.isfinite(both[0]) and seeds > FEW_SEEDS and images > images_now:
        of = _images(both[1]) if not np.isfinite(images) else f"about {_rounded(max(both[1], 1))} images"
        ways.append(f"{_seeds(both[0])} together with {of}")
    if len(ways) > 1 and "together" in ways[-1]:
        return f"{', '.join(ways[:-1])}, or {ways[-1]}"
    return " or ".join(ways) or "too close to the tolerance"


def _seeds(count: float) -> str:
    return f"about {max(int(count), 1)} more seed{'' if count < 2 else 's'} per arm"


def _images(count: float) -> str:
    return f"about {_rounded(max(count, 1))} more test image{'' if count <= 1 else 's'} of the class"


def _rounded(value: float) -> int:
    """Round up to two digits, all that such an estimate is worth.

    Example:
        >>> _rounded(1234.0), _rounded(7.2)
        (1300, 8)
    """
    step = 10 ** max(int(np.floor(np.log10(value))) - 1, 0)
    return int(np.ceil(value / step) * step)


def what_would_decide(summary: Mapping[str, Any], classes: Mapping[str, Any]) -> str:
    """Sentences on what would decide the protected classes that are neither safe nor hurt; "" if there are none.

    Args:
        summary, classes: of a comparison.
    """
    rows = zip(classes["class"], classes["decision"], classes["protected"])
    left = [str(name) for name, word, named in rows if named == "yes" and word not in ("hurt", "safe")]
    if not left:
        return ""
    ways = to_decide(summary, classes, left[:NAMED])
    said = [row for row in ways if row.way]
    shut = [row.name for row in ways if not row.way]
    whom = "them" if len(left) <= NAMED else f"the first {NAMED} of them"
    text, chance = "", f"with a chance of {100 * POWER:g} %"
    if len(left) == 1 and said:
        text = f"{said[0].text[0].upper()}{said[0].text[1:]} would decide {said[0].name} {chance}."
    elif said:
        text = f"{chance.capitalize()}, this would decide {whom}: {', '.join(f'{r.name} ({r.text})' for r in said)}."
    if shut:
        seeds = "" if summary["seed_variance_ratio"] is None else f"{MOST_SEEDS} seeds per arm with "
        most = f"{seeds}{MOST_IMAGES} times the images"
        text += f" Not even {most} would be likely to decide {listed(shut)}: too close to the tolerance."
    return f"{text} {_ruled_out(classes, left[:NAMED], len(left) > 1)}".strip()


def _ruled_out(classes: Mapping[str, Any], left: list[str], several: bool) -> str:
    """The loss that the wider interval excludes already: an answer even where the tolerance is out of reach."""
    rows = zip(classes["class"], classes[f"recall_change_low{TWIN}"], classes["decision"])
    losses = [
        f"{max(-100 * end, 0):.1f} points{f' ({name})' if several else ''}"
        for name, end, word in rows
        if name in left and word != TOO_FEW
    ]
    if not losses:
        return ""
    return f"So far, the interval for new examples rules out losses of more than {listed(losses)}."
