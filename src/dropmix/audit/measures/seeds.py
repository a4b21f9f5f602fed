"""Are the seeds of an arm what they should be, different runs of one kind?

The same run given twice would count as two seeds and make noise look small. A run that diverged makes it look large and
moves the whole arm. A mean shows neither.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.predictions import Predictions

OUTLIER = 4.0  # robust z above which a seed's accuracy is reported
ERRORS = 8  # fewest errors of two seeds with equal predictions that count as copies
ALIKE = 0.2  # two seeds are nearly copies if they disagree less than this share of what other pairs do


def check_copies(arm: Predictions) -> list[str]:
    """Refuse copies among an arm's seeds; returns a note if two are nearly copies.

    Raises:
        AuditError: two seeds have equal predictions for every example, and equal probabilities if there are any.
    """
    seeds = len(arm.seeds)
    pairs = [(i, j) for i in range(seeds) for j in range(i)]
    if not pairs:
        return []
    apart = np.array([(arm.pred[i] != arm.pred[j]).sum() for i, j in pairs])
    for (i, j), different in zip(pairs, apart):
        # Networks with few errors may agree; many errors in common mean one network.
        if not different and (_same_numbers(arm, i, j) or (arm.pred[i] != arm.labels).sum() >= ERRORS):
            raise AuditError(
                f"{arm.arm}: expected different runs as seeds, got the same predictions as seed {arm.seeds[j]} and "
                f"seed {arm.seeds[i]}{_files(arm, j, i)}. Leave one out; if training is deterministic, there is "
                "only one seed."
            )
    if seeds < 3:
        return []
    close = [pair for pair, d in zip(pairs, apart) if d < ALIKE * np.median(apart)]
    return [
        f"{arm.arm}: the predictions of seeds {arm.seeds[j]} and {arm.seeds[i]} are far more similar than others. "
        "If they are one run, leave one out."
        for i, j in close
    ]


def _same_numbers(arm: Predictions, i: int, j: int) -> bool:
    """Whether two seeds hold the same probabilities to the last bit, and not only zeros and ones."""
    if arm.p_true is None or not np.array_equal(arm.p_true[i], arm.p_true[j]):
        return False
    return len(np.unique(arm.p_true[i])) > 2


def _files(arm: Predictions, i: int, j: int) -> str:
    """The files of two seeds, if these are different files."""

    def home(k: int) -> str:
        if len(arm.sources) == len(arm.seeds):
            return str(arm.sources[k].get("path", ""))
        return next((str(s["path"]) for s in arm.sources if "path" in s and arm.seeds[k] in s.get("seeds", ())), "")

    homes = home(i), home(j)
    return f" ({clip(homes[0])}, {clip(homes[1])})" if all(homes) and homes[0] != homes[1] else ""


def outlying(arms: Sequence[Predictions], accuracies: Sequence[np.ndarray]) -> list[str]:
    """A sentence per seed whose accuracy is far from its arm's, measured by the scatter of all arms' seeds.

    Args:
        arms: on the same examples.
        accuracies: of each arm's seeds, (S,) each.

    Example:
        >>> import numpy as np
        >>> from dropmix.audit.inputs.predictions import Predictions
        >>> arm = Predictions("a", np.zeros(100, int), np.zeros((4, 100), int), np.arange(4))
        >>> outlying([arm], [np.array([0.70, 0.71, 0.30, 0.70])])[0][:42]
        'a, seed 2: an accuracy of 30.0 % is far fr'
    """
    gaps = [a - np.median(a) for a in accuracies if len(a) > 2]
    if not gaps:
        return []
    together = np.abs(np.concatenate(gaps))
    said = []
    for arm, values in zip(arms, accuracies):
        if len(values) < 3:
            continue
        middle = float(np.median(values))
        # Seeds scatter at least as examples do; otherwise three equal ones would make any fourth an outlier.
        least = np.sqrt(max(middle * (1 - middle), 0.25 / len(arm.labels)) / len(arm.labels))
        scale = max(1.4826 * float(np.median(together)), float(least))
        for seed, value in zip(arm.seeds, values):
            if abs(value - middle) > OUTLIER * scale:
                said.append(
                    f"{arm.arm}, seed {seed}: an accuracy of {100 * value:.1f} % is far from the other seeds' "
                    f"{100 * middle:.1f} %. If that run failed, leave it out with drop_seed (--drop-seed "
                    f"{arm.arm}:{seed})."
                )
    return said


def without(arm: Predictions, dropped: Sequence[str]) -> Predictions:
    """An arm without some of its seeds.

    Args:
        arm: its predictions.
        dropped: "ARM:SEED", or "SEED" for every arm that has it.
    Raises:
        AuditError: no seed would be left.
    """
    gone = np.array([str(s) in dropped or f"{arm.arm}:{s}" in dropped for s in arm.seeds])
    if not gone.any():
        return arm
    if gone.all():
        raise AuditError(f"drop_seed: expected a seed of {arm.arm} to be left, got {first(arm.seeds)} to drop.")
    pick = lambda a: None if a is None else a[~gone]  # noqa: E731
    return replace(
        arm,
        pred=arm.pred[~gone],
        seeds=arm.seeds[~gone],
        p_true=pick(arm.p_true),
        p_max=pick(arm.p_max),
        topk=pick(arm.topk),
        score=pick(arm.score),
        notes=(*arm.notes, f"{arm.arm}: seed {first(arm.seeds[gone])} was left out as requested."),
    )


def check_dropped(arms: Sequence[Predictions], dropped: Sequence[str]) -> None:
    """Refuse to drop a seed that no arm has.

    Raises:
        AuditError: the message names it and the seeds of the arms.
    """
    held = {name for arm in arms for s in arm.seeds for name in (str(s), f"{arm.arm}:{s}")}
    if unknown := [name for name in dropped if name not in held]:
        there = [f"{arm.arm}:{s}" for arm in arms for s in arm.seeds]
        raise AuditError(f"drop_seed: expected seeds such as {first(there)}, got {first(unknown)}.")
