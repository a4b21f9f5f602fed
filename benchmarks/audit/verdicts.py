"""Simulated audits whose verdicts are read back for sentences that contradict each other or the numbers.

    python benchmarks/audit/verdicts.py --studies 3000

Studies as in `worlds`: 2 to 30 classes, equal or long-tailed, recall from 60 to 98 %, one to six seeds per arm,
nothing changed, every class changed, or one class alone; with and without protected classes, groups, slices and
tolerances.
"""

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
from verdict_check import contradictions
from worlds import World, draw

from dropmix.audit import audit_predictions, verdict

STUDY = 20_000  # random streams of this benchmark start here


def one_verdict(i: int) -> tuple[str, list[str], str]:
    """Study number i: its decision, what contradicts itself, and the verdict."""
    rng = np.random.default_rng([STUDY, i])
    m = int(rng.choice([2, 3, 8, 30]))
    world = World(
        classes=m,
        seeds=(int(rng.integers(1, 7)), int(rng.integers(1, 7))),
        sizes=str(rng.choice(["equal", "tail"])),
        recall=float(rng.choice([0.6, 0.8, 0.98])),
        class_seed=float(rng.choice([0.0, 0.12, 0.4])),
        global_seed=float(rng.choice([0.0, 0.1])),
    )
    if rng.random() < 0.15:
        world = replace(world, cluster=5)
    size = float(rng.choice([0.0, 0.02, 0.1, 0.3]))
    kind = rng.choice(["all", "one", "mixed"])
    moved = {
        "all": np.full(m, rng.choice([-size, size])),
        "one": np.where(np.arange(m) == m // 2, -size, 0.01),
        "mixed": rng.normal(0, size, m),
    }[str(kind)]
    (study,) = draw(world, moved[None], rng)
    names = [f"class {j}" for j in range(m)]
    arms = []
    for right in (study.right0, study.right1):
        pred = np.where(right, study.labels, (study.labels + 1) % m)
        arm = {"labels": study.labels, "pred": pred, "classes": names}
        arms.append(arm if study.groups is None else arm | {"group": study.groups})
    if rng.random() < 0.03:
        arms[1] = arms[0]
    protect = [names[j] for j in rng.permutation(m)[: int(rng.integers(0, min(m, 4)))]]
    tolerance = {names[0]: 0.05} if rng.random() < 0.2 else float(rng.choice([0.0, 0.01, 0.02]))
    by = rng.choice(["left", "right", "top"], len(study.labels)) if rng.random() < 0.2 else None
    settings = {"refits": 0, "protect": protect, "tolerance": tolerance, "seed": i, "by": by}
    c = audit_predictions(arms[0], {"mixup": arms[1]}, **settings).only
    text = verdict(c)
    return c.summary["decision"], contradictions(text, c), text


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    decisions, wrong = Counter(), 0
    for i in range(args.first, args.first + args.studies):
        decision, against, text = one_verdict(i)
        decisions[decision] += 1
        wrong += bool(against)
        if against:
            print(f"study {i}: {'; '.join(against)}\n  {text}", flush=True)
    told = ", ".join(f"{count} {decision}" for decision, count in sorted(decisions.items()))
    print(f"{wrong} of {args.studies} verdicts contradict themselves or their numbers ({told})")


if __name__ == "__main__":
    main()
