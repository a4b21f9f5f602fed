"""What an inference found, as values of the quantities."""

from typing import Any

import numpy as np

from dropmix.audit.analysis import Analysis
from dropmix.audit.inference.decide import HURT, SAFE, TOO_FEW, UNDECIDED, overall
from dropmix.audit.inference.infer import Inference


def inferred(found: Inference, words: np.ndarray, a: Analysis, slices_named: bool) -> dict[str, Any]:
    """What an inference says of all classes: values of the summary, without their suffix."""
    low, high = a.guarantee(int(found is a.found[1])).hurt_among(np.arange(len(words)))
    return {
        "decision": overall(words, a.named, a.guesses, slices_named),
        "n_hurt": int((words == HURT).sum()),
        "n_safe": int((words == SAFE).sum()),
        "n_undecided": int((words == UNDECIDED).sum()),
        "n_too_few": int((words == TOO_FEW).sum()),
        "n_hurt_low": low,
        "n_hurt_high": high,
        "heterogeneity_p": found.heterogeneity.p,
        "heterogeneity_tau": found.heterogeneity.tau,
        "heterogeneity_i2": found.heterogeneity.i2,
        "floor_n_degraded": found.floor.number,
        "floor_n_degraded_low": found.floor.low,
        "floor_n_degraded_high": found.floor.high,
        "floor_mean_degraded_change": found.floor.mean_change,
        "n_degraded_estimate": found.number,
        "n_degraded_estimate_low": found.bounds.number_low,
        "n_degraded_estimate_high": found.bounds.number_high,
        "mean_degraded_change_estimate": found.mean_change,
        "mean_degraded_change_estimate_low": found.bounds.change_low,
        "mean_degraded_change_estimate_high": found.bounds.change_high,
        "n_called": int(found.called.sum()),
        "n_called_improved": int(found.called_improved.sum()),
    } | ({} if found is a.found[1] else {"procedure": "tests of each class (Holm)" if found.few else "empirical Bayes"})


def inferred_columns(found: Inference, words: np.ndarray) -> dict[str, Any]:
    """What an inference says of each class: columns of the class table, without their suffix."""
    call = np.where(found.called, "degraded", np.where(found.called_improved, "improved", "")).astype(object)
    return {
        "decision": words.tolist(),
        "recall_change_low": found.tests.low,
        "recall_change_high": found.tests.high,
        "p_hurt": found.tests.p_hurt,
        "p_safe": found.tests.p_safe,
        "p_degraded": found.p_degraded,
        "p_improved": found.p_improved,
        "call": call.tolist(),
        "recall_change_estimate": found.estimate,
        "recall_change_estimate_low": found.estimate - found.half_width,
        "recall_change_estimate_high": found.estimate + found.half_width,
    }
