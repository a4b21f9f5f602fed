"""Do the seeds and images that the planner names decide a class with the chance that it states?

    python benchmarks/audit/plan.py --studies 100
    python benchmarks/audit/plan.py --studies 72 --only "trained" "drawn"

Eight classes of equal size (of 10 to 150 examples where a range is given), each tested alone as a protected class is,
with a tolerance of one point. In `kinds`, true changes lie evenly between -12 and +8 points; in `pools` (classifiers
trained on mixed images, or examples of heavy-tailed difficulty) most lie within three points of 0. After an audit of
few seeds, every undecided class is audited again with the seeds that the planner names for it (which include the first
ones), with the images that it names, of that class alone, and with the seeds and images that it names together. Of arms
with unequal seeds, the one with fewer gets more first, as the words say.

`decided` counts all classes for which something was named; `outside` those whose true change for new images lies
outside of the range for which more is needed, which the planner names too.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from kinds import draw
from pools import MODELS, Pool, World, pool

from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.rows.to_decide import to_decide
from dropmix.audit.rows.ways import as_arms
from dropmix.audit.settings import Settings

CLASSES, TOLERANCE, POWER = 8, 0.01, 0.8
MOST_SEEDS, MOST_IMAGES = 50, 25  # images: times the present number
FEWEST = 20  # classes of a row
KINDS = (
    *(((3, 3), 20, 0.78), ((3, 3), 20, 0.95), ((3, 3), 100, 0.78), ((5, 5), 100, 0.95), ((2, 2), 20, 0.78)),
    *(((1, 1), 20, 0.78), ((3, 1), 20, 0.78), ((3, 1), 100, 0.95), ((1, 5), 20, 0.78), ((1, 5), 100, 0.95)),
    *((seeds, (10, 150), recall) for seeds in ((2, 2), (3, 3), (5, 5), (3, 1)) for recall in (0.78, 0.95)),
)
SMALL = {"truth": "mixed", "classes": CLASSES, "sizes": (10, 150)}
POOLS = {
    "trained, 88 %, mixed": replace(World(), apart=1.2, **SMALL),
    "drawn, mixed": replace(World("drawn", apart=3.0), **SMALL),
}
POOLS_SEEDS, POOLS_OF_EACH = ((2, 2), (3, 3), (5, 5), (3, 1)), 6


@dataclass(frozen=True)
class Large:
    """A study with more seeds and images than any look at it uses.

    Args:
        labels: (N,); each look uses the first images of each class.
        right0, right1: (seeds, N).
        change: true, for new images, (M,).
        sizes: images of each class in the first audit.
    """

    labels: np.ndarray
    right0: np.ndarray
    right1: np.ndarray
    change: np.ndarray
    sizes: np.ndarray

    def look(self, arms: tuple[int, int], n: np.ndarray, new: bool) -> tuple[dict, dict, np.ndarray]:
        """What the planner reads from an audit (summary, columns), and the decisions, (M,), each class tested alone."""
        place = np.empty(len(self.labels), int)
        for j in range(len(n)):
            place[self.labels == j] = np.arange((self.labels == j).sum())
        at = place < n[self.labels]
        return audited(self.labels[at], self.right0[: arms[0], at], self.right1[: arms[1], at], new)


def audited(labels: np.ndarray, right0: np.ndarray, right1: np.ndarray, new: bool) -> tuple[dict, dict, np.ndarray]:
    """Summary, columns and decisions of `Large.look`."""
    n, seeds = np.bincount(labels), (len(right0), len(right1))
    v = variances(labels, right0, right1)
    recall0, recall1 = (np.bincount(labels, right.mean(axis=0)) / n for right in (right0, right1))
    change, tolerance = recall1 - recall0, np.full(len(n), TOLERANCE)
    tests, _ = tests_and_bounds(Observed(change, recall0, recall1, n, n, seeds, v, tolerance), Settings(), new)
    fixed, population = v.fixed + v.common_scaled, v.population + v.common_scaled
    words = np.where(tests.p_hurt <= 0.05, "hurt", np.where(tests.p_safe <= 0.05, "safe", "undecided"))
    summary = {
        "seeds_baseline": seeds[0],
        "seeds_treated": seeds[1],
        "seed_variance_ratio": v.ratio,
        "protected_level": 0.05,
    }
    columns = {
        "class": [str(i) for i in range(len(n))],
        "n": n,
        "se_fixed_test": np.sqrt(fixed),
        "se_population": np.sqrt(population),
        "recall_baseline": recall0,
        "recall_treated": recall1,
        "recall_change": change,
        "tolerance": tolerance,
        "decision": words,
        "decision_population": words,
    }
    return summary, columns, words


def of_kinds(counts: tuple[int, int], images: int | tuple[int, int], recall: float, i: int) -> Large:
    """A study of `kinds`."""
    first = images if isinstance(images, int) else images[0]
    key = [counts[0], first, int(100 * recall), i, 31] + ([counts[1]] if counts[0] != counts[1] else [])
    rng = np.random.default_rng(key)
    wished = rng.uniform(-0.12, 0.08, CLASSES)
    sizes = np.full(CLASSES, first)
    if not isinstance(images, int):
        sizes = np.exp(rng.uniform(*np.log(images), CLASSES)).round().astype(int)
    study = draw(rng, wished, (MOST_SEEDS, MOST_SEEDS), recall, sizes * MOST_IMAGES)
    return Large(study.labels, study.right0, study.right1, study.population, sizes)


def of_pool(p: Pool, i: int) -> Large:
    """A study of a pool: its models and images in another order."""
    rng = np.random.default_rng([17, i])
    order = rng.permutation(len(p.labels))
    order = order[np.argsort(p.labels[order], kind="stable")]
    models0, models1 = rng.permutation(MODELS), rng.permutation(MODELS)
    change = np.bincount(p.labels, p.rate[1] - p.rate[0]) / np.bincount(p.labels)
    right0, right1 = p.right[0][np.ix_(models0, order)], p.right[1][np.ix_(models1, order)]
    return Large(p.labels[order], right0, right1, change, p.sizes)


def outcomes(study: Large, counts: tuple[int, int], new: bool) -> Iterator[tuple[str, bool, bool, bool]]:
    """Per undecided class and way: the way, whether it was then decided, whether rightly, and whether `outside`."""
    held = np.bincount(study.labels)
    summary, columns, words = study.look(counts, study.sizes, new)
    for j, row in enumerate(to_decide(summary, columns, new_images=new, power=POWER)):
        if words[j] != "undecided":
            continue
        outside = not row.near[0] < study.change[j] < row.near[1]
        ways = {"seeds": (row.seeds, study.sizes[j]), "images": (1, row.images), "both": row.both}
        for way, (s, n) in ways.items():
            if not np.isfinite(s + n) or n > held[j] or s > MOST_SEEDS:
                continue
            arms = counts if way == "images" else as_arms(s, counts)
            if way == "seeds" and arms == counts:
                arms = (arms[0] + (arms[0] <= arms[1]), arms[1] + (arms[1] <= arms[0]))
            word = study.look(arms, np.where(np.arange(CLASSES) == j, int(n), study.sizes), new)[2][j]
            right = word == ("hurt" if study.change[j] < -TOLERANCE else "safe")
            yield way, word != "undecided", right, outside


def rows(name: str, counts: tuple[int, int], study: Callable[[int], Large], studies: int) -> None:
    """Print a row per question and way."""
    for new in (False, True):
        found = defaultdict(list)
        for i in range(studies):
            for way, *row in outcomes(study(i), counts, new):
                found[way].append(row)
        for way in ("seeds", "images", "both"):
            if len(found[way]) < FEWEST:
                continue
            decided, right, outside = np.array(found[way]).T
            far = f"{outside.sum()} | {decided[outside].mean():.2f}" if outside.sum() >= FEWEST else "- | -"
            print(
                f"| {name} | {counts[0]} v {counts[1]} | {'new' if new else 'these'} images | {way} | {len(decided)} "
                f"| {decided.mean():.2f} | {right[decided].mean():.2f} | {far} |",
                flush=True,
            )


def main() -> None:
    """Parse the command line, and print a row per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100, help="of each setting; of pools, over six pools")
    parser.add_argument("--only", nargs="*", default=[""], help='starts of settings, such as "20 images" or "trained"')
    args = parser.parse_args()
    print("| studies | seeds | question | named | classes | decided | rightly | outside | of these, decided |")
    print("|---|---|---|---|---|---|---|---|---|")
    for counts, images, recall in KINDS:
        many = images if isinstance(images, int) else f"{images[0]} to {images[1]}"
        name = f"{many} images, recall {recall}"
        if name.startswith(tuple(args.only)):
            rows(name, counts, lambda i, c=counts, n=images, r=recall: of_kinds(c, n, r, i), args.studies)
    for name, world in POOLS.items():
        if name.startswith(tuple(args.only)):
            made = [pool(world, np.random.default_rng([911, k])) for k in range(POOLS_OF_EACH)]
            for counts in POOLS_SEEDS:
                rows(name, counts, lambda i, p=made: of_pool(p[i % POOLS_OF_EACH], i), args.studies)


if __name__ == "__main__":
    main()
