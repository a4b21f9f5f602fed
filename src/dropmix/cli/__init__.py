"""The command line: the only package that sees all others. Heavy imports stay inside commands."""

from dropmix.cli import audit as audit
from dropmix.cli import bench as bench
from dropmix.cli import paper as paper
from dropmix.cli import resize as resize
from dropmix.cli import run as run
from dropmix.cli import select as select
from dropmix.cli import studies as studies
from dropmix.cli.app import app
from dropmix.cli.errors import explain
from dropmix.cli.launch import hush_followers


def main() -> None:
    """Entry point: what the user can mend is one line and exit status 2, the rest one line and 1."""
    hush_followers()
    try:
        status = app(standalone_mode=False)
    except BaseException as error:
        status = explain(error)
    raise SystemExit(status)
