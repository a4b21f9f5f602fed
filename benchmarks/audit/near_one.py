"""Classes near recall 1, for new examples: the few that a class loses may by luck not be in the test set.

    python benchmarks/audit/near_one.py

Every class of a study has a recall of its own, from 0.955 to 0.995 or from 0.80 to 0.95, and is tested alone. Of what
makes its examples hard, the audit knows nothing. A class that lost exactly its tolerance should be called safe in at
most 0.05, and its 90 % interval should hold the loss in at least 0.88; an unchanged one should be called safe often.

    good       a share of the examples is never right again
    half       a share of the examples becomes a toss of a coin
    logit      every example has its own beta-distributed chance of being right, and all fall on the logit scale
    unchanged  as `good`, without a loss
"""

import argparse

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from dropmix.audit.inference.decide import ALONE, ClassTests
from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings

NEAR, ORDINARY = np.linspace(0.955, 0.995, 20), np.linspace(0.80, 0.95, 20)
SEEDS = ((3, 3), (5, 5), (5, 1), (2, 2))
CLASS_SEED = 0.15  # sd on the logit scale of what a seed does to a class
ALWAYS = 30.0


def spread(recall: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Logits of examples with beta-distributed chances, most of them near 0 or 1, (n,)."""
    return logit(np.clip(rng.beta(0.7 * recall, 0.7 * (1 - recall), n), 1e-9, 1 - 1e-9))


def sorts(recall: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Logits of easy examples, hopeless ones, and some between, (n,)."""
    hopeless = 0.5 * (1 - recall)
    between = 0.25 if recall < 0.95 else 2.5 * (1 - recall)
    normal = np.random.default_rng(0).standard_normal(4000)
    wished = 1 - (0.5 * (1 - recall)) / between
    centre = brentq(lambda c: expit(c + 2 * normal).mean() - wished, -10, 10)
    kind, logits = rng.random(n), np.full(n, ALWAYS)
    logits[kind < hopeless] = -ALWAYS
    middle = (kind >= hopeless) & (kind < hopeless + between)
    logits[middle] = rng.normal(centre, 2, middle.sum())
    return logits


def classes(world: str, recall: float, loss: float, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logits of n examples of a class under the baseline and under the arm."""
    if world == "logit":
        many = spread(recall, 40_000, rng)
        shift = brentq(lambda d: expit(many + d).mean() - expit(many).mean() + loss, -12, 0)
        base = rng.choice(many, n)
        return base, base + shift
    base = sorts(recall, n, rng)
    arm, times, to = base.copy(), *{"good": (1, -ALWAYS), "half": (2, 0.0), "unchanged": (0, 0.0)}[world]
    arm[(base > 0) & (rng.random(n) < times * loss / recall)] = to
    return base, arm


def study(
    kinds: list[tuple[str, float]],
    n: int,
    loss: float,
    tolerance: float,
    seeds: tuple[int, int],
    rng: np.random.Generator,
) -> ClassTests:
    """The tests of classes, each of a world and a recall and with n examples, for new examples."""
    m = len(kinds)
    labels, sizes = np.repeat(np.arange(m), n), np.full(m, n)
    both = zip(*(classes(world, recall, loss, n, rng) for world, recall in kinds))
    right = [
        rng.random((s, m * n)) < expit(np.concatenate(logits) + rng.normal(0, CLASS_SEED, (s, m))[:, labels])
        for s, logits in zip(seeds, both)
    ]
    before, after = (np.bincount(labels, r.mean(axis=0)) / n for r in right)
    noise = variances(labels, *right)
    seen = Observed(after - before, before, after, sizes, sizes, seeds, noise, np.full(m, tolerance))
    return tests_and_bounds(seen, Settings(), True)[0]


def answers(tests: ClassTests, loss: float) -> np.ndarray:
    """Of each class, whether it is called hurt, whether safe, and whether its interval holds the loss, (3, M)."""
    inside = (tests.low <= -loss) & (-loss <= tests.high)
    return np.array([tests.p_hurt <= ALONE, tests.p_safe <= ALONE, inside])


def many(count: int) -> None:
    """Print classes that all lost their tolerance, or nothing."""
    print("| recalls | world | examples | tolerance, points | called safe | 90 % interval holds the loss |")
    print("|---|---|---|---|---|---|")
    print(f"| | | | | {', '.join(f'{a} v {b}' for a, b in SEEDS)} seeds | |")
    for name, recalls, world, sizes in (
        *(("near 1", NEAR, world, (40, 100, 200)) for world in ("good", "half", "logit", "unchanged")),
        *(("0.80 to 0.95", ORDINARY, world, (40, 100, 300)) for world in ("good", "unchanged")),
    ):
        for n in sizes:
            for loss in (0.01, 0.02):
                cells = []
                for seeds in SEEDS:
                    rng = np.random.default_rng([len(world), recalls is NEAR, n, int(100 * loss), *seeds])
                    runs = [
                        answers(study([(world, r) for r in recalls], n, loss, loss, seeds, rng), loss)
                        for _ in range(-(-count // len(recalls)))
                    ]
                    cells.append(np.mean(runs, axis=(0, 2)))
                _, safe, inside = (", ".join(f"{x:.3f}" for x in part) for part in zip(*cells))
                held = "" if world == "unchanged" else inside
                print(f"| {name} | {world} | {n} | {100 * loss:g} | {safe} | {held} |", flush=True)


def lone(count: int) -> None:
    """Print one class of 40 examples at recall 0.99, three seeds each, among nine ordinary ones that do not change."""
    print("\n| the lone class | lost, points | tolerated | called hurt | called safe | 90 % interval holds the loss |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(5)
    for tolerance in (0.01, 0.05):
        for world, loss in (("unchanged", 0.0), ("good", 0.05), ("half", 0.05), ("logit", 0.05)):
            kinds = [(world, 0.99), *[("unchanged", 0.85)] * 9]
            runs = [answers(study(kinds, 40, loss, tolerance, (3, 3), rng), loss)[:, 0] for _ in range(count)]
            cells = " | ".join(f"{x:.3f}" for x in np.mean(runs, axis=0))
            print(f"| {world} | {100 * loss:g} | {100 * tolerance:g} | {cells} |", flush=True)


def main() -> None:
    """Parse the command line, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=600, help="per number of the table")
    args = parser.parse_args()
    many(args.classes)
    lone(args.classes)


if __name__ == "__main__":
    main()
