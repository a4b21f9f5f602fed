"""What the pages say is true: their code runs, their commands parse, their tables match the package."""

import contextlib
import importlib
import io
import json
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from dropmix.cli import COMMANDS, app
from dropmix.msda import METHODS
from dropmix.recipes import RECIPES, get_recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/README.md")]
    if page.name not in ("LOG.md", "CHANGELOG.md") and "_build" not in page.parts
)
GROUP: Any = typer.main.get_command(app)


def blocks(language: str) -> Iterator[tuple[str, str, str | None]]:
    """Page, code and shown output (or None) of every block in a language."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"```{language}\n(.*?)```(?:\n```text\n(.*?)```)?", text, re.DOTALL):
            yield str(page.relative_to(ROOT)), found[1], found[2]


def shell_lines() -> Iterator[tuple[str, str]]:
    """Page and command, lines joined where they end in a backslash, without comments."""
    for page, code, _ in blocks("(?:sh|bash)"):
        for line in code.replace("\\\n", " ").splitlines():
            if line.split("#")[0].strip():
                yield page, line.split("  #")[0].strip()


# The blocks of "In your loop" follow on each other and need hosts: tests/integrations/test_page.py runs them.
PYTHON = [block for block in blocks("python") if block[0] != "docs/in-your-loop.md"]
DROPMIX = [(page, line) for page, line in shell_lines() if line.startswith("dropmix")]
MAKE = [(page, line) for page, line in shell_lines() if line.startswith("make")]


def cells(page: str, header: str) -> list[list[str]]:
    """Rows of the table whose header starts so, cell by cell, without links and backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = text[text.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", line).replace("`", "") for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in plain]


@pytest.mark.parametrize(("page", "code", "shown"), PYTHON, ids=[page for page, _, _ in PYTHON])
def test_python_blocks_run_and_print_what_is_shown(page, code, shown, monkeypatch, tmp_path) -> None:
    for module in re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path)
    if "model.safetensors" in code:
        write_exported(tmp_path / "model.safetensors")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, page, "exec"), {"__name__": "page"} | (a_loop(page) if takes_a_loop(page) else {}))
    if shown is not None:
        assert printed.getvalue() == shown


def write_exported(path: Path) -> None:
    """The file of an exported network, as its page reads it."""
    import timm
    from safetensors.torch import save_file

    net = timm.create_model("resnet18", num_classes=4, in_chans=3)
    save_file(net.state_dict(), path, metadata={"dropmix": json.dumps({"make": "timm.create_model(...)"})})


def takes_a_loop(page: str) -> bool:
    return "docs/methods/" in page or page == "docs/text.md"


def a_loop(page: str) -> dict[str, Any]:
    """Names that the cards use without defining them: images and labels, a network, a loader."""
    import torch

    from dropmix.nets import build

    x, y, net = torch.rand(4, 3, 32, 32), torch.arange(4), build("wrn10-1", 100)
    known = {
        "x": x,
        "y": y,
        "images": x,
        "labels": y,
        "net": net,
        "model": net,
        "teacher": net,
        "loader": [(x, y)],
        "torch": torch,
    }
    if "text" in page:
        from dropmix.text.networks import build_text

        net = build_text("textcnn", 77, 30)
        net.encoder, net.head = net.stages[1:]
        known |= {"ids": torch.randint(1, 30, (4, 12)), "net": net}
    return known | {"MEAN": (0.5,) * 3, "STD": (0.25,) * 3, "cross_entropy": torch.nn.functional.cross_entropy}


def write_predictions(folder: Path) -> None:
    """The files of predictions that pages speak of."""
    rows = [f"{arm},{seed},{i},{i % 4},{(i + (i * seed) % 7 // 6) % 4}" for arm, seed, i in grid_of_rows()]
    for name in ("base", "mixup"):
        lines = [row.removeprefix(f"{name},") for row in rows if row.startswith(f"{name},")]
        table = [line.split(",") for line in lines]
        write_parquet(folder / f"{name}.parquet", name, table)


def grid_of_rows() -> Iterator[tuple[str, int, int]]:
    return ((arm, seed, i) for arm in ("base", "mixup") for seed in range(3) for i in range(40))


def write_parquet(path: Path, arm: str, table: list[list[str]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names = ("seed", "example_id", "label", "pred")
    columns = {name: [int(row[i]) for row in table] for i, name in enumerate(names)}
    parquet.write_table(pa.table({"arm": [arm] * len(table), **columns}), path)


@pytest.mark.parametrize(("page", "line"), DROPMIX)
def test_commands_parse(page: str, line: str) -> None:
    group, (_, name, *arguments) = GROUP, shlex.split(line)
    if hasattr(group.commands[name], "commands"):
        group, (name, *arguments) = group.commands[name], arguments
    group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize(("page", "line"), [(p, line) for p, line in DROPMIX if line.startswith("dropmix run")])
def test_commands_name_settings_that_exist(page: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dropmix.cli.options import grid_of

    monkeypatch.chdir((ROOT / page).parent)  # a file of a network lies beside the page that names it
    given = GROUP.commands["run"].make_context("run", shlex.split(line)[2:]).params
    if given["config"] or given["recipe"] == "command" or "$" in line:
        return
    names = ("recipe", "preset", "methods", "rates", "seeds", "epochs", "train_per_class")
    assert grid_of({n: given[n] for n in names if given[n] is not None}, given["set_"] or [], {}).runs


GRIDS = [(page, code) for page, code, _ in blocks("yaml") if re.search("^recipe:", code, re.MULTILINE)]


@pytest.mark.parametrize(("page", "code"), GRIDS, ids=[page for page, _ in GRIDS])
def test_grids_in_yaml_are_read(page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dropmix.cli.config_file import read_config
    from dropmix.cli.options import grid_of

    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    (tmp_path / "grid.yaml").write_text(code, encoding="utf-8")
    config = read_config(Path("grid.yaml"))
    if config["recipe"] == "command":
        shown = CliRunner().invoke(app, ["run", "--config", "grid.yaml", "--out", "runs", "--dry-run"])
        assert shown.exit_code == 0, shown.exception
        assert len(re.findall(r"\bnew\b", shown.stdout)) == config["seeds"] * len(config["arms"])
    else:
        assert {run.seed for run in grid_of({}, [], config).runs} == {*range(config["seeds"])}


def test_blocks_of_yaml_were_found() -> None:
    assert len(GRIDS) == 2  # others: a workflow, which tests/test_continuous_integration.py reads, and arms


@pytest.mark.parametrize(("page", "line"), MAKE)
def test_make_targets_exist(page: str, line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_blocks_were_found() -> None:
    assert len(PYTHON) >= len(METHODS) + 3
    assert len(DROPMIX) >= 20
    assert len(MAKE) >= 3


def test_commands_are_all_there_in_their_order() -> None:
    shown = [row[0].split()[1] for row in cells("docs/commands.md", "command")]
    assert shown == [name.replace("_", "-") for name in COMMANDS] == GROUP.list_commands(None)


def test_recipes_are_all_there() -> None:
    rows = cells("docs/recipes.md", "recipe")
    assert [row[0] for row in rows] == [*RECIPES]
    for name, _, network in rows:
        if name != "command":
            assert network == get_recipe(name).base.network


def test_the_gallery_is_new() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    renewed = runpy.run_path(str(ROOT / "docs" / "write_gallery.py"))["renewed"]
    assert renewed(text) == text, "the gallery is old: run `python docs/write_gallery.py`"
    assert re.findall(r"^`(\w+)`: ", text, re.MULTILINE) == [*METHODS]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)", text) if not link.startswith(("http", "#"))]
    assert not [link for link in links if not (page.parent / link).exists()]


def test_public_names_are_in_the_reference() -> None:
    """Functions and classes with their docstrings, tables of names in a sentence."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    documented = set(re.findall(r":: (dropmix\.[\w.]+)$", text, re.MULTILINE))
    for name in ("dropmix", *(f"dropmix.{part}" for part in ("audit", "data", "nets", "report", "text"))):
        public = importlib.import_module(name).__all__
        told = {entry.rpartition(".")[2] for entry in documented} | set(re.findall(r"`(?:dropmix\.)?([A-Z_]+)`", text))
        assert {*public} <= told, name


def test_the_reference_names_what_there_is() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for entry in re.findall(r":: (dropmix\.[\w.]+)$", text, re.MULTILINE):
        module, _, name = entry.rpartition(".")
        assert getattr(importlib.import_module(module), name).__doc__, entry


def test_the_table_of_methods_names_ours_and_what_peers_have() -> None:
    text = (ROOT / "docs" / "who-has-what.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    ours = {match[1]: row for row in rows[1:] if (match := re.fullmatch(r"`(\w+)`", row[1]))}
    assert ours.keys() - {"rate"} <= METHODS.keys()
    assert all(row[7] for row in ours.values())
    for column, module in ((3, "timm.data.mixup"), (4, "torchvision.transforms.v2")):
        if column == 3:
            pytest.importorskip("timm")
        named = {name for row in ours.values() for name in re.findall(r"`([A-Z]\w+)`", row[column])}
        host = importlib.import_module(module)
        more = {"NaFlexMixup": "timm.data.naflex_mixup"}
        assert all(hasattr(importlib.import_module(more.get(name, module)), name) for name in named)
        assert {name for name in ("CutMix", "MixUp", "Mixup") if hasattr(host, name)} <= named
