"""Columns of a table as checked numpy arrays."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropmix.audit.errors import AuditError, clip, first


def integers(table: pa.Table, name: str, where: str) -> np.ndarray:
    """A column as int64, or narrower where it is stored so, (rows,).

    Raises:
        AuditError: nulls, fractions, text, or numbers beyond 64 bits.
    """
    column = _without_nulls(table, name, where)
    kind = column.type
    if pa.types.is_dictionary(kind) and pa.types.is_integer(kind.value_type):
        kind = kind.value_type
        column = column.cast(kind)
    try:
        if kind in (pa.int8(), pa.int16(), pa.int32()):
            return column.to_numpy()  # narrow as it is: a wide copy would double the memory
        if pa.types.is_integer(kind):
            return column.cast(pa.int64()).to_numpy()
        if pa.types.is_floating(kind):  # frames with gaps elsewhere turn integers to floats
            return column.cast(pa.int64(), safe=True).to_numpy()
    except pa.ArrowException as error:
        raise AuditError(
            f"{where}: expected column {name!r} with 64-bit integers, got {clip(error)}. Renumber it."
        ) from error
    raise AuditError(f"{where}: expected column {name!r} with integers, got {clip(kind)}. Save it as int64 or int32.")


def probabilities(table: pa.Table, name: str, where: str) -> np.ndarray | None:
    """A column as float32, (rows,); None where the table lacks it or it is empty throughout.

    Raises:
        AuditError: not a number, or some values missing.
    """
    if name not in table.column_names:
        return None
    column = table[name]
    if column.null_count == len(column):
        return None
    column = _without_nulls(table, name, where)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise AuditError(f"{where}: expected column {name!r} with floats, got {clip(column.type)}. Save it as float32.")
    return column.to_numpy().astype(np.float32, copy=False)


def ids(table: pa.Table, where: str) -> np.ndarray | None:
    """Column `example_id` as int64 or object (str), (rows,); None where the table lacks it."""
    if "example_id" not in table.column_names:
        return None
    column = _without_nulls(table, "example_id", where)
    if _is_text(column.type):
        # Through a dictionary: equal ids of many seeds then share one string object.
        coded = column.cast(pa.large_string()).dictionary_encode().combine_chunks()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        values = coded.dictionary.to_numpy(zero_copy_only=False).astype(object)
        return values[coded.indices.to_numpy()]
    return integers(table, "example_id", where)


def texts(table: pa.Table, name: str, where: str) -> tuple[np.ndarray, list[str]]:
    """A column of text or integers as codes (rows,) and the list of distinct texts.

    Raises:
        AuditError: nulls, or another type.
    """
    column = _without_nulls(table, name, where)
    if not (_is_text(column.type) or pa.types.is_integer(column.type)):
        raise AuditError(f"{where}: expected column {name!r} with text, got {clip(column.type)}. Save it as text.")
    if pa.types.is_dictionary(column.type):
        coded = column.unify_dictionaries().combine_chunks()
        codes, names = coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()
        # As it is, if every entry is text, distinct and used: decoded, a name on every row is the largest column.
        sound = all(isinstance(n, str) for n in names) and len(set(names)) == len(names)
        if sound and np.bincount(codes, minlength=len(names)).all():
            return codes, names
    column = column.cast(pa.large_string())
    coded = pa.chunked_array([column.dictionary_encode().combine_chunks()]).unify_dictionaries().combine_chunks()
    return coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def classes(table: pa.Table, where: str, names: Sequence[str] | None) -> tuple[dict, Sequence[str] | None]:
    """Columns `label` and `pred` as integers, with the class list they refer to.

    Text is looked up in `names`; without names the sorted texts that occur are the class list.

    Returns:
        {"label": (rows,), "pred": (rows,)} and the class list (None: plain numbers, no list).
    Raises:
        AuditError: text that the class list lacks, or text in one column and numbers in the other.
    """
    kinds = [_is_text(table[key].type) for key in ("label", "pred")]
    if not any(kinds):
        return {key: integers(table, key, where) for key in ("label", "pred")}, names
    if not all(kinds):
        raise AuditError(
            f"{where}: expected label and pred of one type, got {clip(table['label'].type)} and "
            f"{clip(table['pred'].type)}. Save class names in both, or numbers in both."
        )
    coded = {key: texts(table, key, where) for key in ("label", "pred")}
    if names is None:
        names = sorted(set(coded["label"][1]) | set(coded["pred"][1]))
    place = {name: i for i, name in enumerate(names)}
    unknown = [t for _, found in coded.values() for t in found if t not in place]
    if unknown:
        raise AuditError(f"{where}: expected classes of the class list, got {first(unknown)}. Check the class list.")
    lookup = {key: np.array([place[t] for t in found], dtype=np.int64) for key, (_, found) in coded.items()}
    return {key: lookup[key][codes] for key, (codes, _) in coded.items()}, names


def ranked(table: pa.Table, where: str) -> np.ndarray | None:
    """Column `topk` as (rows, k), int64: lists of one length, or text such as "3;17;2"."""
    if "topk" not in table.column_names:
        return None
    column = _without_nulls(table, "topk", where).combine_chunks()
    if _is_text(column.type):
        column = pc.call_function("split_pattern", [column], pc.SplitPatternOptions(";"))
    try:
        widths = pc.call_function("list_value_length", [column]).to_numpy(zero_copy_only=False)
        flat = column.flatten().cast(pa.int64())
    except (pa.ArrowException, NotImplementedError) as error:
        raise AuditError(
            f"{where}: expected column 'topk' with lists of class numbers, got {clip(error)}. Save list<int32>."
        ) from error
    width = int(widths[0])
    if width < 1 or (widths != width).any() or flat.null_count:
        raise AuditError(
            f"{where}: expected column 'topk' with lists of one length, got lengths {first(np.unique(widths))}. "
            "Save the same number of classes for every example."
        )
    return flat.to_numpy().reshape(-1, width)


def metadata(table: pa.Table, where: str) -> dict:
    """The dictionary that our own files keep under the key `dropmix`; {} where there is none.

    Raises:
        AuditError: it is damaged, or of a newer format.
    """
    raw = (table.schema.metadata or {}).get(b"dropmix")
    if raw is None:
        return {}
    try:
        held = json.loads(raw)
        names, groups = held.get("classes"), held.get("superclasses")
        sound = held.get("format") == 1 and all(
            x is None or (isinstance(x, list) and all(isinstance(n, str) for n in x)) for x in (names, groups)
        )
    except (ValueError, AttributeError) as error:
        raise AuditError(f"{where}: expected readable metadata, got {clip(error)}. Write the file again.") from error
    if not sound:
        raise AuditError(
            f"{where}: expected metadata of format 1, got {clip(raw.decode(errors='replace'))}. Update dropmix."
        )
    return held


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # Views are what polars hands over; older Arrow has no test for them.
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view"


def _without_nulls(table: pa.Table, name: str, where: str) -> pa.ChunkedArray:
    column = table[name]
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise AuditError(
            f"{where}: expected column {name!r} without gaps, got {column.null_count} empty values, the first in "
            f"row {row}. Fill or remove them."
        )
    return column
