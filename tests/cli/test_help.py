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


def test_summaries_are_wrapped_on_a_narrow_terminal() -> None:
    context = (group := typer.main.get_command(app)).make_context("dropmix", [], resilient_parsing=True)
    context.terminal_width = 60
    lines = group.get_help(context).splitlines()
    assert max(map(len, lines)) <= 60
    assert not [line for line in lines if line.endswith("...") and "ARGS" not in line]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("audti", "dropmix: No such command 'audti'. Did you mean 'audit'?"),
        ("zzz", "dropmix: No such command 'zzz'. See dropmix --help."),
        ("audit", "dropmix: Missing argument 'baseline'. See dropmix audit --help."),
        ("paper zzz", "dropmix: No such command 'zzz'. See dropmix paper --help."),
        ("status . --zzz", "dropmix: No such option: --zzz. See dropmix status --help."),
    ],
)
def test_words_that_nothing_takes_are_one_line(words, line, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["dropmix", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [line]
