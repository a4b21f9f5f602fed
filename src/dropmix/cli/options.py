"""From what a user types, or a YAML file, to a grid."""

import re
from collections.abc import Callable
from typing import Any

from dropmix.cli.config_file import Config, read_yaml
from dropmix.grid.arm import parse_methods
from dropmix.grid.grid import Grid
from dropmix.grid.written_arms import written_arm
from dropmix.nets import check_name
from dropmix.recipes import get_recipe
from dropmix.text import check_text_network, is_text
from dropmix.train.config import RunSpec

MOST_RUNS = 100_000
SETTINGS = {
    "epochs": "train.epochs",
    "train_per_class": "data.train_per_class",
    "validation": "data.validation",
    "folds": "data.folds",
}
"""Option -> the setting that it is another name of."""


def grid_of(options: dict[str, Any], settings: list[str], config: dict[str, Any]) -> Grid:
    """Return the grid that options describe; they win over the file.

    Args:
        options: names and values as in `Config`, without `set`.
        settings: texts such as "train.lr=0.1", applied last.
        config: what `read_config` returned.
    Raises:
        ValueError: a name or value that does not fit.
    """
    chosen, grid, asked = _asked(options, settings, config)
    grid = grid.with_settings(give_way(asked) | asked)
    changes = {key: getattr(chosen, key) for key in ("unit", "per", "seeds", "first_seed")}
    changes = {key: value for key, value in changes.items() if value is not None}
    if chosen.methods is not None:
        given = [chosen.methods] if isinstance(chosen.methods, str) else chosen.methods
        if not any(parse_methods(text) for text in given):
            raise ValueError("methods: expected methods such as mixup,cutmix, got none. Name one, or leave it out.")
        changes["methods"] = (chosen.methods,) if isinstance(chosen.methods, str) else tuple(chosen.methods)
    if chosen.rates is not None:
        changes["rates"] = _rates(chosen.rates)
    if chosen.arms is not None:
        changes |= _written(chosen)
    grid = Grid.model_validate(grid.model_dump() | changes)
    # Before any arm is built: 10,000 rates of 20 methods would keep one busy for minutes.
    arms = len(grid.rates) * sum(len(parse_methods(text)) for text in grid.methods) + len(grid.written)
    most = arms * grid.seeds * (grid.base.data.folds or 1)
    if most > MOST_RUNS:
        raise ValueError(f"run: expected at most {MOST_RUNS:,} runs, got {most:,}. Lower --seeds, --rates or --folds.")
    # Bad methods are refused before any data is read. RecursiveMix takes partners from the batch before.
    mixing = [arm.name for arm in grid.arms if arm.method not in ("vanilla", "recursivemix")]
    if mixing and grid.base.train.batch == 1:  # every image would be its own partner, and each arm vanilla
        raise ValueError(f"train.batch: expected 2 or more to mix by {mixing[0]}, got 1. Raise it, e.g. to 8.")
    check = check_text_network if is_text(grid.base.data.name) else check_name
    check(grid.base.network)
    return grid


def _asked(options: dict[str, Any], settings: list[str], config: dict[str, Any]) -> tuple[Config, Grid, dict[str, Any]]:
    """What a file and the command line say, the recipe as it stands, and the settings that the user asks for."""
    chosen = Config.model_validate(config | options)
    if chosen.recipe is None:
        raise ValueError("run: expected a recipe, got none. Name one, or add recipe: NAME to the file.")
    paths = {path: (key, getattr(chosen, key)) for key, path in SETTINGS.items()}
    given = {path: (key, value) for path, (key, value) in paths.items() if value is not None}
    typed = {path: value for path, (key, value) in given.items() if key in options}
    texts = _settings(settings)
    for path in chosen.set:
        check_path(path)
    for path in given.keys() & (texts.keys() if typed else ()) & typed.keys():
        raise ValueError(f"set: expected {path} once, got --{given[path][0].replace('_', '-')} as well. Keep one.")
    for path in given.keys() & chosen.set.keys() - typed.keys():
        raise ValueError(f"set: expected {path} once, got {given[path][0]} as well. Keep one.")
    typed |= texts
    filed = {path: value for path, (_, value) in given.items() if path not in typed} | chosen.set
    lost = give_way(typed).keys() - typed.keys()  # the command line wins over the file
    asked = {path: value for path, value in filed.items() if path not in lost} | typed
    return chosen, get_recipe(chosen.recipe, chosen.preset), asked


def remarks(options: dict[str, Any], settings: list[str], config: dict[str, Any], base: RunSpec) -> list[str]:
    """Lines on settings that do not act as they read: the recipe's that give way, and the user's without an effect.

    Args:
        options, settings, config: as for `grid_of`.
        base: of the grid that it returned for them.
    """
    _, grid, asked = _asked(options, settings, config)
    before = grid.base.model_dump(mode="python")

    def of_recipe(path: str) -> Any:
        group, _, name = path.partition(".")
        return before[group].get(name)

    told = [
        f"{path}={str(value).lower()}"
        for path, value in give_way(asked).items()
        if of_recipe(path) not in (value, None)
    ]
    lines = [f"The recipe's own settings give way: {', '.join(told)}."] if told else []
    idle = {path: why for path, reason in IDLE.items() if path in asked and (why := reason(base))}
    lines += [f"warning: {path} has no effect, since {why}." for path, why in idle.items()]
    schedule = base.train.schedule
    late = [str(m) for m in schedule.milestones if m >= base.train.epochs] if schedule.kind == "step" else []
    if late and "train.schedule.milestones" in asked:
        lines.append(f"warning: the run's {base.train.epochs} epochs end before the milestones {', '.join(late)}.")
    return lines


def _schedule_is_no_step(spec: RunSpec) -> str:
    kind = spec.train.schedule.kind
    return "" if kind == "step" else f"train.schedule.kind is {kind}, not step"


def _not_sgd(spec: RunSpec) -> str:
    return "" if spec.train.optimizer == "sgd" else f"train.optimizer is {spec.train.optimizer}, not sgd"


def _whole_batch(spec: RunSpec) -> str:
    whole = spec.train.micro_batch is not None and spec.train.micro_batch >= spec.train.batch
    return f"train.batch is {spec.train.batch}" if whole else ""


def _no_milestone(spec: RunSpec) -> str:
    schedule = spec.train.schedule
    none = schedule.kind == "step" and not schedule.milestones
    return "there are no train.schedule.milestones at which the learning rate drops" if none else ""


IDLE: dict[str, Callable[[RunSpec], str]] = {
    "train.schedule.kind": _no_milestone,
    "train.schedule.milestones": _schedule_is_no_step,
    "train.schedule.factor": _schedule_is_no_step,
    "train.momentum": lambda spec: _not_sgd(spec) if spec.train.optimizer == "adamw" else "",
    "train.nesterov": _not_sgd,
    "train.mix_within": lambda spec: "train.shards is 1" if spec.train.shards == 1 else "",
    "train.micro_batch": _whole_batch,
}
"""Setting -> why it has no effect in a run, or "". None is refused: runs that were trained with it resume."""


EXCLUDES = {
    "data.resized_crop": {"data.crop_padding": 0, "data.folds": None},
    "data.crop_padding": {"data.resized_crop": False, "data.colour_jitter": False},
    "data.colour_jitter": {"data.resized_crop": True, "data.crop_padding": 0},
    "data.folds": {
        "data.validation": 0.0,
        "data.train_per_class": None,
        "data.resized_crop": False,
        "data.colour_jitter": False,
    },
    "data.validation": {"data.folds": None},
    "data.train_per_class": {"data.folds": None},
}
"""Setting -> the other settings that it excludes, with the value that switches them off."""


def give_way(asked: dict[str, Any]) -> dict[str, Any]:
    """Changes to a recipe's own settings that exclude what the user asked for.

    Two settings of the user that exclude each other stay as they are, and are refused by the grid.

    Example:
        >>> give_way({"data.resized_crop": True})
        {'data.crop_padding': 0, 'data.folds': None}
        >>> give_way({"data.resized_crop": True, "data.crop_padding": 4})
        {'data.folds': None, 'data.colour_jitter': False}
    """
    changes: dict[str, Any] = {}
    for name, others in EXCLUDES.items():
        if asked.get(name):
            changes |= {other: value for other, value in others.items() if other not in asked}
    whole = {"data.resized_crop": False} if "data.size" in asked and asked["data.size"] is None else {}
    if (asked | whole).get("data.resized_crop") is False:
        changes |= {key: False for key in ("data.colour_jitter", *whole) if key not in asked}
    if asked.get("train.momentum") == 0 and "train.nesterov" not in asked:
        changes["train.nesterov"] = False
    return changes


def parse_duration(text: str) -> float:
    """Return seconds from a text such as "90", "9m", "1h30m" or "2.5h".

    Example:
        >>> parse_duration("9m"), parse_duration("1h30m"), parse_duration("45")
        (540.0, 5400.0, 45.0)
    """
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms]?)", text)
    if not parts or "".join(a + b for a, b in parts) != text.strip():
        raise ValueError(f"duration: expected e.g. 90s, 9m or 1h30m, got {text!r}.")
    return float(sum(float(number) * units[unit] for number, unit in parts))


def seconds_of(time_limit: str | None) -> float | None:
    """`parse_duration` of a time limit; None where there is none."""
    return None if time_limit is None else parse_duration(time_limit)


def parse_executor_step(text: str, executor: str = "local") -> dict[str, Any]:
    """Return the settings `graph` and `pack` of a grid from auto, eager, graph or packed:K.

    Args:
        text: "graph" and "packed:K" replay steps as CUDA graphs, on a GPU; so does "auto".
        executor: "local" or "ray".
    Example:
        >>> parse_executor_step("packed:4")
        {'graph': True, 'pack': 4}
    """
    kind, colon, count = text.partition(":")
    if kind == "packed" and count.isdecimal() and int(count) >= 1:
        if executor != "local":
            raise ValueError(
                f"--executor-step {text}: expected --executor local, got {executor}. "
                "With Ray, --gpus-per-run 0.25 lets four runs share a GPU."
            )
        return {"graph": True, "pack": int(count)}
    if kind in ("auto", "eager", "graph") and not colon:
        return {"graph": kind != "eager", "pack": 1}
    raise ValueError(f"--executor-step: expected auto, eager, graph or packed:K, e.g. packed:4, got {text!r}.")


def _written(chosen: Config) -> dict[str, Any]:
    """The arms that are written out; without --methods, they are all there is beside vanilla."""
    assert chosen.arms is not None
    arms = tuple(written_arm(key, content, chosen.preset) for key, content in chosen.arms.items())
    names = {arm.name: arm for arm in arms}
    if twice := [arm.name for arm in arms if names[arm.name] != arm]:
        raise ValueError(f"arms: expected names that differ, got two arms {twice[0]!r}. Rename one.")
    for key in () if chosen.methods is not None else ("rates", "unit", "per"):
        if getattr(chosen, key) is not None:
            raise ValueError(f"--{key}: expected --methods beside it, since arms written out say their own {key}.")
    return {"written": arms} if chosen.methods is not None else {"written": arms, "methods": ()}


OWN_OPTIONS = {"seed": "--seeds and --first-seed", "arm": "--methods and --rates", "preset": "--preset"}
RECORDED = ("format", "network_sha256", "weights_sha256", "data.fingerprint", "data.resized")


def check_path(path: str) -> None:
    """Refuse what is no setting: options by other names, and what a run notes by itself."""
    if own := OWN_OPTIONS.get(path.partition(".")[0]):
        raise ValueError(f"set: expected a setting that all runs share, got {path}. Use {own}.")
    if path in RECORDED:
        raise ValueError(f"set: expected a setting, got {path}, which a run notes by itself. Leave it out.")


def _settings(texts: list[str]) -> dict[str, Any]:
    """The settings of all options `--set`; everything wrong with any of them is told at once."""
    made: dict[str, Any] = {}
    wrong: list[str] = []
    for text in texts:
        try:
            path, value = _setting(text)
            if path in made:
                raise ValueError(f"set: expected each setting once, got {path} twice. Keep one.")
            made[path] = value
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError(" ".join(wrong))
    return made


def _setting(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise ValueError(f"set: expected path=value such as train.lr=0.1, got {text!r}.")
    check_path(path.strip())
    return path.strip(), read_yaml(value, f"set: {path.strip()}")


def _rates(rates: str | list[float] | float) -> tuple[float, ...]:
    if isinstance(rates, str):
        try:
            return tuple(float(part) for part in rates.split(","))
        except ValueError:
            raise ValueError(f"rates: expected numbers such as 0,0.4, got {rates!r}.") from None
    return tuple(rates) if isinstance(rates, list) else (float(rates),)
