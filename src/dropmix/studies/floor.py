"""How many classes would look degraded if every class gained the same? A floor for any study, and for the paper's.

The answer is simulated under the model of `dropmix.studies.simulate`. It needs no predictions, only the sizes of the
study, its accuracy and gain, and assumptions on seed noise.

    python -m dropmix.paper.floor_page > docs/paper-floor.md      # the paper's tables beside their floors
"""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.studies.simulate import World, simulate


@dataclass(frozen=True)
class FloorRow:
    """The floor at one gain: number of classes that look degraded, and the mean of their changes (fractions).

    Args:
        gain: of every class, fraction.
        number, number_low, number_high: mean and 95 % band of the number.
        change, change_low, change_high: mean and 95 % band of the mean change; NaN if no class ever looks degraded.
        repetitions: number of simulated studies.
    """

    gain: float
    number: float
    number_low: float
    number_high: float
    change: float
    change_low: float
    change_high: float
    repetitions: int


def floor(
    classes: int = 100,
    per_class: int = 100,
    seeds: int | tuple[int, int] = 5,
    gain: float = 0.0,
    accuracy: float = 0.77,
    recall_sd: float = 0.11,
    disagreement: float = 0.13,
    seed_ratio: float = 1.3,
    arm_disagreement: float = 0.0,
    repetitions: int = 200,
    seed: int = 0,
) -> FloorRow:
    """Simulate studies in which every class gains the same.

    Args:
        classes: M.
        per_class: test examples of each class.
        seeds: of each arm, or (baseline, treated).
        gain: of every class's recall, fraction (0.0149 is 1.49 points).
        accuracy: of the baseline, fraction.
        recall_sd: sd of recall over classes, fraction.
        disagreement: share of examples on which two seeds of an arm differ in being right.
        seed_ratio: variance of class recall over seeds relative to independent flips, >= 1.
        arm_disagreement: how much more often two arms differ than two seeds.
        repetitions: simulated studies, >= 2.
        seed: of the simulation.
    Raises:
        AuditError: a size or share that no study can have.

    Example:
        >>> row = floor(classes=20, per_class=50, gain=0.0, repetitions=50)
        >>> 6 < row.number < 12, row.change < 0
        (True, True)
    """
    both = (seeds, seeds) if isinstance(seeds, int) else seeds
    _check(classes, per_class, both, gain, accuracy, recall_sd, disagreement, seed_ratio, arm_disagreement, repetitions)
    world = World(
        classes, per_class, both, accuracy, recall_sd, disagreement, seed_ratio, arm_disagreement=arm_disagreement
    )
    return simulated_floor(world, gain, repetitions, np.random.default_rng(seed))


def simulated_floor(world: World, gain: float, repetitions: int, rng: np.random.Generator) -> FloorRow:
    """As `floor`, for a given world.

    Raises:
        AuditError: no model has the stated disagreements.
    """
    try:
        scales = world.scales()
    except ValueError as error:
        raise AuditError(f"floor: {error}") from error
    numbers, means = [], []
    for _ in range(repetitions):
        s = simulate(world, np.asarray(gain), rng, scales=scales)
        total = [c.sum(axis=(0, 2), dtype=np.int64) for c in (s.correct0, s.correct1)]
        net = world.seeds[0] * total[1] - world.seeds[1] * total[0]
        down = net[net < 0] / (world.seeds[0] * world.seeds[1] * world.per_class)
        numbers.append(len(down))
        means.append(down.mean() if len(down) else np.nan)
    bands = [_mean_and_band(np.array(values)) for values in (numbers, means)]
    return FloorRow(gain, *bands[0], *bands[1], repetitions)


def _mean_and_band(values: np.ndarray) -> tuple[float, float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan, np.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def _check(classes, per_class, seeds, gain, accuracy, sd, disagreement, ratio, more, repetitions) -> None:
    limit = np.sqrt(max(accuracy * (1 - accuracy), 0))
    rules = [
        ("classes of at least 1", classes >= 1, classes),
        ("per_class of at least 1", per_class >= 1, per_class),
        ("seeds of at least 1", len(seeds) == 2 and min(seeds) >= 1, seeds),
        ("at most 50 million predictions per study", classes * per_class * sum(seeds) <= 5e7, "more"),
        ("gain as a fraction in [-1, 1]", -1 <= gain <= 1, gain),
        ("accuracy as a fraction in (0, 1)", 0 < accuracy < 1, accuracy),
        (f"recall_sd in (0, {limit:.2f})", 0 < sd < limit, sd),
        ("disagreement in (0, 0.5)", 0 < disagreement < 0.5, disagreement),
        ("seed_ratio of at least 1", ratio >= 1, ratio),
        ("arm_disagreement in [0, 0.5)", 0 <= more < 0.5, more),
        ("repetitions of at least 2", repetitions >= 2, repetitions),
    ]
    for what, holds, value in rules:
        if not holds:
            raise AuditError(f"floor: expected {what}, got {value}. Change it.")
