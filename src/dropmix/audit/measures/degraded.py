"""The paper's measures of class dependency, decided on integers.

    R_a(m) = mean over the seeds of arm a of the recall of class m
    change d_m = R_1(m) - R_0(m);  degraded: d_m < 0;  improved: d_m > 0;  tied: d_m = 0
    N_DC = number of degraded classes;  mean change of the degraded = (1 / N_DC) sum of their d_m

Source:
    Lee, Lee & Kim 2023, arXiv 2307.09136, Sec. 3.2. The sd in parentheses in the paper's tables follows the
    released code: ddof 0, over seeds for accuracy, over the degraded classes for the change.
"""

from dataclasses import dataclass

import numpy as np


def signs(total0: np.ndarray, seeds0: int, total1: np.ndarray, seeds1: int) -> np.ndarray:
    """Sign of every class's recall change, (M,): the sign of S0 c1 - S1 c0, in integers.

    Floats would call some ties degraded by a rounding error; counts do not.

    Args:
        total0: correct predictions of the baseline, summed over its seeds, (M,).
        seeds0: number of seeds of the baseline.
        total1, seeds1: the same for the treated arm.

    Example:
        >>> signs(np.array([1, 2]), 3, np.array([2, 3]), 6).tolist()
        [0, -1]
    """
    return np.sign(seeds0 * total1.astype(np.int64) - seeds1 * total0.astype(np.int64))


def changes(total0: np.ndarray, seeds0: int, total1: np.ndarray, seeds1: int, sizes: np.ndarray) -> np.ndarray:
    """Recall change of every class, (M,), exact up to one rounding: (S0 c1 - S1 c0) / (S0 S1 n).

    Example:
        >>> changes(np.array([1]), 1, np.array([3]), 2, np.array([4])).tolist()
        [0.125]
    """
    net = seeds0 * total1.astype(np.int64) - seeds1 * total0.astype(np.int64)
    return net / (seeds0 * seeds1 * sizes)


@dataclass(frozen=True)
class Dependency:
    """The paper's measures of one comparison; fractions; NaN where a set is empty.

    `sd_degraded_change` has ddof 0, over the degraded classes.
    """

    n_degraded: int
    n_improved: int
    n_tied: int
    mean_degraded_change: float
    sd_degraded_change: float
    mean_improved_change: float
    sd_improved_change: float


def measures(sign: np.ndarray, change: np.ndarray) -> Dependency:
    """N_DC, mean change of the degraded, and the same for the improved.

    Args:
        sign: (M,), from `signs`.
        change: (M,), from `changes`.

    Example:
        >>> m = measures(np.array([-1, 1, -1]), np.array([-0.02, 0.03, -0.04]))
        >>> m.n_degraded, round(m.mean_degraded_change, 6), round(m.sd_degraded_change, 6)
        (2, -0.03, 0.01)
    """
    down, up = change[sign < 0], change[sign > 0]
    return Dependency(
        n_degraded=len(down),
        n_improved=len(up),
        n_tied=len(sign) - len(down) - len(up),
        mean_degraded_change=_mean(down),
        sd_degraded_change=float(down.std()) if len(down) else np.nan,
        mean_improved_change=_mean(up),
        sd_improved_change=float(up.std()) if len(up) else np.nan,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
