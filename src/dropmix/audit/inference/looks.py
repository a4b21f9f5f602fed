"""Several looks at one question, as seeds are added: the level of each look at which all together keep 5 %.

Testing at 5 % after every round and stopping at the first decision errs far more often than 5 % of the time. With S_k
seeds at look k, the standardised change is a Brownian motion seen at times S_k / S_K. Its boundary c_k is chosen with

    P(the motion crosses c_k at any look) = alpha

    "pocock"           c_k = c                   the same level at every look: stops early, costs power at the last one
    "obrien-fleming"   c_k = c sqrt(S_K / S_k)   strict at first, nearly alpha at the last look

Source:
    Pocock 1977, Biometrika 64; O'Brien & Fleming 1979, Biometrics 35; the integrals as in Armitage, McPherson & Rowe
    1969.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from dropmix.audit.errors import AuditError, clip

FILE = "looks.json"  # in the folder of a grid
RULES = ("pocock", "obrien-fleming")
NODES = 160  # of each integral
MOST_BYTES, MOST_LOOKS = 1_000_000, 1_000
FAR = 8.0  # standard deviations below which nothing is left


def levels(seeds: Sequence[int], rule: str = "pocock", alpha: float = 0.05) -> np.ndarray:
    """Level of the one-sided test at each look, (K,).

    Args:
        seeds: of each arm at every look, rising.
        rule: one of `RULES`.
        alpha: of all looks together, in (0, 0.5).
    Raises:
        ValueError: no looks, numbers that do not rise, or an unknown rule.

    Example:
        >>> levels([3, 6, 9, 12], "pocock").round(4).tolist()
        [0.0193, 0.0193, 0.0193, 0.0193]
        >>> levels([3, 6, 9, 12], "obrien-fleming").round(4).tolist()
        [0.0003, 0.0071, 0.0227, 0.0415]
    """
    times = np.asarray(seeds, dtype=float)
    if not len(times) or (times <= 0).any() or (np.diff(times) <= 0).any():
        raise ValueError(f"looks: expected rising numbers of seeds, got {list(seeds)}.")
    if rule not in RULES:
        raise ValueError(f"looks: expected one of {', '.join(RULES)}, got {rule!r}.")
    times = times / times[-1]
    shape = np.ones_like(times) if rule == "pocock" else 1 / np.sqrt(times)
    from scipy.optimize import brentq  # loads much, and few audits ask

    height: Any = brentq(lambda c: crossed(c * shape, times) - alpha, 0.1, FAR, xtol=1e-10)
    return ndtr(-float(height) * shape)


def crossed(boundaries: np.ndarray, times: np.ndarray) -> float:
    """Probability that a standardised Brownian motion lies above a boundary at any look.

    Args:
        boundaries: on the scale of a standard normal, (K,).
        times: rising, (K,), the last is 1.

    Example:
        >>> round(crossed(np.array([1.645]), np.array([1.0])), 3)
        0.05
    """
    at, weight = np.polynomial.legendre.leggauss(NODES)
    spots, density, gone = np.zeros(1), np.ones(1), 0.0
    before = 0.0
    for height, time in zip(boundaries * np.sqrt(times), times):
        step = np.sqrt(time - before)
        gone += float(density @ ndtr((spots - height) / step))
        low = -FAR * np.sqrt(time)
        new = low + (height - low) * (at + 1) / 2
        kernel = np.exp(-(((new[:, None] - spots) / step) ** 2) / 2) / (step * np.sqrt(2 * np.pi))
        density = kernel @ density * weight * (height - low) / 2
        spots, before = new, time
    return gone


def rounds(first: int, most: int) -> list[int]:
    """Seeds at each look: as many are added in every round as there were at first, up to `most`.

    Example:
        >>> rounds(3, 10)
        [3, 6, 9, 10]
    """
    if not 1 <= first <= most:
        raise ValueError(f"looks: expected at least as many seeds at most as at first, got {most} and {first}.")
    return [*range(first, most, first), most]


@dataclass(frozen=True)
class Looks:
    """What a grid is asked at several looks; written beside its runs, so that every later audit keeps the levels.

    Args:
        protect: classes to decide.
        tolerance: as in the settings of an audit.
        rule: one of `RULES`.
        seeds: of each arm at every look.
        done: looks taken so far.
    """

    protect: tuple[str, ...]
    tolerance: float | Mapping[str, float]
    rule: str
    seeds: tuple[int, ...]
    done: int = 0

    def level(self, look: int) -> float:
        """Level of each protected class's own tests at a look, counted from 1; before the first, as at the first."""
        return float(levels(self.seeds, self.rule)[max(look, 1) - 1])

    @property
    def note(self) -> str:
        """A sentence that says which look this is, and at which level it tests."""
        spelt = {"pocock": "Pocock", "obrien-fleming": "O'Brien and Fleming"}[self.rule]
        which = f"Look {self.done}" if self.done else "Before the first look"
        return (
            f"{which} of at most {len(self.seeds)} ({self.seeds[max(self.done, 1) - 1]} of at most {self.seeds[-1]} "
            f"seeds per arm): protected classes are tested at {100 * self.level(self.done):.2g} %, so that all looks "
            f"together keep 5 % (rule of {spelt})."
        )

    def write(self, folder: Path) -> None:
        """Write it into a grid's folder, whole or not at all."""
        part = folder / f".{FILE}"
        part.write_text(json.dumps({"format": 1, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        part.replace(folder / FILE)


def read_looks(folder: Path) -> Looks | None:
    """Read the looks noted in a grid's folder; None if there are none.

    Raises:
        AuditError: a damaged file.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        content = json.loads(path.read_bytes())
        looks = Looks(
            tuple(map(str, content["protect"])),
            content["tolerance"] if isinstance(content["tolerance"], dict) else float(content["tolerance"]),
            str(content["rule"]),
            tuple(map(int, content["seeds"])),
            int(content["done"]),
        )
        sound = 0 <= looks.done <= len(looks.seeds) <= MOST_LOOKS and len(levels(looks.seeds, looks.rule)) > 0
    except (KeyError, TypeError, OverflowError, RecursionError):
        raise AuditError(f"{path}: expected looks as dropmix run wrote them, got another file. Remove it.") from None
    except (OSError, ValueError) as error:
        raise AuditError(f"{path}: expected looks as dropmix run wrote them, got {clip(error)}. Remove it.") from None
    if not sound:
        raise AuditError(f"{path}: expected a look among {len(looks.seeds)}, got {looks.done}. Remove it.")
    return looks
