"""How numbers of the audit are said in a sentence."""

import math
from collections.abc import Mapping
from typing import Any

NAMED = 5  # more names than this are counted
PLURAL = {"class": "classes", "measure": "measures"}


def listed(names: list[str]) -> str:
    """Names in a sentence, at most `NAMED`.

    Example:
        >>> listed(["fox", "lynx", "wolf"])
        'fox, lynx and wolf'
        >>> listed(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def percent(value: float) -> str:
    """A fraction in percent, without the sign for it."""
    return f"{100 * value:.1f}"


def signed_points(value: float) -> str:
    """A change in points with its sign; a zero has none."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def about(value: float) -> str:
    """An expected number, rounded."""
    return "fewer than 1" if 0 < value < 0.5 else f"about {math.floor(value + 0.5)}"


def counted(count: int, noun: str = "class") -> str:
    """`1 class`, `3 classes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {PLURAL[noun]}"


def hurt_slices(slices: Mapping[str, Any], cells: Mapping[str, Any]) -> str:
    """The slices, and the classes within slices, that lost more than is tolerated; "" if none did."""
    parts = []
    for columns, one, many in ((slices, "slice", "slices"), (cells, "class", "classes")):
        rows = enumerate(zip(columns.get("recall_change", ()), columns.get("decision", ())))
        hurt = sorted((float(change), i) for i, (change, word) in rows if word == "hurt")
        if not hurt:
            continue
        names = columns["slice"]
        if "class" in columns and len({*columns["class"]}) == len(columns["class"]):
            continue  # no class is in two slices: each stands among the classes already
        if "class" in columns:
            names = [f"{name}: {label}" for name, label in zip(names, columns["class"])]
        named = ", ".join(f"{names[i]} ({signed_points(change)})" for change, i in hurt[:NAMED])
        named += f" and {len(hurt) - NAMED} more" if len(hurt) > NAMED else ""
        within = " within a slice" if "class" in columns else ""
        parts.append(f"{len(hurt)} {one if len(hurt) == 1 else many}{within} lost more than is tolerated: {named}")
    return "; ".join(parts)


def tolerated(classes: Mapping[str, Any], word: str | None = None, protected: bool = False) -> str:
    """The tolerated loss of the classes with a decision, or of the protected ones."""
    rows = zip(classes["tolerance"], classes["decision"], classes["protected"])
    values = {float(t) for t, w, named in rows if (word is None or w == word) and (not protected or named == "yes")}
    if len(values) != 1:
        return "is tolerated"
    points = 100 * values.pop()
    return f"{points:g} point" if points == 1 else f"{points:g} points"
