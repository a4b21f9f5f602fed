"""Studies with a known truth, drawn by a model that the audit does not know.

An example's pass rate is a beta-distributed number, moved on the logit scale by what an arm does to its class, by what
a seed does to its class, and by what a seed does to everything. Nothing here is normal on the scale of recalls.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Study:
    """Predictions as right or wrong, and the truth.

    `change` is the true recall change on these examples, for new seeds, (M,); `population` for new examples too.
    """

    position: np.ndarray
    correct0: np.ndarray
    correct1: np.ndarray
    change: np.ndarray
    groups: np.ndarray | None = None


def sizes_of(kind: str, m: int, rng: np.random.Generator) -> np.ndarray:
    """Test examples of each class, (M,)."""
    if kind == "equal":
        return np.full(m, 100)
    if kind == "small":
        return np.full(m, 20)
    return np.round(np.exp(np.linspace(np.log(5), np.log(500), m))).astype(int)  # a long tail


def study(
    rng: np.random.Generator,
    change: np.ndarray,
    seeds: tuple[int, int] = (5, 5),
    sizes: str = "equal",
    recall: float = 0.75,
    hard: float = 1.2,
    class_seed: float = 0.15,
    global_seed: float = 0.0,
    cluster: int = 1,
) -> Study:
    """Draw a study.

    Args:
        change: wished true change of each class's recall, (M,).
        sizes: "equal" (100), "small" (20) or "tail" (5 to 500).
        recall: mean recall of the classes.
        hard: parameter of the beta distribution of pass rates: below 1 most examples are always right or wrong.
        class_seed, global_seed: sd over seeds, in logits, of what moves a class, and all classes.
        cluster: examples that share one pass rate and one fate in every seed.
    """
    m = len(change)
    n = sizes_of(sizes, m, rng)
    position = np.repeat(np.arange(m), n)
    level = rng.beta(recall * 12, (1 - recall) * 12, m).clip(0.02, 0.998)
    groups = np.arange(len(position)) // cluster + position * (len(position) + 1)
    groups = np.unique(groups, return_inverse=True)[1]
    rate = rng.beta(hard * level[position], hard * (1 - level[position]))[groups].clip(1e-4, 1 - 1e-4)
    base = np.log(rate / (1 - rate))
    noise = np.sqrt(class_seed**2 + global_seed**2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    expected = lambda shift: (  # noqa: E731
        1 / (1 + np.exp(-(base + shift[position])[:, None] - noise * nodes)) @ (weights / weights.sum())
    )
    before = np.bincount(position, weights=expected(np.zeros(m)), minlength=m) / n
    shift = _solve(expected, position, n, before, change)
    after = np.bincount(position, weights=expected(shift), minlength=m) / n
    made = []
    for count, moved in ((seeds[0], np.zeros(m)), (seeds[1], shift)):
        moves = moved + class_seed * rng.standard_normal((count, m)) + global_seed * rng.standard_normal((count, 1))
        p = 1 / (1 + np.exp(-(base + moves[:, position])))
        made.append(rng.random((count, groups.max() + 1))[:, groups] < p)
    return Study(position, *made, after - before, groups if cluster > 1 else None)


def _solve(expected, position, n, before, change) -> np.ndarray:
    """Shift of each class in logits that gives the wished change, as far as recalls in [0.005, 0.999] allow."""
    target = np.clip(before + change, 0.005, 0.999)
    low, high = np.full(len(n), -12.0), np.full(len(n), 12.0)
    for _ in range(24):
        middle = (low + high) / 2
        below = np.bincount(position, weights=expected(middle), minlength=len(n)) / n < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(change == 0, 0.0, (low + high) / 2)
