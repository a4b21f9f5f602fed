"""Vanilla against vanilla: what the audit says of real runs in which there is nothing to find.

The seeds of one arm are split into halves that play baseline and treated arm. Every class that looks degraded is noise,
so the floor has to predict their number and mean change, and every class called hurt is a false call.

    python -m dropmix.studies.against_itself results/ten-seeds > results/ten-seeds/against-itself.md
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from dropmix.audit.errors import AuditError
from dropmix.audit.inference.decide import HURT, decide
from dropmix.audit.inference.floor import equal_change_floor
from dropmix.audit.inference.halves import half
from dropmix.audit.inference.infer import Observed, infer
from dropmix.audit.inference.streams import stream
from dropmix.audit.inference.variance import variances
from dropmix.audit.inputs.predictions import Predictions, number_of_classes
from dropmix.audit.inputs.run_folders import BASELINE, find_runs, group_runs, read_arms
from dropmix.audit.measures.degraded import changes, measures, signs
from dropmix.audit.measures.recall import class_sizes, correct_counts
from dropmix.audit.settings import TOLERANCE, Settings


@dataclass(frozen=True)
class Splits:
    """One row per split, arrays of length P; fractions.

    Args:
        seeds: of the two halves, (S0, S1).
        n_classes: M.
        number: classes that look degraded.
        change: their mean change; NaN without any.
        gain: change of accuracy.
        floor: expected number, lower and upper end of its band and mean change at gain 0, (P, 4).
        floor_own: the same at the split's own gain, as the audit prints it.
        in_order: share of the sorted changes inside the floor's band for their place.
        estimate: the audit's estimated number of degraded classes.
        hurt: classes that the audit calls hurt.
        p: of the heterogeneity test.
    """

    seeds: tuple[int, int]
    n_classes: int
    number: np.ndarray
    change: np.ndarray
    gain: np.ndarray
    floor: np.ndarray
    floor_own: np.ndarray
    in_order: np.ndarray
    estimate: np.ndarray
    hurt: np.ndarray
    p: np.ndarray


def against_itself(arm: Predictions, most: int = 252, seed: int = 0) -> Splits:
    """Split the seeds of one arm in half in every way, and audit one half against the other.

    Args:
        arm: at least four seeds.
        most: largest number of splits; if there are more, a random choice.
        seed: of the choice and of the floors.
    Raises:
        AuditError: fewer than four seeds.
    """
    count = len(arm.seeds)
    if count < 4:
        raise AuditError(f"{arm.arm}: expected at least 4 seeds to split, got {count}. Train more seeds.")
    sizes = class_sizes(arm.labels, number_of_classes([arm]))
    present = np.flatnonzero(sizes)
    right = arm.correct()
    counts = correct_counts(arm.labels, right, len(sizes))[:, present]
    position = np.searchsorted(present, arm.labels)
    rng = stream(seed, "splits")
    rows = [_audited(position, right, counts, sizes[present], chosen, rng) for chosen in _halves(count, most, rng)]
    columns = [np.array(column) for column in zip(*rows)]
    return Splits((count // 2, count - count // 2), len(present), *columns)


def _halves(count: int, most: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The seeds that play the baseline, (count,) bool, one array per split."""
    size = count // 2
    if comb(count, size) <= most:
        for chosen in combinations(range(count), size):
            yield np.isin(np.arange(count), chosen)
    else:
        for _ in range(most):
            yield half(count, rng)


def _audited(position, right, counts, sizes, chosen: np.ndarray, rng: np.random.Generator) -> tuple:
    seeds = int(chosen.sum()), int((~chosen).sum())
    totals = counts[chosen].sum(axis=0), seeds[0], counts[~chosen].sum(axis=0), seeds[1]
    change = changes(*totals, sizes)
    exact = measures(signs(*totals), change)
    v = variances(position, right[chosen], right[~chosen])
    recalls = [(counts[pick] / sizes).mean(axis=0) for pick in (chosen, ~chosen)]
    tolerance = np.full(len(sizes), TOLERANCE)
    seen = Observed(change, recalls[0], recalls[1], sizes, sizes, seeds, v, tolerance)
    inference = infer(seen, Settings(refits=0))
    (words,) = decide([inference.tests], [np.zeros(len(sizes), bool)], guarantees=[inference.guarantee])
    both = (recalls[0] + recalls[1]) / 2
    null = equal_change_floor(both, both, v.fixed, v.one_flip, sizes, seeds, rng)
    low, _, high = inference.floor_change
    gain = float(np.average(change, weights=sizes))
    return (
        exact.n_degraded,
        exact.mean_degraded_change,
        gain,
        *((f.number, f.low, f.high, f.mean_change) for f in (null, inference.floor)),
        float(((low <= change) & (change <= high)).mean()),
        inference.number,
        int((words == HURT).sum()),
        inference.heterogeneity.p,
    )


def table(s: Splits) -> str:
    """The study as Markdown, numbers in points where they are changes."""
    floors = {"fitted floor at gain 0": s.floor, "fitted floor at the split's own gain": s.floor_own}
    lines = [
        f"{len(s.number)} splits, {s.seeds[0]} v {s.seeds[1]} seeds, {s.n_classes} classes. The mean number over all "
        "splits is near half of the classes whatever the noise, because each split also occurs the other way round. "
        "Judge the floor by the spread and the mean change. Splits share seeds, so they are not independent.",
        "",
        "| | classes that look degraded: mean [95 %] | their mean change | splits inside the floor's band |",
        "|---|---|---|---|",
        f"| measured | {_spread(s.number)} | {_spread(100 * s.change, 2)} | |",
    ]
    for name, f in floors.items():
        inside = (f[:, 1] <= s.number) & (s.number <= f[:, 2])
        band = f"{f[:, 0].mean():.1f} [{f[:, 1].mean():.1f}, {f[:, 2].mean():.1f}]"
        lines.append(f"| {name} | {band} | {_mean(100 * f[:, 3])} | {100 * inside.mean():.0f} % |")
    return "\n".join(
        [
            *lines,
            "",
            f"- Gain: {_spread(100 * s.gain, 2)} points.",
            f"- Sorted changes inside the 95 % band of their place: {100 * s.in_order.mean():.0f} %.",
            f"- Estimated number of degraded classes (none is): {_spread(s.estimate)}.",
            f"- Splits in which a class is called hurt: {100 * (s.hurt > 0).mean():.0f} %; "
            f"{s.hurt.mean():.2f} classes per split.",
            f"- Splits in which the test of unevenness fires (5 % expected): {100 * (s.p < 0.05).mean():.0f} %.",
        ]
    )


def _mean(values: np.ndarray) -> str:
    known = values[~np.isnan(values)]
    return f"{known.mean():.2f}" if len(known) else "none"


def _spread(values: np.ndarray, digits: int = 1) -> str:
    values = values[~np.isnan(values)]
    if not len(values):
        return "none"
    low, high = np.quantile(values, [0.025, 0.975])
    return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def study(folder: str | Path, arm: str = BASELINE, most: int = 252, seed: int = 0) -> str:
    """Read a folder of runs and write the study of one arm, one section per group.

    Raises:
        AuditError: no finished runs, or no such arm.
    """
    parts = ["# Vanilla against vanilla" if arm == BASELINE else f"# {arm} against itself"]
    for group, runs in group_runs(find_runs(folder)[0]).items():
        mine = [r for r in runs if r.arm == arm]
        if mine:
            arms, _ = read_arms(mine, Path(folder), None, False, 1)
            parts += [*([f"## {group}"] if group else []), table(against_itself(arms[arm], most, seed))]
    if len(parts) == 1:
        raise AuditError(f"{folder}: expected runs of the arm {arm!r}, got none. Train it, or name another arm.")
    return "\n\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a grid's folder")
    parser.add_argument("--arm", default=BASELINE)
    parser.add_argument("--most", type=int, default=252, help="splits at most")
    given = parser.parse_args()
    print(study(given.folder, given.arm, given.most))
