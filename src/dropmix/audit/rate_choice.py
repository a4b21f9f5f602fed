"""Choose a DropMix rate: the fewest degraded classes among rates within one standard error of the best accuracy.

Vanilla is rate 1, bit for bit, so it is always a candidate, by definition without degraded classes. If classes differ
in size, accuracy means the mean class recall, so that a rare class counts as much as a common one. If noise hides every
difference between the rates, nothing is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from dropmix.audit.arm_names import arm_of_spec
from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.run_folders import BASELINE, Run, apart_from_rate
from dropmix.audit.result import Audit, Comparison


@dataclass(frozen=True)
class Candidate:
    """One rate of a method.

    Args:
        arm: name of the arm.
        rate: share left unmixed, in [0, 1].
        accuracies: per seed, (S,), fractions; the mean class recall if classes differ in size.
        n_degraded: estimated number of degraded classes; NaN if unknown.
        low, high: its interval.
        n_examples: number of predicted examples, which gives the standard error if there is only one seed.
        comparison: with vanilla; None for vanilla itself.
    """

    arm: str
    rate: float
    accuracies: np.ndarray
    n_degraded: float
    low: float = np.nan
    high: float = np.nan
    n_examples: int = 0
    comparison: Comparison | None = None

    @property
    def accuracy(self) -> float:
        """Mean over seeds."""
        return float(self.accuracies.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the accuracy, over seeds; with one seed, over examples, from p (1 - p) / N."""
        if len(self.accuracies) > 1:
            return float(self.accuracies.std(ddof=1) / np.sqrt(len(self.accuracies)))
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / max(self.n_examples, 1)))


@dataclass(frozen=True)
class RateChoice:
    """What was chosen among candidates, and why.

    Args:
        candidates: by rate.
        best: the most accurate.
        chosen: the choice.
        eligible: rates within one standard error of the best.
        told_apart: whether the candidates differ by more than noise; if not, do not act on `chosen`.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    chosen: Candidate
    eligible: tuple[float, ...]
    told_apart: bool = True

    @property
    def why(self) -> str:
        """One sentence: why this candidate, or why none."""
        if not self.told_apart:
            return (
                "No choice: the rates differ by no more than noise, in accuracy and in degraded classes. "
                "Train more seeds, or hold out more images; until then vanilla is the safe choice."
            )
        if self.chosen.comparison is not None:
            return f"Chosen: rate {self.chosen.rate:g}, with the fewest degraded classes among the most accurate rates."
        if self.best is self.chosen:
            return "Chosen: vanilla. It is the most accurate: do not mix these images with this method."
        gain = 100 * (self.best.accuracy - self.chosen.accuracy)
        return (
            f"Chosen: vanilla. The best rate, {self.best.rate:g}, gains {gain:.2f} points, no more than its standard "
            f"error of {100 * self.best.standard_error:.2f}, and vanilla degrades no class."
        )


def sweeps(runs: Sequence[Run]) -> dict[str, dict[float, str]]:
    """Arms of one method at several rates.

    Args:
        runs: of one group.
    Returns:
        name of the method's arm without DropMix -> rate -> name of the arm, by rate. Arms that differ in an option,
        in `per`, in partners, or (at rates above 0) in `unit` are separate sweeps. Rates per class are in none.
    """
    arms = {run.arm: run.spec["arm"] for run in runs if run.arm != BASELINE and not run.spec["arm"].get("rates")}
    plain = [name for name, arm in arms.items() if not arm.get("rate")]
    home = {apart_from_rate(arms[name]): name for name in plain}
    rated: dict[tuple[str, str], dict[float, str]] = {}
    for name, arm in arms.items():
        if arm.get("rate"):
            rated.setdefault((apart_from_rate(arm), arm.get("unit", "batch")), {})[float(arm["rate"])] = name
    by_label: dict[str, dict[float, str]] = {}
    for (kind, unit), sweep in rated.items():
        label = home.get(kind) or arm_of_spec(arms[next(iter(sweep.values()))]).plain
        label += f" unit={unit}" if unit != "batch" else ""
        zero = {0.0: home[kind]} if kind in home else {}
        # Arms with names of their own may be told apart by nothing else.
        by_label[label if label not in by_label else next(iter(sweep.values()))] = zero | sweep
    for name in plain:
        if not any(sweep.get(0.0) == name for sweep in by_label.values()):
            by_label[name] = {0.0: name}
    return {label: dict(sorted(sweep.items())) for label, sweep in sorted(by_label.items())}


def candidates(audit: Audit, sweep: dict[float, str], group: str = "") -> tuple[Candidate, ...]:
    """Candidates of one sweep, vanilla included, by rate.

    Args:
        audit: every arm against vanilla, as `audit_grid` gives it.
        sweep: rate -> arm, one of `sweeps`.
        group: of the comparisons.
    Raises:
        AuditError: an arm of the sweep was not audited.
    """
    by_arm = {c.arm: c for c in audit.comparisons if c.group == group and c.baseline == BASELINE}
    missing = [arm for arm in sweep.values() if arm not in by_arm]
    if missing:
        raise AuditError(f"select: expected {missing[0]!r} among the audited arms, got {sorted(by_arm)}. Audit it too.")
    tried = [_candidate(rate, by_arm[arm]) for rate, arm in sweep.items()]
    if 1.0 not in sweep:
        any_arm = next(iter(by_arm.values()))
        accuracies, n = _accuracies(any_arm, any_arm.accuracies_baseline, any_arm.recalls_baseline)
        tried.append(Candidate(BASELINE, 1.0, accuracies, 0.0, 0.0, 0.0, n))
    return tuple(tried)


def _candidate(rate: float, c: Comparison) -> Candidate:
    values = [c.summary.get(f"n_degraded_estimate{end}") for end in ("", "_low", "_high")]
    number, low, high = (np.nan if value is None else float(value) for value in values)
    accuracies, n = _accuracies(c, c.accuracies_treated, c.recalls_treated)
    return Candidate(c.arm, rate, accuracies, number, low, high, n, c)


def _accuracies(c: Comparison, accuracies: np.ndarray, recalls: np.ndarray) -> tuple[np.ndarray, int]:
    """Accuracies per seed, and the number of examples, which gives the standard error of a single seed."""
    sizes = np.asarray(c.classes["n"], float)
    if (sizes == sizes[0]).all():
        return accuracies, c.summary["n_examples"]
    recall = recalls.mean(axis=0)
    variance = (recall * (1 - recall) / sizes).sum() / len(sizes) ** 2
    mean = float(recall.mean())
    n = mean * (1 - mean) / variance if variance > 0 else c.summary["n_examples"]
    return recalls.mean(axis=1), max(1, round(n))


def choose(tried: Sequence[Candidate]) -> RateChoice:
    """The rate that degrades the fewest classes among those within one standard error of the best accuracy.

    The standard error is that of the best rate. Numbers of classes that round to the same tenth are ties; ties go to
    the smallest rate, which is closest to the plain method. An unknown number counts as the largest.

    Raises:
        AuditError: no candidates.
    Example:
        >>> flat = [Candidate("a", r, np.array([0.8, 0.82]), n) for r, n in ((0.0, 6.0), (0.4, 2.0), (0.6, 2.0))]
        >>> choose(flat).chosen.rate
        0.4
    """
    if not tried:
        raise AuditError("select: expected candidates, got none. Run a method at some rates first.")
    ordered = tuple(sorted(tried, key=lambda c: c.rate))
    best = max(ordered, key=lambda c: c.accuracy)
    eligible = [c for c in ordered if c.accuracy >= best.accuracy - best.standard_error - 1e-12]
    unknown = float("inf")
    chosen = min(eligible, key=lambda c: unknown if np.isnan(c.n_degraded) else round(c.n_degraded, 1))
    return RateChoice(ordered, best, chosen, tuple(c.rate for c in eligible), told_apart(ordered))


def told_apart(tried: Sequence[Candidate], level: float = 0.05) -> bool:
    """Whether the candidates differ by more than noise, in accuracy or in degraded classes.

    Accuracies: the F test of rates with seeds as blocks (arms of one seed share initial weights and order), on the
    seeds that all have; with one seed, a chi-square test of the binomial counts. Degraded classes: some rate's interval
    lies at one class or more, while vanilla has none.

    Args:
        tried: candidates, vanilla among them.
        level: of the test.
    Example:
        >>> rng = np.random.default_rng(0)
        >>> same = [Candidate("a", r, 0.8 + 0.01 * rng.standard_normal(3), 0.4) for r in (0.0, 0.4, 1.0)]
        >>> better = Candidate("b", 0.6, np.array([0.89, 0.9, 0.91]), 0.4)
        >>> told_apart(same), told_apart([*same, better])
        (False, True)
    """
    if any(c.low >= 1 for c in tried):
        return True
    seeds = min(len(c.accuracies) for c in tried)
    table = np.stack([c.accuracies[:seeds] for c in tried])  # (rates, seeds)
    rates, means = len(table), table.mean(axis=1)
    if rates < 2:
        return False
    between = ((means - means.mean()) ** 2).sum() / (rates - 1)
    if seeds == 1:
        noise = float(np.mean([c.standard_error**2 for c in tried]))
        p = float(chi2.sf(between / noise * (rates - 1), rates - 1)) if noise > 0 else float(between == 0)
        return p < level
    rest = table - means[:, None] - table.mean(axis=0) + table.mean()
    freedom = (rates - 1) * (seeds - 1)
    noise = (rest**2).sum() / freedom
    if noise <= 1e-24:
        return bool(between > 1e-24)
    return float(f_distribution.sf(seeds * between / noise, rates - 1, freedom)) < level


def choose_on_test(tried: Sequence[Candidate]) -> RateChoice:
    """The paper's way: the best accuracy on the test set itself, ties to the smallest rate.

    Raises:
        AuditError: no candidates.
    """
    if not tried:
        raise AuditError("select: expected candidates, got none. Run a method at some rates first.")
    ordered = tuple(sorted(tried, key=lambda c: c.rate))
    best = max(ordered, key=lambda c: c.accuracy)
    return RateChoice(ordered, best, best, (best.rate,), told_apart(ordered))


# Rates kept beside vanilla and the seeds that they then need, after one seed of every rate. In simulations as good as
# five seeds of all eleven rates, with 27 runs instead of 55: benchmarks/results/selection.md.
ROUNDS = ((4, 3), (2, 5))


@dataclass(frozen=True)
class Round:
    """The state of successive halving.

    Args:
        left: candidates still in, vanilla among them, by rate.
        seeds: seeds that each of them needs; with fewer, the round is still to be trained.
    """

    left: tuple[Candidate, ...]
    seeds: int

    @property
    def trained(self) -> bool:
        """Whether every candidate still in has all its seeds."""
        return all(len(c.accuracies) >= self.seeds for c in self.left)


def halve(tried: Sequence[Candidate], rounds: Sequence[tuple[int, int]] = ROUNDS) -> Round:
    """The round of successive halving that is due, or the last round.

    Each round keeps vanilla and the most accurate rates on the seeds of the round before. It depends only on those
    seeds, so that training more does not change it.

    Args:
        tried: one candidate per rate, with at least one seed each, accuracies in the order of seeds.
        rounds: (rates kept, seeds of each), seeds rising.
    Example:
        >>> one = [Candidate("a", r / 10, np.array([0.7 + r / 100]), 1.0) for r in range(11)]
        >>> halve(one).seeds, [c.rate for c in halve(one).left]
        (3, [0.6, 0.7, 0.8, 0.9, 1.0])
    """
    left, before = sorted(tried, key=lambda c: c.rate), 1
    due = Round(tuple(left), before)
    for keep, seeds in rounds:
        if not due.trained:
            break
        order = sorted(left, key=lambda c: -c.accuracies[:before].mean())
        kept = [c.rate for c in order if c.rate < 1][:keep]
        left = [c for c in left if c.rate in kept or c.rate == 1]
        due, before = Round(tuple(left), seeds), seeds
    return due
