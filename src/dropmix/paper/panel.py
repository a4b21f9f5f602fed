"""Our runs of one network beside one network of the paper: the source of tables and figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison
    from dropmix.paper.replicate import Range


@dataclass(frozen=True)
class Panel:
    """Our runs for one network that the paper prints.

    Args:
        network: as the paper prints it.
        heading: our network, data, epochs and seeds.
        label: the same in fewer words, for figures.
        exact: whether the protocol is the paper's; if not, the runs stand in for it, and the heading says so.
        audit: comparisons of our arms with vanilla.
        confidence: arm -> ranges of a second study's confidence change, of improved and of degraded classes.
        missing: arms and seeds that the plan has but the folder lacks, one per line.
    """

    network: str
    heading: str
    label: str
    exact: bool
    audit: "Audit"
    confidence: "Mapping[str, tuple[Range, Range]]" = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def line(self, method: str) -> "dict[float, Comparison]":
        """Rate -> comparison of a method, rates ascending; "mixup alpha=0.2" is a method of its own."""
        by_rate = {}
        for comparison in self.audit.comparisons:
            if comparison.method == method:
                by_rate[comparison.rate] = comparison
        return dict(sorted(by_rate.items()))

    def named(self, comparison: "Comparison") -> "Comparison":
        """A comparison whose title begins with this panel's label."""
        return replace(comparison, group=self.label)

    def plain(self, method: str) -> "Comparison | None":
        """The method without DropMix."""
        return self.line(method).get(0.0)

    def dropmix(self, method: str, rate: float) -> "Comparison | None":
        """The method at a printed rate; runs that stand in give their nearest rate."""
        rates = {r: c for r, c in self.line(method).items() if r > 0}
        if rate in rates or not rates:
            return rates.get(rate)
        return None if self.exact else rates[min(rates, key=lambda r: abs(r - rate))]
