"""Errors as one line for the user, and an exit status."""

import sys
import traceback
from difflib import get_close_matches
from typing import Any

import typer

from dropmix.cli.app import DEBUG
from dropmix.cli.streams import INTERRUPTED
from dropmix.train.files import PATHS, refusal

USERS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
SHOWN, MOST_OF_A_VALUE = 3, 300
LONGEST = 1_000  # characters of a message: what was expected at its beginning, what to do at its end


def explain(error: BaseException) -> int:
    """Print one line about an error; returns the exit status."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if type(error).__name__ == "NoArgsIsHelpError":  # `dropmix` alone: the help, as it is
        print(error.format_message(), file=sys.stderr)  # pyright: ignore[reportAttributeAccessIssue]
        return 2
    if hasattr(error, "format_message"):  # click's own errors; typer may bundle a click of its own
        print(f"dropmix: {_with_help(error)}", file=sys.stderr)
        return 2
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED
    if DEBUG["on"]:
        traceback.print_exception(error)
    print(f"dropmix: {_message(error)}", file=sys.stderr)
    return 2 if isinstance(error, USERS) or (isinstance(error, OSError) and error.errno in PATHS) else 1


def _message(error: BaseException) -> str:
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        return fields_of(error)
    return _one_line(refusal(error) or str(error)) or type(error).__name__


def fields_of(error: Any) -> str:
    """Pydantic's errors as one line: of each field, what was expected and what came; the first three of them."""
    told = [_field(one, error.title) for one in error.errors()]
    more = f" (and {len(told) - SHOWN} more)" if len(told) > SHOWN else ""
    return _one_line(" ".join(told[:SHOWN]) + more)


def _field(error: dict[str, Any], model: str) -> str:
    path = ".".join(str(part) for part in error["loc"])
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{path}: no such setting (got {_short(error['input'])}).{_near(path, model)}"
    if what.startswith("Input should be "):
        what = "expected " + what.removeprefix("Input should be ").partition(", unable")[0]
        return f"{path}: {what}, got {_short(error['input'])}. Correct it."
    if error["type"] == "missing":
        return f"{path}: expected a value, got none. Add it."
    got = "" if isinstance(error["input"], dict) else f" (got {_short(error['input'])})"
    told = what if not got and what.endswith(".") else f"{what}{got}."
    return f"{path}: {told}" if path else told


def _near(path: str, model: str) -> str:
    """The setting of a run that was probably meant."""
    if model != "RunSpec":
        return ""
    from dropmix.train.config import RunSpec

    names: list[str] = []

    def walk(fields: Any, before: str) -> None:
        for name, field in fields.items():
            inner = getattr(field.annotation, "model_fields", None)
            walk(inner, f"{before}{name}.") if inner else names.append(before + name)

    walk(RunSpec.model_fields, "")
    near = get_close_matches(path, names, 1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_OF_A_VALUE else f"{text[: MOST_OF_A_VALUE - 3]}..."


def _one_line(text: str) -> str:
    from dropmix.audit.arm_names import visible  # imports numpy and more, which --help must not

    line = visible(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def _with_help(error: Any) -> str:
    """A usage error of click, with where to look; where click names the nearest word, that is enough."""
    line = _one_line(error.format_message())
    context = getattr(error, "ctx", None)
    if context is None or line.endswith("?"):
        return line
    command = context.command_path.split("dropmix")[-1]  # of "python -m dropmix audit" too
    return f"{line if line.endswith('.') else line + '.'} See dropmix{command} --help."
