"""How numbers of the audit are said in a sentence."""

import math
from collections.abc import Mapping
from typing import Any

NAMED = 5  # more names than this are counted
PLURAL = {"class": "classes", "measure": "measures"}
MACRO = {"class": "mean over classes", "measure": "mean of sensitivities and specificities"}


def noun(classes: Mapping[str, Any]) -> str:
    """What a row is: a class, or a measure of a label where examples have several."""
    return "measure" if "measure" in classes else "class"


def named(name: object) -> str:
    """The name of a class or slice as it stands in a sentence: in double quotes, as --protect takes it, if it could be
    read as several.

    Example:
        >>> named("fox"), named("tench, Tinca tinca"), named("salt and pepper")
        ('fox', '"tench, Tinca tinca"', '"salt and pepper"')
    """
    text = str(name)
    several = any(part in text for part in (",", ";", ": ", " and ")) or text != text.strip() or not text
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if several else text


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


def not_shown(left: list[tuple[str, str]]) -> str:
    """Names, and their decisions, that are not shown to be safe.

    Example:
        >>> not_shown([("fox", "undecided"), ("lynx", "too few examples")])
        'fox and lynx are not shown to be safe (lynx: too few examples)'
    """
    few = [name for name, word in left if word == "too few examples"]
    text = f"{listed([name for name, _ in left])} {'is' if len(left) == 1 else 'are'} not shown to be safe"
    if not few:
        return text
    return f"{text} (too few examples)" if len(left) == len(few) else f"{text} ({listed(few)}: too few examples)"


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


def counted(count: int, one: str = "class") -> str:
    """`1 class`, `3 classes`."""
    return f"{count} {one}" if count == 1 else f"{count} {PLURAL[one]}"


def units(table: Mapping[str, Any]) -> Any:
    """How many examples each class or slice has, counting those of one group as one."""
    return table.get("n_groups", table["n"])


def size(table: Mapping[str, Any], i: int) -> str:
    """The examples of a class or slice, and their groups where some belong together: these are what counts then.

    Example:
        >>> size({"n": [112], "n_groups": [14]}, 0), size({"n": [112]}, 0)
        ('112 in 14 groups', '112')
    """
    n, groups = int(table["n"][i]), int(units(table)[i])
    return f"{n}" if groups == n else f"{n} in {groups} group{'' if groups == 1 else 's'}"


def with_changes(changes: list[tuple[float, str]]) -> str:
    """Changes, fractions, and names: the largest losses first, at most `NAMED`.

    Example:
        >>> with_changes([(-0.05, "fox"), (-0.12, "lynx")])
        'lynx (-12.0), fox (-5.0)'
    """
    text = ", ".join(f"{name} ({signed_points(change)})" for change, name in sorted(changes)[:NAMED])
    return f"{text} and {len(changes) - NAMED} more" if len(changes) > NAMED else text


def hurt_slices(slices: Mapping[str, Any], cells: Mapping[str, Any], row: str = "class") -> str:
    """The slices, and the classes (or measures: `row`) within slices, that lost more than is tolerated; or ""."""
    parts = []
    for columns, one, many in ((slices, "slice", "slices"), (cells, row, PLURAL[row])):
        rows = enumerate(zip(columns.get("recall_change", ()), columns.get("decision", ())))
        hurt = [(float(change), i) for i, (change, word) in rows if word == "hurt"]
        if not hurt:
            continue
        names = columns["slice"]
        if "class" in columns and len({*columns["class"]}) == len(columns["class"]):
            continue  # no class is in two slices: each stands among the classes already
        if "class" in columns:
            names = [f"{named(name)}: {named(label)}" for name, label in zip(names, columns["class"])]
        else:
            names = [named(name) for name in names]
        said = with_changes([(change, names[i]) for change, i in hurt])
        within = " within a slice" if "class" in columns else ""
        parts.append(f"{len(hurt)} {one if len(hurt) == 1 else many}{within} lost more than is tolerated: {said}")
    return "; ".join(parts)


def tolerated(classes: Mapping[str, Any], word: str | None = None, protected: bool = False) -> str:
    """The tolerated loss of the classes with a decision, or of the protected ones."""
    rows = zip(classes["tolerance"], classes["decision"], classes["protected"])
    values = {float(t) for t, w, named in rows if (word is None or w == word) and (not protected or named == "yes")}
    if len(values) != 1:
        return "is tolerated"
    points = 100 * values.pop()
    return f"{points:g} point" if points == 1 else f"{points:g} points"
