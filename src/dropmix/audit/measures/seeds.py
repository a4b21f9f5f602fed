"""Are the seeds of an arm what they should be, different runs of one kind?

The same run given twice would count as two seeds and make noise look small. A run that diverged makes it look large and
moves the whole arm. A mean shows neither.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.roles import ERRORS

FAR_OFF = "is far from the other seeds'"
OUTLIER = 4.0  # robust z above which a seed's accuracy is reported
FEW = 20  # fewest examples on which seeds that never agree are not seeds
NEAR = 0.05  # one run, predicted twice at another precision, differs in its probabilities, but not by more
MANY_ERRORS = 20
NEARLY_ALL = 0.1  # of the errors; in 402 pairs of real runs the least was 0.37
ALIKE = 0.2  # two seeds are nearly copies if they disagree less than this share of what other pairs do


def check_runs(arms: Sequence[Predictions]) -> list[str]:
    """Notes on runs that look like copies and on classes that only predictions have.

    Raises:
        AuditError: copies among an arm's seeds, ranked classes in their place, or predictions of strange classes alone.
    """
    notes = []
    pairs = [_differing(arm) for arm in arms]
    for i, arm in enumerate(arms):
        if arm.score is None:  # of several labels, seeds hold decisions on each
            refuse_ranked_classes(arm)
            notes += [*strange_classes(arm), *(note for lead in arms[:i] for note in equal_runs(lead, arm))]
        notes += check_copies(arm, [d for j, of_arm in enumerate(pairs) if j != i for d in of_arm])
    return notes


def _differing(arm: Predictions) -> list[int]:
    """In how many predictions two seeds differ, for each pair of an arm's seeds."""
    return [int((arm.pred[i] != arm.pred[j]).sum()) for i in range(len(arm.seeds)) for j in range(i)]


def check_copies(arm: Predictions, elsewhere: Sequence[int] = ()) -> list[str]:
    """Refuse copies among an arm's seeds; returns a note if two are nearly copies, or might be.

    Args:
        elsewhere: in how many predictions the pairs of seeds of other arms differ, for an arm of two seeds.
    Raises:
        AuditError: two seeds have equal predictions for every example, and equal probabilities if there are any.
    """
    notes = []
    seeds = len(arm.seeds)
    pairs = [(i, j) for i in range(seeds) for j in range(i)]
    if not pairs:
        return []
    apart = np.array(_differing(arm))
    for (i, j), different in zip(pairs, apart):
        if different or _apart(arm, i, arm, j):
            continue
        errors = int((arm.pred[i] != arm.labels).sum())
        # Networks with few errors may agree; many errors in common mean one network.
        if _same_numbers(arm, i, j) or errors >= ERRORS:
            raise AuditError(
                f"{arm.arm}: expected different runs as seeds, got the same predictions as seed {arm.seeds[j]} and "
                f"seed {arm.seeds[i]}{_files(arm, j, i)}. Leave one out; if training is deterministic, there is "
                "only one seed."
            )
        if not arm.ours:
            notes.append(
                f"{arm.arm}: seed {arm.seeds[j]} and seed {arm.seeds[i]}{_files(arm, j, i)} have the same predictions, "
                f"as runs with few errors ({errors}) may. If one is a copy of the other, leave it out with drop_seed "
                f"(--drop-seed {arm.arm}:{arm.seeds[i]})."
            )
    if len(notes) > 1:
        notes = [notes[0], f"{arm.arm}: so have {len(notes) - 1} more pairs of its seeds."]
    usual = np.median(apart) if seeds > 2 else np.median(elsewhere) if elsewhere else 0
    close = [(i, j) for (i, j), d in zip(pairs, apart) if d > 0 and _too_close(arm, i, j, d, usual)]
    return notes + [
        f"{arm.arm}: the predictions of seeds {arm.seeds[j]} and {arm.seeds[i]}{_files(arm, j, i)} are far more "
        f"similar than others: {int((arm.pred[i] != arm.pred[j]).sum())} of {arm.pred.shape[1]} differ. "
        "If they are one run, leave one out."
        for i, j in close
    ]


def _too_close(arm: Predictions, i: int, j: int, different: int, usual: float) -> bool:
    """Whether two seeds differ far less than other pairs do, or than two networks with their errors would."""
    errors = min(int((arm.pred[k] != arm.labels).sum()) for k in (i, j))
    return different < ALIKE * usual or (errors >= MANY_ERRORS and different <= NEARLY_ALL * errors)


def equal_runs(lead: Predictions, arm: Predictions) -> list[str]:
    """A note on runs of one arm whose predictions are those of a run of another.

    A plain arm and one with everything left unmixed are equal run by run, so that equal runs are not refused.
    """
    if lead.pred.shape[1] != arm.pred.shape[1] or (lead.ours and arm.ours):
        return []
    known = {run.tobytes(): i for i, run in enumerate(lead.pred)}
    same = [(known.get(pred.astype(lead.pred.dtype).tobytes()), j) for j, pred in enumerate(arm.pred)]
    same = [(i, j) for i, j in same if i is not None and not _apart(lead, i, arm, j)]
    if not same:
        return []
    errors = int((arm.pred[same[0][1]] != arm.labels).sum())
    told = first([f"seed {lead.seeds[i]} of {lead.arm} and seed {arm.seeds[j]} of {arm.arm}" for i, j in same])
    few = f"Runs with few errors ({errors}) may agree. " if errors < ERRORS else ""
    return [f"The same predictions: {told}. {few}If one was copied under another name, give the right one."]


def refuse_ranked_classes(arm: Predictions) -> None:
    """Refuse the k best classes of each example, best first, which are not predictions of k seeds.

    Raises:
        AuditError: no two columns of one source agree on any example, and the first is right more often than others.
    """
    one_source = len({source.get("path") for source in arm.sources}) < 2
    if len(arm.seeds) < 2 or len(arm.labels) < FEW or not one_source:
        return
    ordered = np.sort(arm.pred, axis=0)
    right = (arm.pred == arm.labels).sum(axis=1)
    if (ordered[1:] != ordered[:-1]).all() and right[0] >= ERRORS and (right[0] > right[1:]).all():
        raise AuditError(
            f"{arm.arm}: expected seeds, which agree on some examples, got {len(arm.seeds)} predictions per example "
            "that never do, like the top classes of one run, best first. Give the first alone, as pred."
        )


def strange_classes(arm: Predictions) -> list[str]:
    """A note on predictions of classes that no example has, which may be another way to write a class.

    Raises:
        AuditError: all predictions are of such classes: words, or numbers for 20 examples or more.
    """
    times = np.bincount(arm.pred.reshape(-1))
    strange = np.setdiff1d(np.flatnonzero(times), arm.labels)
    if not len(strange):
        return []
    strange = strange[np.argsort(-times[strange], kind="stable")]
    names = [str(c) if arm.class_names is None else arm.class_names[c] for c in strange]
    if times[strange].sum() == arm.pred.size and (arm.label_kind == "text" or len(arm.labels) >= FEW):
        has = np.unique(arm.labels)
        known = [str(c) if arm.class_names is None else arm.class_names[c] for c in has]
        raise AuditError(
            f"{arm.arm}: expected predictions among the classes of the labels ({first(known)}), got others alone: "
            f"{first(names)}. Write both the same way, or give the class list."
        )
    share = 100 * times[strange].sum() / arm.pred.size
    return [
        f"{arm.arm}: {share:.2g} % of the predictions are of {len(strange)} "
        f"{'class' if len(strange) == 1 else 'classes'} that no example has: {first(names)}."
    ]


def _apart(one: Predictions, i: int, other: Predictions, j: int) -> bool:
    """Whether probabilities show that two seeds are two networks, although their predictions may agree."""
    if one.p_true is None or other.p_true is None:
        return False
    return bool((np.abs(one.p_true[i] - other.p_true[j]) > NEAR).any())


def _same_numbers(arm: Predictions, i: int, j: int) -> bool:
    """Whether two seeds hold the same probabilities to the last bit, and not only zeros and ones."""
    if arm.p_true is None or not np.array_equal(arm.p_true[i], arm.p_true[j]):
        return False
    return len(np.unique(arm.p_true[i])) > 2


def _files(arm: Predictions, i: int, j: int) -> str:
    """The files of two seeds, from where their paths differ, if these are different files."""

    def home(k: int) -> str:
        if len(arm.sources) == len(arm.seeds):
            return str(arm.sources[k].get("path", ""))
        return next((str(s["path"]) for s in arm.sources if "path" in s and arm.seeds[k] in s.get("seeds", ())), "")

    one, other = Path(home(i)).parts, Path(home(j)).parts
    if not one or not other or one == other:
        return ""
    shared = next((k for k, (a, b) in enumerate(zip(one, other)) if a != b), 0)
    return " (" + ", ".join(clip("/".join(parts[shared:])) for parts in (one, other)) + ")"


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
                    f"{arm.arm}, seed {seed}: an accuracy of {100 * value:.1f} % {FAR_OFF} "
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
    known = {name for arm in arms for s in arm.seeds for name in (str(s), f"{arm.arm}:{s}")}
    if unknown := [name for name in dropped if name not in known]:
        there = [f"{arm.arm}:{s}" for arm in arms for s in arm.seeds]
        raise AuditError(f"drop_seed: expected seeds such as {first(there)}, got {first(unknown)}.")
