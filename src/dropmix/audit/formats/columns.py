"""Columns of a table as checked numpy arrays; no type is guessed."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropmix.audit.errors import AuditError, clip, first, tally

NONE = "(none)"  # name of the slice of examples of which nothing is known
WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.0*)?\Z")  # "007" is a name
SCIENTIFIC = re.compile(r"-?\d\.\d+e[-+]\d\d\Z")  # 2.000000000000000000e+00, as numpy.savetxt writes 2


def plain_types(table: pa.Table) -> pa.Table:
    """Bytes as text, decimals and coded numbers as numbers, as other programs leave them."""
    for at, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind) and not is_text(kind):
            table = table.set_column(at, field.name, table.column(at).cast(kind.value_type))
            kind = kind.value_type
        if pa.types.is_fixed_size_binary(kind):
            table = table.set_column(at, field.name, table.column(at).cast(pa.binary()))
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        decimal = pa.types.is_decimal(kind)
        text = binary or (pa.types.is_temporal(kind) and not pa.types.is_duration(kind))
        if text or decimal:
            to = pa.large_string() if text else pa.int64() if kind.scale == 0 else pa.float64()
            table = table.set_column(at, field.name, table.column(at).cast(to))
    return table


def none_missing(missing: np.ndarray, name: str, where: str, what: str, advice: str = "Fill or remove them.") -> None:
    """Refuse missing values, and say how many and in which rows.

    Raises:
        AuditError: some are missing.
    """
    if missing.any():
        rows = np.flatnonzero(missing.reshape(-1))
        raise AuditError(
            f"{where}: expected {name} without gaps, got {tally(len(rows), f'{what} value', f'{what} values')}, in row "
            f"{first(rows + 1)} (the first row is 1). {advice}"
        )


def whole_number(text: str) -> int | None:
    """The whole number that a text is; None for other text.

    Example:
        >>> [whole_number(text) for text in ("3", "3.0", "3.000e+00", "007", "3.5", "cat")]
        [3, 3, 3, None, None, None]
    """
    if WHOLE.match(text):
        return int(text.split(".")[0])
    return int(float(text)) if SCIENTIFIC.match(text) and float(text).is_integer() else None


def integers(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column as int64, or narrower if stored so, (rows,). Text of whole numbers becomes numbers.

    Raises:
        AuditError: nulls, fractions, other text, or numbers beyond 64 bits.
    """
    _without_nulls(column, name, where)
    if is_text(column.type):
        codes, texts = coded(column, name, where)
        numbers = [whole_number(t.strip()) for t in texts]
        wrong = [t for t, number in zip(texts, numbers) if number is None]
        if wrong:
            at = int(np.flatnonzero(codes == texts.index(wrong[0]))[0]) + 1
            raise AuditError(
                f"{where}: expected column {name!r} with integers, got {clip(wrong[0])!r} in row {at}. Renumber it."
            )
        return np.array(numbers, dtype=np.int64)[codes]
    kind = column.type
    if pa.types.is_dictionary(kind) and pa.types.is_integer(kind.value_type):
        kind = kind.value_type
        column = column.cast(kind)
    try:
        if kind in (pa.int8(), pa.int16(), pa.int32()):
            return _numpy(column)  # narrow as stored: a wide copy would double the memory
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return _numpy(column.cast(pa.int64()))
        if pa.types.is_floating(kind):  # data frames turn integers into floats if other rows have gaps
            none_missing(np.isnan(_numpy(column)), name, where, "NaN")
            return _numpy(column.cast(pa.int64(), safe=True))
    except pa.ArrowException as error:
        raise AuditError(
            f"{where}: expected column {name!r} with 64-bit integers, got {clip(error)}. Renumber it."
        ) from error
    raise AuditError(f"{where}: expected column {name!r} with integers, got {clip(kind)}. Save it as int64 or int32.")


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Integers or floats without gaps, (rows,). Arrow's own way would load pandas first, half of a small audit."""
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_numpy()
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    if len(chunks) < 2:
        return chunks[0] if chunks else column.to_numpy()
    return np.concatenate(chunks)


def floats(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray | None:
    """A column as float32, (rows,); None if it is empty. Text may have decimal commas, or per cent signs.

    Raises:
        AuditError: not a number, or some values missing.
    """
    if pa.types.is_string(column.type):
        try:
            return _numpy(column.cast(pa.float32()))  # the usual case, without a Python loop over rows
        except pa.ArrowException:
            pass  # gaps, decimal commas, or no numbers
    if is_text(column.type):
        codes, texts = coded(column, name, where, gaps=True)
        if not any(t.strip() for t in texts):
            return None
        try:
            percent = all(t.strip().endswith("%") for t in texts if t.strip())
            plain = [t.strip().removesuffix("%" if percent else "").replace(",", ".") for t in texts]
            numbers = np.array([float(t or "nan") for t in plain], dtype=np.float32) / (100 if percent else 1)
        except ValueError as error:
            raise AuditError(
                f"{where}: expected column {name!r} with floats, got {clip(error)}. Save numbers."
            ) from error
        none_missing(np.isin(codes, [i for i, t in enumerate(texts) if not t.strip()]), name, where, "empty")
        return numbers[codes]
    if column.null_count == len(column):
        return None
    _without_nulls(column, name, where)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise AuditError(f"{where}: expected column {name!r} with floats, got {clip(column.type)}. Save it as float32.")
    return _numpy(column).astype(np.float32, copy=False)


def keys(column: pa.ChunkedArray, name: str, where: str, guess: bool = False) -> np.ndarray:
    """Ids or groups as int64 or object (str), (rows,).

    Args:
        guess: the column is text only because the file has no types, so whole numbers are numbers.
    """
    if guess and pa.types.is_string(column.type) and (numbers := _whole(column)) is not None:
        return numbers
    if is_text(column.type):
        # Equal ids of many seeds share one string object.
        codes, texts = coded(column, name, where)
        if guess and all(WHOLE.match(t) and "." not in t for t in texts):
            return np.array([int(t) for t in texts], dtype=np.int64)[codes]
        if "" in texts:
            none_missing(codes == texts.index(""), name, where, "empty")
        return np.array([*texts, None], dtype=object)[codes]
    return integers(column, name, where)


def words(column: pa.ChunkedArray) -> np.ndarray:
    """A column of any plain type as text, (rows,), object (str); what is missing is "(none)".

    Example:
        >>> words(pa.chunked_array([[1.0, None, 2.5]])).tolist()
        ['1', '(none)', '2.5']
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.combine_chunks()
    coded_as = whole.dictionary_encode() if not isinstance(whole, pa.ChunkedArray) else whole.unify_dictionaries()
    texts = [word(v) for v in coded_as.dictionary.to_pylist()]
    codes = coded_as.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return np.array([*texts, NONE], dtype=object)[codes]


def word(value: object) -> str:
    """A value as the name of a slice."""
    if value is None or value != value or str(value).strip() in ("", "<NA>"):
        return NONE
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _whole(column: pa.ChunkedArray) -> np.ndarray | None:
    """Text as int64 if all of it is whole numbers without leading zeros, else None; no Python loop over rows."""
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowException:
        return None
    same = pc.call_function("equal", [numbers.cast(pa.string()), column])
    return _numpy(numbers) if pc.call_function("all", [same]).as_py() else None


def coded(column: pa.ChunkedArray, name: str, where: str, gaps: bool = False) -> tuple[np.ndarray, list[str]]:
    """A column of text or integers as codes, (rows,), and the list of distinct texts.

    Args:
        gaps: whether nulls are empty texts instead of an error.
    Raises:
        AuditError: nulls, or another type.
    """
    if not (is_text(column.type) or pa.types.is_integer(column.type)):
        raise AuditError(f"{where}: expected column {name!r} with text, got {clip(column.type)}. Save it as text.")
    if not gaps:
        _without_nulls(column, name, where)
    if not pa.types.is_dictionary(column.type):
        # One dictionary for all chunks, without Python per row: ids are as many as rows.
        column = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
        column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    place: dict[str, int] = {}
    parts = []
    for chunk in column.chunks:
        texts = ["" if t is None else str(t) for t in chunk.dictionary.to_pylist()]
        codes = chunk.indices.fill_null(len(texts)) if chunk.null_count else chunk.indices
        codes = _numpy(pa.chunked_array([codes])).astype(np.int32, copy=False)
        if column.num_chunks == 1 and not chunk.null_count and len(set(texts)) == len(texts):
            used = np.bincount(codes, minlength=len(texts))
            if used.all():
                return codes, texts
        used = np.bincount(codes, minlength=len(texts) + 1)
        lookup = np.zeros(len(texts) + 1, dtype=np.int32)
        for i, text in enumerate([*texts, ""]):
            if used[i]:
                lookup[i] = place.setdefault(text, len(place))
        parts.append(lookup[codes])
    return np.concatenate(parts) if parts else np.zeros(0, np.int32), list(place)


def lists(column: pa.ChunkedArray, name: str, where: str) -> list[list]:
    """A column of lists, or of texts such as "3;17;2" or "[3, 17, 2]", as lists of numbers or names."""
    if is_text(column.type):
        split = lambda text: [t.strip().strip("'\"") for t in re.split(r"[;,|]", text.strip("[]() ")) if t.strip()]  # noqa: E731
        return [split(text) if text else [] for text in column.to_pylist()]
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise AuditError(f"{where}: expected column {name!r} with lists, got {clip(kind)}. Save list<int32>.")
    return [list(v) if v is not None else [] for v in column.to_pylist()]


def ranked(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """Column `topk` as (rows, k), int64: lists of one length, or text such as "3;17;2"."""
    _without_nulls(column, "topk", where)
    try:
        if is_text(column.type):
            column = pc.call_function("split_pattern", [column.cast(pa.large_string())], pc.SplitPatternOptions(";"))
        whole = column.combine_chunks()
        widths = pc.call_function("list_value_length", [whole]).to_numpy(zero_copy_only=False)
        flat = whole.flatten().cast(pa.int64())
    except (pa.ArrowException, NotImplementedError, AttributeError) as error:
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
    """The metadata that our own files keep under the key `dropmix`; {} if there is none.

    Raises:
        AuditError: damaged metadata, or a newer format.
    """
    raw = (table.schema.metadata or {}).get(b"dropmix")
    if raw is None:
        return {}
    try:
        meta = json.loads(raw)
        kinds = (("classes", str), ("superclasses", str), ("train_counts", int))
        sound = meta.get("format") == 1 and all(
            meta.get(key) is None or (isinstance(meta[key], list) and all(isinstance(v, kind) for v in meta[key]))
            for key, kind in kinds
        )
    except (ValueError, AttributeError, RecursionError) as error:
        raise AuditError(f"{where}: expected readable metadata, got {clip(error)}. Write the file again.") from error
    if not sound:
        raise AuditError(
            f"{where}: expected metadata of format 1, got {clip(raw.decode(errors='replace'))}. Update dropmix."
        )
    return meta


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text, plain or dictionary-encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # polars hands over views, for which older Arrow versions have no test.
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view"


def _without_nulls(column: pa.ChunkedArray, name: str, where: str) -> None:
    if column.null_count:
        missing = column.is_null().to_numpy()
        none_missing(missing, f"column {name!r}", where, "empty")
