"""Studies with a known truth for the audit's calibration, by a model that the audit knows nothing of.

An example's pass rate has a beta distribution. On the logit scale, three effects move it: the treated arm's effect on
the class (set so that recall over the whole population changes by the wished amount), the seed's effect on the class,
and the seed's effect on all classes. Rows of a cluster share one pass rate, and most are right or wrong together under
each seed.
"""

from dataclasses import dataclass

import numpy as np

QUANTILES = (np.arange(120) + 0.5) / 120


@dataclass(frozen=True)
class World:
    """How a study is drawn.

    Args:
        classes: M.
        seeds: (S0, S1).
        sizes: "equal" (100 examples per class) or "tail" (5 to 500).
        recall: mean recall of a class.
        hardness: sum of the beta's parameters; small: examples are nearly always or nearly never right.
        class_seed, global_seed: sd over seeds, logits.
        cluster: rows that share a pass rate.
        arms: treated arms against the one baseline.
    """

    classes: int = 100
    seeds: tuple[int, int] = (5, 5)
    sizes: str = "equal"
    recall: float = 0.77
    hardness: float = 0.6
    class_seed: float = 0.12
    global_seed: float = 0.0
    cluster: int = 1
    arms: int = 1


@dataclass(frozen=True)
class Study:
    """Predictions, right or wrong, and true changes for these examples (`fixed`) and for all (`population`), (M,)."""

    labels: np.ndarray
    right0: np.ndarray
    right1: np.ndarray
    fixed: np.ndarray
    population: np.ndarray
    groups: np.ndarray | None


def draw(world: World, wished: np.ndarray, rng: np.random.Generator) -> list[Study]:
    """Draw treated arms against one baseline, whose classes change by about `wished` (as far as recalls allow).

    Args:
        wished: changes of recall, (arms, M), fractions.
    Returns:
        One study per arm, of the same examples and the same seeds of the baseline.
    """
    m = world.classes
    n = np.full(m, 100) if world.sizes == "equal" else np.geomspace(5, 500, m).round().astype(int)
    n = -(-n // world.cluster) * world.cluster
    labels = np.repeat(np.arange(m), n)
    mean = rng.beta(world.recall * 15, (1 - world.recall) * 15, m).clip(0.03, 0.995)
    a, b = world.hardness * mean + 0.05, world.hardness * (1 - mean) + 0.05
    wide = np.sqrt(world.class_seed**2 + world.global_seed**2)
    grid = _logit(np.sort(rng.beta(a, b, (2000, m)), axis=0)[(QUANTILES * 2000).astype(int)].T)  # (M, Q)
    clusters = np.arange(len(labels)) // world.cluster
    each = _logit(rng.beta(a[labels], b[labels])[clusters * world.cluster])

    def right(count: int, move: np.ndarray) -> np.ndarray:
        by_class = world.class_seed * rng.standard_normal((count, m)) + world.global_seed * rng.standard_normal(
            (count, 1)
        )
        p = 1 / (1 + np.exp(-(each + move + by_class[:, labels])))
        if world.cluster == 1:
            return rng.random(p.shape) < p
        together = rng.random((count, clusters[-1] + 1))[:, clusters]
        return np.where(rng.random(p.shape) < 0.8, together, rng.random(p.shape)) < p

    baseline = right(world.seeds[0], np.zeros(len(labels)))
    studies = []
    for one in wished:
        shift = _shift(grid, wide, one)
        moved = shift[labels]
        fixed = np.bincount(labels, _expected(each + moved, wide) - _expected(each, wide)) / n
        population = (_expected(grid + shift[:, None], wide) - _expected(grid, wide)).mean(axis=1)
        groups = clusters if world.cluster > 1 else None
        studies.append(Study(labels, baseline, right(world.seeds[1], moved), fixed, population, groups))
    return studies


def _logit(p: np.ndarray) -> np.ndarray:
    p = p.clip(1e-5, 1 - 1e-5)
    return np.log(p / (1 - p))


def _expected(logit: np.ndarray, wide: float) -> np.ndarray:
    """Mean pass rate over seeds."""
    if wide == 0:
        return 1 / (1 + np.exp(-logit))
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    return sum(w / (1 + np.exp(-(logit + wide * x))) for x, w in zip(nodes, weights / weights.sum()))  # type: ignore


def _shift(grid: np.ndarray, wide: float, wished: np.ndarray) -> np.ndarray:
    start = _expected(grid, wide).mean(axis=1)
    target = (start + wished).clip(0.005, 0.998)
    low, high = np.full(len(grid), -8.0), np.full(len(grid), 8.0)
    for _ in range(22):
        middle = (low + high) / 2
        below = _expected(grid + middle[:, None], wide).mean(axis=1) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(wished == 0, 0.0, (low + high) / 2)
