"""Rows of JSON files, in the shapes in which other programs write them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, shown
from dropmix.audit.inputs.given import Reading, find_columns
from dropmix.audit.naming.totals import refuse_totals


def rows_of(data: Any, where: str) -> Any:
    """The rows of a JSON table as pandas writes it, by row, by column or `split`; else what was given.

    Raises:
        AuditError: a classification report.

    Example:
        >>> rows_of({"a.jpg": {"index": 3}}, "a.json")
        [{'example_id': 'a.jpg', 'index': 3}]
    """
    if isinstance(data, list) and data and isinstance(data[0], list) and data[0] and isinstance(data[0][0], dict):
        return [{"predictions": row} for row in data]  # as pipelines of Hugging Face give them
    if not isinstance(data, dict) or not data:
        return data
    tables = [value for value in data.values() if _is_rows(value)]
    others = [value for value in data.values() if isinstance(value, list | dict)]
    if len(tables) == len(others) == 1:
        return tables[0]  # {"model": ..., "predictions": [rows]}
    if all(isinstance(value, list) and value and isinstance(value[0], dict) for value in data.values()):
        return [{"example_id": name, "predictions": row} for name, row in data.items()]
    if isinstance(data.get("schema"), dict) and isinstance(data.get("data"), list):
        return data["data"]
    if isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):
        return [dict(zip(data["columns"], row)) for row in data["data"] if isinstance(row, list)]
    if any(isinstance(row, dict) and {"precision", "recall"} <= {*row} for row in data.values()):
        refuse_totals(["precision", "recall"], where)
    if not all(isinstance(row, dict) for row in data.values()):
        return data
    if find_columns(list(data), Reading(), ""):
        return [{key: data[key].get(row) for key in data} for row in next(iter(data.values()))]
    rows = list(data.values())
    numbered = list(data) == [str(i) for i in range(len(data))]
    named = any("example_id" in find_columns(list(row), Reading(), "") for row in rows)
    return rows if numbered or named else [{"example_id": name, **row} for name, row in data.items()]


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def json_values(values: Sequence[Any], name: str, key: str, where: str) -> list[Any]:
    """The values of one column of JSON rows; NaN is a gap, and a list of one class, as of a tensor, that class.

    Raises:
        AuditError: text beside numbers.
    """
    one = key in ("label", "pred")
    values = [v[0] if one and isinstance(v, list) and len(v) == 1 else None if v != v else v for v in values]
    texts, numbers = ([v for v in values if isinstance(v, kind)] for kind in (str, int | float))
    if texts and numbers:
        raise AuditError(
            f"{where}: expected numbers or text in {clip(name)!r}, got {clip(texts[0])!r} and {clip(numbers[0])}. "
            "Save one kind."
        )
    return values


def table_of_json(data: Any, where: str) -> pa.Table | None:
    """JSON rows, or columns by name, as a table without lists; None for a list of classes or a mapping from ids."""
    given, data = data, rows_of(data, where)
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = dict.fromkeys(str(key) for row in data for key in row if "predictions" not in row)
        table = {name: [row.get(name) for row in data] for name in names}
    elif isinstance(data, dict) and data and all(isinstance(value, list) for value in data.values()):
        table = {str(name): value for name, value in data.items()}
    elif isinstance(given, dict) and any(isinstance(value, list | dict) for value in given.values()):
        table = {}
    else:
        return None
    flat = {n: v for n, v in table.items() if not any(isinstance(value, list | dict) for value in v)}
    if not flat or len({len(values) for values in table.values()}) > 1:
        raise AuditError(
            f"{where}: expected the class of each example, got {shown([*(table if given is data else given)])}. "
            "Save a list of classes, a mapping of id to class, or CSV with columns id and label."
        )
    return pa.table({name: pa.array(json_values(values, name, "", where)) for name, values in flat.items()})
