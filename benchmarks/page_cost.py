"""What the whole command costs with its page: seconds, peak memory, and size of the page.

    python benchmarks/page_cost.py                  # every size
    python benchmarks/page_cost.py "50 arms"        # one of them

Each size is written to files first; then `dropmix audit ... --out` runs in a process of its own, imports included.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from page import write_section

PAGE = Path(__file__).parent / "results" / "page.md"
SIZES = {  # arms besides vanilla, classes, examples, seeds per arm
    "1000 classes": (1, 1000, 50_000, 10),
    "50 arms": (50, 50, 5_000, 2),
    "200 arms": (200, 10, 1_000, 3),
    "10,000 classes": (1, 10_000, 100_000, 5),
    "21,841 classes": (1, 21_841, 1_000_000, 3),
}


def write_arm(path: Path, arm: str, labels: np.ndarray, classes: int, seeds: int, rng: np.random.Generator) -> None:
    """One parquet file of an arm: right in four of five, else a neighbouring class."""
    import pyarrow as pa
    from pyarrow import parquet

    skill = np.clip(rng.normal(0.8, 0.1, classes), 0.1, 0.97)
    columns = {"label": [], "pred": [], "seed": [], "example_id": []}
    for seed in range(seeds):
        right = rng.random(len(labels)) < skill[labels]
        wrong = (labels + rng.integers(1, 4, len(labels))) % classes
        columns["label"].append(labels)
        columns["pred"].append(np.where(right, labels, wrong))
        columns["seed"].append(np.full(len(labels), seed))
        columns["example_id"].append(np.arange(len(labels)))
    table = {key: np.concatenate(parts) for key, parts in columns.items()}
    parquet.write_table(pa.table({**table, "arm": pa.array([arm] * len(table["seed"])).dictionary_encode()}), path)


def measure(folder: Path, arms: int, classes: int, examples: int, seeds: int) -> tuple[float, float, float, float]:
    """Seconds, CPU seconds, peak MiB and the page's MiB of one size."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, classes, examples))
    labels[:classes] = np.arange(classes)
    names = ["vanilla", *(f"arm{i}" for i in range(arms))]
    for name in names:
        write_arm(folder / f"{name}.parquet", name, labels, classes, seeds, rng)
    files = [str(folder / f"{name}.parquet") for name in names]
    command = [
        sys.executable,
        "-c",
        "from dropmix.cli import main; main()",
        "audit",
        *files,
        "--out",
        str(folder / "out"),
    ]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"page_cost: the command ended with {process.returncode}.")
    spent = usage.ru_utime + usage.ru_stime
    return seconds, spent, usage.ru_maxrss / 1024, (folder / "out" / "report.html").stat().st_size / 2**20


def main() -> None:
    chosen = sys.argv[1:] or list(SIZES)
    lines = [
        "| size | arms, classes, examples, seeds | seconds | CPU seconds | peak MiB | page, MiB |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            seconds, spent, memory, page = measure(Path(folder), *SIZES[name])
        size = ", ".join(f"{n:,}" for n in SIZES[name])
        lines.append(f"| {name} | {size} | {seconds:.1f} | {spent:.1f} | {memory:.0f} | {page:.2f} |")
        print(lines[-1], flush=True)
    if not sys.argv[1:]:
        where = f"{os.cpu_count()} cores, the command alone in its process, imports and page included."
        write_section(PAGE, "# Cost of an audit with its page", "From files to a page", where, "\n".join(lines))


if __name__ == "__main__":
    main()
