"""Figs. 4 and 15 from the files that `dropmix label-info` writes."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dropmix.report.figures.label_curves import label_curves
from dropmix.studies.label_files import CLASSES, CURVES


def label_figures(folders: Sequence[Path]) -> list[tuple[str, Figure]]:
    """A figure for every folder with label information: a given folder, or one directly inside it.

    Returns:
        (folder's name, figure).
    Raises:
        ValueError: files that are not those of `dropmix label-info`.
    """
    places = [p for folder in folders for p in (folder, *sorted(q for q in folder.iterdir() if q.is_dir()))]
    return [(p.name, _figure(p)) for p in dict.fromkeys(places) if (p / CURVES).is_file()]


def _figure(folder: Path) -> Figure:
    try:
        with (folder / CLASSES).open(newline="", encoding="utf-8") as file:
            change = {r["class"]: float(r["recall_change"] or "nan") for r in csv.DictReader(file)}
        names = list(change)
        index = {name: i for i, name in enumerate(names)}
        with (folder / CURVES).open(newline="", encoding="utf-8") as file:
            rows = [
                (index[row["class"]], row["strength"], float(row["confidence"]), int(row["pairs"]))
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{folder}: expected {CURVES} and {CLASSES} of dropmix label-info, got {type(error).__name__} {error}. "
            "Run it again."
        ) from None
    strengths = sorted({s for _, s, _, _ in rows}, key=float)
    place = {s: i for i, s in enumerate(strengths)}
    total, pairs = np.zeros((2, len(names), len(strengths)))
    for own, s, confidence, count in rows:
        total[own, place[s]] += confidence * count
        pairs[own, place[s]] += count
    with np.errstate(invalid="ignore"):
        curves = total / pairs
    moved = np.array(list(change.values()))
    return label_curves(np.array(strengths, float), curves, names, moved if np.isfinite(moved).any() else None)
