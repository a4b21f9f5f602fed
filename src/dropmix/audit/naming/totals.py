"""Files of sums: metrics, reports and confusion matrices, told by the names that they use, and refused."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dropmix.audit.errors import AuditError, clip, first, shown
from dropmix.audit.naming.aliases import plain

METRIC = re.compile(
    r"(?:.*[/_. -])?(?:epoch|step|loss|acc|accuracy|top[-_]?[15](?:[-_]err)?|lr|runtime|f1|precision|recall|auc)"
    r"(?:[/_. -].*)?"
)
CONFUSION = "a confusion matrix"
COUNTS = {"count", "counts", "n", "npredictions", "n_predictions", "freq", "frequency", "total", "support"}


def refuse_totals(names: Sequence[str], where: str) -> None:
    """Refuse what was computed from predictions: metrics, reports and confusion matrices, told by their names.

    Raises:
        AuditError: such names.
    """
    flat = [plain(str(name)) for name in names]
    metrics = [str(name) for name, text in zip(names, flat) if METRIC.fullmatch(text)]
    if {"precision", "recall"} <= {*flat}:
        kind, advice = "a classification report, which holds totals per class", "the two arrays that it was made of"
    elif any(text in ("cm", "conf_mat") or "confusion" in text for text in flat):
        kind, advice = CONFUSION, "the two arrays that it was made of"
    elif len(metrics) > 1 and 3 * len(metrics) >= len([text for text in flat if text]):
        kind, advice = f"metrics ({first(metrics)})", "the predictions on the test set that they were computed from"
    else:
        return
    raise AuditError(f"{where}: expected a prediction per example, got {kind}. Save {advice}, y_true and y_pred.")


def without_predictions(names: Sequence[str], missing: str, where: str) -> AuditError:
    """The error for a table without true classes (`missing` is "label") or predictions ("pred")."""
    refuse_totals(names, where)
    also = ", or give the labels (--labels FILE)" if missing == "label" else ""
    if missing == "pred" and any(plain(name) in ("label", "class", "target") for name in names):
        also = ", or if label holds predictions, give the true classes (--labels FILE)"
    elif missing == "pred" and sum(name.strip().isdigit() for name in names) > 1:
        also = ", or name scores of class 0 p_0 or logit_0, and so on"
    return AuditError(
        f"{where}: expected columns label and pred, got {shown(names)}. Add {missing}, name it "
        f"(--columns {missing}=NAME){also}."
    )


def refuse_counts(table: Any, named: Mapping[str, str], where: str) -> None:
    """Refuse a table of counts: a row per pair of true and predicted class, with a column of how often it came.

    Raises:
        AuditError: such a table.
    """
    counts = [n for n in table.column_names if plain(n) in COUNTS and n not in named.values()]
    if not counts or "example_id" in named or not {"label", "pred"} <= named.keys() or len(table) < 2:
        return
    pairs = zip(table[named["label"]].to_pylist(), table[named["pred"]].to_pylist())
    if len({*pairs}) == len(table):
        raise AuditError(
            f"{where}: expected a row per example, got a row per pair of classes with its number ({clip(counts[0])}), "
            f"as in {CONFUSION}. Save the arrays that it was made of, y_true and y_pred."
        )
