"""`dropmix` alone, as people first call it."""

from typing import Any

import pytest
import typer.main

from dropmix.cli import COMMANDS, app, main


def test_no_arguments_show_the_help_line_by_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["dropmix"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith("Usage: ")
    assert any(line.split()[:1] == ["audit"] for line in shown)


def commands_of(group, width: int = 80) -> list[tuple[str, str]]:
    """Each command of a help page that is `width` columns wide, with its summary."""
    context = group.make_context("dropmix", [], resilient_parsing=True)
    context.terminal_width = width
    lines = group.get_help(context).split("Commands:\n")[1].splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


@pytest.mark.parametrize("name", [None, "paper"])
def test_no_summary_is_cut_at_80_columns(name) -> None:
    group: Any = typer.main.get_command(app)
    group = group.commands[name] if name else group
    shown = commands_of(group)
    assert [command for command, _ in shown] == group.list_commands(None)
    assert not [summary for _, summary in shown if len(summary) > 60 or not summary.endswith(".")]
    assert not [summary for _, summary in shown if summary.endswith("...")]


def test_commands_come_in_the_order_of_work() -> None:
    shown = [command for command, _ in commands_of(typer.main.get_command(app))]
    assert shown == [name.replace("_", "-") for name in COMMANDS]
    assert shown[:6] == ["demo", "run", "status", "report", "audit", "select"]
