"""Which modules an import or `--help` loads, seen from a fresh interpreter."""

import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

HEAVY = ("torch", "torchvision", "matplotlib", "pyarrow", "scipy", "sklearn", "pandas", "jinja2", "yaml")


def loaded(code: str) -> set[str]:
    """Top-level modules that are loaded when `code` has run in an interpreter of its own."""
    tell = "\nimport sys\nprint('\\n' + ' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["dropmix", "dropmix.audit", "dropmix.report", "dropmix.msda", "dropmix.cli"])
def test_import_brings_no_torch(module: str) -> None:
    assert not loaded(f"import {module}") & {"torch", "torchvision"}


def test_import_of_the_top_brings_nothing_else() -> None:
    assert not loaded("import dropmix") & {*HEAVY, "numpy", "typer"}


def test_torch_comes_with_the_first_name_that_needs_it() -> None:
    assert "torch" in loaded("import dropmix\ndropmix.DropMix")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["audit", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["dropmix", *{arguments!r}]
from dropmix.cli import main
try:
    main()
except SystemExit as left:
    assert left.code == 0, left.code"""
    assert not loaded(code) & {*HEAVY, "numpy"}


@pytest.mark.parametrize("wanted", ["--json", "--out"])
def test_an_audit_of_files_loads_only_what_it_needs(tmp_path: Path, wanted: str) -> None:
    for arm in ("vanilla", "mixup"):
        columns = {"label": [0, 1] * 20, "pred": [0, 1] * 20, "arm": pa.array([arm] * 40).dictionary_encode()}
        parquet.write_table(
            pa.table(columns | {"seed": [1] * 20 + [2] * 20, "example_id": [*range(20)] * 2}),
            tmp_path / f"{arm}.parquet",
        )
    files = [str(tmp_path / f"{arm}.parquet") for arm in ("vanilla", "mixup")]
    arguments = ["--json"] if wanted == "--json" else ["--out", str(tmp_path / "out")]
    code = f"""
import sys
sys.argv = ["dropmix", "audit", *{files!r}, *{arguments!r}]
from dropmix.cli import main
try:
    main()
except SystemExit as left:
    assert left.code == 0, left.code
assert "scipy.optimize" not in sys.modules
assert "scipy.stats" not in sys.modules"""
    page = {"matplotlib", "jinja2"} if wanted == "--json" else set()
    assert not loaded(code) & {"torch", "torchvision", "sklearn", "pandas", *page}


def test_status_loads_nothing_heavy() -> None:
    folder = Path(__file__).parents[1] / "results" / "banking77"
    code = f"""
import sys
sys.argv = ["dropmix", "status", {str(folder)!r}]
from dropmix.cli import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code"""
    assert not loaded(code) & {*HEAVY, "numpy"}


def test_help_costs_little_more_than_typer() -> None:
    help_ = "import sys; sys.argv = ['dropmix', '--help']; from dropmix.cli import main; main()"
    assert best_cpu_seconds(help_) < 2 * best_cpu_seconds("import typer")


def best_cpu_seconds(code: str, repeats: int = 5) -> float:
    """Processor time of a fresh interpreter: unlike time on the clock, it hardly depends on what else runs."""
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_every_public_name_is_there() -> None:
    code = "import dropmix\nfor name in dropmix.__all__: getattr(dropmix, name)\nassert len(dropmix.__all__) <= 15"
    assert "dropmix" in loaded(code)
