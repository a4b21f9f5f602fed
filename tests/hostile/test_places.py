"""Places that are gone."""

import subprocess
import sys


def test_a_deleted_working_directory_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from dropmix.cli import main; main()"
    words = ["run", "digits", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == "dropmix: expected a working directory, got a deleted one. Change to another.\n"
    assert not (tmp_path / "out").exists()
