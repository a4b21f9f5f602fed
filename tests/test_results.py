"""The committed runs give the committed numbers: what the paper measures never moves with the code.

After runs were added, `python tests/test_results.py` writes `golden/results.csv` anew; `test_pages_of_results.py`
then says which sentences of the pages are out of date.
"""

import csv
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dropmix.audit import audit_grid
from dropmix.audit.result import Audit
from dropmix.train.config import RunSpec

ROOT = Path(__file__).parents[1]
RUNS = sorted(path.parent for path in ROOT.glob("results/*/*/spec.json"))
GOLDEN = ROOT / "tests" / "golden" / "results.csv"
with GOLDEN.open(encoding="utf-8") as file:
    EXPECTED = list(csv.DictReader(file))
GRIDS = list(dict.fromkeys(row["grid"] for row in EXPECTED))
MEASURES = ("mean_degraded_change", "accuracy_baseline", "accuracy_treated")
INTERVALS = ("gain", "gain_low", "gain_high", "floor_n_degraded", "floor_n_degraded_low", "floor_n_degraded_high")
COUNTS = ("seeds_baseline", "seeds_treated", "n_degraded", "n_hurt", "n_hurt_low", "n_hurt_high", "n_safe")
AT_90 = ("finetune-cifar100-methods", "finetune-cifar100-hybrid")
"""Grids whose page gives intervals at 90 %, not at 95 %."""


@cache
def audited(grid: str) -> Audit:
    """The audit that the pages quote: every arm against vanilla, and with DropMix against without."""
    return audit_grid(ROOT / "results" / grid, refits=0, between="rates", level=0.9 if grid in AT_90 else 0.95)


def counts(grid: str, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """Right predictions and examples of each class, summed over an arm's runs, counted from its files alone."""
    right, held = np.zeros(0, int), np.zeros(0, int)
    for run in (run for run in RUNS if run.parent.name == grid):
        if json.loads((run / "spec.json").read_text(encoding="utf-8"))["arm"]["name"] == arm:
            table = pq.read_table(run / "predictions.parquet", columns=["label", "pred"])
            label, pred = (table[name].to_numpy().astype(int) for name in ("label", "pred"))
            k = int(label.max()) + 1
            right = np.bincount(label[label == pred], minlength=k) + (right if len(right) else 0)
            held = np.bincount(label, minlength=k) + (held if len(held) else 0)
    return right, held


@pytest.mark.parametrize("grid", GRIDS)
def test_the_paper_s_measures_and_the_audit_s_stay(grid: str) -> None:
    wanted = {(row["baseline"], row["arm"]): row for row in EXPECTED if row["grid"] == grid}
    assert {(c.baseline, c.arm) for c in audited(grid).comparisons} == set(wanted)
    for c in audited(grid).comparisons:
        row = wanted[c.baseline, c.arm]
        assert {key: c.summary[key] for key in COUNTS} == {key: int(row[key]) for key in COUNTS}, c.arm
        for key in MEASURES + INTERVALS:
            assert c.summary[key] == pytest.approx(float(row[key]), abs=1e-6), (c.arm, key)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_expected_numbers_are_those_of_a_plain_count(grid: str) -> None:
    for row in (row for row in EXPECTED if row["grid"] == grid):
        base, n = counts(grid, row["baseline"])
        right, m = counts(grid, row["arm"])
        assert np.array_equal(n, m), row["arm"]
        lost = right < base
        assert int(row["n_degraded"]) == lost.sum(), row["arm"]
        found = {
            "mean_degraded_change": ((right - base) / n)[lost].mean(),
            "accuracy_baseline": base.sum() / n.sum(),
            "accuracy_treated": right.sum() / m.sum(),
        }
        for key in MEASURES:
            assert found[key] == pytest.approx(float(row[key]), abs=1e-9), (row["arm"], key)
        assert float(row["gain"]) == pytest.approx(found["accuracy_treated"] - found["accuracy_baseline"], abs=1e-9)
        seeds = [json.loads((run / "spec.json").read_text(encoding="utf-8")) for run in RUNS if run.parent.name == grid]
        for arm, key in ((row["baseline"], "seeds_baseline"), (row["arm"], "seeds_treated")):
            assert int(row[key]) == len({spec["seed"] for spec in seeds if spec["arm"]["name"] == arm}), (arm, key)


def test_every_folder_is_described_and_every_grid_is_counted() -> None:
    folders = {path.name for path in (ROOT / "results").iterdir() if path.is_dir()}
    described = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert folders == set(re.findall(r"^## (\S+)$", described, re.MULTILINE))
    arms = {run.parent.name: set() for run in RUNS}
    for run in RUNS:
        arms[run.parent.name].add(json.loads((run / "spec.json").read_text(encoding="utf-8"))["arm"]["name"])
    assert {name for name, found in arms.items() if len(found) > 1} == set(GRIDS)
    assert sum(path.stat().st_size for path in (ROOT / "results").rglob("*") if path.is_file()) < 80e6
    kinds = {path.suffix for run in RUNS for path in run.iterdir()} | {path.suffix for path in ROOT.glob("results/*/*")}
    assert not kinds & {".pt", ".ckpt", ".jpg", ".jpeg"}


def test_every_folder_is_named_after_the_hash_of_its_spec() -> None:
    assert len(RUNS) >= 80
    for run in RUNS:
        spec = RunSpec.model_validate(json.loads((run / "spec.json").read_text(encoding="utf-8")))
        assert run.name == spec.folder_name
        assert run.name.endswith(f"-{spec.hash}")


def test_the_tuned_learning_rates_and_epochs_are_those_of_the_files() -> None:
    folder = ROOT / "results" / "finetune-cifar100-tuning"
    page = (folder / "README.md").read_text(encoding="utf-8").replace("*", "")
    columns = re.search(r"accuracy in % \| (.*) \|", page).group(1).split(" | ")
    places = {column: "40-epochs" if column.endswith("40 epochs") else column for column in columns}
    best = {}
    right: dict[str, dict[str, np.ndarray]] = {}
    for arm, title in (("vanilla", "vanilla"), ("cutmix", "CutMix"), ("mixup", "Mixup")):
        found = []
        right[arm] = {}
        for column, place in places.items():
            (run,) = (folder / place).glob(f"{arm}-s0-*")
            train = json.loads((run / "spec.json").read_text(encoding="utf-8"))["train"]
            assert train["lr"] == float(column.split(",")[0])
            assert train["epochs"] == (40 if place == "40-epochs" else 15)
            table = pq.read_table(run / "predictions.parquet").sort_by("example_id")
            assert len(table) == 5000
            right[arm][column] = 100.0 * (table["label"].to_numpy() == table["pred"].to_numpy())
            found.append(f"{right[arm][column].mean():.1f}")
        assert f"| {title} | {' | '.join(found)} |" in page
    short, long = columns[:3], columns[3]
    for arm, by_column in right.items():
        best[arm] = max((by_column[column] for column in short), key=np.mean)
    ahead = max(right["vanilla"].values(), key=np.mean)
    for one, other in (
        (best["vanilla"], right["vanilla"]["0.001"]),
        *((best[a], best["vanilla"]) for a in ("cutmix", "mixup")),
        *((right[a][long], other[long]) for a in ("cutmix", "mixup") for other in (right["vanilla"], {long: ahead})),
    ):
        change, half = (one - other).mean(), 1.96 * (one - other).std() / np.sqrt(5000)
        assert f"[{change - half:+.1f}, {change + half:+.1f}]" in page


def test_what_is_said_of_forty_epochs_on_the_test_images_is_in_the_files() -> None:
    longer, shorter = ROOT / "results" / "finetune-cifar100-tuning", ROOT / "results" / "finetune-cifar100"

    def right(folder: Path, arm: str, epochs: int) -> np.ndarray:
        (run,) = folder.glob(f"{arm}-s0-*")
        spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
        assert (spec["train"]["epochs"], spec["data"].get("validation", 0)) == (epochs, 0)
        table = pq.read_table(run / "predictions.parquet").sort_by("example_id")
        assert len(table) == 10_000
        return 100.0 * (table["label"].to_numpy() == table["pred"].to_numpy())

    long = {arm: right(longer / "40-epochs-tested", arm, 40) for arm in ("vanilla", "cutmix", "cutmix-r0.4")}
    page = (longer / "README.md").read_text(encoding="utf-8")
    assert "vanilla {:.1f} %, CutMix {:.1f},".format(long["vanilla"].mean(), long["cutmix"].mean()) in page
    assert f"batches unmixed {long['cutmix-r0.4'].mean():.1f}." in page
    base = right(shorter, "vanilla", 15)
    pairs = [(long[a], b) for b in (long["vanilla"], base) for a in ("cutmix", "cutmix-r0.4")]
    for one, other in [*pairs, (long["cutmix-r0.4"], long["cutmix"])]:
        change, half = (one - other).mean(), 1.96 * (one - other).std() / 100
        assert f"{change:.1f} [{change - half:+.1f}, {change + half:+.1f}]" in page.replace(" points [", " [")


def write() -> None:
    """Write the expected numbers of all grids anew, in the order that they have."""
    several = sorted({run.parent.name for run in RUNS if not run.name.startswith("vanilla")})
    keys = ("grid", "baseline", "arm", *COUNTS, *MEASURES, *INTERVALS)
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(keys)
        for grid in sorted(several, key=lambda grid: (GRIDS.index(grid) if grid in GRIDS else len(GRIDS), grid)):
            for c in audited(grid).comparisons:
                numbers = [f"{c.summary[key]:.10f}" for key in MEASURES + INTERVALS]
                rows.writerow([grid, c.baseline, c.arm, *(c.summary[key] for key in COUNTS), *numbers])


if __name__ == "__main__":
    write()
