"""Choose a DropMix rate: as accurate as the best within its standard error, and degrading the fewest classes.

Vanilla is rate 1, bit for bit, so it always stands among the candidates, with no class degraded by definition.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.run_folders import BASELINE, Run
from dropmix.audit.result import Audit, Comparison


@dataclass(frozen=True)
class Candidate:
    """One rate of a method.

    Args:
        arm: name of the arm.
        rate: share left unmixed, in [0, 1].
        accuracies: of each seed, (S,), fractions.
        n_degraded: estimated number of truly degraded classes; NaN where it is not known.
        low, high: its interval.
        n_examples: predicted examples, which stand in for seeds where there is only one.
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
        """Of the accuracy over seeds; over examples, p (1 - p) / N, where there is one seed."""
        if len(self.accuracies) > 1:
            return float(self.accuracies.std(ddof=1) / np.sqrt(len(self.accuracies)))
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / max(self.n_examples, 1)))


@dataclass(frozen=True)
class Choice:
    """What was chosen among candidates, and why.

    Args:
        candidates: by rate.
        best: the most accurate.
        chosen: the choice.
        eligible: rates within one standard error of the best.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    chosen: Candidate
    eligible: tuple[float, ...]


def sweeps(runs: Sequence[Run]) -> dict[str, dict[float, str]]:
    """Arms of one method at several rates.

    Args:
        runs: of one group.
    Returns:
        name of the method's arm without DropMix -> rate -> name of the arm, by rate. Arms that differ in an option,
        in `per`, or, where the rate is above 0, in `unit` are sweeps of their own.
    """
    arms = {run.arm: run.spec["arm"] for run in runs if run.arm != BASELINE}
    plain = [name for name, arm in arms.items() if not arm.get("rate")]
    found: dict[str, dict[float, str]] = {}
    for name, arm in arms.items():
        if not arm.get("rate"):
            continue
        home = next((p for p in plain if _family(arms[p]) == _family(arm)), None)
        unit = arm.get("unit", "batch")
        label = (home or arm.get("method", name)) + (f" unit={unit}" if unit != "batch" else "")
        sweep = found.setdefault(label, {0.0: home} if home else {})
        sweep[float(arm["rate"])] = name
    for name in plain:
        if not any(sweep.get(0.0) == name for sweep in found.values()):
            found[name] = {0.0: name}
    return {label: dict(sorted(sweep.items())) for label, sweep in sorted(found.items())}


def _family(arm: dict) -> str:
    return json.dumps({key: arm.get(key) for key in ("method", "options", "per")}, sort_keys=True)


def candidates(audit: Audit, sweep: dict[float, str], group: str = "") -> tuple[Candidate, ...]:
    """Candidates of one sweep, vanilla included, by rate.

    Args:
        audit: every arm against vanilla, as `audit_grid` gives it.
        sweep: rate -> arm, one of `sweeps`.
        group: of the comparisons.
    Raises:
        AuditError: an arm of the sweep was not audited.
    """
    held = {c.arm: c for c in audit.comparisons if c.group == group and c.baseline == BASELINE}
    missing = [arm for arm in sweep.values() if arm not in held]
    if missing:
        raise AuditError(f"select: expected {missing[0]!r} among the audited arms, got {sorted(held)}. Audit it too.")
    found = [_candidate(rate, held[arm]) for rate, arm in sweep.items()]
    if 1.0 not in sweep:
        any_arm = next(iter(held.values()))
        n = any_arm.summary["n_examples"]
        found.append(Candidate(BASELINE, 1.0, any_arm.accuracies_baseline, 0.0, 0.0, 0.0, n))
    return tuple(found)


def _candidate(rate: float, c: Comparison) -> Candidate:
    values = [c.summary.get(f"n_degraded_estimate{end}") for end in ("", "_low", "_high")]
    number, low, high = (np.nan if value is None else float(value) for value in values)
    return Candidate(c.arm, rate, c.accuracies_treated, number, low, high, c.summary["n_examples"], c)


def choose(found: Sequence[Candidate]) -> Choice:
    """The rate that degrades the fewest classes among those within one standard error of the best accuracy.

    The standard error is that of the best rate. Numbers of classes that round to the same tenth are ties, and ties go
    to the smallest rate, the one nearest to the plain method. A number that is not known counts as the largest.

    Raises:
        AuditError: no candidates.
    Example:
        >>> flat = [Candidate("a", r, np.array([0.8, 0.82]), n) for r, n in ((0.0, 6.0), (0.4, 2.0), (0.6, 2.0))]
        >>> choose(flat).chosen.rate
        0.4
    """
    if not found:
        raise AuditError("select: expected candidates, got none. Run a method at some rates first.")
    ordered = tuple(sorted(found, key=lambda c: c.rate))
    best = max(ordered, key=lambda c: c.accuracy)
    eligible = [c for c in ordered if c.accuracy >= best.accuracy - best.standard_error - 1e-12]
    unknown = float("inf")
    chosen = min(eligible, key=lambda c: unknown if np.isnan(c.n_degraded) else round(c.n_degraded, 1))
    return Choice(ordered, best, chosen, tuple(c.rate for c in eligible))


def choose_on_test(found: Sequence[Candidate]) -> Choice:
    """The paper's way: the best accuracy on the test set itself, ties to the smallest rate.

    Raises:
        AuditError: no candidates.
    """
    if not found:
        raise AuditError("select: expected candidates, got none. Run a method at some rates first.")
    ordered = tuple(sorted(found, key=lambda c: c.rate))
    best = max(ordered, key=lambda c: c.accuracy)
    return Choice(ordered, best, best, (best.rate,))


# Rates kept beside vanilla, and the seeds that they then need, after one seed of every rate. By simulation as good as
# five seeds of all eleven rates, for 27 runs in place of 55: benchmarks/results/selection.md.
ROUNDS = ((4, 3), (2, 5))


@dataclass(frozen=True)
class Round:
    """Where successive halving stands.

    Args:
        left: candidates still in, vanilla among them, by rate.
        seeds: that each of them needs; less than that, and the round is still to be trained.
    """

    left: tuple[Candidate, ...]
    seeds: int

    @property
    def trained(self) -> bool:
        """Whether every candidate still in has its seeds."""
        return all(len(c.accuracies) >= self.seeds for c in self.left)


def halve(found: Sequence[Candidate], rounds: Sequence[tuple[int, int]] = ROUNDS) -> Round:
    """The round of successive halving that is due, or the last one.

    Each round keeps the most accurate rates on the seeds of the round before, and always vanilla; the outcome depends
    on nothing but those, so that it stays the same once more is trained.

    Args:
        found: one candidate a rate, with at least one seed each, accuracies in the order of seeds.
        rounds: (rates kept, seeds of each), seeds rising.
    Example:
        >>> one = [Candidate("a", r / 10, np.array([0.7 + r / 100]), 1.0) for r in range(11)]
        >>> halve(one).seeds, [c.rate for c in halve(one).left]
        (3, [0.6, 0.7, 0.8, 0.9, 1.0])
    """
    left, before = sorted(found, key=lambda c: c.rate), 1
    due = Round(tuple(left), before)
    for keep, seeds in rounds:
        if not due.trained:
            break
        order = sorted(left, key=lambda c: -c.accuracies[:before].mean())
        kept = [c.rate for c in order if c.rate < 1][:keep]
        left = [c for c in left if c.rate in kept or c.rate == 1]
        due, before = Round(tuple(left), seeds), seeds
    return due


@dataclass(frozen=True)
class Optimism:
    """How much a choice made on the test set flatters itself there.

    Args:
        accuracy: expected accuracy as seen minus what new seeds would give, a fraction.
        n_degraded: degraded classes (by any amount) that new seeds would show minus those seen.
        repetitions: simulated studies.
    """

    accuracy: float
    n_degraded: float
    repetitions: int


def expected_optimism(found: Sequence[Candidate], repetitions: int = 2000, seed: int = 0) -> Optimism:
    """What the best of several accuracies on the test set is expected to overstate, by simulation.

    The audit's estimates of the true class changes stand for the truth, its variances for the noise; vanilla's part of
    the noise is shared by all rates. Each study draws all rates, takes the most accurate, and scores it again on new
    seeds.

    Args:
        found: candidates with comparisons.
        repetitions: simulated studies.
        seed: of the simulation.
    Raises:
        AuditError: no candidate with a comparison, or no noise known (one seed).
    """
    treated = [c.comparison for c in found if c.comparison is not None]
    if not treated:
        raise AuditError("select: expected a method's arms, got vanilla alone. Run a method at some rates first.")
    columns = {key: np.stack([np.asarray(c.classes[key], float) for c in treated]) for key in _NEEDED}
    truth, variance, share = (columns[key] for key in _NEEDED)
    variance = variance**2
    if not (np.isfinite(truth).all() and np.isfinite(variance).all() and np.isfinite(share).all()):
        raise AuditError("select: expected two seeds of every arm for the optimism, got fewer. Train more seeds.")
    sizes = np.asarray(treated[0].classes["n"], float)
    weight = sizes / sizes.sum()
    # Vanilla stands among the rates: no change, and the noise of the comparison is all its own.
    own = np.sqrt(np.vstack([variance * (1 - share), np.zeros_like(truth[:1])]))
    truth = np.vstack([truth, np.zeros_like(truth[:1])])
    base = np.sqrt((variance * share).mean(axis=0))
    rng = np.random.default_rng([seed, 3])
    gains = np.empty((repetitions, 2))
    for rep in range(repetitions):
        seen, again = (_study(truth, own, base, rng) for _ in range(2))
        accuracy = seen[0] @ weight
        pick = int(accuracy.argmax())
        gains[rep, 0] = accuracy[pick] - truth[pick] @ weight
        gains[rep, 1] = (again[1][pick] < 0).sum() - (seen[1][pick] < 0).sum()
    return Optimism(float(gains[:, 0].mean()), float(gains[:, 1].mean()), repetitions)


_NEEDED = ("recall_change_estimate", "se_fixed_test", "baseline_noise_share")


def _study(truth: np.ndarray, own: np.ndarray, base: np.ndarray, rng: np.random.Generator) -> tuple:
    """Recalls relative to vanilla's true ones, and changes against vanilla as seen, both (rates, M)."""
    vanilla = base * rng.standard_normal(len(base))
    recall = truth + own * rng.standard_normal(truth.shape)
    recall[-1] = vanilla
    return recall, recall - vanilla
