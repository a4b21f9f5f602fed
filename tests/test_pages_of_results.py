"""The pages on our own runs are up to date: their intervals, tables, counts and seeds are those of the runs."""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dropmix.report.display_names import arm_title
from dropmix.studies.tailored_runs import answer_runs

from .test_results import EXPECTED, GRIDS, ROOT, audited

RESULTS = ROOT / "results"
FOUND = ROOT / "docs" / "what-we-found.md"
PAGES = [FOUND, RESULTS / "README.md", *sorted(RESULTS.glob("*/README.md"))]
NUMBER = r"[+-]?\d+(?:\.\d+)?"
INTERVAL = re.compile(rf"(?:({NUMBER})[^\d\[\]|]{{0,24}})?\\?\[({NUMBER}),\s+({NUMBER})\\?\]")
Triple = tuple[float, float, float]
Printed = tuple[str | None, str, str]

# Two classes made of eight are counted in test_solar_cells.py, tuned rates in test_results.py. Label information needs
# weights, which are not kept.
ELSEWHERE = {
    "solar-cells": ("[2.5, 5.3]", "[+2.5, +5.3]", "[+10.0, +14.2]"),
    "finetune-cifar100-tuning": (
        *("[-0.8, +1.6]", "[-3.0, -0.5]", "[-2.8, -0.3]", "[+0.7, +3.3]", "[0.7, 3.3]"),
        *("[-0.1, +2.5]", "[-0.5, +2.1]", "[-1.3, +1.3]"),
        *("[+0.5, +2.3]", "[+0.7, +2.5]", "[-0.1, +1.8]", "[+0.2, +2.0]", "[0.2, 2.0]", "[-0.6, +1.1]"),
    ),
    "cifar100-wrn10-1-rates": ("[-0.08, +0.28]", "[-0.54, -0.22]"),
}


def sections(page: Path) -> Iterator[tuple[str, set[str]]]:
    """Text below each heading, and the folders of runs that it names, or that its page is on."""
    folders = {path.name for path in RESULTS.iterdir() if path.is_dir()}
    for part in re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        named = {*re.findall(r"results/([\w-]+)", part), part.split("\n")[0], page.parent.name}
        yield part, named & folders


def triples(rows: Sequence[dict], *keys: str, scale: float = 1) -> list[Triple]:
    a, b, c = keys
    return [
        (scale * float(row[a]), scale * float(row[b]), scale * float(row[c]))
        for row in rows
        if row[b] not in ("", None)
    ]


@cache
def known(folder: str) -> list[Triple]:
    """Estimates with intervals that the files of a grid hold; gains in points."""
    home, rows = RESULTS / folder, [row for row in EXPECTED if row["grid"] == folder]
    found = triples(rows, "gain", "gain_low", "gain_high", scale=100)
    found += triples(rows, "floor_n_degraded", "floor_n_degraded_low", "floor_n_degraded_high")
    for path in home.glob("paper/claims.csv"):
        with path.open(encoding="utf-8") as file:
            found += triples([*csv.DictReader(file)], "estimate", "low", "high")
    for path in home.glob("explain.json"):
        for arm in json.loads(path.read_text(encoding="utf-8"))["arms"].values():
            found += triples(arm["predictors"], "correlation", "low", "high")
    for path in home.glob("against-itself.md"):
        printed = [match.groups() for match in INTERVAL.finditer(path.read_text(encoding="utf-8"))]
        found += [(float(m), float(a), float(b)) for m, a, b in printed if m is not None]
    for path in home.glob("arms.json"):
        with TemporaryDirectory() as copy:  # the answer is written beside the runs
            runs = shutil.copytree(home, Path(copy) / folder)
            arms = json.loads(path.read_text(encoding="utf-8"))["arms"]
            rows = [asdict(one) for one in answer_runs(runs, arms)]
        for key in ("spared", "rest", "macro", "accuracy"):
            found += triples(rows, key, f"{key}_low", f"{key}_high", scale=100)
    return found


@cache
def of_classes(grid: str) -> list[Triple]:
    """Changes of single classes, in points."""
    keys = ("recall_change", "recall_change_low", "recall_change_high")
    tables = [c.classes for c in audited(grid).comparisons]
    rows = [dict(zip(keys, row)) for table in tables for row in zip(*(table[key] for key in keys))]
    return triples(rows, *keys, scale=100)


def fits(printed: Printed, triple: Triple) -> bool:
    """Whether the printed numbers are these, rounded, or these with the other sign."""
    middle, low, high = triple
    near = lambda text, x: abs(float(text) - x) <= 0.5001 * 10 ** -len(text.partition(".")[2])  # noqa: E731
    either = ((middle, low, high), (-middle, -high, -low))
    return any(all(t is None or near(t, x) for t, x in zip(printed, numbers)) for numbers in either)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_interval_is_one_of_the_runs(page: Path) -> None:
    stale = []
    for text, folders in sections(page):
        for printed, whole in ((match.groups(), match.group()) for match in INTERVAL.finditer(text)):
            if any(fits(printed, t) for folder in folders for t in known(folder)):  # pyright: ignore
                continue
            if any(whole.endswith(ELSEWHERE.get(folder, "none")) for folder in folders):
                continue
            if not any(fits(printed, t) for grid in folders & {*GRIDS} for t in of_classes(grid)):  # pyright: ignore
                stale.append((whole, sorted(folders)))
    assert not stale


ALIASES = {
    "tokenmix4x4cells": "tokenmix grid=4",
    "onerate04": "wordmixup r=0.4 unit=sample",
    "tailoredrates": "rates=tailored",
    "thesameratesinverted": "rates=inverted",
}
COLUMNS = {
    "lower recall": "n_degraded",
    "hurt": "n_hurt",
    "safe": "n_safe",
    "guaranteed hurt": "n_hurt_low",
    "hurt, guaranteed at 95 %": "n_hurt_low",
}


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def arm_of(label: str, grid: str) -> dict[str, str] | None:
    """The expected numbers of the arm against vanilla that a table's first cell names."""
    wanted = ALIASES.get(slug(label), "nothing")
    for row in (row for row in EXPECTED if row["grid"] == grid and row["baseline"] == "vanilla"):
        if row["arm"].endswith(wanted) or slug(arm_title(row["arm"]).replace(" + DropMix", "")) == slug(label):
            return row
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_count_of_a_table_is_that_of_the_runs(page: Path) -> None:
    read = 0
    for text, folders in sections(page):
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            head, _, *lines = [
                [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
            ]
            for cells in lines:
                row = next((row for grid in folders & {*GRIDS} if (row := arm_of(cells[0], grid))), None)
                for name, cell in zip(head, cells):
                    if name in COLUMNS and row is not None:
                        read += 1
                        assert cell.split()[0] == row[COLUMNS[name]], (name, cells)
                    if name.startswith("accuracy (sd") and row is not None:
                        shown = cell.split()[0]
                        decimals = len(shown.partition(".")[2])
                        assert shown == f"{100 * float(row['accuracy_treated']):.{decimals}f}", cells
    hurt = "| hurt |" in page.read_text(encoding="utf-8")
    assert (read >= 8) == hurt


SENTENCES = [
    (FOUND, "solar-cells", "seeds_treated", "five folds, 2,624 cells, {} seeds", "cutmix"),
    (FOUND, "banking77", "seeds_treated", "{} seeds per arm (`results/banking77`)", "wordmixup"),
    (FOUND, "banking77", "n_hurt", "{} and {} of 77 intents are hurt", "wordmixup", "senmixup"),
    (FOUND, "banking77", "n_safe", "{} and {} are shown to be safe", "wordmixup", "senmixup"),
    (FOUND, "banking77-10", "seeds_treated", "(`results/banking77-10`, {} seeds)", "wordmixup"),
    (FOUND, "banking77-10", "n_hurt", "and {} and {} intents are hurt, by", "wordmixup", "senmixup"),
    (FOUND, "banking77-10", "n_degraded", "{} and {} intents have a lower mean recall", "wordmixup", "senmixup"),
    (FOUND, "clinc150", "seeds_treated", "{} seeds per arm (`results/clinc150`)", "wordmixup"),
    (FOUND, "clinc150", "n_hurt", "{} and {} intents are hurt, by 2 to", "wordmixup", "senmixup"),
    (FOUND, "clinc150", "n_safe", "and {} and {} are safe", "wordmixup", "senmixup"),
    (
        FOUND,
        "clinc150",
        "n_hurt",
        "hurts {}, sentence mixing costs 0.2 and hurts {}",
        "wordmixup r=0.4",
        "senmixup r=0.4",
    ),
    (FOUND, "clinc150-10", "seeds_treated", "(`results/clinc150-10`, {} seeds)", "wordmixup"),
    (FOUND, "clinc150-10", "n_hurt", "yet {} and {} of 150 intents are hurt", "wordmixup", "senmixup"),
    (FOUND, "clinc150-10", "n_hurt", "and {} and {} intents are hurt. ", "wordmixup r=0.4", "senmixup r=0.4"),
    (FOUND, "clinc150-imbalanced", "seeds_treated", "(`results/clinc150-imbalanced`, {} seeds)", "wordmixup"),
    (FOUND, "finetune-cifar100", "seeds_treated", "10,000 test images, {} seeds (`results/finetune", "mixup"),
    (
        FOUND,
        "finetune-cifar100",
        "n_hurt",
        "hurts {} of 100 classes by 8 to 14 points, CutMix {} by",
        "mixup",
        "cutmix",
    ),
    (FOUND, "finetune-cifar100", "n_hurt", "and hurts {} class, Mixup hurts {}.", "cutmix r=0.4", "mixup r=0.4"),
    (FOUND, "finetune-cifar100-methods", "seeds_treated", "ten methods and {} seeds", "mixup"),
    (FOUND, "cifar100-wrn10-2", "seeds_treated", "{} seeds per arm (`results/cifar100-wrn10-2`)", "mixup"),
    (FOUND, "cifar100-wrn10-2", "n_degraded", "{} of 100 classes have a lower mean recall", "mixup"),
    (FOUND, "cifar100-wrn10-1-rates", "seeds_treated", "{} seeds per arm (`results/cifar100-wrn10-1-rates`", "mixup"),
    (FOUND, "cifar100-wrn10-2-50-epochs", "seeds_treated", "{} seeds per arm (`results/cifar100-wrn10-2-50", "mixup"),
    (FOUND, "finetune-cifar100-hybrid", "n_hurt", "hurt {}, {} and {}.", "cutmix", "transmix", "tokenmix grid=4"),
    (RESULTS / "README.md", "clinc150", "n_hurt", "hurts {} and {} intents", "wordmixup", "senmixup"),
    (RESULTS / "README.md", "finetune-cifar100", "n_hurt", "they hurt {} and {} of 100 classes", "mixup", "cutmix"),
]
SPELT = "two three four five six seven eight nine ten eleven twelve"
WORDS: dict[str, str] = {word: str(number) for number, word in enumerate(SPELT.split(), 2)}


def in_digits(text: str) -> str:
    """A text on one line, with its numbers up to twelve in digits."""
    return re.sub(r"\b[a-z]+\b", lambda word: WORDS.get(word.group(), word.group()), " ".join(text.split()))


@pytest.mark.parametrize(("page", "grid", "key", "said", "arms"), [(*row[:4], row[4:]) for row in SENTENCES])
def test_counts_in_sentences_are_those_of_the_runs(page: Path, grid: str, key: str, said: str, arms: tuple) -> None:
    numbers = {row["arm"]: row[key] for row in EXPECTED if row["grid"] == grid and row["baseline"] == "vanilla"}
    said = in_digits(said.format(*(numbers[arm] for arm in arms)))
    assert said in in_digits(page.read_text(encoding="utf-8")), said


def test_the_first_page_tells_the_loss_on_solar_cells() -> None:
    (gain,) = (float(row["gain"]) for row in EXPECTED if (row["grid"], row["arm"]) == ("solar-cells", "cutmix"))
    for page in ("README.md", "docs/index.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert f"accuracy falls by {-100 * gain:.1f} points" in text
