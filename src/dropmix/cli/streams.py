"""The standard streams and signals that a command begins with, whatever the shell or the scheduler left of them."""

import codecs
import io
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # exit statuses, as shells count
_RAISED: list[int] = []
PLAIN = {
    "\u2026": "...",
    "\u2191": "^",
    "\u2193": "v",
    "\u0394": "d",
    "\u00b1": "+-",
    "\u00d7": "x",
    "\u2013": "-",
    "\u2501": "=",
    "\u254c": "-",
}
"""Signs of our own tables for terminals without them; other letters are shown as escapes."""
SOON = 0.05  # seconds until an interrupt that came in an import is tried again


class _Pipe(io.FileIO):
    """Standard output whose reader may leave, as `head -1` does: the rest of the text goes nowhere.

    The command goes on: its files are written whole, and its exit status stays that of the decision. Any other failure,
    such as a full disk, is raised once, and not again when the interpreter ends.
    """

    lost = False

    def write(self, data: Any, /) -> int:
        if not self.lost:
            try:
                return super().write(data)
            except BrokenPipeError:
                self.lost = True
            except OSError as error:
                self.lost, error.filename = True, "standard output"
                raise
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Open closed streams on the null device, survive a reader that leaves, and end on SIGTERM as on Ctrl-C.

    A closed descriptor would be given to the next file opened, and what a library prints would end up in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
    codecs.register_error("dropmix", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="dropmix")
    out = sys.stdout
    if out is sys.__stdout__ and isinstance(out, io.TextIOWrapper) and not out.isatty():
        out.flush()
        raw = io.BufferedWriter(_Pipe(1, "w", closefd=False))
        sys.stdout = io.TextIOWrapper(raw, out.encoding, out.errors, write_through=out.write_through)
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)
        if callable(signal.getsignal(signal.SIGINT)):  # shells start jobs in the background with Ctrl-C ignored
            signal.signal(signal.SIGINT, _interrupt)


def say(text: object) -> None:
    """Print a line that may hold names and paths: control characters, which are not ours, are shown as escapes."""
    from dropmix.audit.arm_names import visible  # imports numpy and more, which --help must not

    print(visible(text), flush=True)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """What a terminal prints instead of letters that it lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    shown = (PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in lost)
    return "".join(shown), error.end


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not inside an import: libraries that are half loaded fail in ways of their own."""
    above = frame
    while above is not None:
        if above.f_globals.get("__name__") == "importlib._bootstrap":
            again = threading.Timer(SOON, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        above = above.f_back
    _RAISED.append(number)
    raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Whether Ctrl-C was turned into KeyboardInterrupt since the last call."""
    raised, _RAISED[:] = bool(_RAISED), []
    return raised


def _terminate(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)  # files half-written are removed on the way out
