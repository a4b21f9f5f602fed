"""What predicts the classes that an augmentation hurts: rank correlations that account for noise.

Three effects are kept apart. Noise in the change makes every correlation too small, so the change's reliability is
measured on halves of the seeds, and the correlation is corrected for it. A predictor from the baseline's runs shares
their noise with the change, which alone would show as regression to the mean, so predictor and change always come from
different seeds. And many predictors are tried, so p-values are adjusted by Holm's method.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from dropmix.audit.inference.streams import stream

RELIABLE = 0.1
"""Below this reliability, a correction would multiply noise, and none is given."""


@dataclass(frozen=True)
class Predictor:
    """One predictor of the recall change of one arm.

    Args:
        name: what it is.
        values: mean over all seeds, (M,).
        correlation, low, high: rank correlation with the change and its 95 % bootstrap interval over classes.
        corrected, corrected_low, corrected_high: the same corrected for the noise of the change and, of a predictor
            from runs, of its own, at most 1; None if the reliability is too low.
        beyond_recall: rank correlation given baseline recall; None for baseline recall itself.
        p, holm: of no correlation, alone and after Holm over the arm's predictors.
    """

    name: str
    values: np.ndarray
    correlation: float
    low: float
    high: float
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None
    beyond_recall: float | None
    p: float
    holm: float = 1.0


@dataclass(frozen=True)
class Explained:
    """An arm's changes and what predicts them.

    Args:
        change: recall change over all seeds, (M,), fraction.
        reliability: rank correlation of the change with that of as many new seeds, by Spearman-Brown; 0 if
            halves of the seeds disagree.
        predictors: in the order given.
        model: share of the reliable variance of the ranked change that a ridge on all ranked predictors explains on
            classes left out; None if the reliability is too low. May be negative.
        shuffled: 95 % quantile of the same over shuffled classes.
        names: of the classes, or empty.
    """

    change: np.ndarray
    reliability: float
    predictors: list[Predictor]
    model: float | None
    shuffled: float | None
    names: tuple[str, ...] = ()


def explain(
    recall0: np.ndarray,
    recall1: np.ndarray,
    runs: dict[str, np.ndarray],
    given: dict[str, np.ndarray],
    groups: np.ndarray | None = None,
    *,
    splits: int = 20,
    bootstraps: int = 500,
    shuffles: int = 40,
    seed: int = 0,
) -> Explained:
    """Correlate predictors with the recall change of classes.

    Args:
        recall0, recall1: recall of each seed and class, baseline (S0, M) and treated (S1, M), two seeds or more each.
        runs: predictors from the baseline's runs, (S0, M) each, in the order of `recall0`.
        given: predictors from elsewhere, (M,) each.
        groups: superclass of each class, (M,), left out together; None: ten random parts.
        splits: number of random halves of the seeds, over which everything is averaged.
        bootstraps, shuffles: numbers of resamples and shuffles of the classes.
        seed: of all draws.
    Raises:
        ValueError: fewer than two seeds in an arm, or fewer than ten classes.
    """
    count0, count1, m = len(recall0), len(recall1), recall0.shape[1]
    if m < 10:
        raise ValueError(
            f"explain: expected 10 classes or more, among which to compare, got {m}. Audit them one by one."
        )
    if min(count0, count1) < 2:
        raise ValueError(f"explain: expected 2 seeds or more per arm, got {count0} and {count1}. Train more seeds.")
    rng = stream(seed, "explain")
    halves = [(half(count0, rng), half(count1, rng)) for _ in range(splits)]
    change = recall1.mean(0) - recall0.mean(0)

    def changes(swap: bool) -> np.ndarray:
        return np.stack([recall1[b ^ swap].mean(0) - recall0[a ^ swap].mean(0) for a, b in halves])

    here, there = ranks(changes(False)), ranks(changes(True))
    whole = np.repeat(ranks(change[None]), splits, 0)
    base = ranks(np.stack([recall0[a].mean(0) for a, _ in halves]))
    draws = rng.integers(0, m, (bootstraps, m))
    every = np.concatenate([np.arange(m)[None], draws])
    half_reliability = mean_correlation(here, there, every)
    reliability = spearman_brown(half_reliability)
    tried, inputs = [], []
    for name, values in [*runs.items(), *given.items()]:
        of_runs = name in runs
        if of_runs:
            # The predictor from one half of the seeds, the change from the other.
            x = ranks(np.stack([values[a].mean(0) for a, _ in halves]))
            x2 = ranks(np.stack([values[~a].mean(0) for a, _ in halves]))
            r, target, own = mean_correlation(x, there, every), half_reliability, mean_correlation(x, x2, every)
        else:
            x = np.repeat(ranks(values[None]), splits, 0)
            r, target, own = mean_correlation(x, whole, every), reliability, np.ones(len(every))
        inputs.append(x)
        beyond = None
        if name != "baseline recall" and "baseline recall" in runs:
            one = every[:1]
            rx = float(mean_correlation(x, there, one)[0])
            xb, rb = float(mean_correlation(x, base, one)[0]), float(mean_correlation(base, there, one)[0])
            beyond = float((rx - xb * rb) / np.sqrt(max((1 - xb**2) * (1 - rb**2), 1e-12)))
        tried.append(_predictor(name, values.mean(0) if of_runs else values, r, target * own, beyond))
    tried = _with_holm(tried)
    model, shuffled = None, None
    if tried and half_reliability[0] >= RELIABLE:
        model, shuffled = _model(np.stack(inputs, 2), there, groups, half_reliability[0], shuffles, rng)
    return Explained(change, max(float(reliability[0]), 0.0), tried, model, shuffled)


def _predictor(
    name: str, values: np.ndarray, r: np.ndarray, reliability: np.ndarray, beyond: float | None
) -> Predictor:
    """Make a predictor from its estimate, first in `r`, and the bootstrap."""
    z = np.arctanh(np.clip(r, -0.999999, 0.999999))
    # A bootstrap of few classes is too narrow: it is widened as for Fisher's z, with Student's t for the normal.
    m = len(values)
    deviation = z[1:].std(ddof=1) * np.sqrt(m / (m - 3))
    p = float(2 * student.sf(abs(z[0]) / max(deviation, 1e-12), m - 2))
    low, high = np.tanh(z[0] + np.array([-1.96, 1.96]) * deviation)
    corrected: tuple[float | None, float | None, float | None] = (None, None, None)
    if reliability[0] >= RELIABLE:
        root = np.sqrt(np.maximum(reliability, RELIABLE))
        estimate, wide = r[0] / root[0], (r[1:] / root[1:]).std(ddof=1)
        middle, below, above = np.clip(estimate + wide * np.array([0, -1.96, 1.96]), -1, 1).tolist()
        corrected = (middle, below, above)
    return Predictor(name, values, float(r[0]), float(low), float(high), *corrected, beyond, p)


def _with_holm(predictors: list[Predictor]) -> list[Predictor]:
    adjusted = holm(np.array([one.p for one in predictors]))
    return [replace(one, holm=float(p)) for one, p in zip(predictors, adjusted)]


def half(count: int, rng: np.random.Generator) -> np.ndarray:
    """A random half of the seeds, (count,) bool; of an odd number, the larger or the smaller half."""
    return rng.permutation(count) < (count + rng.integers(2)) // 2


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, ties shared, standardised to mean 0 and deviation 1 (0 where all tie)."""
    ranked = rankdata(values, axis=-1)
    ranked = ranked - ranked.mean(-1, keepdims=True)
    return ranked / np.maximum(ranked.std(-1, keepdims=True), 1e-12)


def mean_correlation(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Correlation of ranks, mean over splits, for each resample of the classes.

    Args:
        x, y: ranks, (splits, M).
        rows: classes of each resample, (B, M).
    Returns:
        (B,).
    """
    weights = np.stack([np.bincount(row, minlength=x.shape[1]) for row in rows]) / x.shape[1]
    mx, my = weights @ x.T, weights @ y.T
    cov = weights @ (x * y).T - mx * my
    scale = np.sqrt(np.maximum((weights @ (x * x).T - mx**2) * (weights @ (y * y).T - my**2), 1e-24))
    return (cov / scale).mean(1)


def spearman_brown(half_correlation: np.ndarray) -> np.ndarray:
    """Reliability of a mean over all seeds, from the correlation of halves.

    Example:
        >>> spearman_brown(np.array([0.5])).round(3).tolist()
        [0.667]
    """
    return 2 * half_correlation / np.maximum(1 + half_correlation, 1e-12)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(steps, 1)
    return out


def _model(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray | None, reliability: float, shuffles: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Share of reliable variance that a ridge explains on groups left out, and the 95 % quantile of the same for
    shuffled classes. x: (splits, M, P) ranks, y: (splits, M) ranks."""
    m = y.shape[1]
    parts = rng.permutation(m) % 10 if groups is None else np.unique(groups, return_inverse=True)[1]
    score = lambda order: float(np.mean([_left_out(a, b[order], parts) for a, b in zip(x, y)]) / reliability)  # noqa: E731
    shuffled = [score(rng.permutation(m)) for _ in range(shuffles)]
    return score(np.arange(m)), float(np.quantile(shuffled, 0.95))


def _left_out(x: np.ndarray, y: np.ndarray, parts: np.ndarray) -> float:
    """1 - squared error / variance of y over all classes, each predicted by a model fitted without its part."""
    guess = np.zeros(len(y))
    for part in np.unique(parts):
        out = parts == part
        a, b = x[~out], y[~out]
        middle, mean = a.mean(0), b.mean()
        # A penalty of a tenth of the classes: the ranks have variance 1.
        weight = np.linalg.solve(
            (a - middle).T @ (a - middle) + 0.1 * len(b) * np.eye(x.shape[1]), (a - middle).T @ (b - mean)
        )
        guess[out] = mean + (x[out] - middle) @ weight
    return float(1 - ((y - guess) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def as_json(explained: Explained) -> dict[str, object]:
    """Everything as numbers and lists."""
    return {
        "classes": list(explained.names),
        "change": explained.change.tolist(),
        "reliability": explained.reliability,
        "model": explained.model,
        "shuffled": explained.shuffled,
        "predictors": [{**asdict(one), "values": np.asarray(one.values).tolist()} for one in explained.predictors],
    }
