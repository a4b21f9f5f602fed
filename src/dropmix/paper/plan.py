"""The cost of a table or figure of the paper, and the commands that train its runs."""

from collections.abc import Sequence
from itertools import groupby

import torch

from dropmix.grid.estimate import Estimate, Sizes, estimate_run
from dropmix.paper.exhibits import Planned, find_exhibits


def costs(runs: Sequence[Planned], device: torch.device | None = None) -> list[Estimate]:
    """What each run costs.

    Args:
        runs: from `dropmix.paper.exhibits.plan`; no images are needed.
        device: where to time a step of every network, plain and with saliency; None only counts FLOPs.
    """
    return [estimate_run(run.spec, Sizes.known(run.spec.data), device) for run in runs]


def commands(names: Sequence[str], preset: str = "paper") -> list[str]:
    """The `dropmix run` commands that train the runs of some tables and figures, one folder per network.

    Example:
        >>> commands(["table4"])[0]
        'dropmix run cifar10-resnet18 --data DATA --methods "mixup" --rates 0,0.1 --out runs/cifar10-resnet18'
    """
    wanted: dict[str, dict[str, set[float]]] = {}
    for exhibit in find_exhibits(names):
        for need in exhibit.needs:
            methods = wanted.setdefault(need.recipe, {})
            for choice in need.choices:
                options = ",".join(f"{key}={value}" for key, value in choice.options)
                text = f"{choice.method}({options})" if options else choice.method
                if choice.method != "vanilla":
                    methods.setdefault(text, set()).add(choice.rate)
    lines = []
    code = "" if preset == "paper" else f" --preset {preset}"
    for recipe, methods in wanted.items():
        by_rates = sorted(((sorted(rates), method) for method, rates in methods.items()), key=lambda pair: pair[0])
        for rates, members in groupby(by_rates, key=lambda pair: pair[0]):
            joined = ",".join(method for _, method in members)
            listed = ",".join(f"{rate:g}" for rate in rates)
            lines.append(
                f'dropmix run {recipe} --data DATA{code} --methods "{joined}" --rates {listed} --out runs/{recipe}'
            )
    return lines
