"""Every command that a page shows runs here on invented data, or in the tests that `ELSEWHERE` names for it."""

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/README.md")]
ELSEWHERE = {  # commands that need runs, networks or scores, and the tests that give them some
    "run": "tests/test_docs.py",  # settings of every line
    "status": "tests/cli/test_errors.py",
    "report": "tests/cli/commands/test_report.py",
    "select": "tests/cli/commands/test_select.py",
    "tailor": "tests/cli/studies/test_tailor.py",
    "label-info": "tests/cli/studies/test_label_info.py",
    "export": "tests/cli/commands/test_export.py",
    "explain": "tests/studies/test_explain.py",
    "paper": "tests/cli/commands/test_paper.py",
    "resize": "tests/cli/commands/test_resize.py",
}
FILES = ("base", "mixup", "vanilla", "cutmix", "dropmix")


def commands() -> list[str]:
    """All lines of shell blocks that call dropmix, each once."""
    found = []
    for page in sorted(PAGES):
        if page.name not in ("LOG.md", "CHANGELOG.md"):
            for block in re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
                lines = block.replace("\\\n", " ").splitlines()
                found += [" ".join(line.split("  #")[0].split()) for line in lines if line.startswith("dropmix ")]
    return list(dict.fromkeys(found))


RUNS = [line for line in commands() if line.startswith("dropmix run ") and "$" not in line]
AUDITS = [line for line in commands() if re.match(r"dropmix audit (?:base|vanilla)\.parquet ", line)]
SHOWS = [line for line in commands() if line.startswith("dropmix show ")]
GRIDS = [line for line in commands() if re.match(r"dropmix audit (?:results|runs)/|dropmix audit old |.*\$", line)]
LOOPS = [line for line in commands() if line.startswith("dropmix audit vanilla-*")]  # tests/integrations/test_page.py


def test_every_command_is_run_by_a_test() -> None:
    known = {*RUNS, *AUDITS, *SHOWS, *GRIDS, *LOOPS}
    known |= {line for line in commands() if line.split()[1] in ELSEWHERE and line not in known}
    csv_audit = [line for line in commands() if line.startswith("dropmix audit ResNet50.csv ")]
    assert [line for line in commands() if line not in {*known, *csv_audit}] == []
    assert len(RUNS) > 15
    assert len(AUDITS) > 5
    for name, test in ELSEWHERE.items():
        assert re.search(rf"\b{name}\b", (ROOT / test).read_text(encoding="utf-8")), (name, test)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with every data set and file that the pages name, small."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for folder, classes in (("photos", "daisy rose fox lynx"), ("solar", "mono-broken poly-broken good")):
        for name in classes.split():
            (root / folder / name).mkdir(parents=True)
            for n in range(1, 16):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(
                    root / folder / name / f"{n}.jpg"
                )
    write_predictions(root)
    return root


def write_predictions(root: Path) -> None:
    rng, names = np.random.default_rng(1), np.array(["fox", "lynx", "1", "3"])
    label = rng.integers(0, 4, 200)
    for file in FILES:
        numbers = file in ("base", "mixup")
        tables = []
        for seed in range(3):
            pred = np.where(rng.random(200) < 0.8, label, rng.integers(0, 4, 200))
            show = (lambda v: v) if numbers else (lambda v: names[v])
            columns = {"arm": [file] * 200, "seed": [seed] * 200, "example_id": np.arange(200)}
            tables.append(pa.table(columns | {"label": show(label), "pred": show(pred), "camera": ["a", "b"] * 100}))
            tables[-1] = tables[-1].append_column("patient", pa.array(np.arange(200) // 2))
        pq.write_table(pa.concat_tables(tables), root / f"{file}.parquet")
    (root / "parents.csv").write_text("class,superclass\n0,a\n1,a\n2,b\n3,b\n")
    (root / "counts.csv").write_text("class,count\n0,10\n1,20\n2,30\n3,40\n")
    about = [f"{i},{'north' if i % 2 else 'south'},P{i // 2}" for i in range(200)]
    (root / "about.csv").write_text("\n".join(["id,hospital,patient", *about]) + "\n")


@pytest.mark.parametrize("line", AUDITS)
def test_documented_audits_run(dropmix, data, monkeypatch, line) -> None:
    monkeypatch.chdir(data)
    status, out, err = dropmix(*shlex.split(line)[1:])
    assert status in (0, 3), err  # 3: the rule holds, or the arm is not shown to be safe
    assert out


@pytest.mark.parametrize("line", SHOWS)
def test_documented_pictures_are_drawn(dropmix, data, monkeypatch, line) -> None:
    monkeypatch.chdir(data)
    status, _, err = dropmix(*shlex.split(line)[1:])
    assert status == 0, err
    assert (data / "cutmix.png").is_file()
