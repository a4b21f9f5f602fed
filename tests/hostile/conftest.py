"""A command run as a user runs it, in little memory: what is refused must be refused cheaply."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (2_000_000_000, 2_000_000_000))


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Run a command that must be refused: exit status 2 and one line, which it returns."""

    def run(*words: str, cwd: Path = tmp_path, names: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "dropmix", *words],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=_limit,
        )
        said = result.stderr.strip()
        assert result.returncode == 2, (result.returncode, said[-500:])
        assert len(said.splitlines()) == 1, said[-1500:]
        assert len(said) < 500, said[-1500:]
        assert names in said, said
        return said

    return run
