"""Average precision of each label, and what each example adds to it.

    AP = sum over thresholds of (recall there - recall at the threshold above) (precision there)

No threshold is chosen. It is no mean over examples, so each example's part is what leaving it out takes away (the
jackknife), and these parts stand where right and wrong stand for recall:

    flip         variance of the parts over seeds, summed over examples: what one seed does if only examples flip
    fixed        sum_a flip_a / S_a + what seeds do to whole labels                           new seeds, these examples
    population   sum over examples of (part_1 - part_0)^2 + what seeds do to whole labels     new examples too

Ties share a threshold, as in scikit-learn's `average_precision_score`.
"""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.measures.counts import Pair
from dropmix.audit.measures.seed_moves import SeedMoves, beyond_flips, flips_of

PRIOR = 10.0  # positive examples' worth of what the value predicts of a label's variances
LEAST = 1e-3  # of that prediction, where no seed and no example ever differed


@dataclass(frozen=True)
class Ranked:
    """Average precision of K labels under two arms.

    Args:
        before, after: of each seed, (S0, K) and (S1, K); NaN for a label without positive examples.
        positives: examples that have the label, (K,).
        units: the same in groups, where examples come in groups, (K,).
        fixed: variance of the change for new seeds on these examples, (K,).
        population: for new examples too, (K,).
        share: the baseline's part of `fixed`, (K,).
    """

    before: np.ndarray
    after: np.ndarray
    positives: np.ndarray
    units: np.ndarray
    fixed: np.ndarray
    population: np.ndarray
    share: np.ndarray


def average_precision(truth: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """Average precision, and what it would be without each example, (N,).

    Args:
        truth: (N,), bool.
        score: (N,), higher for what is more likely.

    Example:
        >>> value, without = average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
        >>> round(value, 3), without.round(3).tolist()
        (0.833, [0.5, 1.0, 1.0])
    """
    order = np.argsort(-score, kind="stable")
    hit = truth[order].astype(float)
    total = hit.sum()
    if total == 0:
        return float("nan"), np.full(len(truth), np.nan)
    ends = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True))
    block = np.searchsorted(ends, np.arange(len(hit)))  # threshold of each example
    ranks, hits = ends + 1.0, np.cumsum(hit)[ends]
    own = np.diff(np.append(0.0, hits))
    terms = own * hits / ranks
    with np.errstate(divide="ignore", invalid="ignore"):
        less_one = np.where(ranks > 1, own * hits / (ranks - 1), 0.0)  # an example without the label is left out
        less_hit = np.where(ranks > 1, own * (hits - 1) / (ranks - 1), 0.0)  # one with it, further up
        itself = np.where(ranks > 1, (own - 1) * (hits - 1) / (ranks - 1), 0.0)
    above = np.cumsum(terms) - terms
    after = lambda values: np.cumsum(values[::-1])[::-1]  # noqa: E731
    without_miss = (above + after(less_one)) / total
    without_hit = (above + itself + after(less_hit) - less_hit) / max(total - 1, 1)
    made = np.empty(len(hit))
    made[order] = np.where(hit > 0, without_hit[block], without_miss[block])
    return float(terms.sum() / total), made


def ranked(p: Pair) -> Ranked:
    """Average precision of every label of a pair whose predictions hold scores, with its variances."""
    k = len(p.names) // 2
    truth = (p.labels.reshape(-1, k) % 2) == 0
    group = (
        None if p.baseline.group is None else np.unique(p.baseline.group.reshape(-1, k)[:, 0], return_inverse=True)[1]
    )
    values, parts = [], []
    for arm in (p.baseline, p.treated):
        score = np.asarray(arm.score).reshape(len(arm.seeds), -1, k)
        precisions = [[average_precision(truth[:, at], one[:, at]) for at in range(k)] for one in score]
        values.append(np.array([[value for value, _ in row] for row in precisions]))
        left = np.stack([np.stack([value - without for value, without in row], axis=1) for row in precisions])
        parts.append(_in_groups(left - left.mean(axis=1, keepdims=True), group))
    positives = truth.sum(axis=0)
    examples = ((parts[1].mean(axis=0) - parts[0].mean(axis=0)) ** 2).sum(axis=0)
    moves = [_moves(v, part, positives) for v, part in zip(values, parts)]
    examples = _moderated(examples, [v.mean(axis=0) for v in values], positives)
    moved = beyond_flips(moves) + np.zeros(k)
    known = [m for m in moves if m.count > 1]
    flips = [flips_of(m, known) / m.count for m in moves] if known else [examples / 2, examples / 2]
    fixed = flips[0] + flips[1] + moved
    return Ranked(
        before=values[0],
        after=values[1],
        positives=positives,
        units=positives if group is None else np.array([len(np.unique(group[t])) for t in truth.T]),
        fixed=fixed,
        population=np.maximum(examples + moved, fixed),
        share=(flips[0] + moved / 2) / fixed,
    )


def _in_groups(parts: np.ndarray, group: np.ndarray | None) -> np.ndarray:
    """Parts (S, N, K) summed over the examples of each group."""
    if group is None:
        return parts
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.add.reduceat(parts[:, order], starts, axis=1)


def _moves(values: np.ndarray, parts: np.ndarray, positives: np.ndarray) -> SeedMoves:
    if len(values) == 1:
        nothing = np.full(len(positives), np.nan)
        return SeedMoves(1, positives, nothing, nothing)
    flip = _moderated(parts.var(axis=0, ddof=1).sum(axis=0), [values.mean(axis=0)], positives)
    return SeedMoves(len(values), positives, flip, values.var(axis=0, ddof=1))


def _moderated(variance: np.ndarray, values: list[np.ndarray], positives: np.ndarray) -> np.ndarray:
    """Variances drawn towards what the values predict: no label of few positive examples is certain by luck."""
    predicted = np.zeros(len(positives))
    for value in values:
        near = (value * positives + 0.5) / (positives + 1)
        predicted = predicted + near * (1 - near) / (positives + 1)
    at = ~np.isnan(variance) & (positives > 0)
    ratio = float((positives * variance)[at].sum() / (positives * predicted)[at].sum()) if at.any() else 1.0
    return (positives * variance + PRIOR * max(ratio, LEAST) * predicted) / (positives + PRIOR)
