"""What an audit is asked."""

from dataclasses import asdict, dataclass

from dropmix.audit.errors import AuditError


@dataclass(frozen=True)
class Settings:
    """Settings of an audit, all recorded in its result.

    Args:
        fdr: expected share of false calls that is accepted, in (0, 1).
        topk: an example counts as right when its class is among the first `topk`, >= 1.
        margin: a class is truly degraded when its recall falls by more than this fraction, in [0, 1).
        seed: of the audit's own random numbers.
        confidence: "p_true" (probability of the true class) or "p_max" (highest probability).
        intersect: keep the examples that all sources hold, instead of refusing differing sets.
        level: coverage of the intervals, in (0, 1).
        refits: bootstrap refits behind the intervals; 0 gives no intervals.

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

    def __post_init__(self):
        for name, low, high in (("fdr", 0, 1), ("level", 0, 1)):
            value = getattr(self, name)
            if not low < value < high:
                raise AuditError(f"audit: expected {name} between 0 and 1, got {value}. Give a fraction, such as 0.1.")
        if not 0 <= self.margin < 1:
            raise AuditError(
                f"audit: expected margin as a fraction in [0, 1), got {self.margin}. 0.005 is half a point."
            )
        if self.topk < 1 or self.topk != int(self.topk):
            raise AuditError(f"audit: expected topk of at least 1, got {self.topk}. Give 1 for plain recall.")
        if self.refits < 0:
            raise AuditError(f"audit: expected refits of at least 0, got {self.refits}. 200 is the default.")
        if self.confidence not in ("p_true", "p_max"):
            raise AuditError(f"audit: expected confidence p_true or p_max, got {self.confidence!r}. Choose one.")

    def to_dict(self) -> dict:
        """The settings as plain values."""
        return asdict(self)
