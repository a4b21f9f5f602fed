"""Audit slices: any column, such as the camera or the hospital, takes the place of the class.

Every later step counts right and wrong per class, so each slice becomes a class. Its examples have the slice as label
and, if predicted correctly, as prediction. Wrong predictions go to one further class without examples.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.predictions import Predictions

WRONG = "(wrong)"


def sliced(p: Predictions, by: Sequence[Any] | np.ndarray, topk: int = 1) -> Predictions:
    """The same predictions with the slices as classes.

    Args:
        p: predictions.
        by: the slice of each example, (N,), in the order of `p`; numbers or text.
        topk: an example counts as right when its class is among the first `topk`.
    Raises:
        AuditError: not one value per example, a missing value, or a slice called "(wrong)".

    Example:
        >>> p = Predictions("a", np.array([0, 1, 1]), np.array([[0, 0, 1]]), np.array([0]))
        >>> s = sliced(p, ["day", "night", "night"])
        >>> s.class_names, s.correct().tolist()
        (('day', 'night', '(wrong)'), [[True, False, True]])
    """
    values = np.asarray(by, dtype=object)
    if values.shape != p.labels.shape:
        raise AuditError(f"{p.arm}: expected a slice per example, {p.labels.shape}, got {values.shape}. Give one each.")
    missing = [i for i, value in enumerate(values) if value is None or value != value]
    if missing:
        raise AuditError(f"{p.arm}: expected a slice per example, got {len(missing)} empty ones. Fill them in.")
    names, code = np.unique(values.astype(str), return_inverse=True)
    if WRONG in names:
        raise AuditError(f"{p.arm}: expected slices with other names than {WRONG!r}, got one. Rename it.")
    labels = code.astype(np.int32)
    pred = np.where(p.correct(topk), labels, len(names)).astype(np.int32)
    return replace(
        p, labels=labels, pred=pred, topk=None, accept=None, superclasses=None, class_names=(*map(str, names), WRONG)
    )
