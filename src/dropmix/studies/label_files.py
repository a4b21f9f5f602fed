"""Files and lines of `dropmix label-info`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dropmix.audit.formats.archives import within_limits
from dropmix.audit.spreadsheet import guarded, write_table
from dropmix.train.files import MOST_BYTES, read_regular

if TYPE_CHECKING:
    from dropmix.studies.label_information import LabelInformation

CURVES, CLASSES = "label-information.csv", "classes.csv"


def read_changes(path: Path, arm: str, classes: list[str]) -> np.ndarray:
    """Recall change of each class under an arm, (K,), from audit.json; NaN for classes that it lacks.

    Raises:
        ValueError: not an audit, no such arm, or other classes.
    """
    if path.is_dir():
        path = path / "audit.json"
    try:
        comparisons = json.loads(within_limits(read_regular(path, MOST_BYTES).decode()))["comparisons"]
        change_by_arm = {c["arm"]: {row["class"]: row["recall_change"] for row in c["classes"]} for c in comparisons}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        got = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise ValueError(f"{path}: expected an audit.json of ours, got {got}. Audit first.") from None
    if arm not in change_by_arm:
        raise ValueError(f"{path}: expected the arm {arm!r}, got {', '.join(change_by_arm)}. Name one with --arm.")
    change = np.array([np.nan if (v := change_by_arm[arm].get(name)) is None else v for name in classes], float)
    if not np.isfinite(change).any():
        raise ValueError(f"{path}: expected classes such as {classes[0]!r}, got others. Audit the same data set.")
    return change


def write_label_information(information: "LabelInformation", change: np.ndarray | None, out: Path) -> None:
    """Write label-information.csv (class x partner x strength), classes.csv, and the figure."""
    from dropmix.report.figures.label_curves import label_curves
    from dropmix.report.figures.style import save

    out.mkdir(parents=True, exist_ok=True)
    information.save(out / CURVES)
    curves, area, kept = information.curves(), information.area(), information.kept()
    pairs = np.bincount(information.own, minlength=len(information.classes))
    rows: list[tuple] = [("class", "pairs", "confidence_unmixed", "area", "kept", "recall_change")]
    for i, name in enumerate(information.classes):
        moved = np.nan if change is None else change[i]
        numbers = ["" if v != v else f"{v:.6g}" for v in (curves[i, 0], area[i], kept[i], moved)]
        rows.append((guarded(name), pairs[i], *numbers))
    write_table(out / CLASSES, rows)
    save(label_curves(information.strengths, curves, information.classes, change), out / "label-information")


def print_correlations(information: "LabelInformation", change: np.ndarray | None, arm: str) -> None:
    """Say what the curves have to do with the recall changes."""
    from dropmix.studies.label_information import rank_correlation

    area, kept = information.area(), information.kept()
    print(
        f"{len(information.own)} pairs, {np.isfinite(area).sum()} classes: confidence in the own class "
        f"{_mean(information, 0)} unmixed, {_mean(information, len(information.strengths) // 2)} half-way; area under "
        f"the curve {np.nanmean(area):.3f}."
    )
    if change is None:
        return
    for name, column in (("area under the curve", area), ("share of the label kept", kept)):
        rho = rank_correlation(column, change)
        print(
            f"Rank correlation of the {name} with the recall change under {arm}: {rho.value:+.2f} "
            f"[{rho.low:+.2f}, {rho.high:+.2f}] (90 %, bootstrap over {rho.classes} classes)."
        )
    worse, better = np.nanmean(kept[change < 0]), np.nanmean(kept[change > 0])
    print(f"Share of the label kept: {worse:.3f} in degraded classes, {better:.3f} in improved ones.")


def _mean(information: "LabelInformation", place: int) -> str:
    return f"{information.confidence[:, place].mean():.2f}"
