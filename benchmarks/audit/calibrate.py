"""Calibration of the audit, on simulated predictions with a known truth.

    python benchmarks/audit/calibrate.py calibrate --state state.jsonl     # resumable: a line per study
    python benchmarks/audit/calibrate.py table --state state.jsonl

Studies come from `worlds`. Rivals of the audit: `first_try`, and Welch's t test with
Benjamini-Hochberg.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from first_try import benjamini_hochberg, first_try
from scipy.special import stdtr
from table import table
from worlds import Study, World, draw

from dropmix.audit import audit_predictions

TOLERANCE = 0.01
NULL = "nothing changed"
TRUTHS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    NULL: lambda rng, m: np.zeros(m),
    "all -3": lambda rng, m: np.full(m, -0.03),
    "one at -3, rest +1": lambda rng, m: np.where(np.arange(m) == m // 2, -0.03, 0.01),
    "one at -10, rest +1": lambda rng, m: np.where(np.arange(m) == m // 2, -0.1, 0.01),
    "10 % -10, 20 % +10, rest 0": lambda rng, m: rng.permutation(
        np.repeat([-0.1, 0.1, 0.0], [m // 10, m // 5, m - m // 10 - m // 5])
    ),
    "mean +1, sd 3": lambda rng, m: rng.normal(0.01, 0.03, m),
}
BASE, ONE, SPREAD = World(), "one at -3, rest +1", "mean +1, sd 3"
SETTINGS: dict[str, tuple[World, tuple[str, ...]]] = {
    "plain": (BASE, tuple(TRUTHS)),
    "seeds scatter by 1.2 points": (replace(BASE, global_seed=0.09), (NULL, ONE)),
    "long tail": (replace(BASE, sizes="tail"), (NULL, ONE, SPREAD)),
    "recall 0.98": (replace(BASE, recall=0.98), (NULL, ONE)),
    "ten frames a clip": (replace(BASE, cluster=10), (NULL, SPREAD)),
    "five arms": (replace(BASE, arms=5), (NULL, SPREAD)),
}
SEEDS = ((3, 3), (5, 5), (10, 10), (1, 5), (5, 1))
WORLDS: dict[str, tuple[World, tuple[str, ...]]] = {
    f"{setting}, {seeds[0]} v {seeds[1]} seeds": (replace(world, seeds=seeds), truths)
    for setting, (world, truths) in SETTINGS.items()
    for seeds in SEEDS
    if setting != "five arms" or seeds == (5, 5)
}
CLASSES = (20, 100, 1000)
STUDIES = {20: 200, 100: 100, 1000: 20}


def calibrate(state: Path, only: str, most: int, sizes: tuple[int, ...]) -> None:
    """Run every study that the state file lacks, and append each as a line."""
    done = {(r["world"], r["classes"], r["truth"], r["rep"]) for r in read(state) if "rep" in r}
    todo = [
        (rep / STUDIES[m], name, m, truth, rep)
        for name, (_, truths) in WORLDS.items()
        if only in name
        for m in sizes
        for truth in truths
        for rep in range(min(STUDIES[m], most))
        if (name, m, truth, rep) not in done
    ]
    with state.open("a") as file:
        for _, name, m, truth, rep in sorted(todo):
            file.write(json.dumps(one_study(name, m, truth, rep)) + "\n")
            file.flush()


def one_study(name: str, m: int, truth: str, rep: int) -> dict:
    """Draw one study and score every procedure on it."""
    rng = np.random.default_rng([list(WORLDS).index(name), m, list(TRUTHS).index(truth), rep])
    world = replace(WORLDS[name][0], classes=m)
    arms = draw(world, np.stack([TRUTHS[truth](rng, m) for _ in range(world.arms)]), rng)
    named = np.isin(np.arange(m), [m // 2, 0, m - 1])  # beforehand; the first is the one that falls in "one at -3"
    sources = [_source(arms[0], arms[0].right0, m), {str(i): _source(s, s.right1, m) for i, s in enumerate(arms)}]
    protect = [str(i) for i in np.flatnonzero(named)]
    found = audit_predictions(*sources, refits=0, tolerance=TOLERANCE, protect=protect, seed=rep).comparisons
    # Rows of a clip are not told apart by seeds alone: the question is then of new clips.
    twin = "" if arms[0].groups is None else "_population"
    true = np.stack([s.population if twin else s.fixed for s in arms])
    hurt = true < -TOLERANCE
    words = np.array([c.classes[f"decision{twin}"] for c in found])
    ends = np.array([[c.classes[f"recall_change_{end}{twin}"] for c in found] for end in ("low", "high")])
    judged = words != "too few examples"
    wrong = np.where(hurt, words == "safe", words == "hurt")[:, named]
    p = np.array([c.summary[f"heterogeneity_p{twin}"] for c in found], dtype=float)  # none where nothing can be judged
    rest = np.broadcast_to(~named, words.shape)
    row = {
        "world": name,
        "classes": m,
        "truth": truth,
        "rep": rep,
        "number": hurt.sum(axis=1).tolist(),
        "wrong_named": float(wrong.mean()),
        "any_named": bool(wrong.any()),
        "bounds": [[c.summary[f"n_hurt_low{twin}"], c.summary[f"n_hurt_high{twin}"]] for c in found],
        "audit": score(words == "hurt", words == "safe", hurt, judged, rest, ends, true, p),
    }
    tried = [first_try(s.labels, s.right0, s.right1, TOLERANCE) for s in arms]
    calls = [np.array([t[word] for t in tried]) for word in ("hurt", "safe")]
    ends = np.array([[t[end] for t in tried] for end in ("low", "high")])
    everything = np.ones_like(hurt)
    p = np.array([t["uneven"] for t in tried])
    row["first try"] = score(*calls, hurt, judged, everything, ends, true, p)
    if min(world.seeds) > 1:
        p = np.array([welch(s) for s in arms])
        calls = [np.array([benjamini_hochberg(one) for one in side]) for side in (p, 1 - p)]
        row["Welch + BH"] = score(*calls, hurt, judged, everything, None, true, None)
    # The audit's own p-values without protected classes and without correction over arms.
    p = np.array([[c.classes[f"p_{word}{twin}"] for c in found] for word in ("hurt", "safe")])
    calls = [np.array([benjamini_hochberg(one) for one in side]) for side in p]
    row["its p + BH"] = score(*calls, hurt, judged, everything, None, true, None)
    return row


def _source(study: Study, right: np.ndarray, m: int) -> dict:
    pred = np.where(right, study.labels, (study.labels + 1) % m)
    arm = {"labels": study.labels, "pred": pred, "classes": [str(i) for i in range(m)]}
    return arm if study.groups is None else arm | {"group": study.groups}


def welch(study: Study) -> np.ndarray:
    """One-sided p-values of "the change is at least -tolerance", from recalls of seeds alone, (M,)."""
    n = np.bincount(study.labels)
    recall = [
        np.stack([np.bincount(study.labels[r], minlength=len(n)) for r in x]) / n for x in (study.right0, study.right1)
    ]
    var = [r.var(axis=0, ddof=1) / len(r) for r in recall]
    with np.errstate(divide="ignore", invalid="ignore"):
        free = (var[0] + var[1]) ** 2 / sum(v**2 / (len(r) - 1) for v, r in zip(var, recall))
        z = (recall[1].mean(axis=0) - recall[0].mean(axis=0) + TOLERANCE) / np.sqrt(var[0] + var[1])
        return np.nan_to_num(stdtr(free, z), nan=0.5)


def score(hurt, safe, true_hurt, judged, corrected, ends, true, p) -> dict:
    """Calls and false calls, also among the corrected classes; intervals that hold the truth; p-value of unevenness.

    All arguments but `ends` (2, arms, M) and `p` (arms,) are (arms, M).
    """
    inside = None if ends is None else float(((ends[0] <= true) & (true <= ends[1]))[judged].mean())
    shares = [
        float((calls & false & corrected).sum() / max((calls & corrected).sum(), 1))
        for calls, false in ((hurt, ~true_hurt), (safe, true_hurt))
    ]
    return {
        "hurt": int(hurt.sum()) / len(hurt),
        "false_hurt": int((hurt & ~true_hurt).sum()) / len(hurt),
        "safe": int(safe.sum()) / len(hurt),
        "false_safe": int((safe & true_hurt).sum()) / len(hurt),
        "false_shares": shares,
        "any_false_hurt": bool((hurt & ~true_hurt & corrected).any()),
        "inside": inside,
        "uneven": None if p is None else float((p < 0.05).mean()),
    }


def read(state: Path) -> list[dict]:
    """Lines of the state file; one cut short by a kill is dropped."""
    rows = []
    for line in state.read_text().splitlines() if state.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{state}: a damaged line counts for nothing.", file=sys.stderr)
    return rows


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calibrate", "table"))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--only", default="", help="worlds whose name holds this text")
    parser.add_argument("--most", type=int, default=10**6, help="studies of each cell at most")
    parser.add_argument("--classes", type=int, nargs="*", default=CLASSES, help="numbers of classes")
    args = parser.parse_args()
    if args.what == "table":
        print(table(read(args.state), list(WORLDS), list(TRUTHS)))
    else:
        calibrate(args.state, args.only, args.most, tuple(args.classes))


if __name__ == "__main__":
    main()
