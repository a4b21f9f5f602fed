"""The paper's claims in words, each as a quantity with a 95 % interval and a verdict.

Every quantity is 0 if every class gains equally, up to noise, whatever that gain is:

    unevenness      sd of the true recall changes over classes; interval by inverting Cochran's Q (Q profile)
    mean drop       the paper's measure with DropMix minus without, minus the same difference of the arms' floors
    rescue          what DropMix gives the classes that the method hurts, minus what it gives the others
    confidence      confidence change of degraded classes minus that of improved ones
    two methods     difference of the variances of their true changes, and of their mean drops beyond the floors

Classes are chosen on half of the seeds and measured on the other half (mean over random halves). Otherwise bad luck on
the choosing seeds would count as harm, and its absence as rescue. All intervals but the first treat the classes as a
sample of independent units: what moves all classes equally cancels.

Source:
    Claims: Lee, Lee & Kim, arXiv 2307.09136, Secs. 3.3, 4.2, 5.1 and 5.3.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dropmix.audit.arm_names import ArmName
from dropmix.audit.errors import AuditError
from dropmix.paper.claim_estimates import (
    ClaimEstimate,
    Seen,
    confidence_gap,
    drop_difference,
    gain_gap,
    rescued,
    unevenness,
    variance_difference,
)

LOCAL = ("cutmix", "puzzlemix", "resizemix", "saliencymix", "fmix", "gridmix", "smoothmix")
GLOBAL = ("mixup", "manifoldmix", "samplepairing")


@dataclass(frozen=True)
class Claim:
    """One claim about one arm or a pair of arms.

    Args:
        claim: what the paper says.
        about: the arms.
        measure: what was estimated.
        unit: "points", "points squared" or "fraction"; `estimate` is a fraction, or a fraction squared.
        estimate: with its interval.
        verdict: "yes", "no, the reverse", "not shown" or "cannot be said".
    """

    claim: str
    about: str
    measure: str
    unit: str
    estimate: ClaimEstimate
    verdict: str


def claims(arms: list[Seen], seed: int = 0) -> list[Claim]:
    """Every claim of the paper that the arms of one network can test.

    Args:
        arms: of one group, all compared with the same vanilla on the same classes.
        seed: of the random halves.
    Raises:
        AuditError: arms with different classes.
    """
    if len({len(a.change) for a in arms}) > 1:
        raise AuditError(
            "claims: expected arms on the same classes, got different numbers of them. Audit one data set."
        )
    names = [ArmName(a.comparison.method, a.comparison.rate) for a in arms]
    plain = {n.method: a for n, a in zip(names, arms) if not n.rate}
    tested = [_uneven(a) for a in arms]
    for name, arm in zip(names, arms):
        if name.rate and name.plain in plain:
            tested += _mended(plain[name.plain], arm, seed)
    tested += [_confidence(a, seed) for a in arms if a.confidence is not None]
    for one, other in combinations(plain.values(), 2):
        tested += _hypotheses(one, other)
    return tested


def _uneven(a: Seen) -> Claim:
    estimate = unevenness(a.change, a.variance)
    verdict = "cannot be said" if np.isnan(estimate.low) else "yes" if estimate.low > 0 else "not shown"
    measure = "sd of the true recall changes over classes"
    return Claim("changes recall unevenly", a.comparison.arm, measure, "points", estimate, verdict)


def _mended(plain: Seen, arm: Seen, seed: int) -> list[Claim]:
    about = f"{arm.comparison.arm} against {plain.comparison.arm}"
    drop = drop_difference(plain, arm)
    back = rescued(plain.comparison, arm.comparison, seed)
    measure = "mean drop of the degraded classes beyond its floor, with - without"
    return [
        Claim("DropMix reduces the mean drop", about, measure, "points", drop, _verdict(drop)),
        Claim(
            "DropMix helps the classes that are hurt",
            about,
            "given back to classes hurt on other seeds, minus to the rest",
            "points",
            back,
            _verdict(back),
        ),
    ]


def _confidence(a: Seen, seed: int) -> Claim:
    estimate = confidence_gap(a, seed)
    measure = "confidence change of degraded - of improved classes, chosen on other seeds"
    return Claim(
        "degraded classes lose more confidence", a.comparison.arm, measure, "fraction", estimate, _verdict(estimate, -1)
    )


def _hypotheses(one: Seen, other: Seen) -> list[Claim]:
    """Sec. 5.3 for two methods without DropMix, by the variance of true changes and the drop beyond the floor."""
    tested = []
    gain = [float(a.comparison.summary["gain"]) for a in (one, other)]
    better, worse = (one, other) if gain[0] >= gain[1] else (other, one)
    sure = gain_gap(better.comparison, worse.comparison).sign > 0
    tested += _less_dependent("the more accurate method is less class-dependent", better, worse, sure)
    for local, wide in ((one, other), (other, one)):
        if _method(local) in LOCAL and _method(wide) in GLOBAL:
            tested += _less_dependent("the local method is less class-dependent than the global one", local, wide, True)
    return tested


def _less_dependent(claim: str, a: Seen, b: Seen, sure: bool) -> list[Claim]:
    about = f"{a.comparison.arm} against {b.comparison.arm}"
    spread, drop = variance_difference(a, b), drop_difference(b, a)
    texts = ("variance of the true changes, difference", "mean drop beyond its floor, difference")
    verdicts = [_verdict(spread, -1), _verdict(drop)]
    if not sure:
        verdicts = ["not shown: accuracies too close"] * 2
    return [
        Claim(claim, about, texts[0], "points squared", spread, verdicts[0]),
        Claim(claim, about, texts[1], "points", drop, verdicts[1]),
    ]


def _method(a: Seen) -> str:
    return a.comparison.method.split()[0]


def _verdict(estimate: ClaimEstimate, wanted: int = 1) -> str:
    if np.isnan(estimate.low):
        return "cannot be said"
    return {wanted: "yes", -wanted: "no, the reverse"}.get(estimate.sign, "not shown")
