"""What stands beside the recall of each class: precision, F1 and flips, as the columns of a comparison."""

import numpy as np

from dropmix.audit.inputs.predictions import superclass_numbers
from dropmix.audit.measures.confusion import superclass_changes
from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.flips import flips
from dropmix.audit.measures.precision import precision_and_f1


def beside_recall(p: Pair, level: float) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Numbers of the summary, and columns of the audited classes, (M,) each, fractions.

    Args:
        p: two arms, counted.
        level: coverage of the intervals.
    """
    columns: dict[str, np.ndarray] = {}
    measured = precision_and_f1(p.labels, p.baseline.pred, p.treated.pred, len(p.names), p.baseline.group)
    for key, measure in zip(("precision", "f1"), measured):
        low, high = measure.interval(level)
        columns |= {
            f"{key}_baseline": measure.baseline[p.audited],
            f"{key}_treated": measure.treated[p.audited],
            f"{key}_change": measure.change[p.audited],
            f"{key}_change_low": low[p.audited],
            f"{key}_change_high": high[p.audited],
        }
    moved = flips(p.position, p.correct0, p.correct1)
    columns |= {"negative_flips": moved.negative, "negative_flips_by_seed": moved.by_seed}
    columns |= {"positive_flips": moved.positive}
    share = p.sizes / p.sizes.sum()
    summary = {key: float(columns[key] @ share) for key in ("negative_flips", "negative_flips_by_seed")}
    return summary, columns


def superclass_columns(p: Pair) -> tuple[dict, dict]:
    """Numbers of the summary, and columns: the change inside and across superclasses; NaN without superclasses."""
    keys = ("within_superclass_change", "across_superclass_change")
    groups = p.superclasses
    if groups is None or p.baseline.score is not None:
        return dict.fromkeys(keys, np.nan), {}
    changes = superclass_changes(p.labels, p.baseline.pred, p.treated.pred, superclass_numbers(groups))
    known = np.array([groups[i] is not None for i in p.audited])
    columns = {key: np.where(known, values[p.audited], np.nan) for key, values in zip(keys, changes)}
    weights = p.sizes[known] / max(p.sizes[known].sum(), 1)
    means = {key: float(values[known] @ weights) if known.any() else np.nan for key, values in columns.items()}
    return means, columns
