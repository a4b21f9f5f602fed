"""A worker whose files the system refuses: the cause in words, nothing half, and the run goes on."""

import errno
import os
from pathlib import Path

import pytest

from dropmix.grid.local import GridSettings, job_of
from dropmix.grid.store import create_run, inspect_run
from dropmix.grid.worker import attempt

from ..train.helpers.toy import make_dataset, make_spec
from .test_local import outcome

SPEC = make_spec(epochs=2)
REFUSED = [
    ("spec.json", errno.EDQUOT, "expected free disk space, got none of your quota."),
    ("checkpoint.pt.new", errno.ENOSPC, "expected free disk space, got none."),
    ("metrics.jsonl", errno.EROFS, "expected a place that can be written, got a read-only file system."),
    ("predictions.parquet", errno.EACCES, "expected permission to read or write it, got none."),
    ("weights.pt", errno.EIO, "expected it to be read or written, got: Input/output error."),
    ("done", errno.ENOSPC, "expected free disk space, got none."),
]


def train(out: Path) -> dict:
    job = job_of(SPEC, GridSettings(out, checkpoint_seconds=0), "cpu")
    return attempt(job, lambda _: make_dataset(), lambda: False, lambda *_: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert train(out)["state"] == "done"
    return out / SPEC.folder_name


@pytest.mark.parametrize(("name", "number", "words"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_a_file_that_cannot_be_written_is_named_and_the_run_goes_on(tmp_path, whole, name, number, words, monkeypatch):
    def fsync(descriptor, real=os.fsync):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(f"/.{name}.tmp"):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    folder = tmp_path / SPEC.folder_name
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        ended = train(tmp_path)
    assert ended["state"] == "failed"
    where = folder if number == errno.EACCES and not (folder / name).exists() else folder / name
    assert ended["cause"].startswith(f"{where}: {words} ")
    assert (folder / "failed").read_text() == ended["cause"] + "\n"
    assert not (folder / name).exists()
    assert not [*folder.glob(".*")]
    assert inspect_run(folder).state == ("new" if name == "spec.json" else "failed")
    assert train(tmp_path)["state"] == "done"
    (w1, p1, m1), (w2, p2, m2) = outcome(whole), outcome(folder)
    assert all(w1[key].equal(w2[key]) for key in w1)
    assert (p1, m1) == (p2, m2)


def test_a_cause_that_could_not_be_noted_is_said(tmp_path):
    folder = create_run(tmp_path, SPEC)
    (folder / "failed").write_text("")  # as a full disk leaves it
    assert (inspect_run(folder).state, inspect_run(folder).cause) == ("failed", "why could not be written; run again")
