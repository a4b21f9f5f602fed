"""Seeds added until a class is decided: how often the repeated looks err, and how many seeds they take.

    python benchmarks/audit/looks.py --studies 1000 --state looks.jsonl     # resumable: each study is a line
    python benchmarks/audit/looks.py --state looks.jsonl --table

Studies come from `worlds` and have the seeds of the last look; each look audits only the first seeds. Three classes are
protected. "At the tolerance": each lost exactly what is tolerated (its tolerance is its true loss), the hardest case of
a class that must not be called safe. "-10" and "+5" are points, with a tolerance of one.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from worlds import World, draw

from dropmix.audit import audit_predictions
from dropmix.audit.inference.decide import class_tests, tail_dof
from dropmix.audit.inference.looks import RULES, levels
from dropmix.audit.inference.variance import variances

BASE = World(classes=8, hardness=0.6)
WORLDS: dict[str, tuple[World, tuple[int, ...]]] = {
    "8 classes of 100": (BASE, (3, 6, 9, 12)),
    "8 classes, 5 to 500": (replace(BASE, sizes="tail"), (3, 6, 9, 12)),
    "seeds scatter by 1.2 points": (replace(BASE, global_seed=0.09), (3, 6, 9, 12)),
    "classes scatter with seeds": (replace(BASE, class_seed=0.4), (3, 6, 9, 12)),
    "recall 95 %": (replace(BASE, recall=0.95), (3, 6, 9, 12)),
    "100 classes of 100": (replace(BASE, classes=100), (3, 6, 9, 12)),
    "from two seeds": (BASE, (2, 4, 6, 8)),
    "eight looks": (BASE, (2, 4, 6, 8, 10, 12, 14, 16)),
}
TRUTHS = {"at the tolerance": -0.03, "-10": -0.1, "+5": 0.05}
ONCE = "5 % at every look"


def one_study(name: str, truth: str, rep: int) -> dict:
    """p-values of the protected classes at every look: of being safe, and of being hurt."""
    world, looks = WORLDS[name]
    world = replace(world, seeds=(looks[-1], looks[-1]))
    rng = np.random.default_rng([77, list(WORLDS).index(name), list(TRUTHS).index(truth), rep])
    m = world.classes
    at = np.array([2, 4, 6]) if m == 8 else np.array([2, 50, 97])
    wished = np.where(np.isin(np.arange(m), at), TRUTHS[truth], 0.01)
    (study,) = draw(world, wished[None], rng)
    edge = truth == "at the tolerance"
    kept = [int(i) for i in at if not edge or study.fixed[i] < 0]
    tolerance = {str(i): float(-study.fixed[i]) for i in kept} if edge else 0.01
    rows = []
    for seeds in looks:
        right = study.right0[:seeds], study.right1[:seeds]
        p = _tests(study.labels, *right, kept, tolerance)
        if rep == 0:
            np.testing.assert_allclose(p, _of_audit(study.labels, *right, kept, tolerance), atol=1e-9)
        rows.append(p)
    return {"world": name, "truth": truth, "rep": rep, "p": rows}


def _tests(labels, right0, right1, kept: list[int], tolerance) -> list[list[float]]:
    """p-values of the audit's own tests, without the rest of an audit: safe and hurt, (2, classes)."""
    n = np.bincount(labels)
    v = variances(labels, right0, right1)
    recall = [np.bincount(labels, r.mean(axis=0)) / n for r in (right0, right1)]
    allowed = np.array([tolerance[str(i)] for i in kept]) if isinstance(tolerance, dict) else tolerance
    change = (recall[1] - recall[0])[kept]
    dof = tail_dof((len(right0), len(right1)))
    t = class_tests(change, (v.fixed + v.common_scaled)[kept], allowed, n[kept], dof=dof)
    return [t.p_safe.tolist(), t.p_hurt.tolist()]


def _of_audit(labels, right0, right1, kept: list[int], tolerance) -> list[list[float]]:
    m = int(labels.max()) + 1
    arms = []
    for right in (right0, right1):
        pred = np.where(right, labels, (labels + 1) % m)
        arms.append({"labels": labels, "pred": pred, "classes": [str(i) for i in range(m)]})
    c = audit_predictions(*arms, refits=0, tolerance=tolerance, protect=[str(i) for i in kept]).only
    return [[float(c.classes[key][i]) for i in kept] for key in ("p_safe", "p_hurt")]


def table(lines: list[dict]) -> str:
    """Markdown of everything measured so far."""
    cells: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for line in lines:
        p = np.array(line["p"])  # (looks, 2, classes)
        if p.shape[2]:
            cells[line["world"], line["truth"]].append(p)
    made = [
        "| studies of | looks at | rule | lost what is tolerated: ever called safe | ever called hurt (classes) "
        "| -10: hurt, seeds | +5: safe, seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (_, looks) in WORLDS.items():
        if (name, "at the tolerance") not in cells:
            continue
        edge = np.concatenate(cells[name, "at the tolerance"], axis=2)
        for rule in (*RULES, ONCE):
            limit = np.full(len(looks), 0.05) if rule == ONCE else levels(looks, rule)
            ever = (edge <= limit[:, None, None]).any(axis=0).mean(axis=1)
            start = f"| {name} | {', '.join(map(str, looks))} " if rule == RULES[0] else "| | "
            power = [_power(cells.get((name, truth)), side, limit, looks) for truth, side in (("-10", 1), ("+5", 0))]
            made.append(f"{start}| {rule} | {ever[0]:.3f} | {ever[1]:.3f} ({edge.shape[2]}) | {' | '.join(power)} |")
    return "\n".join(made)


def _power(found: list[np.ndarray] | None, side: int, limit: np.ndarray, looks: tuple[int, ...]) -> str:
    """Share decided rightly, and mean number of seeds until the class is decided or the looks end."""
    if not found:
        return ""
    p = np.concatenate(found, axis=2)
    crossed = p <= limit[:, None, None]
    first = [np.where(c.any(axis=0), c.argmax(axis=0), len(looks)) for c in (crossed[:, side], crossed[:, 1 - side])]
    right = first[0] < first[1]
    seeds = np.array([*looks, looks[-1]])[np.minimum(*first)]
    return f"{right.mean():.2f}, {seeds.mean():.1f}"


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.state.read_text().splitlines()] if args.state.exists() else []
    if args.table:
        print(table(lines))
        return
    done = {(line["world"], line["truth"], line["rep"]) for line in lines}
    with args.state.open("a") as file:
        for rep in range(args.studies):
            for name in WORLDS:
                for truth in TRUTHS:
                    few = truth != "at the tolerance" or name in ("100 classes of 100", "eight looks")
                    if (name, truth, rep) not in done and (not few or rep < args.studies // 4):
                        file.write(json.dumps(one_study(name, truth, rep)) + "\n")
                        file.flush()


if __name__ == "__main__":
    main()
