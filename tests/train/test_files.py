import errno
import os
import signal
from pathlib import Path

import pytest
import torch

from dropmix.train.files import refusal, write_atomic


def test_writes_bytes_and_by_function(tmp_path):
    write_atomic(tmp_path / "a", b"one")
    write_atomic(tmp_path / "a", lambda file: file.write(b"two"))
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    write_atomic(tmp_path / "a", b"old")

    def full_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a", full_disk)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_killed_while_writing_keeps_the_old_file(tmp_path, call, monkeypatch):
    write_atomic(tmp_path / "a", b"old")
    child = os.fork()
    if not child:
        monkeypatch.setattr(
            "os." + call if call == "fsync" else "pathlib.Path.replace", lambda *a: os.kill(os.getpid(), 9)
        )
        write_atomic(tmp_path / "a", b"new")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (tmp_path / "a").read_bytes() == b"old"


SAID = {
    errno.ENOSPC: "a: expected free disk space, got none. Free some",
    errno.EDQUOT: "a: expected free disk space, got none of your quota. Free some",
    errno.EROFS: "a: expected a place that can be written, got a read-only file system. Choose another path.",
    errno.EACCES: "a: expected permission to read or write it, got none. Change its permissions.",
    errno.EIO: "a: expected it to be read or written, got: Input/output error. Check the disk, then run again.",
}


class Refusing:
    """A file that the system stops writing."""

    def __init__(self, number: int):
        self.number = number

    def write(self, content):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", SAID)
@pytest.mark.parametrize("step", ["open", "write", "torch", "fsync", "replace"])
def test_a_refusal_at_any_step_names_the_file_the_reason_and_what_to_do(tmp_path, step, number, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), *([".a.tmp"] if step == "open" else []))

    write = {
        "write": lambda file: Refusing(number).write(b"x"),
        "torch": lambda file: torch.save({"a": torch.zeros(9)}, Refusing(number)),
    }.get(step, b"new")
    write_atomic(tmp_path / "a", b"old")
    with monkeypatch.context() as patch:
        if step in ("open", "replace"):
            patch.setattr(Path, step, refuse)
        elif step == "fsync":
            patch.setattr(os, step, refuse)
        with pytest.raises(OSError, match="a") as told:
            write_atomic(tmp_path / "a", write)
    assert refusal(told.value).startswith(f"{tmp_path}/{SAID[number]}")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_no_system_refused_is_left_to_others():
    assert refusal(ValueError("x")) == refusal(OSError("x")) == ""
