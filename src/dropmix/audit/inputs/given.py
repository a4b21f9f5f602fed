"""What a user says of the sources beside the sources themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """How to read sources of predictions.

    Args:
        classes: names of the classes, K: a sequence, an array, or the path of a file with one name per line.
        topk: read ranked classes when above 1.
        intersect: keep the examples that all sources hold.
        columns: names of the source's columns by what they hold.
        labels: true classes for sources without them.
        group: name of the column of groups.
        accept: further right classes per example.
        encoding: of CSV files that are not UTF-8.
    """

    classes: Sequence[str] | Any = None
    topk: int = 1
    intersect: bool = False
    columns: Mapping[str, str] | None = None
    labels: Any = None
    group: str | None = None
    accept: Any = None
    encoding: str | None = None
