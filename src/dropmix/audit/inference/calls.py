"""Which classes are called, from the posterior of each, at a Bayesian false discovery rate."""

import numpy as np

SAFETY = 0.7  # share of the accepted rate that is aimed at; by simulation, the prior's own error adds the rest


def calls(below: np.ndarray, fdr: float) -> np.ndarray:
    """Classes called at Bayesian FDR: the largest set whose mean of 1 - P is at most 0.7 `fdr`, (M,), bool.

    P takes the fitted prior for the true one, and where that is wrong more classes are called and more of them falsely:
    hence the 0.7. A class is called only if it is degraded more likely than not, since many sure classes would carry in
    some that are as likely improved.

    Args:
        below: P(theta < -margin), (M,).
        fdr: accepted expected share of false calls.

    Example:
        >>> calls(np.array([0.99, 0.5, 0.9, 0.1]), 0.1).tolist()
        [True, False, True, False]
        >>> calls(np.array([1.0] * 9 + [0.4]), 0.1).tolist()[-1]
        False
    """
    order = np.argsort(-below, kind="stable")
    mean_error = np.cumsum(1 - below[order]) / np.arange(1, len(below) + 1)
    made = np.zeros(len(below), dtype=bool)
    made[order[: int((mean_error <= SAFETY * fdr).sum())]] = True
    return made & (below > 0.5)
