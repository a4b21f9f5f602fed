"""Arms from text that a user types, such as `mixup` or `cutmix(alpha=0.2)`, with a rate."""

import hashlib
import inspect
import json
import re
from typing import Any, Literal

import torch
import yaml

from dropmix.msda import METHODS, TEXT_METHODS, get_method
from dropmix.msda.binding import GIVEN, NETWORKS, network_option
from dropmix.msda.dropmix import DropMix
from dropmix.train.config import Arm
from dropmix.train.step import by_class

# Preset -> method -> options that differ from the method's own defaults.
PRESET_OPTIONS: dict[str, dict[str, dict[str, Any]]] = {"released-code": {"cutmix": {"form": "continuous"}}}
# Arguments that the trainer gives, not the arm.
_NOT_OPTIONS = GIVEN | {"per", "mean", "std", *NETWORKS}
_WORD = re.compile(r"[\w.+-]{1,80}")
_SCIENTIFIC = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_METHOD = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


def parse_methods(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Read a comma-separated list of methods, each with options in parentheses if wanted.

    Raises:
        ValueError: any other text.
    Example:
        >>> parse_methods("mixup, cutmix(alpha=0.2, form=continuous)")
        [('mixup', {}), ('cutmix', {'alpha': 0.2, 'form': 'continuous'})]
    """
    methods, place = [], 0
    while place < len(text):
        match = _METHOD.match(text, place)
        if not match:
            raise ValueError(f"methods: expected names such as mixup,cutmix(alpha=0.2), got {text[place:][:80]!r}.")
        methods.append((match[1], _parse_options(match[2] or "", match[0])))
        place = match.end()
    return methods


def _parse_options(inside: str, where: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for item in filter(None, (item.strip() for item in inside.split(","))):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"methods: expected options as key=value in {where.strip()!r}, got {item!r}.")
        if key.strip() in options:
            raise ValueError(
                f"methods: expected each option once in {where.strip()[:80]!r}, got {key.strip()!r} twice."
            )
        options[key.strip()] = _value(value.strip(), where)
    return options


def _value(text: str, where: str) -> Any:
    """A number, true, false or a word. YAML alone would read 1e-3 as a word, and expand aliases without limit."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"methods: expected a number or a word for each option in {where[:80]!r}, got {text[:80]!r}.")
    return float(text) if _SCIENTIFIC.fullmatch(text) else yaml.safe_load(text)


def make_arm(
    method: str,
    rate: float = 0.0,
    options: dict[str, Any] | None = None,
    *,
    unit: Literal["batch", "sample", "count"] = "batch",
    per: Literal["batch", "sample"] = "batch",
    preset: str = "paper",
    key: str | None = None,
    **of_classes: Any,
) -> Arm:
    """Return an arm with all options of its method written out, and a name that shows those that are not default.

    Args:
        method: a key of `dropmix.METHODS`.
        rate: DropMix rate, in [0, 1]; with `rates`, of the classes that these do not name.
        options: the method's options that differ from the preset's.
        unit, per: as `DropMix` takes them.
        preset: "paper" or "released-code"; they differ in details of some methods.
        key: what the name calls rates and partners of classes; a digest of them if None.
        of_classes: `rates`, `partners`, `confusions` and `withhold` as `Arm` takes them.
    Raises:
        ValueError: unknown method or option, or a value that the method refuses.
    Example:
        >>> make_arm("mixup", 0.4, {"alpha": 0.2}).name
        'mixup alpha=0.2 r=0.4'
        >>> make_arm("mixup", unit="sample", rates={"fox": 0.9}, key="careful").name
        'mixup unit=sample rates=careful'
    """
    parameters = inspect.signature(get_method(method)).parameters
    defaults = {key: p.default for key, p in parameters.items() if key not in _NOT_OPTIONS}
    defaults |= PRESET_OPTIONS.get(preset, {}).get(method, {})
    chosen = {key: _like(value, defaults.get(key), f"{method}: {key}") for key, value in (options or {}).items()}
    resolved = defaults | chosen
    DropMix(method, rate, unit=unit, per=per, **resolved)
    arm = Arm(method=method, rate=rate, unit=unit, per=per, options=resolved, **of_classes)
    _try_classes(arm)
    _try_draw(method, per, resolved)
    marks = [f"{key}={value}" for key, value in sorted(resolved.items()) if value != defaults.get(key)]
    marks += [f"per={per}"] if per != "batch" else []
    marks += [f"r={rate:g}"] if rate else []
    marks += [f"unit={unit}"] if (rate or arm.rates) and unit != "batch" else []
    marks += [f"{what}={_word(key, told)}" for what, told in _of_classes(arm) if told]
    return arm.model_copy(update={"name": " ".join([method, *marks])})


def _of_classes(arm: Arm) -> list[tuple[str, Any]]:
    """The parts of an arm that treat classes differently, each with the word for it in the arm's name."""
    policy = None if arm.partners == "any" else arm.partners
    return [("rates", arm.rates), ("partners", arm.confusions or policy), ("withhold", arm.withhold)]


def _word(key: str | None, told: Any) -> str:
    """What the arm's name says about such a part: a policy's own word, else the key, else a digest."""
    if isinstance(told, str):
        return told
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:6]
    return digest if key is None else "-".join(key.split())


def check_fits(method: str, texts: bool) -> None:
    """Raise ValueError if a method for images is to mix texts, or the other way round.

    Example:
        >>> check_fits("wordmixup", texts=True)
    """
    known = {"vanilla": "", **TEXT_METHODS} if texts else METHODS
    if method not in known:
        what = "texts" if texts else "images"
        raise ValueError(f"methods: expected one for {what} ({', '.join(known)}), got {method!r}. Choose one of these.")


def _like(value: Any, default: Any, where: str) -> Any:
    # alpha=1 and alpha=1.0 are the same arm.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        if value in (0, 1):  # True and False are 1 and 0
            return bool(value)
        raise ValueError(f"{where}: expected true or false, got {value!r}. Write e.g. {str(default).lower()}.")
    if isinstance(default, int | float) and not isinstance(default, bool) and not is_number:
        raise ValueError(f"{where}: expected a number, got {value!r}. Write e.g. {default}.")
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and isinstance(default, float) else value


def _try_classes(arm: Arm) -> None:
    """Refuse rates and partners that do not fit, tried on the classes that the arm names and one more class."""
    taken = arm.confusions or {}
    classes = [*{**(arm.rates or {}), **taken, **dict.fromkeys([*taken.values(), *arm.withhold])}, ""]
    rates = None if arm.rates is None else dict.fromkeys(classes, arm.rate) | arm.rates
    given = by_class(arm.model_copy(update={"rates": rates}), classes)
    DropMix(arm.method, num_classes=len(classes), unit=arm.unit, per=arm.per, **given, **arm.options)


def _try_draw(method: str, per: Literal["batch", "sample"], options: dict[str, Any]) -> None:
    """Draw once on a toy batch, so that a bad hyperparameter is refused before any run starts."""
    options = options | _toy_network(method)
    augment = DropMix(method, per=per, num_classes=2, mean=(0.5,) * 3, std=(0.5,) * 3, **options)
    generator = torch.Generator().manual_seed(0)
    texts = method in TEXT_METHODS
    x = torch.ones(2, 1, 1, 8, dtype=torch.int64) if texts else torch.rand(2, 3, 32, 32, generator=generator)
    try:
        augment.draw(x, torch.tensor([0, 1]), saliency=_toy_saliency, generator=generator)
    except TypeError as error:
        raise ValueError(f"{method}: cannot take {options} ({error}). See its docstring.") from None


def _toy_network(method: str) -> dict[str, Any]:
    """A network without weights, for a method that asks for one; its stages have other names than a real network's."""
    option, pool = network_option(method), torch.nn.AvgPool2d(4)
    toy = torch.nn.Sequential(pool, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return {} if option is None else {option: toy} | ({"stage": None} if option == "network" else {})


def _toy_saliency(x: torch.Tensor, y: torch.Tensor, *, signed: bool = False, clean: float = 0.0) -> torch.Tensor:
    del y, clean
    return x if signed else x.float().mean(1)
