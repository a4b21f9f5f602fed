"""What the README says is true: its code runs, its commands parse, its tables and tree match the package."""

import contextlib
import io
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from dropmix.cli import app
from dropmix.msda import METHODS
from dropmix.recipes import RECIPES, get_recipe

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```(?:\n```text\n(.*?)```)?", TEXT, re.DOTALL)
PYTHON = [(code, said) for language, code, said in BLOCKS if language == "python"]
SHELL = [line.split("  #")[0] for language, code, _ in BLOCKS if language == "sh" for line in code.splitlines()]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]


def cells(header: str) -> list[list[str]]:
    """Rows of the table whose header starts so, cell by cell, without links and backticks."""
    lines = TEXT[TEXT.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", line).replace("`", "") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in plain]


@pytest.mark.parametrize("block", range(len(PYTHON)))
def test_python_blocks_run_and_print_what_is_shown(block: int) -> None:
    code, shown = PYTHON[block]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, f"README block {block}", "exec"), {})
    assert said.getvalue() == shown


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("dropmix")])
def test_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("dropmix run")])
def test_commands_name_settings_that_exist(line: str) -> None:
    from dropmix.cli.options import grid_of

    given = COMMANDS["run"].make_context("run", shlex.split(line)[2:]).params
    names = ("recipe", "preset", "methods", "rates", "seeds", "epochs", "train_per_class")
    assert grid_of({n: given[n] for n in names if given[n] is not None}, given["set_"] or [], {}).runs


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make")])
def test_make_targets_exist(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_blocks_were_found() -> None:
    assert len(PYTHON) >= 2
    assert len(SHELL) >= 8


def test_commands_are_all_there() -> None:
    assert sorted(row[0].split()[1] for row in cells("command")) == sorted(COMMANDS)


def test_recipes_are_all_there() -> None:
    assert [row[0] for row in cells("recipe")] == [*RECIPES]
    for name, _, network in cells("recipe"):
        assert network == get_recipe(name).base.network


def test_methods_are_all_there() -> None:
    assert [row[0] for row in cells("method")] == [*METHODS]
    renewed = runpy.run_path(str(ROOT / "docs" / "methods_table.py"))["renewed"]
    assert renewed(TEXT) == TEXT, "the table of methods is old: run `python docs/methods_table.py`"


def test_tree_matches_the_folders() -> None:
    tree = TEXT[TEXT.index("## What lies where") :].split("```")[1].splitlines()[1:]
    inner = {line.split()[0].rstrip("/") for line in tree if line.startswith("  ")}
    outer = {line.split()[0].rstrip("/") for line in tree if not line.startswith("  ")}
    assert inner == {path.parent.name for path in ROOT.glob("src/dropmix/*/__init__.py")}
    assert outer - {"src/dropmix"} <= {path.name for path in ROOT.iterdir()}
    assert outer >= {path.name for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."}


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if not link.startswith("https://")]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]
