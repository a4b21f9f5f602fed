"""The first page: short, complete, and true. Its code and commands run in test_docs.py."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
STATUSES = TEXT[TEXT.index("**Exit statuses**") :].split("\n\n")[0]


def test_it_is_short() -> None:
    assert len(TEXT.split()) <= 1200


def test_the_first_screen_has_the_picture_and_the_two_commands() -> None:
    first = TEXT.split("\n## ")[0]
    assert "](docs/images/" in first
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["demo", "test"]


def test_three_doors() -> None:
    assert len(re.findall(r"^### \d\. ", TEXT, re.MULTILINE)) == 3


def test_exit_statuses_are_those_of_the_commands_page() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)
    assert [status for status, _ in listed] == ["0", "1", "2", "3", "75", "130", "143"]
    assert re.findall(r"\b(\d+), ", STATUSES) == ["0", "1", "2", "3", "75"]


def test_the_tree_for_contributors_matches_the_folders() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text[text.index("## Layout") :].split("```")[1].splitlines()[1:]
    inner = {line.split()[0].rstrip("/") for line in tree if line.startswith("  ")}
    outer = {line.split()[0].rstrip("/") for line in tree if not line.startswith("  ")}
    assert inner == {path.parent.name for path in ROOT.glob("src/dropmix/*/__init__.py")}
    assert outer - {"src/dropmix"} <= {path.name for path in ROOT.iterdir()}
    assert outer >= {path.name for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."}
