"""Arms written out one by one, which may treat classes differently; classes go by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dropmix.grid.arm import make_arm, parse_methods
from dropmix.train.config import Arm


def written_arm(key: str, content: Mapping[str, Any], preset: str = "paper") -> Arm:
    """An arm as a file writes it: `method`, with options in parentheses if wanted, and any of `rate`, `unit`, `per`,
    `options`, `rates`, `partners`, `confusions` and `withhold`. Classes go by name.

    Example:
        >>> written_arm("careful", {"method": "mixup(alpha=0.2)", "rates": {"fox": 0.9}, "unit": "sample"}).rates
        {'fox': 0.9}
    """
    known = set(Arm.model_fields) - {"name"}
    strangers = [name for name in content if name not in known]
    if strangers or not isinstance(content.get("method"), str):
        what = f"the field {strangers[0]!r}" if strangers else "no method"
        raise ValueError(f"arms: {key}: expected a method and any of {', '.join(sorted(known))}, got {what}.")
    named = parse_methods(content["method"])
    if len(named) != 1:
        raise ValueError(f"arms: {key}: expected one method, got {content['method']!r}. Write an arm for each.")
    ((method, inside),) = named
    if method == "vanilla":
        raise ValueError(f"arms: {key}: expected a method that mixes, got vanilla, which is part of every grid.")
    try:
        arm = Arm.model_validate({**content, "method": method, **_of_classes(content)})
        of_classes = {name: getattr(arm, name) for name in Arm.silent}
        options = arm.options | inside
        return make_arm(method, arm.rate, options, unit=arm.unit, per=arm.per, preset=preset, key=key, **of_classes)
    except ValidationError as error:
        first = error.errors()[0]
        where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Input should be ")
        raise ValueError(f"arms: {key}: {where}: expected {what}, got {first['input']!r}. Correct it.") from None
    except ValueError as error:
        raise ValueError(f"arms: {key}: {error}") from None


def _of_classes(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that name classes, with names as texts."""
    fields: dict[str, Any] = {}
    for field in ("rates", "confusions"):
        given = content.get(field) or None
        if not (given is None or isinstance(given, Mapping)):
            raise ValueError(f"expected {field} as class: value, got {given!r}. Name the classes.")
        fields[field] = given and {_name(field, name): value for name, value in given.items()}
    if fields["confusions"]:
        fields["confusions"] = {name: _name("confusions", c) for name, c in fields["confusions"].items()}
        if own := [name for name, other in fields["confusions"].items() if name == other]:
            raise ValueError(f"expected another class as confusion of {own[0]!r}, got {own[0]!r} itself.")
    withheld = content.get("withhold") or ()
    if not isinstance(withheld, list | tuple):
        raise ValueError(f"expected withhold as a list of classes, got {withheld!r}. Write [{withheld}].")
    return {**fields, "withhold": tuple(_name("withhold", name) for name in withheld)}


def _name(field: str, name: Any) -> str:
    # YAML reads a bare 7 as a number, and a bare no as false.
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise ValueError(f"expected names of classes in {field}, got {name!r}. Put the name in quotes.")
    return str(name)


def for_data(arm: Arm, classes: Sequence[str], counts: Sequence[int]) -> Arm:
    """The arm on a data set: with a rate for every class, and their mean over the training examples as its rate.

    Rates that are all equal are one rate.

    Args:
        arm: its `rate` is that of classes without one in `rates`.
        classes: names of all classes.
        counts: training examples of each.
    Raises:
        ValueError: the arm names a class that the data set does not have.
    Example:
        >>> arm = make_arm("mixup", 0.2, unit="sample", rates={"fox": 0.8}, key="careful")
        >>> arm = for_data(arm, ["fox", "hen", "owl"], [10, 10, 20])
        >>> arm.rates, arm.name
        ({'fox': 0.8, 'hen': 0.2, 'owl': 0.2}, 'mixup r=0.35 unit=sample rates=careful')
    """
    taken = arm.confusions or {}
    named = [*(arm.rates or {}), *taken, *taken.values(), *arm.withhold]
    if strangers := [name for name in named if name not in classes]:
        shown = ", ".join(classes[:8]) + (f" and {len(classes) - 8} more" if len(classes) > 8 else "")
        raise ValueError(f"arms: {arm.name}: expected classes of the data ({shown}), got {strangers[0]!r}.")
    if arm.rates is None:
        return arm
    rates = {name: arm.rates.get(name, arm.rate) for name in classes}
    words = [word for word in arm.name.split() if word != f"r={arm.rate:g}"]
    if len({*rates.values()}) == 1:
        rate, told = rates[classes[0]], None
        words = [word for word in words if not word.startswith("rates=" if rate else ("rates=", "unit="))]
    else:
        mean = sum(rate * count for rate, count in zip(rates.values(), counts)) / sum(counts)
        rate, told = max(round(mean, 6), 1e-6), rates
    if rate:
        words.insert(next((i for i, word in enumerate(words) if word.startswith("unit=")), len(words)), f"r={rate:g}")
    return arm.model_copy(update={"name": " ".join(words), "rate": rate, "rates": told})
