"""Names of arms and classes, made fit for people and for files."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dropmix.audit.arm_names import ArmName, arm_title, clean, method_title, parse_arm

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

__all__ = [
    "ArmName",
    "arm_title",
    "clean",
    "comparison_title",
    "file_stems",
    "method_title",
    "number",
    "parse_arm",
    "plain_arm",
    "shorten",
]


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
