"""The slices of an arm in a terminal."""

import re

import numpy as np
from rich.console import Console

from dropmix.audit import audit_predictions
from dropmix.report.tables.slices import slice_table


def test_a_slice_shows_its_accuracy_before_and_after():
    labels = np.repeat([0, 1], 100)
    place = np.tile(["north", "south"], 100)
    worse = np.where((np.arange(200) % 10 == 1), 1 - labels, labels)  # every fifth example of the south is lost
    audit = audit_predictions((labels, labels), (labels, worse), by=place, refits=0)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(slice_table(audit.only, 120))
    rows = {line.split()[0]: line for line in shown.get().splitlines() if line.split()}
    assert re.search(r"100\.0 to 80\.0 +-20\.0 \(", rows["south"])
    assert re.search(r"100\.0 to 100\.0 +0\.0 \(", rows["north"])  # no sign before a zero
