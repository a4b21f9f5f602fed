"""Tailored DropMix: a rate per class from what an audit says of its loss, the controls, and the answer.

    score_m = P(class m is degraded) * max(-estimated change, 0)
    rate_m = clip(floor + c * score_m, floor, ceiling), with c such that the mean rate over training examples is the
        one asked for

A class that cannot be judged has the mean score, so it is neither spared nor favoured. If all classes with a score are
at the ceiling and the mean is still lower than asked for, the others share the rest evenly.

Four controls tell what a rate per class adds: one rate for all with the same mean; the same rates shuffled over
classes, three times; and the same rates in the opposite order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from dropmix.audit.inference.streams import stream
from dropmix.audit.result import Comparison

SHUFFLES = 3


def scores(comparison: Comparison) -> np.ndarray:
    """Expected loss of each class, (M,), fractions of recall, at least 0; classes that cannot be judged have the mean.

    Args:
        comparison: a treated arm against vanilla, on examples that the final test does not hold.
    Raises:
        ValueError: no class can be judged.
    """
    p, change = (
        np.array([np.nan if value is None else value for value in comparison.classes[key]], dtype=float)
        for key in ("p_degraded", "recall_change_estimate")
    )
    losses = p * np.maximum(-change, 0)
    known = np.isfinite(losses)
    if not known.any():
        raise ValueError(
            "tailor: expected classes with enough examples to be judged, got none. Train more seeds, or hold out more."
        )
    return np.where(known, losses, losses[known].mean())


def training_sizes(comparison: Comparison) -> np.ndarray:
    """Training examples of each class, (M,); where they are not known, the examples that were predicted."""
    known = comparison.classes.get("n_train")
    if known is None or any(count is None or not np.isfinite(count) for count in known):
        known = comparison.classes["n"]
    return np.asarray(known, dtype=float)


def tailored_rates(
    score: np.ndarray, sizes: np.ndarray, mean: float, floor: float = 0.0, ceiling: float = 1.0
) -> np.ndarray:
    """A rate per class, higher for classes that lose more.

    Args:
        score: expected loss of each class, (M,), >= 0.
        sizes: training examples of each class, (M,), > 0.
        mean: of the rates over training examples, between floor and ceiling.
        floor, ceiling: of each rate, in [0, 1].
    Returns:
        (M,), monotone in the score.
    Raises:
        ValueError: not 0 <= floor <= mean <= ceiling <= 1.

    Example:
        >>> tailored_rates(np.array([0.0, 0.1, 0.3]), np.array([50, 50, 50]), mean=0.4).round(3).tolist()
        [0.0, 0.3, 0.9]
    """
    if not 0 <= floor <= mean <= ceiling <= 1:
        raise ValueError(
            f"tailor: expected 0 <= floor <= mean rate <= ceiling <= 1, got {floor:g}, {mean:g} and {ceiling:g}. "
            "Change one."
        )
    score, weight = np.asarray(score, dtype=float), np.asarray(sizes, dtype=float) / np.sum(sizes)
    largest = score.max() or 1.0
    score = np.where(score > 1e-9 * largest, score / largest, 0.0)
    lose = score > 0
    if weight @ np.where(lose, ceiling, floor) < mean:
        rest = weight[~lose].sum()
        even = (mean - weight[lose].sum() * ceiling) / rest if rest else ceiling
        return np.where(lose, ceiling, even)
    # The mean rises with c, piecewise linearly; c is found between the places where classes reach the ceiling.
    knots = np.unique(np.append((ceiling - floor) / score[lose], 0.0))
    means = [weight @ np.minimum(floor + c * score, ceiling) for c in knots]
    return np.minimum(floor + float(np.interp(mean, means, knots)) * score, ceiling)


def controls(rates: np.ndarray, sizes: np.ndarray, seed: int = 0) -> dict[str, np.ndarray | float]:
    """The arms beside the tailored one.

    Args:
        rates: tailored, (M,).
        sizes: training examples of each class, (M,).
        seed: of the shuffles.
    Returns:
        "uniform" (one rate), "shuffled-1" to "shuffled-3" and "inverted" (the rates in the opposite order), (M,).
        With classes of unequal size, the mean rate of the last four differs a little from that of the first.
    """
    rng, order = stream(seed, "tailor"), np.argsort(rates, kind="stable")
    inverted = np.empty_like(rates)
    inverted[order] = rates[order[::-1]]
    made: dict[str, np.ndarray | float] = {"uniform": float(rates @ np.asarray(sizes, dtype=float) / np.sum(sizes))}
    made |= {f"shuffled-{i + 1}": rng.permutation(rates) for i in range(SHUFFLES)}
    return {**made, "inverted": inverted}


@dataclass(frozen=True)
class Difference:
    """The tailored arm minus another one, in fractions; intervals are t intervals over seeds at 95 %.

    Args:
        against: the other arm; "shuffled" is the mean of the shuffled ones.
        spared, spared_low, spared_high: mean recall of the classes chosen beforehand.
        rest, rest_low, rest_high: mean recall of the others.
        macro, macro_low, macro_high: mean recall of all classes.
        accuracy, accuracy_low, accuracy_high: share of all examples.
        seeds: pairs of runs.
    """

    against: str
    spared: float
    spared_low: float
    spared_high: float
    rest: float
    rest_low: float
    rest_high: float
    macro: float
    macro_low: float
    macro_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    seeds: int


def answer(recalls: Mapping[str, np.ndarray], chosen: np.ndarray, sizes: np.ndarray) -> list[Difference]:
    """Compare the tailored arm with each control, paired by seed.

    Args:
        recalls: recall of each seed and class, (S, M), by arm: "tailored" and others, the same seeds in one order.
        chosen: (M,), bool, classes that the audit of other seeds found to lose.
        sizes: examples of each class, (M,).
    Raises:
        ValueError: no tailored arm, fewer than two seeds, arms of different seeds, or no class on one side.
    """
    tailored = recalls.get("tailored")
    if tailored is None or len(tailored) < 2 or any(r.shape != tailored.shape for r in recalls.values()):
        raise ValueError("tailor: expected an arm 'tailored' and others with the same two seeds or more. Train them.")
    if not 0 < chosen.sum() < len(chosen):
        raise ValueError(f"tailor: expected some classes to be spared and others not, got {chosen.sum()} spared.")
    others = {name: r for name, r in recalls.items() if name != "tailored" and not name.startswith("shuffled")}
    shuffled = [r for name, r in recalls.items() if name.startswith("shuffled")]
    others |= {"shuffled": np.mean(shuffled, axis=0)} if shuffled else {}
    return [_difference(name, tailored - other, chosen, sizes) for name, other in others.items()]


def _difference(name: str, change: np.ndarray, chosen: np.ndarray, sizes: np.ndarray) -> Difference:
    ends: list[float] = []
    for part in (change[:, chosen], change[:, ~chosen], change):
        ends += _interval(part.mean(axis=1))
    ends += _interval(change @ (sizes / sizes.sum()))
    return Difference(name, *ends, seeds=len(change))


def _interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds and its 95 % t interval."""
    values = np.asarray(values)
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)
