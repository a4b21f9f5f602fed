"""Do the classes' changes differ at all by more than noise?

    Q = sum_m (d_m - mu)^2 / V_m ~ chi-square(M - 1) when all true changes are equal,   mu = sum(d / V) / sum(1 / V)
    tau^2 = max(0, (Q - (M - 1)) / (sum w - sum w^2 / sum w)),  w = 1 / V;      I^2 = max(0, 1 - (M - 1) / Q)

Source:
    Cochran 1954, doi 10.2307/3001666; DerSimonian & Laird 1986 for tau; Higgins & Thompson 2002 for I^2.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc


@dataclass(frozen=True)
class Heterogeneity:
    """p of the test, tau (sd of the true changes, a fraction) and I^2 (share of variance that is not noise)."""

    p: float
    tau: float
    i2: float


def heterogeneity(change: np.ndarray, variance: np.ndarray) -> Heterogeneity:
    """Cochran's test over classes; NaN with fewer than two classes.

    Args:
        change: (M,).
        variance: (M,), > 0.

    Example:
        >>> h = heterogeneity(np.array([-0.1, 0.1, 0.0]), np.full(3, 1e-4))
        >>> h.p < 1e-6, round(h.tau, 3), round(h.i2, 3)
        (True, 0.099, 0.99)
    """
    if len(change) < 2:
        return Heterogeneity(np.nan, np.nan, np.nan)
    w = 1 / variance
    mu = (w * change).sum() / w.sum()
    q = float((w * (change - mu) ** 2).sum())
    free = len(change) - 1
    tau2 = max(0.0, (q - free) / (w.sum() - (w**2).sum() / w.sum()))
    return Heterogeneity(float(chdtrc(free, q)), float(np.sqrt(tau2)), max(0.0, 1 - free / q) if q else 0.0)
