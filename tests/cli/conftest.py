"""The command line, called in this process."""

import pytest

from dropmix.cli import main


@pytest.fixture
def dropmix(monkeypatch, capfd, tmp_path):
    """Call the command line; returns exit status, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dropmix", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPMIX_CACHE", "off")
    return call
