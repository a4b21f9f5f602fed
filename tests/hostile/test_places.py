"""Places that are gone."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


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


@pytest.mark.parametrize("below", ["out", "deep/out"])
def test_the_folder_that_lacks_permission_is_named_and_not_what_was_to_be_in_it(refused, here, pair, below):
    (here / "box").mkdir(mode=0o555)
    said = refused("audit", *pair, "--out", f"box/{below}")
    assert said == "dropmix: box: expected permission to read or write it, got none. Change its permissions."


def test_a_closed_picture_is_not_to_be_removed(refused, here):
    for name in ("a/1", "a/2", "b/1", "b/2"):
        file = here / f"pictures/{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(ord(name[0])).integers(0, 256, (8, 8, 3), np.uint8)).save(file)
    (here / "pictures/b/2.png").chmod(0)
    said = refused("run", "folder", "--data", "pictures", "--out", "out", "--dry-run", names="b/2.png")
    assert "got Permission denied. Change its permissions" in said
    shutil.rmtree(here / "pictures")
