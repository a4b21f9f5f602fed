"""The finding in words that a practitioner can repeat, built from the numbers."""

import math

from dropmix.audit.arm_names import arm_title
from dropmix.audit.result import Comparison

SIGNIFICANT = 0.05


def verdict(comparison: Comparison) -> str:
    """One paragraph: the gain, what looks worse, what would if all classes changed alike, and what truly is.

    Says first, where it holds, that there is no evidence of class dependency. Numbers are in percentage points.

    Args:
        comparison: one treated arm against its baseline.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 50 + [1] * 50
        >>> worse = [0] * 50 + [1] * 48 + [0] * 2
        >>> print(verdict(audit_predictions((labels, labels), (labels, worse)).only))
        No evidence of class dependency: the classes' changes differ no more than noise does (p = ...). treated loses
        2.0 points (100.0 to 98.0 %). 1 of 2 classes looks worse; about 1 [0, 2] would if all changed alike. Tested one
        by one, between 0 and 2 of them truly lost more than 0.5 points. No single class can be
        named with confidence. One seed only: a hint, not a finding.
    """
    sentences = [_gain(comparison), _looks(comparison), _truly(comparison), _calls(comparison)]
    dependency = _dependency(comparison)
    if dependency:
        sentences.insert(0, dependency)
    caution = _caution(comparison)
    return " ".join(s for s in [*sentences, caution] if s)


def no_evidence(comparison: Comparison) -> bool:
    """Whether the heterogeneity test leaves equal changes of all classes standing (at 5 %)."""
    p = comparison.summary["heterogeneity_p"]
    return p is not None and p > SIGNIFICANT


def _dependency(c: Comparison) -> str:
    if not no_evidence(c):
        return ""
    p = c.summary["heterogeneity_p"]
    return f"No evidence of class dependency: the classes' changes differ no more than noise does (p = {p:.2g})."


def _gain(c: Comparison) -> str:
    s = c.summary
    gain = s["gain"]
    arm = arm_title(c.arm)
    numbers = f"({100 * s['accuracy_baseline']:.1f} to {100 * s['accuracy_treated']:.1f} %)"
    if f"{abs(100 * gain):.1f}" == "0.0":
        return f"{arm} leaves accuracy as it is {numbers}."
    verb = "gains" if gain > 0 else "loses"
    return f"{arm} {verb} {abs(100 * gain):.1f} points {numbers}."


def _looks(c: Comparison) -> str:
    s = c.summary
    looks = f"{s['n_degraded']} of {_classes(s['n_classes'])} {'looks' if s['n_degraded'] == 1 else 'look'} worse"
    floor = s["floor_n_degraded"]
    band = f"[{s['floor_n_degraded_low']:.0f}, {s['floor_n_degraded_high']:.0f}]"
    # "By chance" would be wrong for a common loss: equal losses make classes look worse, noise or not.
    return f"{looks}; about {_number(floor)} {band} would if all changed alike."


def _truly(c: Comparison) -> str:
    s = c.summary
    margin = _margin(c)
    if s["procedure"] != "empirical Bayes":
        low, high = s["n_degraded_estimate_low"], s["n_degraded_estimate_high"]
        between = f"exactly {low:.0f}" if low == high else f"between {low:.0f} and {high:.0f}"
        return f"Tested one by one, {between} of them truly lost more than {margin} points."
    number = s["n_degraded_estimate"]
    interval = _interval(s, "n_degraded_estimate", 1, "{:.0f}")
    verb = "is" if round(number) == 1 else "are"
    text = f"An estimated {_number(number)}{interval} truly {verb} worse by more than {margin} points"
    mean = s["mean_degraded_change_estimate"]
    if mean is not None:
        text += f", by {abs(100 * mean):.1f} on average{_interval(s, 'mean_degraded_change_estimate', 100, '{:.1f}')}"
    return text + "."


def _calls(c: Comparison) -> str:
    pairs = zip(c.classes["class"], c.classes["call"], c.classes["recall_change"])
    called = sorted((change, name) for name, call, change in pairs if call == "degraded")
    if not called:
        return "No single class can be named with confidence."
    named = ", ".join(f"{name} ({100 * change:+.1f})" for change, name in called[:5])
    more = f" and {len(called) - 5} more" if len(called) > 5 else ""
    if len(called) <= 5:
        return f"{'This one' if len(called) == 1 else f'These {len(called)}'} surely: {named}."
    # A tenth of many names is several classes: "surely" would promise what the rate of false calls does not.
    return f"{len(called)} can be named, a few of them wrongly: {named}{more}."


def _caution(c: Comparison) -> str:
    s = c.summary
    if min(s["seeds_baseline"], s["seeds_treated"]) == 1:
        return "One seed only: a hint, not a finding."
    return ""


def _margin(c: Comparison) -> str:
    return f"{100 * c.summary['margin']:g}"


def _interval(summary: dict, key: str, factor: float, form: str) -> str:
    low, high = summary[f"{key}_low"], summary[f"{key}_high"]
    if low is None or high is None:
        return ""
    bounds = sorted((abs(factor * low), abs(factor * high)))
    return f" [{form.format(bounds[0])}, {form.format(bounds[1])}]"


def _number(value: float) -> str:
    return "fewer than 1" if 0 < value < 0.5 else f"{math.floor(value + 0.5)}"


def _classes(count: int) -> str:
    return f"{count} class" if count == 1 else f"{count} classes"
