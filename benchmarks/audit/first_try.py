"""The simplest procedure that meets the bars; the audit is compared with it on the same studies.

Variance pooled over classes, normal tests, Benjamini-Hochberg, in forty lines.
"""

import numpy as np
from scipy.special import chdtrc, ndtr, ndtri, stdtrit


def first_try(labels: np.ndarray, right0: np.ndarray, right1: np.ndarray, tolerance: float) -> dict:
    """Decide on every class.

    Args:
        labels: (N,).
        right0, right1: (S0, N) and (S1, N), bool.
        tolerance: fraction.
    Returns:
        hurt and safe (M,) bool, p_hurt (M,), ends of the 90 % interval, p of unevenness.
    """
    n = np.bincount(labels)
    m = len(n)
    recall = [np.stack([np.bincount(labels[r], minlength=m) for r in right]) / n for right in (right0, right1)]
    share = n / n.sum()
    change = recall[1].mean(axis=0) - recall[0].mean(axis=0)
    flips, above, below = [], 0.0, 0.0
    for right, r in zip((right0, right1), recall):
        s = len(right)
        p = right.mean(axis=0)
        flip = np.bincount(labels, p * (1 - p), m) / n * s / max(s - 1, 1)
        flip = np.maximum(flip, 1 / (n * s))
        if s > 1:
            centred = r - (r @ share)[:, None]
            weight = (s - 1) * (n / flip) ** 2 / (1 + 0.003 * n) ** 2
            above += float((weight * flip * (centred.var(axis=0, ddof=1) - flip / n)).sum())
            below += float((weight * flip**2).sum())
        flips.append(flip if s > 1 else None)
    held = next(f for f in flips if f is not None)
    c = max(above / below, 0.0)
    shares = [(f if f is not None else held) / len(r) * (1 / n + c) for f, r in zip(flips, recall)]
    own = shares[0] + shares[1]
    accuracy = [r @ share for r in recall]
    known = [a.var(ddof=1) for a in accuracy if len(a) > 1]
    spread = [a.var(ddof=1) if len(a) > 1 else known[0] for a in accuracy]
    dof = sum(len(a) for a in accuracy) - 2 if min(map(len, accuracy)) > 1 else max(map(len, accuracy)) - 1
    common = max(sum(v / len(a) for v, a in zip(spread, accuracy)) - float((share**2 * own).sum()), 0.0)
    total = own + common * (stdtrit(dof, 0.95) / ndtri(0.95)) ** 2
    p_hurt, half = ndtr((change + tolerance) / np.sqrt(total)), ndtri(0.95) * np.sqrt(total)
    w = 1 / own
    z = (change - (w * change).sum() / w.sum()) / np.sqrt(own)
    largest = 1 - (1 - 2 * ndtr(-np.abs(z).max())) ** m
    return {
        "hurt": benjamini_hochberg(p_hurt),
        "safe": benjamini_hochberg(1 - p_hurt),
        "p_hurt": p_hurt,
        "low": change - half,
        "high": change + half,
        "uneven": min(1.0, 2 * min(float(chdtrc(m - 1, (z**2).sum())), float(largest))),
    }


def benjamini_hochberg(p: np.ndarray, rate: float = 0.1) -> np.ndarray:
    """Which p-values are rejected, bool."""
    order = np.argsort(p)
    held = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), dtype=bool)
    found[order[: held[-1] + 1 if len(held) else 0]] = True
    return found
