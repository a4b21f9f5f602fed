"""How much a choice of the rate on the test set overstates its results there, by simulation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inference.streams import stream
from dropmix.audit.rate_choice import Candidate


@dataclass(frozen=True)
class Optimism:
    """How much a choice on the test set overstates its results there.

    Args:
        accuracy: expected excess of the seen accuracy over that of new seeds, a fraction.
        n_degraded: degraded classes (by any amount) on new seeds minus those seen.
        repetitions: number of simulated studies.
    """

    accuracy: float
    n_degraded: float
    repetitions: int


def expected_optimism(candidates: Sequence[Candidate], repetitions: int = 2000, seed: int = 0) -> Optimism:
    """The expected overstatement of the best of several accuracies on the test set, by simulation.

    The audit's estimates of the class changes serve as the truth, its variances as the noise; all rates share
    vanilla's part of the noise. Each study draws all rates, takes the most accurate, and scores it again on new
    seeds.

    Args:
        candidates: candidates with comparisons.
        repetitions: simulated studies.
        seed: of the simulation.
    Raises:
        AuditError: no candidate with a comparison, or no noise known (one seed).
    """
    treated = [c.comparison for c in candidates if c.comparison is not None]
    if not treated:
        raise AuditError("select: expected a method's arms, got vanilla alone. Run a method at some rates first.")
    columns = {key: np.stack([np.asarray(c.classes[key], float) for c in treated]) for key in _NEEDED}
    # Classes with too few examples have no estimate.
    judged = np.all([np.isfinite(values).all(axis=0) for values in columns.values()], axis=0)
    if not judged.any():
        if min(c.summary[f"seeds_{side}"] for c in treated for side in ("baseline", "treated")) < 2:
            raise AuditError("select: expected two seeds of every arm for the optimism, got fewer. Train more seeds.")
        raise AuditError(
            "select: expected a class with enough examples in every arm for the optimism, got none. Use more test "
            "images, or more seeds."
        )
    truth, variance, share = (columns[key][:, judged] for key in _NEEDED)
    variance = variance**2
    weight = np.full(judged.sum(), 1 / judged.sum())  # mean class recall, which is the accuracy if sizes are equal
    # Vanilla is one of the rates, with no change and only its own noise.
    own = np.sqrt(np.vstack([variance * (1 - share), np.zeros_like(truth[:1])]))
    truth = np.vstack([truth, np.zeros_like(truth[:1])])
    base = np.sqrt((variance * share).mean(axis=0))
    rng = stream(seed, "rate optimism")
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
    """Recalls relative to vanilla's true ones, and seen changes against vanilla, both (rates, M)."""
    vanilla = base * rng.standard_normal(len(base))
    recall = truth + own * rng.standard_normal(truth.shape)
    recall[-1] = vanilla
    return recall, recall - vanilla
