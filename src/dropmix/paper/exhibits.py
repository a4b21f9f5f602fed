"""What each table and figure of the paper needs: which arms and seeds, on which recipe. Imports no torch.

    >>> len(plan(["table1"]))                                   # doctest: +SKIP
    140

A figure that needs no training (Figs. 4 and 15 show a pretrained network) is an exhibit without needs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from dropmix.paper.printed import printed_records

if TYPE_CHECKING:
    from dropmix.train.config import Arm, RunSpec

SEEDS = 5  # the paper: "at least five"
RATES = tuple(i / 10 for i in range(11))  # the paper sweeps 0 to 1 without naming the step; its rates are tenths
ALPHAS = tuple(i / 10 for i in range(1, 11))  # Fig. 7's x axis is 1 - alpha; alpha = 0 is vanilla


def _printed_rates() -> dict[str, dict[str, float]]:
    """Network -> method -> the DropMix rate that Tables 1, 2 and 4 print."""
    rates: dict[str, dict[str, float]] = {}
    for record in (record for table in (1, 2, 4) for record in printed_records(table)):
        if record["rate"]:
            rates.setdefault(record["network"], {})[record["method"]] = float(record["rate"])
    return rates


PRINTED_RATES = _printed_rates()
CIFAR100 = {
    "WRN28-2": "cifar100-wrn28-2",
    "PreActRN18": "cifar100-preactresnet18",
    "PreActRN34": "cifar100-preactresnet34",
    "PreActRN50": "cifar100-preactresnet50",
}


@dataclass(frozen=True)
class ArmChoice:
    """An arm in short: method, DropMix rate, and options that differ from the preset's."""

    method: str
    rate: float = 0.0
    options: tuple[tuple[str, Any], ...] = ()

    def arm(self, preset: str) -> "Arm":
        """The arm with all of its options written out."""
        return _arm(self, preset)


@cache
def _arm(choice: ArmChoice, preset: str) -> "Arm":
    # Making an arm tries it on a toy batch, which is slow for PuzzleMix: once is enough.
    from dropmix.grid.arm import make_arm
    from dropmix.train.config import Arm

    if choice.method == "vanilla":
        return Arm()
    return make_arm(choice.method, choice.rate, dict(choice.options), preset=preset)


VANILLA = ArmChoice("vanilla")


@dataclass(frozen=True)
class Need:
    """Arms of one network.

    Args:
        network: as the paper prints it; if it names none, our choice.
        recipe: a key of `dropmix.recipes.RECIPES`.
        choices: arms, vanilla first.
    """

    network: str
    recipe: str
    choices: tuple[ArmChoice, ...]


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the paper.

    Args:
        name: "table1", ..., "figure18".
        title: what it shows.
        needs: runs behind it; empty if it is drawn from the files of `dropmix label-info`.
    """

    name: str
    title: str
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Planned:
    """A run that the paper needs: its place in print, its recipe and spec, and the exhibits that use it."""

    network: str
    recipe: str
    spec: "RunSpec"
    serves: list[str] = field(default_factory=list)


def _table(network: str, recipe: str, dropmix: bool = True, methods: Iterable[str] | None = None) -> Need:
    rates = PRINTED_RATES[network]
    arms = [VANILLA]
    for method in methods or rates:
        arms += [ArmChoice(method), ArmChoice(method, rates[method])] if dropmix else [ArmChoice(method)]
    return Need(network, recipe, tuple(arms))


def _sweep(network: str) -> Need:
    choices = [VANILLA, *(ArmChoice(m, r) for m in PRINTED_RATES[network] for r in RATES)]
    return Need(network, CIFAR100[network], tuple(choices))


def _alpha() -> Need:
    rates = [ArmChoice("mixup", r) for r in RATES]
    alphas = [ArmChoice("mixup", 0.0, (("alpha", a),)) for a in ALPHAS if a != 1.0]
    return Need("WRN28-2", CIFAR100["WRN28-2"], (VANILLA, *rates, *alphas))


def _exhibits() -> Iterator[Exhibit]:
    cifar = {network: _table(network, recipe) for network, recipe in CIFAR100.items()}
    one = lambda network, method: _table(network, CIFAR100[network], methods=[method])  # noqa: E731
    imagenet = lambda method: _table("ResNet50", "imagenet-resnet50", methods=[method])  # noqa: E731
    yield Exhibit("table1", "CIFAR-100 without and with DropMix", tuple(cifar.values()))
    yield Exhibit("table2", "ImageNet without and with DropMix", (_table("ResNet50", "imagenet-resnet50"),))
    plain = tuple(_table(network, recipe, dropmix=False) for network, recipe in CIFAR100.items())
    yield Exhibit("table3", "confidence change of improved and degraded classes", plain)
    yield Exhibit("table4", "CIFAR-10 without and with DropMix", (_table("ResNet18", "cifar10-resnet18"),))
    yield Exhibit("figure1", "two classes under vanilla, Mixup and DropMix", (one("PreActRN50", "mixup"),))
    yield Exhibit("figure2", "recall change of every class, Mixup and DropMix", (one("PreActRN50", "mixup"),))
    yield Exhibit("figure3", "measures against the DropMix rate, WRN28-2", (_sweep("WRN28-2"),))
    yield Exhibit("figure4", "label information against mixing strength")
    yield Exhibit("figure5", "confidence and recall, Mixup", (one("WRN28-2", "mixup"),))
    spread = Need("ResNet18", "cifar100-resnet18", (VANILLA, ArmChoice("mixup")))
    yield Exhibit("figure6", "recall changes over seeds, ResNet-18", (spread,))
    yield Exhibit("figure7", "DropMix against smaller alpha, Mixup", (_alpha(),))
    yield Exhibit("figure8", "best and worst classes, Mixup", (one("PreActRN50", "mixup"), imagenet("mixup")))
    yield Exhibit("figure9", "best and worst classes, CutMix on ImageNet", (imagenet("cutmix"),))
    yield Exhibit("figure10", "recall change of every class, Mixup on ImageNet", (imagenet("mixup"),))
    yield Exhibit("figure11", "recall change of every class, CutMix on ImageNet", (imagenet("cutmix"),))
    for number, network in ((12, "PreActRN18"), (13, "PreActRN34"), (14, "PreActRN50")):
        yield Exhibit(f"figure{number}", f"measures against the DropMix rate, {network}", (_sweep(network),))
    yield Exhibit("figure15", "label information against mixing strength, more classes")
    for number, method, title in ((16, "mixup", "Mixup"), (17, "cutmix", "CutMix"), (18, "puzzlemix", "PuzzleMix")):
        yield Exhibit(f"figure{number}", f"confidence and recall, {title}", (one("WRN28-2", method),))


EXHIBITS: dict[str, Exhibit] = {exhibit.name: exhibit for exhibit in _exhibits()}


def find_exhibits(names: Iterable[str]) -> list[Exhibit]:
    """The tables and figures with these names; "all" means every one.

    Args:
        names: keys of `EXHIBITS` in any case, "fig3" and "fig. 3" for "figure3".
    Raises:
        ValueError: an unknown name; lists the known ones and the nearest.
    Example:
        >>> [e.name for e in find_exhibits(["Table 1", "fig3"])]
        ['table1', 'figure3']
    """
    named: dict[str, Exhibit] = {}
    for name in names:
        key = "".join(c for c in name.lower() if c.isalnum())
        key = f"figure{key[3:]}" if key.startswith("fig") and key[3:].isdigit() else key
        if key == "all":
            named |= EXHIBITS
        elif key in EXHIBITS:
            named[key] = EXHIBITS[key]
        else:
            near = get_close_matches(key, EXHIBITS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "Name one, or all."
            raise ValueError(f"paper: expected one of {', '.join(EXHIBITS)} or all, got {name!r}. {hint}")
    return list(named.values())


def plan(names: Iterable[str], preset: str = "paper", fingerprints: dict[str, str] | None = None) -> list[Planned]:
    """Every run behind some tables and figures, each once, with the exhibits that use it.

    Args:
        names: as `find_exhibits` takes them.
        preset: "paper" or "released-code".
        fingerprints: name of a data set -> its fingerprint; without it, a spec's hash is not yet that of its folder.
    Raises:
        ValueError: unknown name or preset.
    Example:
        >>> both = plan(["figure5", "figure16"])
        >>> len(both), both[0].serves
        (15, ['figure5', 'figure16'])
    """
    from dropmix.recipes import get_recipe

    runs: dict[str, Planned] = {}
    for exhibit in find_exhibits(names):
        for need in exhibit.needs:
            grid = get_recipe(need.recipe, preset)
            known = (fingerprints or {}).get(grid.base.data.name)
            base = grid.with_settings({"data.fingerprint": known}).base if known else grid.base
            for choice in need.choices:
                arm = choice.arm(preset)
                for seed in range(SEEDS):
                    spec = base.model_copy(update={"arm": arm, "seed": seed})
                    planned = runs.setdefault(spec.hash, Planned(need.network, need.recipe, spec))
                    if exhibit.name not in planned.serves:
                        planned.serves.append(exhibit.name)
    return list(runs.values())
