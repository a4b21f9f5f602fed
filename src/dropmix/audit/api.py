"""The two entry points: audit predictions, or a whole folder of runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.analysis import Analysis, analyse
from dropmix.audit.comparison import compose
from dropmix.audit.errors import AuditError, first
from dropmix.audit.inference.decide import ALONE
from dropmix.audit.inference.looks import read_looks
from dropmix.audit.inputs.align import join
from dropmix.audit.inputs.files import prepare
from dropmix.audit.inputs.given import Reading, about_groups
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.run_folders import BASELINE, find_runs, group_runs, pairs_by_rate, read_arms
from dropmix.audit.inputs.sources import read_roles
from dropmix.audit.measures.accept import AsLabelled, kinds_of_loss, with_acceptable_labels
from dropmix.audit.measures.counts import Pair, pair
from dropmix.audit.measures.seeds import check_dropped, check_runs, without
from dropmix.audit.result import Audit, Comparison
from dropmix.audit.rows.class_facts import by_superclass, with_class_facts
from dropmix.audit.rows.labels import at_thresholds
from dropmix.audit.settings import TOLERANCE, Settings
from dropmix.audit.several_arms import far_off, likeness, likeness_note, rescue

SUPERCLASS = "superclass"  # as `by`: each superclass is a slice


def audit_predictions(
    baseline: Any,
    treated: Any = None,
    *,
    classes: Sequence[str] | None = None,
    fdr: float = 0.1,
    topk: int = 1,
    margin: float = 0.005,
    seed: int = 0,
    paired: bool = False,
    intersect: bool = False,
    confidence: str = "p_true",
    superclasses: Any = None,
    train_counts: Any = None,
    level: float = 0.9,
    refits: int = 200,
    columns: Mapping[str, str] | None = None,
    labels: Any = None,
    group: Any = None,
    accept: Any = None,
    encoding: str | None = None,
    by: Any = None,
    threshold: float | Mapping[str, float] | None = None,
    validation: tuple[Any, Any] | None = None,
    tolerance: float | Mapping[str, float] = TOLERANCE,
    protect: Sequence[str] = (),
    drop_seed: Sequence[str] = (),
    alone: float = ALONE,
    reference: str | None = None,
) -> Audit:
    """Compare treated arms with a baseline, class by class.

    Args:
        baseline: predictions of one arm: a path (parquet, CSV, npz, run folder), a frame, a mapping of arrays
            (`labels`, `pred` or `probs`, ...), a pair (labels, pred), an array of predictions or scores beside
            `labels=`, or a list of these, one or more seeds each.
            With `treated` left out: a source of several arms, one of them named `reference`.
        treated: the same for the treated arm or arms; a list may hold several arms; a mapping
            name -> source (or list of sources, one per seed) names them.
        classes: names of the K classes: a sequence, an array, or a file with one name per line.
        fdr: accepted share of false calls, in (0, 1).
        topk: an example counts as right when its class is among the first `topk`.
        margin: the model counts a class if its recall falls by more than this; a fraction, 0.005 is half a point.
        seed: seed of the audit's own random numbers; equal inputs and seeds give equal results.
        paired: whether equal seed numbers mean shared initial weights and order.
        intersect: keep only the examples that all sources hold, instead of refusing different sets.
        confidence: "p_true" or "p_max".
        superclasses: class -> superclass, K names in the order of the classes, or a file: CSV with a row per class,
            JSON of a mapping, "FILE:COLUMN" if it has several columns. Default: what the sources say.
        train_counts: the same for the number of training examples of each class.
        level: coverage of the intervals, in (0, 1).
        refits: bootstrap refits behind the intervals; 0 gives none and is fast.
        columns: names of the source's columns or arrays, by content: {"label": "y_true", "pred": "y_pred"}.
        labels: true classes for sources without them: a file (id and label, or one label per line) or an array. If
            an example may have several labels: their matrix (N, K) of 0 and 1, a file with a column per label or an
            array; sources then hold scores (N, K) or (S, N, K), and rows are labels times measures.
        group: what groups dependent examples, such as patients or clips: name of a column (or array), "FILE:COLUMN",
            values (N,), or id -> value. Default: those that the sources hold; "none" takes each example by itself.
        accept: further right classes per example: a JSON file of lists, a list of lists, or a boolean (N, K) array.
        encoding: encoding of CSV files that are not UTF-8, such as "cp1252".
        by: slices to audit as well: name of a column (or array) such as the camera, "FILE:COLUMN", values (N,), id
            -> value, or "superclass" beside `superclasses`.
        threshold: if several labels are possible, one is predicted where its score is at least this: one number, or
            label -> number. Default: 0.5 for probabilities.
        validation: a pair (scores, labels) of other examples, on which each label's threshold has the highest F1:
            scores as above for all arms, or a list with one source per arm, baseline first.
        tolerance: loss of recall that is tolerated in a class, a fraction (0.01 is one point): one number, or
            class -> number.
        protect: names of classes that must not be lost; also of slices, and of labels for all of their rows.
        drop_seed: seeds to leave out, "ARM:SEED", or "SEED" for every arm.
        alone: level of each protected class's own tests; less where you ask at several looks, as
            `dropmix.audit.inference.looks.levels` shares it out.
        reference: name of the baseline's arm, wherever it stands among the sources; "vanilla" if `treated` is left out.
    Returns:
        Audit with one comparison per treated arm.
    Raises:
        AuditError: anything wrong with an input or a setting, in one line.

    Example:
        >>> base = {"labels": [0, 0, 1, 1], "pred": [[0, 0, 1, 1], [0, 0, 1, 0]]}
        >>> new = {"labels": [0, 0, 1, 1], "pred": [[0, 1, 1, 1], [0, 0, 1, 1]]}
        >>> audit_predictions(base, new).classes["status"]
        ['degraded', 'improved']
    """
    settings = Settings(fdr, topk, margin, seed, confidence, intersect, level, refits, tolerance, protect, alone)
    parents = isinstance(by, str) and by == SUPERCLASS and superclasses is not None
    reading = Reading(classes, topk, intersect, columns, labels, group, accept, encoding, None if parents else by)
    base, others = read_roles(baseline, treated, reading, reference)
    (base, *others), said = with_class_facts([base, *others], superclasses, train_counts, encoding)
    (base, *others), notes = _sound([base, *others], drop_seed)
    notes = [*said, *notes, *about_groups(reading, [base, *others])]
    if base.score is not None:
        (base, *others), settings, note = at_thresholds([base, *others], settings, threshold, validation)
        notes.append(note)
    elif threshold is not None or validation is not None:
        raise AuditError("threshold: expected labels as a matrix of 0 and 1 beside it, got one label per example.")
    labelled: list[AsLabelled] = []
    if any(arm.accept is not None for arm in (base, *others)):
        (base, *others), labelled, more = _acceptable([base, *others], settings, paired)
        notes += more
    if parents:
        base, *others = by_superclass([base, *others])
    pairs = [pair(base, arm, None, settings) for arm in others]
    analyses = [analyse(p, settings, paired) for p in pairs]
    if labelled:
        analyses = [_beside(a, other) for a, other in zip(analyses, labelled)]
    comparisons = compose(analyses, settings)
    notes += far_off(pairs, comparisons)
    alike = likeness(pairs, comparisons, seed)
    asked = {**settings.to_dict(), "paired": paired}
    return _audit(comparisons, [base, *others], pairs[0], asked, [*notes, *likeness_note(alike)], alike)


def _acceptable(
    arms: list[Predictions], settings: Settings, paired: bool
) -> tuple[list[Predictions], list[AsLabelled], list[str]]:
    """The same arms with every acceptable label right, what the labels alone say of each treated one, and notes."""
    if settings.topk > 1:
        raise AuditError(f"accept: expected topk=1 beside it, got {settings.topk}. Leave one of the two out.")
    arms = join(arms, settings.intersect)
    accept = next(arm.accept for arm in arms if arm.accept is not None)
    pairs = [pair(arms[0], arm, None, settings) for arm in arms[1:]]
    quick = replace(settings, refits=0).among([pairs[0].names[i] for i in pairs[0].audited])
    plain = compose([analyse(p, quick, paired) for p in pairs], quick)
    lost = kinds_of_loss(arms, accept, len(pairs[0].names))
    read = [with_acceptable_labels(replace(arm, accept=accept)) for arm in arms]
    labelled = [AsLabelled(p.names, c.summary, c.classes, kinds) for p, c, kinds in zip(pairs, plain, lost)]
    return [r.predictions for r in read], labelled, list(dict.fromkeys(r.note for r in read if r.note))


def _beside(a: Analysis, labelled: AsLabelled) -> Analysis:
    """An analysis with acceptable labels, and what the labels alone say."""
    columns = labelled.columns([a.pair.names[i] for i in a.pair.audited])
    return replace(a, more=a.more | labelled.numbers, more_classes=a.more_classes | columns)


def audit_grid(
    folder: str | Path,
    *,
    baseline: str = BASELINE,
    between: str | Sequence[tuple[str, str]] = (),
    fdr: float = 0.1,
    topk: int = 1,
    margin: float = 0.005,
    seed: int = 0,
    paired: bool = True,
    intersect: bool = False,
    confidence: str = "p_true",
    level: float = 0.9,
    refits: int = 200,
    tolerance: float | Mapping[str, float] = TOLERANCE,
    protect: Sequence[str] = (),
    drop_seed: Sequence[str] = (),
    alone: float | None = None,
    group: Any = None,
    by: Any = None,
    superclasses: Any = None,
    train_counts: Any = None,
) -> Audit:
    """Compare every arm in a folder of runs with vanilla.

    Runs are grouped by everything in spec.json except arm and seed, and each group has its own vanilla.
    Other folders and unfinished runs are left out and named in the notes.

    Args:
        folder: holds one folder per run, as `dropmix run` writes them.
        baseline: name of the arm to compare with.
        between: pairs (first arm, second arm) to compare as well, or "rates": every method with DropMix against the
            same method without; the first arm is then the comparison's baseline.
        paired: runs with the same seed share initial weights and order, as in our own grids.
        fdr, topk, margin, seed, intersect, confidence, level, refits: as in `audit_predictions`.
        drop_seed, group, by, superclasses, train_counts: as in `audit_predictions`.
        tolerance, protect: as in `audit_predictions`. In a folder of `dropmix run --until-decided`, they are those that
            it was asked about, unless others are given.
        alone: level of each protected class's own tests; None is that of the last look, or 0.05 without looks.
    Raises:
        AuditError: no finished runs, no baseline in a group, nothing to compare, or damaged files.
    """
    parents = isinstance(by, str) and by == SUPERCLASS
    reading = prepare(Reading(topk=topk, group=group, by=None if parents else by))
    runs, notes = find_runs(folder)
    looks = read_looks(Path(folder)) if alone is None else None
    if looks is not None:
        alone, notes = looks.level(looks.done), [*notes, looks.note]
        protect = protect or looks.protect
        tolerance = looks.tolerance if tolerance == TOLERANCE else tolerance
    chosen = (tolerance, protect, ALONE if alone is None else alone)
    settings = Settings(fdr, topk, margin, seed, confidence, intersect, level, refits, *chosen)
    comparisons, alike, used, first_pair = [], [], [], None
    for group, members in group_runs(runs).items():
        arms, more = read_arms(members, Path(folder), None, intersect, topk, reading)
        _check_baseline(folder, group, baseline, arms, [*notes, *more])
        known, facts = with_class_facts([*arms.values()], superclasses, train_counts)
        known = by_superclass(known) if parents else known
        sound, said = _sound(known, drop_seed)
        arms = {arm.arm: arm for arm in sound}
        pairs = {name: pair(arms[baseline], arm, None, settings) for name, arm in arms.items() if name != baseline}
        analyses = [analyse(p, settings, paired) for p in pairs.values()]
        of_group = compose(analyses, settings, group)
        alike += likeness(list(pairs.values()), of_group, seed)
        asked_between = pairs_by_rate(members) if between == "rates" else between
        second = [
            _between(arms[one], arms[other], pairs.get(one), settings, paired)
            for one, other in asked_between
            if one in arms and other in arms
        ]
        of_group += compose(second, settings, group)
        comparisons += of_group
        notes += [*more, *facts, *said, *about_groups(reading, sound), *far_off([*pairs.values()], of_group)]
        used += arms.values()
        first_pair = first_pair or next(iter(pairs.values()), None)
    if first_pair is None:
        raise AuditError(f"{folder}: expected an arm beside {baseline!r}, got none. Run a method too.")
    asked = {**settings.to_dict(), "paired": paired, "baseline": baseline}
    return _audit(comparisons, used, first_pair, asked, [*notes, *likeness_note(alike)], alike)


def _check_baseline(folder: str | Path, group: str, baseline: str, arms: Iterable[str], notes: list[str]) -> None:
    if baseline not in arms:
        of = f" of group {group!r}" if group else ""
        left = [note for note in notes if "left out" in note and f"{baseline}-s" in note]
        raise AuditError(
            f"{folder}: expected finished runs of the arm {baseline!r}{of}, got only {first(sorted(arms))}. "
            f"{' '.join([*left[:1], ''])}Finish the grid by its dropmix run command, or compare with another arm by "
            "dropmix audit --baseline."
        )


def _sound(arms: list[Predictions], dropped: Sequence[str]) -> tuple[list[Predictions], list[str]]:
    """Arms without the dropped seeds, checked for runs given twice; and notes."""
    dropped = [dropped] if isinstance(dropped, str) else [str(d) for d in dropped]
    check_dropped(arms, dropped)
    arms = [without(arm, dropped) for arm in arms]
    return arms, check_runs(arms)


def _between(
    plain: Predictions, second: Predictions, against: Pair | None, settings: Settings, paired: bool
) -> Analysis:
    """A second arm against a first one, with how much of the first one's losses it gives back."""
    p = pair(plain, second, None, settings)
    rescued = None
    if against is not None and np.array_equal(against.sizes, p.sizes):
        rescued = rescue(against.counts0, p.counts0, p.counts1, p.sizes, settings.seed)
    keys = ("rescue_n_degraded", "rescue_lost", "rescue_given_back", "rescue_others")
    numbers = (np.nan,) * 4 if rescued is None else (rescued.number, rescued.lost, rescued.given_back, rescued.others)
    return replace(analyse(p, settings, paired), more=dict(zip(keys, numbers)))


def _audit(
    comparisons: list[Comparison],
    arms: Sequence[Predictions],
    p: Pair,
    settings: dict,
    notes: list[str],
    alike: list[dict],
) -> Audit:
    inputs = [dict(source) for arm in arms for source in arm.sources]
    return Audit(comparisons, list(p.names), inputs, settings, notes, alike)
