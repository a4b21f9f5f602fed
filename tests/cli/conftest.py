"""The command line, called in this process."""

import re
from typing import Any

import pytest
import typer.main

from dropmix.cli import app, main

OTHERS = {"--topk": "timm", "--head": "ray start"}  # options of other programs that errors name


def options_of(words: list[str]) -> set[str]:
    """The options of the command that a line begins with; none if it names no command."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return {name for parameter in command.params for name in parameter.opts} | {"--help", "--debug"}


def foreign_options(words: list[str], error: str) -> list[str]:
    """Options that an error advises, but that its command lacks, unless it names the command that has them."""
    named = options_of(words)
    for other in re.findall(r"\bdropmix ((?:[a-z-]+ ?){1,2})", error):
        named |= options_of(other.split())
    told = [name for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", error) if name not in words]
    return [name for name in told if name not in named and OTHERS.get(name, "\0") not in error]


@pytest.fixture
def dropmix(monkeypatch, capfd, tmp_path):
    """Call the command line; returns exit status, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dropmix", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert not foreign_options(list(map(str, arguments)), err), (arguments, err)
        return int(ended.value.code or 0), out, err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPMIX_CACHE", "off")
    return call
