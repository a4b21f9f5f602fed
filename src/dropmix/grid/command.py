"""Runs of any training program: arms x seeds as commands, each in a run folder like those of our own trainer.

    recipe: command
    command: python train.py --mixup {alpha} --drop {rate} --seed {seed} --output {folder}
    arms:
      vanilla: {alpha: 0, rate: 0}
      mixup r=0.4: {alpha: 1, rate: 0.4}
    seeds: 5
    predictions: predictions.csv     # written by the program in {folder}
    files: [train.py]                # their contents are part of the spec

The program resumes by itself: it finds its folder as it left it. Imports no torch.
"""

import hashlib
import shlex
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import Field, model_validator

from dropmix.train.config import Frozen, Spec

Value = str | int | float | bool
GIVEN = ("arm", "seed", "folder")
BASELINE = "vanilla"


class CommandArm(Frozen):
    """An arm of a command: its name, and its values for the command."""

    name: str = Field(min_length=1)
    values: dict[str, Value] = Field(default_factory=dict)


class CommandSpec(Spec):
    """One run of a program: everything that changes its outcome.

    Args:
        arm, seed: filled into the command.
        command: with `{seed}`, `{folder}` and the names of the arm's values in braces.
        files: name -> SHA-256 of each file of the program.
        predictions: name of the file that the program writes in its folder.

    Example:
        >>> spec = CommandSpec(arm=CommandArm(name="a", values={"rate": 0.4}), command="run {rate} {seed} {folder}",
        ...                    predictions="p.csv")
        >>> spec.arguments(Path("out dir"))
        ['run', '0.4', '0', 'out dir']
    """

    arm: CommandArm
    command: str
    files: dict[str, str] = Field(default_factory=dict)
    predictions: str

    def arguments(self, folder: Path) -> list[str]:
        """The words of the command with everything filled in. Each value stays one word, even with blanks."""
        given = {**self.arm.values, "arm": self.arm.name, "seed": self.seed, "folder": folder}
        return [word.format_map(given) for word in shlex.split(self.command)]


class CommandGrid(Frozen):
    """Arms x seeds of a command, as a file for `--config` gives them.

    Args:
        command, predictions: see `CommandSpec`.
        arms: name -> values; one arm is named vanilla, and the audit compares the others with it.
        seeds: their number, counted from `first_seed`.
        files: paths of the program's files, relative to the configuration file.

    Example:
        >>> grid = CommandGrid(command="fit {rate} {seed} {folder}", predictions="p.csv", seeds=2,
        ...                    arms={"vanilla": {"rate": 0}, "mixed": {"rate": 1}})
        >>> [(spec.arm.name, spec.seed) for spec in grid.runs(Path("."))]
        [('vanilla', 0), ('mixed', 0), ('vanilla', 1), ('mixed', 1)]
    """

    recipe: Literal["command"] = "command"
    command: str
    arms: dict[str, dict[str, Value]]
    seeds: int = Field(default=5, ge=1, le=100_000)
    first_seed: int = Field(default=0, ge=0)
    predictions: str
    files: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _command_takes_what_arms_give(self) -> "CommandGrid":
        used = _placeholders(self.command)
        if BASELINE not in self.arms or len(self.arms) < 2:
            raise ValueError(
                f"arms: expected {BASELINE!r} and another arm, got {', '.join(self.arms) or 'none'}. "
                "The audit compares the others with vanilla."
            )
        for name, values in self.arms.items():
            if taken := [key for key in values if key in GIVEN]:
                raise ValueError(f"arms.{name}: expected other names than {', '.join(GIVEN)}, got {taken[0]!r}.")
            if missing := sorted(used - {*GIVEN} - {*values}):
                raise ValueError(f"arms.{name}: expected a value for {{{missing[0]}}} in the command, got none.")
            if idle := sorted({*values} - used):
                raise ValueError(
                    f"arms.{name}: expected values that the command takes, got {idle[0]!r}, which it lacks. "
                    f"Write {{{idle[0]}}} into the command, or remove it."
                )
        for key in ("seed", "folder"):
            if key not in used:
                raise ValueError(f"command: expected {{{key}}} in it, got none. Every run needs its own {key}.")
        if "arm" not in used:
            same: dict[str, str] = {}
            for name, values in self.arms.items():
                first = same.setdefault(repr(sorted(values.items())), name)
                if first != name:
                    raise ValueError(f"arms: expected arms that differ, got {first!r} and {name!r} with equal values.")
        if Path(self.predictions).is_absolute() or ".." in Path(self.predictions).parts:
            raise ValueError(f"predictions: expected a name inside {{folder}}, got {self.predictions!r}.")
        return self

    def runs(self, place: Path) -> list[CommandSpec]:
        """Specs of all runs, seed by seed.

        Args:
            place: folder to which `files` are relative.
        Raises:
            ValueError: a missing file.
        """
        files = {name: _sha256(place / name) for name in self.files}
        return [
            CommandSpec(
                arm=CommandArm(name=name, values=values),
                seed=seed,
                command=self.command,
                files=files,
                predictions=self.predictions,
            )
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for name, values in self.arms.items()
        ]


def _placeholders(command: str) -> set[str]:
    try:
        words = shlex.split(command)
        parts: list[Any] = [part for word in words for part in Formatter().parse(word)]
    except ValueError as error:
        raise ValueError(f"command: expected words with {{names}} in braces, got {command!r} ({error}).") from None
    names = {name for _, name, _, _ in parts if name is not None}
    if wrong := [name for name in names if not name.isidentifier()]:
        raise ValueError(f"command: expected names in braces, got {{{wrong[0]}}}. Double other braces.")
    if not words:
        raise ValueError("command: expected a program to run, got nothing.")
    return names


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"files: expected a file at {path}, got nothing there. Paths are relative to the YAML file.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
