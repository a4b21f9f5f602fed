"""Several arms side by side: a decision for each, and the counts behind it."""

import re

import numpy as np
import pytest
from rich.console import Console

from dropmix.audit import audit_predictions
from dropmix.report.tables.overview import overview


@pytest.fixture
def three_arms():
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(4), [30, 60, 90, 120])
    hits = [rng.random((3, len(labels))) < right for right in (0.8, 0.5, 0.99)]
    arms = [{"labels": labels, "pred": np.where(hit, labels, (labels + 1) % 4)} for hit in hits]
    return audit_predictions(arms[0], {"cutmix": arms[1], "mixup": arms[2]}, refits=0)


def printed(audit, width=100, ascii_only=False) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(overview(audit, width, ascii_only))
    return capture.get()


def test_every_arm_has_its_decision_and_counts(three_arms):
    text = printed(three_arms)
    for c, title in zip(three_arms.comparisons, ("CutMix", "Mixup")):
        s = c.summary
        numbers = [f"{100 * s['accuracy_treated']:.1f}", f"{100 * s['gain']:+.1f}", f"{100 * s['gain_macro']:+.1f}"]
        numbers += [str(s[key]) for key in ("n_hurt", "n_safe", "n_undecided")]
        (line,) = [line for line in text.splitlines() if line.strip().startswith(title)]
        assert re.split(r"\s{2,}", line.strip()) == [title, s["decision"], *numbers]


@pytest.mark.parametrize("width", [30, 40, 72, 80])
def test_no_decision_and_no_heading_is_cut(three_arms, width):
    text = printed(three_arms, width, ascii_only=True)
    assert text.isascii()
    assert all(c.summary["decision"] in text for c in three_arms.comparisons)
    assert ("undecided" in text.splitlines()[2] + text.splitlines()[3]) == (width >= 78)
