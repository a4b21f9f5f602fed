"""The numbers that the paper prints in its tables.

Source:
    Lee, Lee & Kim, arXiv 2307.09136, Tables 1 to 4, in percent and percentage points. In Table 2,
    the rate of Mixup is our reading: in print it runs together with the vanilla row.
"""

import csv
from importlib.resources import files

from dropmix.report.tables.paper_layout import Measures, Row

PRINTED = {1: "table1_cifar100", 2: "table2_imagenet", 3: "table3_confidence", 4: "table4_cifar10"}


def printed_records(table: int) -> list[dict[str, str]]:
    """The rows of one of the paper's tables as text, column name -> cell, "" if it prints none.

    Args:
        table: 1 (CIFAR-100), 2 (ImageNet), 3 (confidence changes) or 4 (CIFAR-10).
    Raises:
        ValueError: the paper has no such table.
    Example:
        >>> printed_records(3)[0]
        {'network': 'WRN28-2', 'method': 'mixup', 'ic': '-0.195', 'dc': '-0.241'}
    """
    if table not in PRINTED:
        raise ValueError(f"printed_records: expected a table with number 1 to 4, got {table}. Name one.")
    text = files("dropmix.paper").joinpath(f"tables/{PRINTED[table]}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def printed_table(table: int) -> list[Row]:
    """Table 1, 2 or 4 of the paper as rows for the renderers.

    Raises:
        ValueError: Table 3 (it has another layout), or no such table.
    Example:
        >>> printed_table(1)[1].dropmix.accuracy
        76.01
    """
    if table == 3:
        raise ValueError(
            "printed_table: expected a table with accuracies, got 3. Read Table 3 with printed_records(3)."
        )
    return [
        Row(
            record["network"],
            record["method"],
            _side(record, "without"),
            _float(record["rate"]),
            _side(record, "with") if record["with_acc"] else None,
        )
        for record in printed_records(table)
    ]


def _side(record: dict[str, str], side: str) -> Measures:
    count = record[f"{side}_n_dc"]
    return Measures(
        _float(record[f"{side}_acc"]),
        _float(record.get(f"{side}_acc_sd", "")),
        int(count) if count else None,
        _float(record[f"{side}_ddc"]),
        _float(record.get(f"{side}_ddc_sd", "")),
    )


def _float(text: str) -> float | None:
    return float(text) if text else None
