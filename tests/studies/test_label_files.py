"""The CSV files of label information: names that a spreadsheet would run are guarded, and restored on reading."""

import csv
from pathlib import Path

import numpy as np

from dropmix.audit.spreadsheet import unguarded
from dropmix.studies.label_files import write_label_information
from dropmix.studies.label_information import LabelInformation

NAMES = ["=1+1", "@fox", "'=tis", '-a,"b"', "wolf"]


def test_both_files_guard_formulas_and_keep_every_name(tmp_path: Path) -> None:
    own, partner = np.arange(5), (np.arange(5) + 1) % 5
    found = LabelInformation(np.array([0.0, 0.5, 1.0]), own, partner, np.full((5, 3), 0.5), NAMES)
    write_label_information(found, None, tmp_path)
    for name, columns in (("label-information.csv", ("class", "partner")), ("classes.csv", ("class",))):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert rows
        for column in columns:
            assert not [row[column] for row in rows if row[column].startswith(("=", "@", "-", "+"))]
            assert {unguarded(row[column]) for row in rows} == set(NAMES)
