"""One seed against several, at the boundary: every class lost exactly what is tolerated, so every call is wrong.

    python benchmarks/audit/lone_seed.py --studies 90

Example difficulty is beta-distributed, class sizes differ, and seeds move classes on the logit scale; the audit knows
nothing of that model.
"""

import argparse

import numpy as np

from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings

CLASSES, FALL, LENIENT = 20, 0.02, 0.06


def draw(rng: np.random.Generator, seeds: tuple[int, int], beta: tuple[float, float], class_seed: float):
    """Labels, class sizes, right or wrong under both arms, and the true changes of recall, (M,)."""
    m = CLASSES
    n = rng.integers(20, 300, m) if rng.random() < 0.5 else np.full(m, rng.integers(30, 200))
    labels = np.repeat(np.arange(m), n)
    hardness = rng.uniform(0.4, 3)
    mean = rng.beta(*beta, m).clip(0.4, 0.985)[labels]
    pass_rate = rng.beta(hardness * mean + 0.02, hardness * (1 - mean) + 0.02).clip(1e-5, 1 - 1e-5)
    each = np.log(pass_rate / (1 - pass_rate))
    every_class = rng.choice([0, 0.08])
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    wide = np.hypot(class_seed, every_class)

    def recall(logit: np.ndarray) -> np.ndarray:
        expected = sum(w / (1 + np.exp(-(logit + wide * x))) for x, w in zip(nodes, weights / weights.sum()))
        return np.bincount(labels, expected) / n

    base = recall(each)
    low, high = np.full(m, -10.0), np.zeros(m)
    for _ in range(30):
        middle = (low + high) / 2
        below = recall(each + middle[labels]) < base - FALL
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    shift = (low + high) / 2

    def right(count: int, move: np.ndarray) -> np.ndarray:
        effect = class_seed * rng.standard_normal((count, m)) + every_class * rng.standard_normal((count, 1))
        return rng.random((count, len(labels))) < 1 / (1 + np.exp(-(each + move + effect[:, labels])))

    before, after = right(seeds[0], np.zeros(len(labels))), right(seeds[1], shift[labels])
    return labels, n, before, after, recall(each + shift[labels]) - base


def row(seeds: tuple[int, int], beta: tuple[float, float], class_seed: float, studies: int) -> str:
    """Shares of wrong calls, of intervals that hold the truth, and of classes that a wider tolerance calls safe."""
    found: list[np.ndarray] = []
    for i in range(studies):
        rng = np.random.default_rng([*seeds, CLASSES, int(1000 * FALL), i, 0])
        labels, n, before, after, true = draw(rng, seeds, beta, class_seed)
        noise = variances(labels, before, after)
        recalls = [
            np.stack([np.bincount(labels[x], minlength=CLASSES) for x in r]).mean(0) / n for r in (before, after)
        ]
        change = recalls[1] - recalls[0]
        made = [
            tests_and_bounds(Observed(change, *recalls, n, n, seeds, noise, tolerance), Settings(), False)[0]
            for tolerance in (-true, LENIENT - true)
        ]
        at, inside = ~made[0].too_few, (made[0].low <= true) & (true <= made[0].high)
        calls = np.stack([made[0].p_safe <= 0.05, made[0].p_hurt <= 0.05, inside, made[1].p_safe <= 0.05])
        found.append(calls[:, at])
    joined = np.concatenate(found, axis=1)
    shares = " | ".join(f"{share:.3f}" for share in joined.mean(axis=1))
    mean = beta[0] / sum(beta)
    return f"| {seeds[0]} v {seeds[1]} | {mean:.2f} | {class_seed} | {joined.shape[1]} | {shares} |"


def main() -> None:
    """Parse the command line, and print a row per world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=90)
    args = parser.parse_args()
    print("| seeds | mean recall | seed effect, logits | tests | wrongly safe | wrongly hurt | inside | within |")
    print("|---|---|---|---|---|---|---|---|")
    for seeds in ((1, 3), (3, 1)):
        for beta in ((6.0, 1.8), (14.0, 1.0)):
            for class_seed in (0.0, 0.35):
                print(row(seeds, beta, class_seed, args.studies), flush=True)


if __name__ == "__main__":
    main()
