"""Seeds added until a class is decided: how often the repeated looks err, and how many seeds they take.

    python benchmarks/audit/looks.py --studies 400

Studies come from `kinds`, which shares no assumption with the audit, and have the seeds of the last look; each look
tests only the first seeds, for these test images, as `dropmix run --until-decided` does. Three classes are protected,
the others gain a point. "Lost what is tolerated": each protected class lost exactly its tolerance (about three points),
the hardest case; a class counts once it is called at any look. "-10" and "+5" are points, with a tolerance of one: the
share of classes that are rightly decided before they are wrongly, and the seeds until they are decided or looks end.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from kinds import draw

from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.looks import RULES, levels
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings

PROTECTED = np.arange(3)
TRUTHS = {"at the tolerance": -0.03, "-10": -0.1, "+5": 0.05}
ONCE = "5 % at every look"


@dataclass(frozen=True)
class Design:
    """Number of classes, images of each (a range: log-uniform), mean recall, and the seeds of each arm at the looks."""

    classes: int = 8
    images: tuple[int, int] = (100, 100)
    recall: float = 0.78
    looks: tuple[int, ...] = (3, 6, 9, 12)


DESIGNS = {
    "8 classes of 100": Design(),
    "8 classes of 100, recall 0.95": Design(recall=0.95),
    "8 classes of 10 to 150": Design(images=(10, 150)),
    "8 classes of 10 to 150, recall 0.95": Design(images=(10, 150), recall=0.95),
    "100 classes of 8 to 300": Design(classes=100, images=(8, 300)),
    "8 classes of 100, from two seeds": Design(looks=(2, 4, 6, 8)),
    "8 classes of 100, eight looks": Design(looks=(2, 4, 6, 8, 10, 12, 14, 16)),
}


def one_study(design: Design, truth: str, rng: np.random.Generator) -> np.ndarray:
    """p-values of the protected classes of being safe and of being hurt, (looks, 2, classes)."""
    m, most = design.classes, design.looks[-1]
    wished = np.where(np.isin(np.arange(m), PROTECTED), TRUTHS[truth], 0.01)
    low, high = np.log(design.images)
    n = np.exp(rng.uniform(low, high, m)).round().astype(int)
    study = draw(rng, wished, (most, most), design.recall, n)
    tolerance = np.full(m, 0.01)
    kept = PROTECTED
    if truth == "at the tolerance":
        kept = PROTECTED[study.fixed[PROTECTED] <= 0]  # a tolerance is no gain
        tolerance[kept] = -study.fixed[kept]
    found = []
    for seeds in design.looks:
        right0, right1 = study.right0[:seeds], study.right1[:seeds]
        recall0, recall1 = (np.bincount(study.labels, right.mean(axis=0)) / n for right in (right0, right1))
        noise = variances(study.labels, right0, right1)
        seen = Observed(recall1 - recall0, recall0, recall1, n, n, (seeds, seeds), noise, tolerance)
        tests, _ = tests_and_bounds(seen, Settings(), False)
        found.append([tests.p_safe[kept], tests.p_hurt[kept]])
    return np.array(found)


def rows(name: str, design: Design, studies: int) -> list[str]:
    """The rows of one design, one per rule."""
    found = {}
    for i, truth in enumerate(TRUTHS):
        draws = [one_study(design, truth, np.random.default_rng([83, len(name), i, j])) for j in range(studies)]
        found[truth] = np.concatenate(draws, axis=2)
    made = []
    for rule in (*RULES, ONCE):
        limit = np.full(len(design.looks), 0.05) if rule == ONCE else levels(design.looks, rule)
        edge = found["at the tolerance"]
        safe, hurt = (edge <= limit[:, None, None]).any(axis=0).mean(axis=1)
        power = [_power(found[truth], side, limit, design.looks) for truth, side in (("-10", 1), ("+5", 0))]
        start = f"| {name} | {', '.join(map(str, design.looks))} " if rule == RULES[0] else "| | "
        made.append(f"{start}| {rule} | {safe:.3f} | {hurt:.3f} ({edge.shape[2]}) | {' | '.join(power)} |")
    return made


def _power(p: np.ndarray, side: int, limit: np.ndarray, looks: tuple[int, ...]) -> str:
    crossed = p <= limit[:, None, None]
    first = [np.where(c.any(axis=0), c.argmax(axis=0), len(looks)) for c in (crossed[:, side], crossed[:, 1 - side])]
    seeds = np.array([*looks, looks[-1]])[np.minimum(*first)]
    return f"{(first[0] < first[1]).mean():.2f}, {seeds.mean():.1f}"


def main() -> None:
    """Parse the command line, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="of each design and truth")
    args = parser.parse_args()
    print(
        "| studies of | looks at | rule | lost what is tolerated: ever called safe | ever called hurt (classes) "
        "| -10: hurt, seeds | +5: safe, seeds |\n|---|---|---|---|---|---|---|"
    )
    for name, design in DESIGNS.items():
        print("\n".join(rows(name, design, args.studies)), flush=True)


if __name__ == "__main__":
    main()
