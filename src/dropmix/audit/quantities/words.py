"""How numbers of the audit are said in a sentence."""

import math

NAMED = 5  # more names than this are counted


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


def class_count(count: int) -> str:
    """`1 class`, `3 classes`."""
    return f"{count} class" if count == 1 else f"{count} classes"
