"""`python -m dropmix` and the script `dropmix` begin and end here, so that Ctrl-C never shows a traceback."""

import os
import signal
from typing import NoReturn


def main() -> None:
    """Run the command line; Ctrl-C while it is loaded ends at once, because nothing was begun."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _leave)
    from dropmix.cli import main as command_line

    try:
        command_line()
    finally:
        if ours:  # all is written: the interpreter may be stopped while it ends
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave(*_: object) -> NoReturn:
    os.write(2, b"stopped\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
