"""Runs commands one after the other, each in a fork of a process that has imported everything once.

Reads one JSON object per line, {"words": [...], "cwd": ..., "env": {...}, "seconds": ..., "pipe": ...}; answers
{"status": ..., "peak": bytes}. What a command prints goes to the files stdout and stderr beside its folder.
"""

import json
import os
import signal
import sys
import time

import dropmix.audit
import dropmix.cli
import dropmix.report


def child(job: dict) -> None:
    os.setsid()
    os.chdir(job["cwd"])
    for number, name in ((1, job.get("stdout") or "../stdout"), (2, "../stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(job["env"])
    encoding = job["env"].get("PYTHONIOENCODING", "utf-8")
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding=encoding, errors="backslashreplace") for n in (1, 2))
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
            return {"status": os.waitstatus_to_exitcode(status), "peak": use.ru_maxrss * 1024}
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(measured(json.loads(line))) + "\n")
        answers.flush()
