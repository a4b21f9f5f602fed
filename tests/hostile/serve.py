"""Runs commands one after the other, each in a fork of a process that has imported everything once.

Reads one JSON object per line, {"words": [...], "cwd": ..., "env": {...}, "seconds": ..., "stdout": ..., "disk": ...};
answers {"status": ..., "peak": bytes, "busy": seconds of processor time}. What a command prints goes to the files
stdout and stderr beside its folder. "disk" is the size that no file may reach, as on a full disk.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time

import dropmix.audit
import dropmix.cli
import dropmix.report


def obey_permissions() -> None:
    """Give up what lets root open any file, so that a file without permissions is closed to the command."""
    libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for at in (0, 1):  # effective and permitted: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
        sets[at] &= ~0b110
    libc.capset(header, sets)


def child(job: dict) -> None:
    os.setsid()
    os.chdir(job["cwd"])
    obey_permissions()
    if job.get("disk"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["disk"],) * 2)
    for number, name in ((1, job.get("stdout") or "../stdout"), (2, "../stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(job["env"])
    encoding = job["env"].get("PYTHONIOENCODING", "utf-8")
    sys.stdout, sys.stderr = (
        os.fdopen(n, "w", encoding=encoding, errors=errors) for n, errors in ((1, "strict"), (2, "backslashreplace"))
    )
    sys.__stdout__ = sys.stdout  # type: ignore[misc]
    sys.argv = ["dropmix", *job["words"]]
    try:
        dropmix.cli.main()
    except SystemExit as left:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(left.code or 0 if isinstance(left.code, int | None) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(97)


def measured(job: dict) -> dict:
    pid, end = os.fork(), time.monotonic() + job["seconds"]
    if pid == 0:
        child(job)
    while True:
        gone, status, use = os.wait4(pid, os.WNOHANG)
        if gone:
            busy = use.ru_utime + use.ru_stime
            return {"status": os.waitstatus_to_exitcode(status), "peak": use.ru_maxrss * 1024, "busy": busy}
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(measured(json.loads(line))) + "\n")
        answers.flush()
