"""The settings of an audit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from dropmix.audit.errors import AuditError, advice, first
from dropmix.audit.inputs.scores import SENSITIVITY

TOLERANCE = 0.01


@dataclass(frozen=True)
class Settings:
    """Settings of an audit; its result records all of them.

    Args:
        fdr: accepted expected share of false calls, in (0, 1).
        topk: an example counts as right when its class is among the first `topk`, >= 1.
        margin: the model counts a class as degraded if its recall falls by more than this; in [0, 1).
        seed: seed of the audit's own random numbers.
        confidence: "p_true" (probability of the true class) or "p_max" (highest probability).
        intersect: keep only the examples that all sources hold, instead of refusing different sets.
        level: coverage of the intervals, in (0, 1).
        refits: bootstrap refits behind the intervals; 0 gives no intervals.
        tolerance: loss of recall that is tolerated in a class, a fraction in [0, 1): one number, or class -> number
            (the others have 0.01).
        protect: names of classes that must not be lost; each is tested on its own.
        alone: level of each of these tests, in (0, 0.5): less than 0.05 where the question is asked at several looks,
            as `dropmix.audit.inference.looks` shares it out.

    Raises:
        AuditError: a value out of range.

    Example:
        >>> Settings(margin=0.0).margin
        0.0
    """

    fdr: float = 0.1
    topk: int = 1
    margin: float = 0.005
    seed: int = 0
    confidence: str = "p_true"
    intersect: bool = False
    level: float = 0.9
    refits: int = 200
    tolerance: float | Mapping[str, float] = TOLERANCE
    protect: Sequence[str] = field(default=())
    alone: float = 0.05

    def __post_init__(self):
        protect = (self.protect,) if isinstance(self.protect, str) else self.protect
        object.__setattr__(self, "protect", tuple(str(name) for name in protect))  # class 3 is called "3"
        if isinstance(self.tolerance, Mapping):
            object.__setattr__(self, "tolerance", {str(name): value for name, value in self.tolerance.items()})
        given = self.tolerance.values() if isinstance(self.tolerance, Mapping) else [self.tolerance]
        for value in given:
            if not 0 <= value < 1:
                raise AuditError(f"audit: expected tolerance as a fraction in [0, 1), got {value}. 0.01 is one point.")
        for name, high in (("fdr", 1), ("level", 1), ("alone", 0.5)):
            value = getattr(self, name)
            if not 0 < value < high:
                raise AuditError(
                    f"audit: expected {name} between 0 and {high}, got {value}. Give a fraction, such as 0.1."
                )
        if not 0 <= self.margin < 1:
            raise AuditError(
                f"audit: expected margin as a fraction in [0, 1), got {self.margin}. 0.005 is half a point."
            )
        if self.topk < 1 or self.topk != int(self.topk):
            raise AuditError(f"audit: expected topk of at least 1, got {self.topk}. Give 1 for plain recall.")
        if self.seed < 0 or self.seed != int(self.seed):
            raise AuditError(f"audit: expected seed as a whole number from 0, got {self.seed}. 0 is the default.")
        if self.refits < 0:
            raise AuditError(f"audit: expected refits of at least 0, got {self.refits}. 200 is the default.")
        if self.confidence not in ("p_true", "p_max"):
            raise AuditError(f"audit: expected confidence p_true or p_max, got {self.confidence!r}. Choose one.")

    def tolerances(self, names: Sequence[str]) -> np.ndarray:
        """The tolerated loss of each class, (M,), fractions.

        Raises:
            AuditError: a tolerance for a class that does not exist or has no examples.
        """
        if not isinstance(self.tolerance, Mapping):
            return np.full(len(names), float(self.tolerance))
        refuse_unknown(self.tolerance, names, "tolerance")
        return np.array([float(self.tolerance.get(name, TOLERANCE)) for name in names])

    def protected(self, names: Sequence[str]) -> np.ndarray:
        """Which classes were named beforehand, (M,), bool.

        Raises:
            AuditError: a protected class that does not exist or has no examples.
        """
        refuse_unknown(self.protect, names, "protect")
        return np.isin(np.array(names, dtype=object).astype(str), list(self.protect))

    def among(self, names: Sequence[str]) -> "Settings":
        """The same settings without the classes that are not among `names`."""
        known = {*names}
        tolerance = self.tolerance
        if isinstance(tolerance, Mapping):
            tolerance = {name: value for name, value in tolerance.items() if name in known}
        return replace(self, tolerance=tolerance, protect=tuple(name for name in self.protect if name in known))

    def with_slices(self, names: Sequence[str], by: np.ndarray | None) -> tuple["Settings", "Settings"]:
        """The same settings for rows of these names, and for slices: a name of a slice that no row has goes there.

        Args:
            names: of all rows.
            by: slice of each example, (N,), or None.
        """
        apart = set() if by is None else {*by.tolist()} - {*names}
        tolerance = self.tolerance
        if isinstance(tolerance, Mapping):
            tolerance = {name: value for name, value in tolerance.items() if name not in apart}
        rows = replace(self, tolerance=tolerance, protect=tuple(name for name in self.protect if name not in apart))
        return rows, self.among([*apart])

    def for_labels(self, labels: Sequence[str], measures: Sequence[str]) -> "Settings":
        """The same settings where the name of a label stands for all of its rows."""
        rows = {label: [f"{label} {measure}" for measure in measures] for label in labels}
        tolerance = self.tolerance
        if isinstance(tolerance, Mapping):
            tolerance = {row: value for name, value in tolerance.items() for row in rows.get(name, [name])}
        return replace(
            self, tolerance=tolerance, protect=tuple(r for name in self.protect for r in rows.get(name, [name]))
        )

    def to_dict(self) -> dict:
        """The settings as plain values."""
        return asdict(self) | {"protect": list(self.protect)}


def refuse_unknown(asked: Iterable[str], names: Sequence[str], what: str) -> None:
    """Refuse classes that an audit does not have; the nearest is named.

    Raises:
        AuditError: some of those asked for are not among the names.
    """
    unknown = [name for name in asked if name not in {*names}]
    if unknown:
        # Labels first: the nearest row is but one of the three that the name of a label protects.
        labels = [name.removesuffix(f" {SENSITIVITY}") for name in names if name.endswith(f" {SENSITIVITY}")]
        hint = advice(unknown[0], [*labels, *names])
        if any("," in name and name.startswith(unknown[0].strip('"')) for name in names):
            hint = "In the shell, a name that holds a comma stands in double quotes within the list."
        raise AuditError(f"{what}: expected classes with examples, got {first(unknown)}. {hint}")
