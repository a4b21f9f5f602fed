"""Where several labels per example are predicted as present: thresholds given, or chosen on a validation set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats.folders import files_of
from dropmix.audit.inputs.files import prepare
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.matrices import read_matrix
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.scores import USUAL, LabelMatrix, Matrix, binary, decided, labels_of


def with_thresholds(arms: Sequence[Predictions], given: Any, chosen: Any = None) -> tuple[list[Predictions], str]:
    """The same predictions at other thresholds, and a sentence that says which.

    Args:
        arms: as `binary` made them.
        given: one threshold, label -> threshold (others: 0.5), or None.
        chosen: (K,) per arm, chosen on a validation set; or None.
    Raises:
        AuditError: a threshold of an unknown label, one that no score can reach, or none for scores that are no
            probabilities.
    """
    names = labels_of(arms[0])
    if chosen is not None:
        told = "; ".join(
            f"{arm.arm} {', '.join(f'{name} {level:.3g}' for name, level in zip(names, levels))}"
            for arm, levels in zip(arms, chosen)
        )
        said = f"thresholds with the highest F1 on the validation set ({clip(told, 400)})"
        return [_at(arm, levels) for arm, levels in zip(arms, chosen)], _said(names, said)
    if given is None and any(arm.p_true is None for arm in arms):
        raise AuditError("threshold: expected one for scores outside [0, 1], got none. Give threshold (--threshold).")
    levels = np.full(len(names), USUAL, np.float32)
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in names]:
            raise AuditError(f"threshold: expected labels among {first(names)}, got {first(unknown)}. Check the name.")
        levels = np.array([given.get(name, USUAL) for name in names], np.float32)
        said = f"thresholds {', '.join(f'{name} {level:g}' for name, level in zip(names, levels))}"
    else:
        levels = levels if given is None else np.full(len(names), given, np.float32)
        said = f"a threshold of {levels[0]:g}"
    likely = all(arm.p_true is not None for arm in arms)
    if len(out := levels[~((levels >= 0) & (levels <= 1)) if likely else ~np.isfinite(levels)]):
        what = "a number from 0 to 1 for probabilities" if likely else "a number"
        raise AuditError(f"threshold: expected {what}, got {out[0]:g}. {USUAL} is usual for probabilities.")
    return [_at(arm, levels) for arm in arms], _said(names, said)


def _said(names: Sequence[str], said: str) -> str:
    return (
        f"{len(names)} labels, of which an example may have any number: a row per label and measure; accuracy is the "
        f"share of all decisions about labels that are right, at {said}."
    )


def _at(arm: Predictions, levels: np.ndarray) -> Predictions:
    return arm if arm.score is None else replace(arm, pred=decided(arm.score, np.asarray(levels)))


def chosen_thresholds(arms: Sequence[Predictions], scores: Any, labels: Any) -> list[np.ndarray]:
    """Thresholds of each arm, (K,) each, from a validation set.

    Args:
        arms: as `binary` made them.
        scores: one source for all arms, or a list with a source per arm; a source is a file, a folder with one file per
            seed, or an array (N, K) or (S, N, K).
        labels: true labels, a matrix of 0 and 1.
    Raises:
        AuditError: another number of sources than arms, or labels that are no matrix.
    """
    truth = prepare(Reading(labels=labels)).labels
    if not isinstance(truth, LabelMatrix) or truth.values.shape[1] != len(labels_of(arms[0])):
        raise AuditError(
            f"validation: expected a matrix of 0 and 1 for {first(labels_of(arms[0]))} as its labels, got another. "
            "Save one column per label."
        )
    sources = list(scores) if isinstance(scores, list | tuple) else [scores]
    if len(sources) not in (1, len(arms)):
        raise AuditError(
            f"validation: expected one source, or one per arm ({len(arms)}, baseline first), got {len(sources)}."
        )
    chosen = []
    for source in sources:
        folder = files_of(Path(source)) if isinstance(source, str | Path) else None
        chosen.append(best_thresholds(truth, [read_matrix(one, "validation")[0] for one in folder or [source]]))
    return chosen * len(arms) if len(chosen) == 1 else chosen


def best_thresholds(truth: LabelMatrix, scores: Sequence[Matrix]) -> np.ndarray:
    """The threshold of each label with the highest F1 on a validation set, (K,), float32; seeds are pooled.

    A label without any positive example there has the usual threshold.

    Example:
        >>> truth = LabelMatrix(np.array([[0], [1], [1]], bool), ("AF",), None, "truth")
        >>> best_thresholds(truth, [Matrix(np.array([[0.1], [0.4], [0.8]]), None, None, "scores")]).round(2).tolist()
        [0.4000000059604645]
    """
    parts = [binary(s, truth, "validation", {}, {}) for s in scores]
    made = np.full(len(truth.names), USUAL, np.float32)
    for at in range(len(truth.names)):
        masks = [p.labels // 2 == at for p in parts]
        score = np.concatenate([p.score[:, own].reshape(-1) for p, own in zip(parts, masks) if p.score is not None])
        true = np.concatenate([np.tile(p.labels[own] % 2 == 0, len(p.pred)) for p, own in zip(parts, masks)])
        if not true.any():
            continue
        order = np.argsort(-score, kind="stable")
        hits = np.cumsum(true[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + true.sum())
        last = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True))  # one per distinct score
        made[at] = score[order][last[int(f1[last].argmax())]]
    return made
