"""What an inference found, as values of the quantities."""

from typing import Any

import numpy as np

from dropmix.audit.analysis import Analysis
from dropmix.audit.inference.decide import HURT, SAFE, TOO_FEW, UNDECIDED, overall
from dropmix.audit.inference.infer import Inference


def inferred(inference: Inference, words: np.ndarray, a: Analysis, slices_named: bool) -> dict[str, Any]:
    """What an inference says of all classes: values of the summary, without their suffix."""
    low, high = a.guarantee(int(inference is a.inferences[1])).hurt_among(np.arange(len(words)))
    return {
        "decision": overall(words, a.named, a.guesses or a.unlearned, slices_named),
        "n_hurt": int((words == HURT).sum()),
        "n_safe": int((words == SAFE).sum()),
        "n_undecided": int((words == UNDECIDED).sum()),
        "n_too_few": int((words == TOO_FEW).sum()),
        "n_hurt_low": low,
        "n_hurt_high": high,
        "heterogeneity_p": inference.heterogeneity.p,
        "heterogeneity_tau": inference.heterogeneity.tau,
        "heterogeneity_i2": inference.heterogeneity.i2,
        "floor_n_degraded": inference.floor.number,
        "floor_n_degraded_low": inference.floor.low,
        "floor_n_degraded_high": inference.floor.high,
        "floor_mean_degraded_change": inference.floor.mean_change,
        "n_degraded_estimate": inference.number,
        "n_degraded_estimate_low": inference.bounds.number_low,
        "n_degraded_estimate_high": inference.bounds.number_high,
        "mean_degraded_change_estimate": inference.mean_change,
        "mean_degraded_change_estimate_low": inference.bounds.change_low,
        "mean_degraded_change_estimate_high": inference.bounds.change_high,
        "n_called": int(inference.called.sum()),
        "n_called_improved": int(inference.called_improved.sum()),
    } | (
        {}
        if inference is a.inferences[1]
        else {"procedure": "tests of each class (Holm)" if inference.few else "empirical Bayes"}
    )


def inferred_columns(inference: Inference, words: np.ndarray) -> dict[str, Any]:
    """What an inference says of each class: columns of the class table, without their suffix."""
    call = np.where(inference.called, "degraded", np.where(inference.called_improved, "improved", "")).astype(object)
    return {
        "decision": words.tolist(),
        "recall_change_low": inference.tests.low,
        "recall_change_high": inference.tests.high,
        "p_hurt": inference.tests.p_hurt,
        "p_safe": inference.tests.p_safe,
        "p_degraded": inference.p_degraded,
        "p_improved": inference.p_improved,
        "call": call.tolist(),
        "recall_change_estimate": inference.estimate,
        "recall_change_estimate_low": inference.estimate - inference.half_width,
        "recall_change_estimate_high": inference.estimate + inference.half_width,
    }
