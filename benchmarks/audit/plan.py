"""Do the seeds and images that the planner names decide a class with the chance that it states?

    python benchmarks/audit/plan.py --studies 300
    python benchmarks/audit/plan.py --studies 150 --only "3 v 1" "1 v 5"

Studies as in `kinds`: eight classes of equal size (of 10 to 150 examples where a range is given), each tested alone as
a protected class is, true changes between -12 and +8 points, a tolerance of one. After an audit of few seeds, every
undecided class is audited again with the seeds that the planner names for it (which include the first ones), with the
images that it names, of that class alone, and with the seeds and images that it names together. Of arms with unequal
seeds, the one with fewer gets more first, as the words say. Rows are bins of the named number, as a multiple of the
number at hand.
"""

import argparse
from itertools import pairwise

import numpy as np
from kinds import draw

from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.rows.to_decide import as_arms, to_decide
from dropmix.audit.settings import Settings

CLASSES, TOLERANCE, POWER = 8, 0.01, 0.8
MOST_SEEDS, MOST_IMAGES = 50, 25  # images: times the present number
BINS = (1.0, 2.0, 4.0, 8.0, np.inf)
SETTINGS = (
    *(((3, 3), 20, 0.78), ((3, 3), 20, 0.95), ((3, 3), 100, 0.78), ((5, 5), 100, 0.95), ((2, 2), 20, 0.78)),
    *(((1, 1), 20, 0.78), ((3, 1), 20, 0.78), ((3, 1), 100, 0.95), ((1, 5), 20, 0.78), ((1, 5), 100, 0.95)),
    *((seeds, (10, 150), recall) for seeds in ((2, 2), (3, 3), (5, 5), (3, 1)) for recall in (0.78, 0.95)),
)


def audited(labels: np.ndarray, right0: np.ndarray, right1: np.ndarray, new: bool) -> tuple[dict, dict, np.ndarray]:
    """What the planner reads from an audit (summary, columns), and the decisions, (M,), each class tested alone."""
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


def outcomes(
    counts: tuple[int, int], images: int | tuple[int, int], recall: float, new: bool, studies: int
) -> list[tuple[str, float, bool, bool]]:
    """Per undecided class and way: the way, the named multiple, whether it was then decided, and whether rightly."""
    found = []
    for i in range(studies):
        first = images if isinstance(images, int) else images[0]
        key = [counts[0], first, int(100 * recall), i, 31] + ([counts[1]] if counts[0] != counts[1] else [])
        rng = np.random.default_rng(key)
        wished = rng.uniform(-0.12, 0.08, CLASSES)
        sizes = np.full(CLASSES, first)
        if not isinstance(images, int):
            sizes = np.exp(rng.uniform(*np.log(images), CLASSES)).round().astype(int)
        study = draw(rng, wished, (MOST_SEEDS, MOST_SEEDS), recall, sizes * MOST_IMAGES)
        place = np.concatenate([np.arange(n) for n in sizes * MOST_IMAGES])

        def look(arms: tuple[int, int], n: np.ndarray, study=study, place=place):
            at = place < n[study.labels]
            return audited(study.labels[at], study.right0[: arms[0], at], study.right1[: arms[1], at], new)

        summary, columns, words = look(counts, sizes)
        for j, row in enumerate(to_decide(summary, columns, new_images=new, power=POWER)):
            if words[j] != "undecided":
                continue
            hurt = study.population[j] < -TOLERANCE
            ways = {"seeds": (row.seeds, sizes[j]), "images": (1, row.images), "both": row.both}
            for way, (s, n) in ways.items():
                if not np.isfinite(s + n) or n > sizes[j] * MOST_IMAGES:
                    continue
                arms = counts if way == "images" else as_arms(s, counts)
                if way == "seeds" and arms == counts:
                    arms = (arms[0] + (arms[0] <= arms[1]), arms[1] + (arms[1] <= arms[0]))
                word = look(arms, np.where(np.arange(CLASSES) == j, int(n), sizes))[2][j]
                times = max(sum(arms) / sum(counts), n / sizes[j])
                found.append((way, times, word != "undecided", word == ("hurt" if hurt else "safe")))
    return found


def main() -> None:
    """Parse the command line, and print a row per setting and bin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--only", nargs="*", default=[], help='numbers of seeds, such as "3 v 1"')
    args = parser.parse_args()
    print("| audit of | question | named | of those there were | classes | then decided | of those, rightly |")
    print("|---|---|---|---|---|---|---|")
    for counts, images, recall in SETTINGS:
        seeds = f"{counts[0]} v {counts[1]}"
        if args.only and seeds not in args.only:
            continue
        for new in (False, True):
            found = outcomes(counts, images, recall, new, args.studies)
            for way in ("seeds", "images", "both"):
                for low, high in pairwise(BINS):
                    held = [row for row in found if row[0] == way and low < row[1] <= high]
                    if len(held) >= 30:
                        decided = np.array([row[2] for row in held])
                        right = np.array([row[3] for row in held])[decided].mean()
                        kind = "new images" if new else "these images"
                        many = images if isinstance(images, int) else f"{images[0]} to {images[1]}"
                        print(
                            f"| {seeds} seeds, {many} images, recall {recall} | {kind} | {way} "
                            f"| {low:g} to {high:g} times | {len(held)} | {decided.mean():.2f} | {right:.2f} |",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
