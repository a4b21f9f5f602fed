"""The ways to decide a class in words: so many seeds, images, or both."""

import numpy as np

EXAMPLE, GROUP = "test example", "group"
OF_CLASS = "of the class"
FEW_SEEDS = 10  # more seeds than this are many: where they and as many images again are not enough, both are named


def in_words(
    seeds: float,
    images: float,
    both: tuple[float, float],
    images_now: float,
    counts: tuple[int, int] = (3, 3),
    of: tuple[str, str] = (EXAMPLE, OF_CLASS),
) -> str:
    """The ways in words, "" if there is none; both together where that at least halves what each alone would take.

    Args:
        seeds: in each arm.
        images: more of the class.
        both: seeds in each arm, and more images of the class.
        images_now: images of the class so far.
        counts: seeds of both arms so far.
        of: what they are counted in, and which of them count.

    Example:
    >>> in_words(7, np.inf, (5, 30), 50), in_words(19, np.inf, (16, 2200), 313)
    ('about 4 more seeds per arm', 'about 16 more seeds per arm')
    >>> in_words(np.inf, 2000, (12, 300), 313)
    'about 2000 more test examples of the class, or about 9 more seeds per arm together with about 300 examples'
    >>> in_words(np.inf, np.inf, (5, 30), 20)
    'about 2 more seeds per arm together with about 30 more test examples of the class'
    >>> in_words(2.0, np.inf, (2, 30), 20, (3, 1))
    'about 1 more seed of the arm with 1'
    """
    ways = [_seeds(seeds, counts)] if np.isfinite(seeds) else []
    ways += [_images(images, *of)] if np.isfinite(images) else []
    many = seeds - min(counts) > FEW_SEEDS and images > images_now
    if many and np.isfinite(both[0]) and 2 * (both[0] - min(counts)) <= seeds - min(counts) and 2 * both[1] <= images:
        again = f"about {_rounded(max(both[1], 1))} {of[0].removeprefix('test ')}s"
        too = again if np.isfinite(images) else _images(both[1], *of)
        ways.append(f"{_seeds(both[0], counts)} together with {too}")
    if len(ways) > 1 and "together" in ways[-1]:
        return f"{', '.join(ways[:-1])}, or {ways[-1]}"
    return " or ".join(ways)


def _seeds(each: float, counts: tuple[int, int]) -> str:
    """So many more seeds, and of which arm.

    Example:
        >>> _seeds(5.0, (3, 3)), _seeds(5.0, (3, 1))
        ('about 2 more seeds per arm', 'about 5 seeds in each arm')
    """
    few, many = sorted(counts)
    arms = as_arms(each, counts)
    count = max(min(arms) - few, 1)
    more = f"about {count} more seed{'' if count == 1 else 's'}"
    if few == many:
        return f"{more} per arm"
    return f"{more} of the arm with {few}" if max(arms) == many else f"about {max(arms)} seeds in each arm"


def _images(count: float, unit: str, whose: str) -> str:
    return f"about {_rounded(max(count, 1))} more {unit}{'' if count <= 1 else 's'} {whose}"


def _rounded(value: float) -> int:
    """Round up to two digits, all that such an estimate is worth.

    Example:
        >>> _rounded(1234.0), _rounded(7.2)
        (1300, 8)
    """
    step = 10 ** max(int(np.floor(np.log10(value))) - 1, 0)
    return int(np.ceil(value / step) * step)


def as_arms(seeds: float, counts: tuple[int, int]) -> tuple[int, int]:
    """Seeds of both arms that do as well as `seeds` in each: the arm with fewer is raised first, and none is removed.

    Args:
        seeds: wished for each arm, at least 1.
        counts: S0, S1, so far.

    Example:
        >>> as_arms(5, (3, 3)), as_arms(2, (3, 1)), as_arms(5, (3, 1))
        ((5, 5), (3, 2), (5, 5))
    """
    few, many = sorted(counts)
    left = 2 / seeds - 1 / many
    raised = np.ceil(1 / left - 1e-9) if left > 0 else np.inf
    if few < many and raised <= many:
        return max(int(raised), counts[0]), max(int(raised), counts[1])
    return max(int(np.ceil(seeds)), counts[0]), max(int(np.ceil(seeds)), counts[1])
