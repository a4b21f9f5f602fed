import os
import signal

import pytest

from dropmix.train.files import write_atomic


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
