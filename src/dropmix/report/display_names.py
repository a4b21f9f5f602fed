"""Names of arms and classes, fit for people and for files."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dropmix.audit.arm_names import ArmName, arm_title, clean, method_title, visible
from dropmix.audit.measures.seeds import FAR_OFF
from dropmix.audit.quantities.words import noun

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

__all__ = [
    "ArmName",
    "all_notes",
    "arm_title",
    "class_labels",
    "clean",
    "comparison_title",
    "file_stems",
    "method_title",
    "number",
    "plain_arms",
    "recall_word",
    "short_names",
    "shorten",
    "visible",
]

MEASURES = {"sensitivity": "sens.", "specificity": "spec.", "average precision": "AP"}


def comparison_title(comparison: "Comparison") -> str:
    """The arm's heading, preceded by its group (network or data set) if it has one.

    Where the baseline is the same method without DropMix, it is named too: the arm is there against vanilla as well.
    """
    title = arm_title(comparison.arm)
    if comparison.rate and ArmName(comparison.method, comparison.rate).plain == comparison.baseline:
        title += f" against {arm_title(comparison.baseline)}"
    return f"{clean(comparison.group)}: {title}" if comparison.group else title


def plain_arms(audit: "Audit") -> "list[Comparison | None]":
    """For each comparison, the same method without DropMix, from the same group and against the same baseline.

    Args:
        audit: all comparisons.
    Returns:
        In the audit's order; None for an arm without a rate, or whose plain method was not run.
    """
    names = [ArmName(c.method, c.rate) for c in audit.comparisons]
    plain = {(c.group, c.baseline, name): c for c, name in zip(audit.comparisons, names)}
    return [
        plain.get((c.group, c.baseline, ArmName(name.plain, 0.0))) if name.rate else None
        for c, name in zip(audit.comparisons, names)
    ]


def all_notes(audit: "Audit") -> list[str]:
    """The audit's notes and its comparisons', each of these preceded by its arm unless all arms share it.

    What a verdict says itself, that a seed is far off, is left out.
    """
    every = [set(c.notes) for c in audit.comparisons]
    common = set.intersection(*every) if every else set()
    said = {note for note in set().union(*every) if FAR_OFF in note}
    notes = list(audit.notes)
    for c in audit.comparisons:
        notes += [n if n in common or n in said else f"{comparison_title(c)}: {n}" for n in c.notes]
    return [note for note in dict.fromkeys(notes) if note not in said]


def shorten(text: object, width: int = 24) -> str:
    """`clean` text of at most `width` columns, cut in the middle: long names differ at their ends.

    Example:
        >>> shorten("a very long name of a class", 13)
        'a very…class'
    """
    line = clean(text)
    if _columns(line) <= width:
        return line
    head, tail = _start(line, width // 2), _start(line[::-1], (width - 1) // 2)[::-1]
    while tail and (unicodedata.combining(tail[0]) or tail[0] == "\u200d"):
        tail = tail[1:]
    return f"{head.rstrip()}…{tail.lstrip()}"


def short_names(names: Sequence[object], width: int = 24) -> list[str]:
    """`shorten` for the names of one audit, numbered in order if two would read the same.

    Example:
        >>> short_names(["skin lesion, benign, of the left arm", "skin lesion, benign on the left arm"], 16)
        ['skin l…ft arm #1', 'skin l…ft arm #2']
        >>> short_names(["fox", "owl"])
        ['fox', 'owl']
    """
    labels = [shorten(name, width) for name in names]
    counts = Counter(labels)
    taken = {label for label, count in counts.items() if count == 1}
    last: Counter[str] = Counter()
    for i, label in enumerate(labels):
        if counts[label] > 1:
            stem = shorten(names[i], width - 2 - len(str(len(names))))
            last[stem] += 1
            while (numbered := f"{stem} #{last[stem]}") in taken:  # somebody's class is called "fox #1"
                last[stem] += 1
            labels[i] = numbered
            taken.add(numbered)
    return labels


def class_labels(comparison: "Comparison", width: int = 24) -> list[str]:
    """Short and distinct names of a comparison's classes, in order; the same in every figure.

    Of measures of labels, the label is shortened and the measure abbreviated: their names differ at the start and end.
    """
    classes = comparison.classes
    if noun(classes) == "class":
        return short_names(classes["class"], width)
    labels = list(dict.fromkeys(classes["label"]))
    short = dict(zip(labels, short_names(labels, width - 6)))
    return [f"{short[label]} {MEASURES[measure]}" for label, measure in zip(classes["label"], classes["measure"])]


def recall_word(comparison: "Comparison") -> str:
    """What the numbers of a comparison's rows are, on an axis: recalls, or values of several measures."""
    return "recall" if noun(comparison.classes) == "class" else "value"


def _columns(text: str) -> int:
    """Columns that a text takes, two per East Asian letter."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _start(text: str, width: int) -> str:
    """The longest beginning within `width` columns that splits no combined letter."""
    taken = 0
    for i, c in enumerate(text):
        taken += _columns(c)
        if taken > width:
            while 0 < i < len(text) and (unicodedata.combining(text[i]) or text[i] == "\u200d"):
                i -= 1
            return text[:i]
    return text


def file_stems(names: Iterable[str]) -> list[str]:
    """One distinct file stem per name: lower-case letters, digits, dots and hyphens.

    Example:
        >>> file_stems(["mixup r=0.4", "mixup/r=0.4", "混合"])
        ['mixup-r0.4', 'mixup-r0.4-2', 'arm']
    """
    stems: list[str] = []
    for name in names:
        stem = re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("r=", "r")).strip("-.")[:60] or "arm"
        copy, number = stem, 1
        while copy in stems:
            number += 1
            copy = f"{stem}-{number}"
        stems.append(copy)
    return stems


def number(summary: Mapping[str, object], key: str) -> float | None:
    """A number of a summary, or None if it is missing, null or NaN.

    Example:
        >>> number({"gain": 0.01, "floor_n_degraded": None}, "floor_n_degraded") is None
        True
    """
    value = summary.get(key)
    if not isinstance(value, (int, float)) or value != value:
        return None
    return float(value)
