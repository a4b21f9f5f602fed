"""Raw contents of npz, npy and JSON files: sizes are checked before anything is read, pickles are never loaded."""

import gzip
import hashlib
import json
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.formats.kinds import checked_file, ending_of

# What zipfile, zlib and numpy raise on damaged archives and array headers.
DAMAGE = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError, SyntaxError)
DAMAGE += (TypeError, OverflowError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, tokenize.TokenError)
GZIP = b"\x1f\x8b"
LARGEST_JSON = 100_000_000  # Python's numbers and texts take up to twelve times as much
MOST_NESTED = 5_000_000  # lists and objects of a JSON text; each takes up to 200 bytes
STREAMED = {"probs", "logits", "scores", "pred", "preds", "predictions"}
LARGEST = 200_000_000  # bytes of an array that is read at once without further checks
ROWS = 4096  # of scores that are in memory at a time
MOST_ROWS = 10_000_000  # of a parquet file, or values of a column, without further checks
DENSEST = 100  # bytes promised per byte stored; with more, a large file is not data


@dataclass
class StoredScores:
    """An array (N, K) or (S, N, K) in a file, read block by block.

    Attributes:
        path: of the npz or npy file.
        member: name within the npz; None for npy.
        stored: its shape.
        dtype: its type.
    """

    path: Path
    member: str | None
    stored: tuple[int, ...]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """S, N, K."""
        return self.stored if len(self.stored) == 3 else (1, *self.stored)

    def blocks(self) -> Iterator[tuple[int, slice, np.ndarray]]:
        """Seed, rows and scores (rows, K)."""
        seeds, count, k = self.shape
        step = max(1, min(ROWS, 2**25 // max(1, k * self.dtype.itemsize)))
        with _opened(self.path, self.member) as file:
            _header(file)
            for s in range(seeds):
                for start in range(0, count, step):
                    rows = slice(start, min(start + step, count))
                    need = (rows.stop - start) * k * self.dtype.itemsize
                    data = file.read(need)
                    if len(data) < need:
                        raise AuditError(
                            f"{self.path}: expected {need} more bytes of scores, got {len(data)}. Write it again."
                        )
                    yield s, rows, np.frombuffer(data, self.dtype).reshape(-1, k)


def read_arrays(path: Path, keep: Any, whole: bool = False) -> dict[str, Any]:
    """Arrays of an npz file, or the one of an npy file under the key "pred".

    Args:
        path: of the file.
        whole: read large arrays of scores at once.
        keep: function of the names that raises if the file is of no use; called before anything is read.
    Returns:
        arrays; large float arrays with two or three axes as `StoredScores`.
    Raises:
        AuditError: a damaged or pickled file, or an array larger than its file can hold.
    """
    try:
        if path.suffix.lower() == ".npy":
            return {"pred": _array(path, None, path.stat().st_size, path.stat().st_size, whole)}
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        keep(list(infos))
        return {key: _array(path, i.filename, i.file_size, i.compress_size, whole) for key, i in infos.items()}
    except AuditError:
        raise
    except DAMAGE as error:
        why = clip(error, 160).rstrip(".")
        kind = path.suffix[1:].lower()
        raise AuditError(f"{path}: expected a readable {kind} file, got {why}. Write the file again.") from error


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is None:
        with path.open("rb") as file:
            yield file
    else:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _array(path: Path, member: str | None, size: int, stored: int, whole: bool) -> Any:
    what = f"{path}: expected {clip(member)}" if member else f"{path}: expected an array"
    with _opened(path, member) as file:
        shape, fortran, kind = _header(file)
        promised = int(np.prod([int(s) for s in shape], dtype=object)) * kind.itemsize
        if kind.hasobject or promised > size:
            raise AuditError(
                f"{what} with {size} bytes of plain numbers or text, got {promised} promised, type {kind}. "
                "Write the file again without pickled objects; of names, numpy.array(names, dtype=str)."
            )
        if promised > LARGEST and promised > DENSEST * max(stored, 1):
            raise AuditError(
                f"{what} whose size fits its file, got {promised} bytes from {stored} stored. Write the file again."
            )
        name = Path(member or "pred").stem
        streamed = kind.kind == "f" and len(shape) in (2, 3) and name in STREAMED and not fortran
        if streamed and not whole and promised > LARGEST // 20:
            return StoredScores(path, member, tuple(int(s) for s in shape), kind)
        if promised > 5 * LARGEST:
            raise AuditError(f"{what} of at most {5 * LARGEST} bytes, got {promised}. Save predictions as int32.")
    with _opened(path, member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def opened(path: Path) -> IO[bytes]:
    """A file of text for reading, unpacked where it is packed by gzip, whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def refuse_bomb(path: Path) -> None:
    """Refuse a packed file that is far larger than its bytes can hold as data.

    Raises:
        AuditError: such a file, or a damaged one.
    """
    with path.open("rb") as file:
        if file.read(2) != GZIP:
            return
    size, most = 0, max(LARGEST, DENSEST * path.stat().st_size)
    try:
        with gzip.open(path) as file:
            while block := file.read(1 << 20):
                size += len(block)
                if size > most:
                    raise AuditError(
                        f"{path}: expected text whose size fits its file, got more than {most} bytes unpacked. "
                        "Write the file again."
                    )
    except DAMAGE as error:
        if isinstance(error, AuditError):
            raise
        raise AuditError(f"{path}: expected a readable gzip file, got {clip(error)}. Write the file again.") from error


def refuse_parquet_bomb(path: Path, file: pq.ParquetFile, wanted: set[str]) -> None:
    """Refuse a parquet file whose columns, once decoded, are far larger than its bytes can hold as predictions.

    Raises:
        AuditError: such a file.
    """
    meta, stored = file.metadata, max(path.stat().st_size, 1)
    groups = [meta.row_group(group) for group in range(meta.num_row_groups)]
    values = meta.num_rows
    encoded, decoded = 0, 0
    for group, rows in enumerate(groups):
        chunks = [rows.column(i) for i in range(meta.num_columns)]
        for chunk in (c for c in chunks if c.path_in_schema.partition(".")[0] in wanted):
            values = max(values, chunk.num_values)
            if "." not in chunk.path_in_schema and chunk.num_values != rows.num_rows:
                raise AuditError(
                    f"{path}: expected {rows.num_rows} values in a column, as its rows, got {chunk.num_values} in "
                    f"{clip(chunk.path_in_schema)}. Write the file again."
                )
            encoded += chunk.total_uncompressed_size
            bound = chunk.num_values * chunk.total_uncompressed_size
            if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page and bound > LARGEST:
                decoded += chunk.num_values * _longest(path, group, chunk.path_in_schema)
    # Runs of equal values shrink without limit, but predictions are not constant.
    if values > MOST_ROWS and values > DENSEST * stored:
        raise AuditError(
            f"{path}: expected a row count that fits the file, got {values} rows in {stored} bytes. "
            "Write the file again."
        )
    if sum(rows.num_rows for rows in groups) != meta.num_rows:
        raise AuditError(
            f"{path}: expected {meta.num_rows} rows, got {sum(rows.num_rows for rows in groups)} in its parts. "
            "Write the file again."
        )
    for size, most in ((encoded, max(LARGEST, DENSEST * stored)), (decoded, 7 * LARGEST)):
        if size > most:
            raise AuditError(
                f"{path}: expected columns whose size fits the file, got {size} bytes unpacked from {stored} stored. "
                "Write the file again, with class numbers and short ids."
            )


def _longest(path: Path, group: int, column: str) -> int:
    """Length of the longest text in the dictionary of a column; texts beside it are stored as often as they occur."""
    with pq.ParquetFile(for_arrow(path), pre_buffer=False, read_dictionary=[column]) as file:
        batch = next(file.iter_batches(1_024, row_groups=[group], columns=[column], use_threads=False))
    kind = batch.column(0)
    lengths = pc.call_function("binary_length", [kind.dictionary]) if hasattr(kind, "dictionary") else None
    return 0 if lengths is None else pc.call_function("max", [lengths]).as_py() or 0


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The value of a JSON file, or the list of values of a JSON-lines file.

    Raises:
        AuditError: damaged, nested too deeply, or too large.
    """
    where = checked_file(path)
    if path.stat().st_size > LARGEST_JSON:
        raise AuditError(f"{where}: expected JSON of at most {LARGEST_JSON} bytes, got more. Save it as parquet.")
    refuse_bomb(path)
    try:
        with opened(path) as file:
            text = within_limits(file.read().decode("utf-8-sig"))
        lines = [line for line in text.split("\n") if line.strip()]  # other marks may stand within a text
        if ending_of(path) in (".jsonl", ".ndjson"):
            return [_parsed(line) for line in lines]
        try:
            return _parsed(text)
        except json.JSONDecodeError:
            if len(lines) < 2 or not all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
                raise
            return [_parsed(line) for line in lines]  # JSON lines under the name of JSON
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise AuditError(f"{where}: expected readable JSON, got {clip(error)}. Write the file again.") from error


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_each_name_once)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose first value of a name that comes twice would go without a word."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{clip(twice)!r} twice in one object")
    return made


def within_limits(text: str) -> str:
    """The same JSON text.

    Raises:
        ValueError: it holds more lists and objects than memory should.
    """
    if (count := text.count("[") + text.count("{")) > MOST_NESTED:
        raise ValueError(f"{count:,} lists and objects, of which at most {MOST_NESTED:,} are read")
    return text


def for_arrow(path: Path) -> Any:
    """A path, or the open file if Arrow cannot take the path: its name is not UTF-8, or the file is packed."""
    with path.open("rb") as file:
        if file.read(2) == GZIP or path.suffix.lower() == ".gz":  # by its name alone Arrow would unpack it
            return opened(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.open("rb")
    return path
