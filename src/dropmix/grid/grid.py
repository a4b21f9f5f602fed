"""A grid: arms x seeds over one base spec. Vanilla is always part of it."""

import math
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from dropmix.grid.arm import check_fits, make_arm, parse_methods
from dropmix.text import is_text
from dropmix.train.config import Arm, Frozen, RunSpec, Train


class Grid(Frozen):
    """Arms x seeds; what a recipe returns and `--config` may change.

    Args:
        base: the spec of all runs, except for arm and seed.
        methods: as `parse_methods` reads them, e.g. ("mixup", "cutmix(alpha=0.2)").
        rates: DropMix rates; every method is run at each of them.
        written: further arms, see `dropmix.grid.written_arms.written_arm`.
        seeds: number of seeds, counted from `first_seed`.
    Example:
        >>> from dropmix.train.config import Data, Train
        >>> base = RunSpec(network="wrn10-1", data=Data(name="digits"), train=Train(epochs=1, lr=0.1))
        >>> grid = Grid(base=base, methods=("mixup",), rates=(0.0, 0.4), seeds=2)
        >>> [arm.name for arm in grid.arms], len(grid.runs)
        (['vanilla', 'mixup', 'mixup r=0.4'], 6)
    """

    base: RunSpec
    methods: tuple[str, ...] = ("mixup",)
    rates: tuple[float, ...] = (0.0,)
    written: tuple[Arm, ...] = ()
    unit: Literal["batch", "sample", "count"] = "batch"
    per: Literal["batch", "sample"] = "batch"
    seeds: int = Field(default=5, ge=1)
    first_seed: int = Field(default=0, ge=0, lt=2**62)

    @field_validator("rates")
    @classmethod
    def _rates_in_range(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        for rate in rates:
            if not 0 <= rate <= 1:
                raise ValueError(f"expected rates in [0, 1], got {rate:g}. A rate is the share that stays unmixed.")
        if not rates:
            raise ValueError("expected at least one rate. 0 is the plain method.")
        return rates

    @model_validator(mode="after")
    def _schedule_fits_the_run(self) -> "Grid":
        check_schedule(self.base.train)
        return self

    @property
    def arms(self) -> list[Arm]:
        """Vanilla, then every method at every rate, then those written out, without repetition."""
        vanilla = Arm()
        arms = {vanilla.model_dump_json(): vanilla}
        for method, options in (pair for text in self.methods for pair in parse_methods(text)):
            if method == "vanilla":
                continue
            for rate in self.rates:
                arm = make_arm(method, rate, options, unit=self.unit, per=self.per, preset=self.base.preset)
                arms.setdefault(arm.model_dump_json(), arm)
        arms |= {arm.model_dump_json(): arm for arm in self.written}
        for arm in arms.values():
            check_fits(arm.method, is_text(self.base.data.name))
        return list(arms.values())

    @property
    def runs(self) -> list[RunSpec]:
        """Specs of all runs, seed by seed and fold by fold, so that an unfinished grid is a smaller whole grid, and
        workers rarely change their images."""
        arms = self.arms
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        data = self.base.data
        parts = [data]
        if data.folds and data.fold is None:
            parts = [data.model_copy(update={"fold": fold}) for fold in range(data.folds)]
        return [
            self.base.model_copy(update={"arm": arm, "seed": seed, "data": part})
            for seed in seeds
            for part in parts
            for arm in arms
        ]

    def with_settings(self, settings: dict[str, Any]) -> "Grid":
        """Return this grid with settings of its base changed. With other epochs, a step schedule keeps its shape.

        Args:
            settings: dotted path into the spec -> value, e.g. {"train.epochs": 30, "network": "wrn10-2"}.
        Raises:
            pydantic.ValidationError: names the dotted path that does not exist or the type that was expected.
            ValueError: as `check_schedule`.
        """
        content = self.base.model_dump(mode="json")
        for path, value in (scaled_milestones(self.base.train, settings) | settings).items():
            place = content
            *parents, last = path.split(".")
            for parent in parents:
                inner = place.setdefault(parent, {})
                if not isinstance(inner, dict):
                    raise ValueError(
                        f"set: expected a path of the spec, got {path!r}. {parent!r} holds a value, no fields."
                    )
                place = inner
            place[last] = value
        base = RunSpec.model_validate(content, strict=False)
        for path in (path for path, value in settings.items() if isinstance(value, bool)):
            held: Any = base
            for part in path.split("."):
                held = held[part] if isinstance(held, dict) else getattr(held, part)
            if not isinstance(held, bool):  # true would pass for the number 1
                raise ValueError(f"{path}: expected a number, got {str(settings[path]).lower()}. Correct it.")
        check_schedule(base.train)
        return self.model_copy(update={"base": base})


def scaled_milestones(train: Train, settings: dict[str, Any]) -> dict[str, Any]:
    """The milestones that keep a step schedule's shape where settings change the epochs alone; else {}.

    Example:
        >>> from dropmix.train.config import Schedule
        >>> train = Train(epochs=300, lr=0.1, schedule=Schedule(milestones=(150, 225)))
        >>> scaled_milestones(train, {"train.epochs": 30})
        {'train.schedule.milestones': [15, 22]}
    """
    epochs = settings.get("train.epochs")
    if not isinstance(epochs, int | float) or not math.isfinite(epochs):
        return {}  # refused by name where the settings are checked
    if any(path.startswith("train.schedule.milestones") for path in settings):
        return {}
    milestones = [round(milestone * epochs / train.epochs) for milestone in train.schedule.milestones]
    return {"train.schedule.milestones": milestones} if milestones else {}


def check_schedule(train: Train) -> None:
    """Refuse a learning rate that would never drop at its milestones, or never come to the end of its rise.

    Raises:
        ValueError: no milestone within the run, or a warm-up as long as the run.
    """
    schedule = train.schedule
    if schedule.kind == "step" and schedule.milestones and min(schedule.milestones) >= train.epochs:
        raise ValueError(
            f"train.schedule.milestones: expected one below the run's {train.epochs} epochs, got "
            f"{', '.join(map(str, schedule.milestones))}, where the learning rate would never drop. Scale them, or set "
            "train.schedule.kind=constant."
        )
    if schedule.warmup >= train.epochs:
        raise ValueError(
            f"train.schedule.warmup: expected fewer epochs than the run's {train.epochs}, got {schedule.warmup:g}. "
            "Shorten it, or train longer."
        )
