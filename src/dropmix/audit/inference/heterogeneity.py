"""Do the classes' changes differ at all by more than noise?

    Q = sum_m (d_m - mu_m)^2 / V_m,   mu_m what equal changes would be

Q adds up many small differences, and hardly notices a single class far from all others. The test is therefore the
smaller of two p-values, doubled: Q's, and that of the largest |d_m - mu_m| / sqrt(V_m). Both come from simulated
studies of equal changes, whose counts have the skew of classes near recall 0 or 1.

"Equal" has two readings: the same number of points in every class, or the same shift in logits. Classes are said to
differ only where neither fits, so the larger of the two readings' p-values counts.

    tau^2 = max(0, (Q - (M - 1)) / (sum w - sum w^2 / sum w)),  w = 1 / V;      I^2 = max(0, 1 - (M - 1) / Q)

Source:
    Cochran 1954, doi 10.2307/3001666; DerSimonian & Laird 1986 for tau; Higgins & Thompson 2002 for I^2. Matching a
    scaled chi-square by moments: Satterthwaite 1946.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, log_ndtr


@dataclass(frozen=True)
class Heterogeneity:
    """p of the test, tau (sd of the true changes, a fraction) and I^2 (share of variance that is not noise)."""

    p: float
    tau: float
    i2: float


def heterogeneity(
    change: np.ndarray,
    variance: np.ndarray,
    expected: np.ndarray | None = None,
    simulated: np.ndarray | None = None,
) -> Heterogeneity:
    """Test over classes; NaN with fewer than two classes.

    Args:
        change: (M,).
        variance: (M,), > 0, without what moves all classes together.
        expected: change of each class under an equal shift in logits, (M,), such as `Floor.expected`.
        simulated: changes in studies of that shift, (draws, M), such as `Floor.changes`; normal noise if None.

    Example:
        >>> h = heterogeneity(np.array([-0.1, 0.1, 0.0]), np.full(3, 1e-4))
        >>> h.p < 1e-6, round(h.tau, 3), round(h.i2, 3)
        (True, 0.099, 0.99)
    """
    m = len(change)
    if m < 2:
        return Heterogeneity(np.nan, np.nan, np.nan)
    w = 1 / variance
    points = _centred(change, variance)
    noise = None if simulated is None or expected is None else _centred(simulated - expected, variance)
    p = _p(points, variance, noise)
    if expected is not None:
        p = max(p, _p(_centred(change - expected, variance), variance, noise))
    q = float((w * points**2).sum())
    tau2 = max(0.0, (q - (m - 1)) / (w.sum() - (w**2).sum() / w.sum()))
    return Heterogeneity(p, float(np.sqrt(tau2)), max(0.0, 1 - (m - 1) / q) if q else 0.0)


def _centred(change: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Changes minus their mean, weighted by precision, over the last axis."""
    w = 1 / variance
    return change - (change @ w / w.sum())[..., None]


def _p(gap: np.ndarray, variance: np.ndarray, noise: np.ndarray | None) -> float:
    m, w = len(gap), 1 / variance
    q = float((w * gap**2).sum())
    # A class with a large weight pulls the mean along, so that its own difference varies less than V_m says.
    own = np.sqrt(variance * (1 - np.minimum(w / w.sum(), 0.999)))
    largest = float((np.abs(gap) / own).max())
    single = 2 * np.exp(log_ndtr(-largest))
    p_largest = -np.expm1(m * np.log1p(-min(single, 1 - 1e-16)))
    if noise is None:
        return min(2 * min(float(chdtrc(m - 1, q)), float(p_largest)), 1.0)
    qs = (noise**2) @ w
    mean, spread = float(qs.mean()), float(qs.var())
    p_q = float(chdtrc(2 * mean**2 / spread, q * 2 * mean / spread)) if spread else 1.0
    most = (np.abs(noise) / own).max(axis=1)
    p_largest = max(float(p_largest), float((most >= largest).mean()))
    return min(2 * min(p_q, p_largest), 1.0)
