"""What `dropmix audit` costs on files: wall-clock seconds, CPU seconds and peak memory, at several sizes.

    python benchmarks/audit/cost.py                      # every case; minutes
    python benchmarks/audit/cost.py --only "50 arms"     # cases whose name holds this text

Predictions are drawn without a model: arms are right with one probability, and wrong predictions are uniform. A first
run that is not measured leaves bytecode behind, which an installed package has. On a busy machine, CPU seconds are the
number to compare.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Case:
    """A size: arms (with the baseline), seeds per arm, classes, examples; and whether the page is written, or JSON."""

    arms: int
    seeds: int
    classes: int
    examples: int
    page: bool
    bar: str


SMALL = Case(2, 2, 10, 200, True, "")
MIDDLE, MANY = (2, 10, 1000, 50_000), (2, 5, 10_000, 100_000)
CASES = {
    "1000 classes x 50,000 x 20 runs": Case(*MIDDLE, False, "1.5 s"),
    "1000 classes x 50,000 x 20 runs, page": Case(*MIDDLE, True, "3.5 s"),
    "50 arms x 50 classes x 2 seeds, page": Case(50, 2, 50, 2500, True, "15 s"),
    "200 arms x 10 classes x 3 seeds, page": Case(200, 3, 10, 1000, True, "45 s, 1 GB"),
    "10,000 classes x 100,000 x 10 runs": Case(*MANY, False, "22 s, 349 MB"),
    "10,000 classes x 100,000 x 10 runs, page": Case(*MANY, True, "33 s"),
    "21,841 classes x 1 million x 6 runs, page": Case(2, 3, 21_841, 1_000_000, True, "60 s, 2 GB"),
}


def write(case: Case, folder: Path) -> list[str]:
    """Write one parquet file per arm, the baseline first."""
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(case.examples, dtype=np.int32) % case.classes)
    files = []
    for i in range(case.arms):
        shape = case.seeds, case.examples
        wrong = (labels + rng.integers(1, case.classes, shape, dtype=np.int32)) % case.classes
        right = rng.random(shape, dtype=np.float32) < 0.75 + 0.02 * (i > 0)
        columns = {
            "arm": pa.array(["vanilla" if i == 0 else f"arm{i:03d}"] * right.size).dictionary_encode(),
            "seed": np.repeat(np.arange(case.seeds), case.examples),
            "example_id": np.tile(np.arange(case.examples), case.seeds),
            "label": np.tile(labels, case.seeds),
            "pred": np.where(right, labels, wrong).reshape(-1),
        }
        files.append(str(folder / f"{columns['arm'][0]}.parquet"))
        pq.write_table(pa.table(columns), files[-1])
    return files


def measure(case: Case) -> dict[str, float]:
    """Run the command once in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(case, Path(folder))
        more = ["--out", f"{folder}/out"] if case.page else ["--json"]
        start = time.perf_counter()
        command = [sys.executable, "-m", "dropmix", "audit", *files, *more]
        installed = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=installed)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"the command failed: {' '.join(command[2:5])} ...")
        page = Path(folder, "out", "report.html")
        return {
            "cpu": used.ru_utime + used.ru_stime,
            "seconds": time.perf_counter() - start,
            "mb": used.ru_maxrss / 1000,
            "page": page.stat().st_size / 1e6 if case.page else 0.0,
        }


def main() -> None:
    """Parse the command line, and print a row per case as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    args = parser.parse_args()
    measure(SMALL)
    print(
        "| case (n = 1 run) | limit | CPU seconds | seconds | peak memory, MB | page, MB |\n|---|---|---|---|---|---|"
    )
    for name, case in CASES.items():
        if args.only in name:
            m = measure(case)
            page = f"{m['page']:.1f}" if case.page else ""
            cells = f"{m['cpu']:.1f} | {m['seconds']:.1f} | {m['mb']:.0f} | {page}"
            print(f"| {name} | {case.bar} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
