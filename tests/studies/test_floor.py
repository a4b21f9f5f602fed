"""The floor against the design's table, and against binomial theory where it applies."""

import numpy as np
import pytest
from scipy import stats

from dropmix.audit import AuditError
from dropmix.paper.floor_page import STUDIES, page, paper_rows
from dropmix.studies.floor import floor

# Equal gain in points -> classes of 100 that look degraded, and their mean change (5 v 5 seeds, 100 images each).
KNOWN = {0: (48, -1.5), 0.84: (29, -1.3), 1.49: (18, -1.1), 2.52: (7, -1.0), 3.53: (2, None)}


@pytest.mark.parametrize("gain", KNOWN)
def test_known_table(gain):
    number, change = KNOWN[gain]
    # Few studies of many classes: one class in 100 costs the same and tells the mean more exactly.
    row = floor(classes=3000, gain=gain / 100, repetitions=4)
    # 0.5 is the table's own error, 0.4 that of 12,000 classes; 60,000 gave 47.7, 29.4 and 18.4 for the first three.
    assert row.number / 30 == pytest.approx(number, abs=1.6)
    assert row.number_low <= row.number <= row.number_high
    if change is not None:
        assert 100 * row.change == pytest.approx(change, abs=0.12)


def test_arms_that_disagree_more_have_a_higher_floor():
    assert floor(classes=3000, gain=0.0149, arm_disagreement=0.02, repetitions=4).number / 30 == pytest.approx(
        24, abs=1.6
    )


def test_without_shared_images_it_is_binomial():
    """One image per class and one seed: a class looks degraded if only the baseline is right."""
    row = floor(
        classes=2000,
        per_class=1,
        seeds=1,
        accuracy=0.8,
        recall_sd=0.05,
        disagreement=0.2,
        seed_ratio=1.0,
        repetitions=20,
    )
    # Two seeds disagree on 20 %: half of them are losses.
    assert row.number / 2000 == pytest.approx(0.1, abs=4 * float(stats.binom.std(2000 * 20, 0.1)) / (2000 * 20))


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": 0},
        {"seeds": 0},
        {"gain": 1.5},
        {"accuracy": 1.0},
        {"recall_sd": 0.9},
        {"disagreement": 0.0},
        {"disagreement": 0.45},
        {"seed_ratio": 0.5},
        {"repetitions": 1},
        {"classes": 10**6, "per_class": 10**4},
    ],
)
def test_impossible_studies_are_one_line(wrong):
    with pytest.raises(AuditError, match="expected"):
        floor(**{"repetitions": 2, **wrong})


def test_every_row_of_the_paper_has_a_floor():
    rows = {t: paper_rows(t, 2) for t in (1, 4)}
    assert [len(r) for r in rows.values()] == [24, 4]
    first = rows[1][0]
    assert (first["network"], first["method"], first["n_dc"]) == ("WRN28-2", "mixup", 32)
    assert first["gain"] == pytest.approx(0.0084)
    assert len(first["floors"]) == 3


def test_page_reads(monkeypatch):
    monkeypatch.setattr("dropmix.paper.floor_page.STUDIES", {4: STUDIES[4]})
    text = page(repetitions=4)
    assert "| ResNet18 | mixup | +0.63 |" in text
    assert "nan" not in text
    assert np.char.count(text, "\n| ResNet18") == 4
