"""Calibration and cost of the audit, on simulated predictions with a known truth.

    python benchmarks/audit.py calibrate --state state.jsonl     # resumable: each repetition is a line, with its seed
    python benchmarks/audit.py cost --state state.jsonl
    python benchmarks/audit.py table --state state.jsonl > benchmarks/results/audit.md

Compared with: the paper's sign rule (mean recall lower by any amount), Welch's t test with Benjamini-Hochberg, and a
bootstrap over seeds. Truths and noise as in `dropmix.studies.simulate`.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from audit_table import table
from scipy.special import stdtr

import dropmix.audit
from dropmix.audit.inference.infer import infer
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings
from dropmix.studies.simulate import CIFAR, IMAGENET, Simulated, World, simulate

MARGIN = 0.005
TRUTHS: dict[str, Callable[[np.random.Generator, int], np.ndarray | float]] = {
    "equal 0": lambda rng, m: 0.0,
    "equal 0.25": lambda rng, m: 0.0025,
    "equal 0.84": lambda rng, m: 0.0084,
    "equal 1.49": lambda rng, m: 0.0149,
    "spike": lambda rng, m: np.where(rng.random(m) < 0.15, -0.04, 0.025),
    "normal": lambda rng, m: rng.normal(0.015, 0.025, m),
    "heavy tails": lambda rng, m: 0.015 + 0.015 * rng.standard_t(3, m),
}
SOME = ("equal 0", "equal 0.84", "spike", "normal")
# name -> world, truths, repetitions, of which with intervals
CELLS: dict[str, tuple[World, tuple[str, ...], int, int]] = {
    "CIFAR": (CIFAR, tuple(TRUTHS), 200, 200),
    "ImageNet": (IMAGENET, tuple(TRUTHS), 30, 30),
    "CIFAR, arms disagree 2 % more": (replace(CIFAR, arm_disagreement=0.02), SOME, 60, 30),
    "CIFAR, no seed x class effect": (replace(CIFAR, seed_ratio=1.0), SOME, 60, 0),
    "CIFAR, strong seed x class effect": (replace(CIFAR, seed_ratio=1.8), SOME, 60, 0),
    "CIFAR, shared seeds correlate 0.5": (replace(CIFAR, pairing=0.5), SOME, 60, 0),
    "CIFAR, 3 v 3 seeds": (replace(CIFAR, seeds=(3, 3)), SOME, 60, 30),
    "CIFAR, 10 v 10 seeds": (replace(CIFAR, seeds=(10, 10)), SOME, 60, 30),
}
# In a process of its own: the peak of a process never falls again.
MEMORY = """
import sys
import scipy.sparse, scipy.special
from dropmix.audit import audit_predictions
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1000
before = peak()
audit_predictions(sys.argv[1], sys.argv[2])
print(peak() - before)
"""


def called_by_others(s: Simulated, change: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Classes that the other procedures call degraded, each (M,) bool."""
    recalls = [c.mean(axis=2) for c in (s.correct0, s.correct1)]
    mean = [r.mean(axis=0) for r in recalls]
    var = [r.var(axis=0, ddof=1) / len(r) for r in recalls]
    with np.errstate(divide="ignore", invalid="ignore"):
        free = (var[0] + var[1]) ** 2 / sum(v**2 / (len(r) - 1) for v, r in zip(var, recalls))
        p = stdtr(free, (mean[1] - mean[0]) / np.sqrt(var[0] + var[1]))
    p = np.nan_to_num(p, nan=1.0)
    order = np.argsort(p)
    below = p[order] <= 0.1 * (np.arange(len(p)) + 1) / len(p)
    welch = np.zeros(len(p), dtype=bool)
    welch[order[: below.nonzero()[0].max() + 1 if below.any() else 0]] = True
    draws = [rng.multinomial(len(r), np.full(len(r), 1 / len(r)), size=400) / len(r) @ r for r in recalls]
    boot = (draws[1] - draws[0] < 0).mean(axis=0) >= 0.95
    return {"sign rule": change < -1e-9, "Welch + BH": welch, "seed bootstrap": boot}


def one_repetition(name: str, truth: str, rep: int) -> dict:
    """Simulate one audit and score every procedure; numbers, fractions."""
    world, _, _, with_intervals = CELLS[name]
    rng = np.random.default_rng([list(CELLS).index(name), list(TRUTHS).index(truth), rep])
    s = simulate(world, np.asarray(TRUTHS[truth](rng, world.classes)), rng)
    m, n = world.classes, world.per_class
    change = s.correct1.mean(axis=(0, 2)) - s.correct0.mean(axis=(0, 2))
    share = [c.mean(axis=0).reshape(-1) for c in (s.correct0, s.correct1)]
    recall = [c.mean(axis=2) for c in (s.correct0, s.correct1)]
    both = np.arange(min(world.seeds))
    shared = (both, both) if world.pairing else None
    v = variances(np.repeat(np.arange(m), n), *share, *recall, shared=shared)
    bounded = rep < with_intervals and (world.arm_disagreement or not truth.startswith("equal"))
    settings = Settings(margin=MARGIN, refits=200 if bounded else 0, seed=rep)
    sizes = np.full(m, n)
    out: dict = {"cell": name, "truth": truth, "rep": rep, "code": code()}
    for kind, variance, true in (("fixed", v.fixed, s.change_fixed), ("population", v.population, s.change_population)):
        if kind == "population" and not world.arm_disagreement:
            continue
        found = infer(change, variance, sizes, world.seeds, v.dof, settings)
        out[kind] = {"audit": score(found.called, true, found.number, found.mean_change)}
        worse = true < -MARGIN
        out[kind]["true"] = int(worse.sum())
        out[kind]["true_change"] = float(true[worse].mean()) if worse.any() else None
        out[kind]["true_below_0"] = int((true < 0).sum())
        if settings.refits:
            b = found.bounds
            out[kind]["bounds"] = [b.number_low, b.number_high, b.change_low, b.change_high]
        for method, called in called_by_others(s, change, rng).items():
            mean = float(change[called].mean()) if called.any() else float("nan")
            out[kind][method] = score(called, true, float(called.sum()), mean)
    return out


def score(called: np.ndarray, true: np.ndarray, number: float, mean: float) -> dict:
    """False discovery proportion against the margin and against 0, power, and the two estimates."""
    worse = true < -MARGIN
    count = max(int(called.sum()), 1)
    return {
        "fdp": float((called & ~worse).sum() / count),
        "fdp0": float((called & (true >= 0)).sum() / count),
        "power": float((called & worse).sum() / max(int(worse.sum()), 1)),
        "number": number,
        "change": None if np.isnan(mean) else mean,
    }


def calibrate(state: Path, only: str, truth: str, most: int, workers: int) -> None:
    """Run every repetition that the state file lacks, in rounds over the cells, and append each as a line."""
    done = {(r["cell"], r["truth"], r["rep"]) for r in read(state) if "rep" in r}
    todo = [
        (rep / reps, name, which, rep)
        for name, (_, truths, reps, _) in CELLS.items()
        if only in name
        for which in truths
        if truth in which
        for rep in range(min(reps, most))
        if (name, which, rep) not in done
    ]
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # one process a core, each with one thread
    context = multiprocessing.get_context("spawn")
    with state.open("a") as file, ProcessPoolExecutor(workers, mp_context=context) as pool:
        for made in as_completed([pool.submit(one_repetition, *job[1:]) for job in sorted(todo)]):
            file.write(json.dumps(made.result()) + "\n")
            file.flush()


def read(state: Path) -> list[dict]:
    """Lines of the state file; one cut short by a kill, or made by other code, is dropped."""
    rows, dropped = [], 0
    for line in state.read_text().splitlines() if state.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = {}
        known = "cost" in row or row.get("code") == code()
        rows += [row] if known else []
        dropped += not known
    if dropped:
        print(f"{state}: {dropped} lines are damaged or of other code, and count for nothing.", file=sys.stderr)
    return rows


@cache
def code() -> str:
    """Short hash of the modules that decide a repetition's outcome."""
    held = hashlib.sha256()
    for name in ("simulate", "variance", "inference", "shrinkage", "bootstrap"):
        held.update((Path(dropmix.audit.__file__).parent / f"{name}.py").read_bytes())
    return held.hexdigest()[:12]


def cost(state: Path) -> None:
    """Time and memory at 1000 classes x 50,000 images x 20 runs, from parquet to result."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dropmix.audit import audit_predictions
    from dropmix.audit.inference.bootstrap import intervals
    from dropmix.audit.inference.shrinkage import fit, posterior

    world = replace(IMAGENET, seeds=(10, 10))
    rng = np.random.default_rng(0)
    s = simulate(world, np.asarray(TRUTHS["normal"](rng, 1000)), rng)
    labels = np.repeat(np.arange(1000, dtype=np.int32), 50)
    right = [c.reshape(10, -1) for c in (s.correct0, s.correct1)]
    change = s.correct1.mean(axis=(0, 2)) - s.correct0.mean(axis=(0, 2))
    times = {}

    def clock(key: str, what: Callable):
        what()
        start = time.process_time(), time.perf_counter()
        result = what()
        times[key] = [time.process_time() - start[0], time.perf_counter() - start[1]]
        return result

    def recall_and_variance():
        from dropmix.audit.measures.recall import correct_counts, recalls

        counts = [recalls(correct_counts(labels, r, 1000), np.full(1000, 50)) for r in right]
        return variances(labels, *[r.mean(axis=0) for r in right], *counts)

    v = clock("recalls and variances", recall_and_variance)
    priors = clock("empirical Bayes", lambda: fit(change, v.fixed))
    found = posterior(priors, change, v.fixed, MARGIN)
    draw = lambda: intervals(priors, found, change, v.fixed, MARGIN, 0.9, 200, np.random.default_rng(0))  # noqa: E731
    clock("200 refits", draw)
    with tempfile.TemporaryDirectory() as folder:
        for arm, correct in zip(("vanilla", "mixup"), right):
            wrong = (labels + rng.integers(1, 1000, correct.shape, dtype=np.int32)) % 1000
            rows = correct.size
            table = {
                "arm": pa.array([arm] * rows).dictionary_encode(),
                "seed": np.repeat(np.arange(10), len(labels)),
                "example_id": np.tile(np.arange(len(labels)), 10),
                "label": np.tile(labels, 10),
                "pred": np.where(correct, labels, wrong).astype(np.int32).reshape(-1),
                "p_true": rng.random(rows, dtype=np.float32),
                "p_max": rng.random(rows, dtype=np.float32),
            }
            pq.write_table(pa.table(table), f"{folder}/{arm}.parquet")
        files = [f"{folder}/{arm}.parquet" for arm in ("vanilla", "mixup")]
        start = time.process_time(), time.perf_counter()
        audit_predictions(*files)
        times["files to result"] = [time.process_time() - start[0], time.perf_counter() - start[1]]
        run = subprocess.run([sys.executable, "-c", MEMORY, *files], capture_output=True, text=True, check=True)
    rows_bytes = 2 * 10 * len(labels) * (4 + 8 + 8 + 4 + 4 + 4 + 4)
    memory = {"input_mb": rows_bytes / 1e6, "peak_rise_mb": float(run.stdout)}
    with state.open("a") as file:
        file.write(json.dumps({"cost": times, "memory": memory}) + "\n")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("calibrate", "cost", "table"))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--truth", default="", help="truths whose name holds this text")
    parser.add_argument("--most", type=int, default=10**6, help="repetitions of each truth at most")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    args = parser.parse_args()
    if args.what == "table":
        print(table(read(args.state), list(CELLS), list(TRUTHS)))
    elif args.what == "cost":
        cost(args.state)
    else:
        calibrate(args.state, args.only, args.truth, args.most, args.workers)


if __name__ == "__main__":
    main()
