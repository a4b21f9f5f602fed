"""`dropmix` alone, as people first call it."""

import pytest

from dropmix.cli import main


def test_no_arguments_show_the_help_line_by_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["dropmix"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith("Usage: ")
    assert any(line.split()[:1] == ["audit"] for line in shown)
