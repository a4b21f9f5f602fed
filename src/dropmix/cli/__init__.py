"""The command line: the only package that imports all others. Heavy imports stay inside commands.

Read in this order: `app` (the application), `commands` and `studies` (a file per command), `options` and
`config_file` (from options to a grid), `command_grid` (runs of your own program), `training`, `launch`, `beside_runs`
and `until_decided` (how grids are trained), `data_summary`, `look_alikes` and `pictures` (what the images are),
`reporting` (what commands print of an audit), `errors` (one line and an exit status), `streams`.
"""

import os
import sys
from importlib import import_module

from dropmix.cli.app import app
from dropmix.cli.errors import explain
from dropmix.cli.launch import hush_followers
from dropmix.cli.streams import INTERRUPTED, TERMINATED, prepare_streams, was_interrupted

# In the order of work, which is the order of `dropmix --help`.
COMMANDS = (
    "demo",
    "run",
    "status",
    "report",
    "audit",
    "select",
    "tailor",
    "export",
    "plan",
    "paper",
    "explain",
    "show",
    "floor",
    "label_info",
    "resize",
    "bench",
)
STUDIES = {"tailor", "explain", "show", "floor", "label_info"}  # their files lie in `cli/studies`
for _name in COMMANDS:
    import_module(f"dropmix.cli.{'studies' if _name in STUDIES else 'commands'}.{_name}")


def main() -> None:
    """Entry point: one line per error; exit status 2 if the user can fix it, else 1."""
    try:
        prepare_streams()
        hush_followers()
        try:
            os.getcwd()
        except FileNotFoundError:  # libraries that torch loads end the process without a word that helps
            print("dropmix: expected a working directory, got a deleted one. Change to another.", file=sys.stderr)
            raise SystemExit(2) from None
        status = app(standalone_mode=False)
    except BaseException as error:
        try:  # some libraries make an error of their own of KeyboardInterrupt
            status = INTERRUPTED if was_interrupted() and not isinstance(error, SystemExit) else explain(error)
        except KeyboardInterrupt:
            status = INTERRUPTED
    try:
        sys.stdout.flush()  # a short output is still in memory, and the interpreter would end with a traceback
    except OSError as error:
        status = explain(error)
    if status in (INTERRUPTED, TERMINATED):  # Typer answers Ctrl-C with a status alone
        print("stopped", file=sys.stderr)
    raise SystemExit(status)
