"""Which kind a file is, by its name and by its first bytes, and what to do with those that are not read."""

import errno
import re
from pathlib import Path

from dropmix.audit.errors import AuditError, clip

PARQUET, TEXT, ARRAYS, JSON = (
    {".parquet", ".pq", ".parq"},
    {".csv", ".tsv", ".txt", ".tab"},
    {".npz", ".npy"},
    {".json", ".jsonl", ".ndjson"},
)
CONVERT: dict[str, str] = {}
CONVERT |= dict.fromkeys([".xls", ".xlsx", ".xlsm", ".ods"], "Save the sheet as CSV")
CONVERT |= dict.fromkeys([".bz2", ".xz", ".zip", ".zst", ".7z", ".tar"], "Unpack it, or pack it with gzip")
CONVERT |= dict.fromkeys(
    [".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"],
    "Pickles run code when they are read: load it yourself and save numpy.savez('preds.npz', labels=..., pred=...)",
)
CONVERT |= dict.fromkeys([".arrow", ".feather", ".ipc"], "Save it as parquet (to_parquet of datasets, pandas, polars)")
CONVERT |= dict.fromkeys([".orc", ".avro", ".db", ".sqlite", ".tfrecord"], "Save it as parquet or CSV")
CONVERT |= dict.fromkeys([".mat", ".h5", ".hdf5", ".nc"], "Save numpy.savez('preds.npz', labels=..., pred=...), or CSV")
CONVERT |= dict.fromkeys([".rds", ".rda", ".rdata", ".sav", ".dta", ".sas7bdat"], "Save it as CSV")
CONVERT[".arff"] = "Save it as CSV (in Weka, the output CSV)"
CONVERT |= dict.fromkeys(["", ".dat", ".data", ".out", ".log"], "If it is text, rename it to end in .csv")
ENDINGS = PARQUET | TEXT | ARRAYS | JSON
MAGIC = {b"PK\x03\x04": "zip", b"PAR1": "parquet", b"\x93NUMPY": "npy", b"\x89HDF": "hdf5", b"ARROW1": "arrow"}
MAGIC |= {b"\x28\xb5\x2f\xfd": "packed", b"BZh": "packed", b"\xfd7zXZ": "packed", b"7z\xbc\xaf": "packed"}
MAGIC |= {b"\x80\x02": "pickle", b"\x80\x03": "pickle", b"\x80\x04": "pickle", b"\x80\x05": "pickle"}
MAGIC |= dict.fromkeys((b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"), "html")
MAGIC[b"version https://"] = "lfs"
KINDS = {
    "zip": ("a zip archive", "Unpack it, rename an npz file to end in .npz, and save a spreadsheet as CSV"),
    "parquet": ("a parquet file", "Rename it to end in .parquet"),
    "npy": ("a numpy array", "Rename it to end in .npy"),
    "hdf5": ("an HDF5 file", "Save numpy.savez('preds.npz', labels=..., pred=...), or CSV"),
    "arrow": ("an Arrow or Feather file", "Save it as parquet"),
    "packed": ("a packed file", "Unpack it, or pack it with gzip"),
    "pickle": ("a pickle, which would run code", "Save numpy.savez('preds.npz', labels=..., pred=...)"),
    "json": ("JSON", "Rename it to end in .json, or .jsonl with a row per line"),
    "text": ("text", "If it is a table, rename it to end in .csv"),
    "html": ("a web page", "Download the file itself"),
    "lfs": ("the pointer that Git LFS keeps in place of a file", "Run git lfs pull"),
}


def checked_file(path: Path) -> str:
    """A path as text, if its file exists and is not empty.

    Raises:
        AuditError: the file is missing, empty, a loop of links, or not a regular file.
    """
    where = clip(str(path).encode(errors="backslashreplace").decode(), 300)
    if re.match(r"[a-z0-9]{2,}:/", where):  # of the two slashes a path keeps one
        raise AuditError(f"{where}: expected a file on this machine, got an address. Download it, and give the file.")
    try:
        state = path.stat()
    except (OSError, RuntimeError) as error:
        looped = isinstance(error, RuntimeError) or error.errno == errno.ELOOP
        kind = "a loop of links" if looped else "nothing there"
        raise AuditError(f"{where}: expected a file, got {kind}. Check the path.") from error
    if not path.is_file():
        raise AuditError(f"{where}: expected a file, got another kind of file. Check the path.")
    if state.st_size == 0:
        raise AuditError(f"{where}: expected a file, got an empty file. Write it again.")
    return where


def ending_of(path: Path) -> str:
    """How a file's name ends, in lower case, without the .gz of a packed one.

    Example:
        >>> ending_of(Path("preds.CSV.gz")), ending_of(Path("a.npz"))
        ('.csv', '.npz')
    """
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def stem_of(path: Path) -> str:
    """A file's name without its ending, .csv.gz as one."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).stem


def refuse_other_kind(path: Path, ending: str) -> None:
    """Refuse a file whose first bytes are those of another kind than its name says.

    Raises:
        AuditError: says what the file is.
    """
    with path.open("rb") as file:
        head = file.read(16)
    own = {".parquet": "parquet", ".pq": "parquet", ".parq": "parquet", ".npz": "zip", ".npy": "npy"}.get(ending, "")
    kind = next((kind for mark, kind in MAGIC.items() if head.startswith(mark)), "")
    if ending in JSON | TEXT and not kind:
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        kind = "json" if ending in TEXT and start in (b"{", b"[") else ""
        kind = "text" if ending in JSON and start.isalpha() and head[:4] not in (b"null", b"true", b"fals") else kind
    if ending in ENDINGS and kind and kind != own:
        name, advice = KINDS[kind]
        raise AuditError(f"{path}: expected {ending[1:] or 'predictions'}, got {name} by its first bytes. {advice}.")
