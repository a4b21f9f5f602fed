"""A YAML file of options, read within limits. Imports no torch, so that a bad file is refused at once."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from dropmix.cli.errors import fields_of

MOST_BYTES, MOST_DEPTH, MOST_DIGITS = 1_000_000, 50, 300

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML has it: twenty times as fast
_OPEN = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
_OPEN_BY_INDENTATION = (yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken)
_CLOSE = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


class _Loader(_LOADER):
    """The safe loader, which refuses a name that comes twice: the first value would go without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in getattr(node, "value", ()) if isinstance(key, yaml.ScalarNode))
        if names and names.most_common(1)[0][1] > 1:
            raise ValueError(f"{names.most_common(1)[0][0]!r} twice below line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


class Config(BaseModel):
    """What `--config` may hold; the same names as the options of `dropmix run`."""

    model_config = ConfigDict(extra="forbid")

    recipe: str | None = None
    preset: str = "paper"
    methods: str | list[str] | None = None
    rates: str | list[float] | float | None = None
    unit: str | None = None
    per: str | None = None
    arms: dict[str, dict[str, Any]] | None = None
    seeds: int | None = None
    first_seed: int | None = None
    epochs: int | None = None
    train_per_class: int | None = None
    validation: float | None = None
    folds: int | None = None
    set: dict[str, Any] = {}

    @field_validator("rates", "seeds", "first_seed", "epochs", "train_per_class", "validation", "folds", mode="before")
    @classmethod
    def _no_switch(cls, value: Any) -> Any:
        if isinstance(value, bool):  # "seeds: yes" would be one seed
            raise ValueError(f"expected a number, got {str(value).lower()}")
        return value


def read_yaml(text: str, where: str) -> Any:
    """Read YAML without aliases, since a few of them can expand to billions of values.

    Args:
        text: YAML nested at most 50 deep, with numbers of at most 300 digits.
        where: what an error names, such as the file.
    Raises:
        ValueError: not YAML, nested too deeply, with an alias, or with a value that is too long.
    """
    try:
        _check_tokens(text, where)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: expected YAML, got {_line(error)}.") from None
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-01
        raise ValueError(f"{where}: expected YAML, got {_line(error)}.") from None


def read_config(path: Path | None) -> dict[str, Any]:
    """Return the content of a YAML file, checked for unknown names; empty if there is no path.

    Raises:
        ValueError: not a mapping, not YAML, or a field that does not exist or fit.
    """
    if path is None:
        return {}
    content = _read(path)
    if content.get("recipe") == "command":
        return content  # its own fields, checked by `CommandGrid`
    with naming(path, {}, ()):
        return Config.model_validate(content).model_dump(exclude_unset=True)


@contextmanager
def naming(path: Path | None, given: Mapping[str, Any], settings: Sequence[str]) -> Iterator[None]:
    """Name the file in errors about a grid of which it says all.

    Args:
        path: of the file, or None.
        given, settings: what the command line says beside it; if anything, the error may be about that.
    """
    try:
        yield
    except ValueError as error:
        if path is None or given or settings:
            raise
        told = fields_of(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{path}: {told}") from None


def read_arms(path: Path) -> dict[str, dict[str, Any]]:
    """Return the arms that a file writes out, as `dropmix.grid.written_arms.written_arm` takes them.

    Args:
        path: YAML or JSON with a mapping `arms`, such as `dropmix tailor` writes; other fields are for the reader.
    Raises:
        ValueError: not such a file.
    """
    arms = _read(path).get("arms")
    if not (isinstance(arms, dict) and arms and all(isinstance(arm, dict) for arm in arms.values())):
        raise ValueError(
            f"{path}: expected arms by name under 'arms', got {_short(arms)}. See docs/choosing-a-rate.md."
        )
    return {str(name): arm for name, arm in arms.items()}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _read(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a YAML file, got a device, pipe or folder. Save it as a file.")
    if path.exists() and path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: expected a YAML file of at most {MOST_BYTES:,} bytes, got more. Name another file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text in UTF-8, got byte 0x{error.object[error.start]:02x} at position {error.start}. "
            "Save it as UTF-8."
        ) from None
    content = read_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected names and values, got {type(content).__name__}. Write e.g. recipe: digits.")
    return content


def _check_tokens(text: str, where: str) -> None:
    """Stop at the first token over a limit: the scanner's time grows with the square of the depth."""
    depth = 0
    for token in yaml.scan(text, _LOADER):
        depth += isinstance(token, _OPEN + _OPEN_BY_INDENTATION) - isinstance(token, _CLOSE)
        if depth > MOST_DEPTH:
            raise ValueError(f"{where}: expected YAML nested at most {MOST_DEPTH} deep, got more. Make it flatter.")
        if isinstance(token, yaml.AliasToken):
            raise ValueError(
                f"{where}: expected YAML without aliases (*name), got one. Write out the value, or quote it."
            )
        if isinstance(token, yaml.ScalarToken) and re.fullmatch(rf"[-+]?\.?\d[\w:.]{{{MOST_DIGITS},}}", token.value):
            raise ValueError(
                f"{where}: expected numbers of at most {MOST_DIGITS} digits, got {len(token.value):,} characters in "
                f"line {token.start_mark.line + 1}. Shorten it."
            )


def _line(error: Exception) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark is not None:  # without the library's name for a text that comes from no file
        return f"a mistake in line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return " ".join(str(error).split())
