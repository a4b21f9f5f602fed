"""Names of arms and classes, made fit for people and for files."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

_TITLES = {
    "vanilla": "Vanilla",
    "mixup": "Mixup",
    "cutmix": "CutMix",
    "puzzlemix": "PuzzleMix",
    "resizemix": "ResizeMix",
    "saliencymix": "SaliencyMix",
    "samplepairing": "SamplePairing",
    "fmix": "FMix",
    "gridmix": "GridMix",
}
_RATE = re.compile(r"(?:^|\s)r=(\d+(?:\.\d*)?|\.\d+)(?=\s|$)")


@dataclass(frozen=True)
class ArmName:
    """An arm's name, taken apart.

    Attributes:
        method: the name without its rate, options included ("mixup", "mixup alpha=0.2").
        rate: the DropMix rate, in [0, 1]; 0 for a name without one.
    """

    method: str
    rate: float

    @property
    def plain(self) -> str:
        """The same method without DropMix: the unit of dropping means nothing there."""
        return " ".join(word for word in self.method.split() if not word.startswith("unit="))


def parse_arm(name: str) -> ArmName:
    """Split an arm's name into method and DropMix rate.

    The rate is the word `r=<number>`; every other word belongs to the method, so that arms which
    differ in an option are never shown as one method.

    Example:
        >>> parse_arm("mixup r=0.4")
        ArmName(method='mixup', rate=0.4)
        >>> parse_arm("my own augmentation")
        ArmName(method='my own augmentation', rate=0.0)
    """
    found = _RATE.search(name)
    if not found or float(found[1]) > 1:
        return ArmName(" ".join(name.split()), 0.0)
    return ArmName(" ".join((name[: found.start()] + name[found.end() :]).split()), float(found[1]))


def method_title(method: str) -> str:
    """A method's name as papers print it; an unknown one is left as it is.

    Example:
        >>> method_title("cutmix"), method_title("mixup alpha=0.2"), method_title("in-house")
        ('CutMix', 'Mixup alpha=0.2', 'in-house')
    """
    first, _, rest = method.partition(" ")
    return " ".join(filter(None, (_TITLES.get(first, first), rest)))


def arm_title(name: str) -> str:
    """An arm's name as a heading.

    Example:
        >>> arm_title("mixup r=0.4")
        'Mixup + DropMix, r = 0.4'
    """
    arm = parse_arm(name)
    title = clean(method_title(arm.method))
    return f"{title} + DropMix, r = {arm.rate:g}" if arm.rate else title


def comparison_title(comparison: "Comparison") -> str:
    """The arm's heading, with its group (network or dataset) in front where it has one."""
    title = arm_title(comparison.arm)
    return f"{clean(comparison.group)}: {title}" if comparison.group else title


def plain_arm(audit: "Audit", comparison: "Comparison") -> "Comparison | None":
    """The same method without DropMix, from the same group and against the same baseline.

    Args:
        audit: all comparisons.
        comparison: an arm with a rate above 0.
    Returns:
        The comparison of the rate-0 arm; None for an arm that has no rate, or where it was not run.
    """
    arm = parse_arm(comparison.arm)
    if not arm.rate:
        return None
    home = (comparison.group, comparison.baseline)
    for other in audit.comparisons:
        if (other.group, other.baseline) == home and parse_arm(other.arm) == ArmName(arm.plain, 0.0):
            return other
    return None


def clean(text: object) -> str:
    """Text on one line without control characters, surrogates or runs of blanks.

    SVG forbids control characters, and a line break in a class name would break a figure's axis.

    Example:
        >>> clean("a\\x00b\\n  c")
        'ab c'
    """
    kept = (c for c in str(text) if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs"))
    return " ".join("".join(kept).split())


def shorten(text: object, width: int = 24) -> str:
    """`clean` text of at most `width` characters, the last one an ellipsis where it was cut.

    Example:
        >>> shorten("a very long name of a class", 10)
        'a very lo…'
    """
    line = clean(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def file_stems(names: Iterable[str]) -> list[str]:
    """One distinct file stem a name: lower-case letters, digits, dots and hyphens.

    Example:
        >>> file_stems(["mixup r=0.4", "mixup/r=0.4", "混合"])
        ['mixup-r0.4', 'mixup-r0.4-2', 'arm']
    """
    stems: list[str] = []
    for name in names:
        stem = re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("r=", "r")).strip("-.")[:60] or "arm"
        copy, number = stem, 1
        while copy in stems:
            number += 1
            copy = f"{stem}-{number}"
        stems.append(copy)
    return stems


def number(summary: Mapping[str, object], key: str) -> float | None:
    """A summary's number, or None where it is missing, null or NaN.

    Example:
        >>> number({"gain": 0.01, "floor_n_degraded": None}, "floor_n_degraded") is None
        True
    """
    value = summary.get(key)
    if not isinstance(value, (int, float)) or value != value:
        return None
    return float(value)
