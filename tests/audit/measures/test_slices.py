"""Slices as classes, against a count by hand."""

import numpy as np
import pytest

from dropmix.audit import AuditError, Predictions
from dropmix.audit.measures.slices import sliced


def test_right_stays_right_in_every_slice():
    rng = np.random.default_rng(0)
    labels, pred, by = rng.integers(0, 5, 90), rng.integers(0, 5, (3, 90)), rng.integers(0, 4, 90)
    found = sliced(Predictions("a", labels, pred, np.arange(3)), by)
    assert np.array_equal(found.correct(), pred == labels)
    assert found.class_names == ("0", "1", "2", "3", "(wrong)")
    assert np.array_equal(found.labels, by)


@pytest.mark.parametrize("by", [[1, 2], [1, None, 2], ["a", float("nan"), "b"], ["(wrong)", "a", "b"]])
def test_bad_slices_are_one_line(by):
    p = Predictions("a", np.array([0, 1, 1]), np.array([[0, 1, 1]]), np.array([0]))
    with pytest.raises(AuditError, match="expected"):
        sliced(p, by)
