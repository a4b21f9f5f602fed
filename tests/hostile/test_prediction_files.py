"""Files of predictions that are damaged, hostile, or no files: refused in one line that names them."""

import gzip
import io
import json
import os
import socket
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def npy(header: bytes, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00v\x00" + header.ljust(117) + b"\n" + body


def counts(rows: int, false: int, places: Iterable[int]) -> bytes:
    """A parquet file of so many rows whose footer says another number in some of the places that say it."""
    whole = parquet(label=["cat", "dog"] * (rows // 2), pred=["cat", "dog"] * (rows // 2))
    size = int.from_bytes(whole[-8:-4], "little")
    footer, true = whole[-8 - size : -8], varint(rows)
    found = [at for at in range(len(footer)) if footer[at:].startswith(true)]
    for at in sorted({found[place] for place in places if -len(found) <= place < len(found)}, reverse=True):
        footer = footer[:at] + varint(false) + footer[at + len(true) :]
    return whole[: -8 - size] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def varint(number: int) -> bytes:
    """A number as Thrift writes it: twice the number, seven bits per byte."""
    number, made = 2 * number, b""
    while number > 127:
        made, number = made + bytes([number & 127 | 128]), number >> 7
    return made + bytes([number])


def parquet(about: str | None = None, **columns: list | np.ndarray) -> bytes:
    file, table = io.BytesIO(), pa.table(columns)
    pq.write_table(table.replace_schema_metadata({"dropmix": about} if about else None), file)
    return file.getvalue()


def zeros() -> bytes:
    """An npz of a few megabytes that unpacks to 3 GB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (9,), }", bytes(72)))
        with archive.open("pred.npy", "w", force_zip64=True) as member:
            member.write(npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (375000000,), }"))
            for _ in range(300):
                member.write(bytes(10_000_000))
    return file.getvalue()


def stray_quote() -> bytes:
    """More than one read block, with one quote that opens and never closes."""
    rows = [f"{i},cat,dog" for i in range(400_001)]
    rows[137_860] = '"' + rows[137_860]
    return ("id,label,pred\n" + "\n".join(rows) + "\n").encode()


PIPE = b"(b'x', __import__('os').system('touch ran'))"
CONTENT = {
    "objects.npz": lambda: npz(labels=np.array(["a", {}], object), pred=np.array([1, 2])),
    "zeros.npz": zeros,
    "torn.npz": lambda: npz(labels=np.arange(5), pred=np.arange(5))[:-40],
    "code.npy": lambda: npy(PIPE),
    "endless.npy": lambda: npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (10000000000000,), }"),
    "negative.npy": lambda: npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (-5,), }", bytes(80)),
    "deep.json": lambda: b"[" * 200_000,
    "deep_objects.json": lambda: b'{"a":' * 200_000,
    "infinite.json": lambda: b'{"labels": [1e400, 1], "pred": [0, 1]}',
    "digits.json": lambda: b'{"labels": [' + b"9" * 5_000 + b', 1], "pred": [0, 1]}',
    "wide_numbers.json": lambda: b'{"labels": [99999999999999999999999, 1], "pred": [0, 1]}',
    "nan.json": lambda: b'{"labels": [NaN, 1], "pred": [0, 1]}',
    "null.json": lambda: b"null",
    "many.json": lambda: b"[" + b"[]," * 40_000_000 + b"[]]",
    "nested.json": lambda: b"[" + b"[]," * 30_000_000 + b"[]]",
    "torn.jsonl": lambda: b'{"label": 1, "pred": 2}\n{"label": 1\n',
    "lists.jsonl": lambda: b"[1]\n[2]\n",
    "stray_quote.csv": stray_quote,
    "zero_byte.csv": lambda: b"id,label,pred\n1,cat,\0\n",
    "latin.csv": lambda: "id,label,pred\n1,chât,dog\n".encode("latin-1"),
    "short.csv": lambda: b"id,label,pred\n1,cat\n",
    "header.csv": lambda: b"id,label,pred\n",
    "wide.csv": lambda: b",".join(b"c%d" % i for i in range(200_000)) + b"\n1\n",
    "noise.csv": lambda: np.random.default_rng(0).bytes(100_000),
    "blank.csv": lambda: b"\n\n\n",
    "bomb.csv.gz": lambda: gzip.compress(b"id,label,pred\n" + b"1,cat,dog\n" * 60_000_000, 1),
    "torn.csv.gz": lambda: gzip.compress(b"id,label,pred\n" + b"1,cat,dog\n" * 60_000)[:-30],
    "noise.parquet": lambda: b"PAR1" + b"\xff" * 100 + b"PAR1",
    "torn.parquet": lambda: parquet(label=list(range(1_000)), pred=list(range(1_000)))[:-200],
    "deep_about.parquet": lambda: parquet("[" * 100_000, label=[0, 1], pred=[0, 1]),
    "false_about.parquet": lambda: parquet('{"format": 1e400, "classes": 5}', label=[0, 1], pred=[0, 1]),
    "rows.parquet": lambda: counts(1_000, 10**9, range(9)),
    "rows_of_the_file.parquet": lambda: counts(1_000, 10**9, [0]),
    "rows_of_a_part.parquet": lambda: counts(1_000, 10**9, [-1]),
    "values_of_a_column.parquet": lambda: counts(1_000, 10**9, [1]),
    "few_rows.parquet": lambda: counts(1_000, 10, [0]),
    "one_value.parquet": lambda: parquet(label=np.zeros(30_000_000, int), pred=np.zeros(30_000_000, int)),
    "long_lists.parquet": lambda: parquet(label=["cat", "dog"] * 10, probs=[np.zeros(2_000_000)] * 20),
    "structs.parquet": lambda: parquet(label=[{"a": 1}] * 9, pred=[[1]] * 9),
    "long_text.parquet": lambda: parquet(label=["x" * 10_000_000] * 200, pred=["x" * 10_000_000] * 200),
}


@pytest.mark.parametrize("name", CONTENT)
def test_a_hostile_file_is_refused(refused, here: Path, pair, name: str) -> None:
    (here / name).write_bytes(CONTENT[name]())
    refused("audit", "a.csv", name, "--out", "out", names=name)
    assert not (here / "ran").exists()


def test_names_inside_an_archive_are_not_paths(refused, here: Path, pair) -> None:
    with zipfile.ZipFile(here / "slip.npz", "w") as archive:
        for name in ("../../labels.npy", "/labels.npy"):
            archive.writestr(name, npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", bytes(16)))
    refused("audit", "a.csv", "slip.npz", names="slip.npz")
    assert not list(here.parent.glob("labels*"))


def made(path: Path, kind: str) -> None:
    """Put something that is no file at a path."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's name has at most 107 characters
        with socket.socket(socket.AF_UNIX) as made_here:
            made_here.bind(path.name)
        os.chdir(before)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "loop", "missing"])
@pytest.mark.parametrize("name", ["x.csv", "x.npz", "x.parquet", "x.json"])
def test_what_is_no_file_is_refused(refused, here: Path, pair, name: str, kind: str) -> None:
    made(here / name, kind)
    refused("audit", "a.csv", name, "--out", "out", names=name)


OPTIONS = {
    "--labels": "l.csv",
    "--classes": "c.txt",
    "--accept": "c.json",
    "--superclasses": "s.csv",
    "--train-counts": "t.csv",
}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "missing"])
@pytest.mark.parametrize("option", OPTIONS)
def test_options_take_files_alone(refused, here: Path, pair, option: str, kind: str) -> None:
    made(here / OPTIONS[option], kind)
    refused("audit", *pair, option, OPTIONS[option], "--out", "out", names=OPTIONS[option])


BESIDE = {
    "long": b"cat,1\n" * 6_000_000,
    "empty": b"",
    "noise": np.random.default_rng(1).bytes(5_000),
    "deep": b"[" * 100_000,
    "zero bytes": b"cat\0,1\ndog,2\n",
    "deflated": zlib.compress(b"cat\ndog\n"),
}


@pytest.mark.parametrize("content", BESIDE)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_refuse_damaged_files(refused, here: Path, pair, option: str, content: str) -> None:
    (here / OPTIONS[option]).write_bytes(BESIDE[content])
    refused("audit", *pair, option, OPTIONS[option], "--out", "out")


@pytest.mark.parametrize("count", ["1e400", "nan", "-1", "1.5", "9" * 5_000])
def test_counts_are_whole_numbers(refused, here: Path, pair, count: str) -> None:
    (here / "t.csv").write_text(f"class,n\ncat,{count}\ndog,1\nfox,1\nyak,1\n")
    assert "whole numbers" in refused("audit", *pair, "--train-counts", "t.csv", names="t.csv")


@pytest.mark.parametrize("sets", [[[0], 1], [[0.5]], [[None]], [[1e300]], ["cat"], [{"a": 1}], [[-1]], [[2**40]]])
def test_acceptable_classes_are_lists_of_classes(refused, here: Path, pair, sets: list) -> None:
    (here / "s.json").write_text(json.dumps((sets * 400)[:400]))
    refused("audit", *pair, "--accept", "s.json", names="accept")


@pytest.mark.parametrize("name", ["c.csv.gz", "c.npz", "c.parquet", "c.pkl"])
def test_each_kind_of_file_is_told_from_the_others(run, here: Path, pair, name: str) -> None:
    """A class list may be packed text; nothing else that holds one is taken for it."""
    held = "\n".join(("cat", "dog", "fox", "yak")).encode()
    kinds = {".gz": gzip.compress(held), ".npz": npz(classes=np.arange(4)), ".parquet": parquet(c=["cat"])}
    (here / name).write_bytes(kinds.get(Path(name).suffix, b"\x80\x04\x00]."))
    ran = run("audit", *pair, "--classes", name)
    assert ran.status == (0 if name.endswith(".gz") else 2), ran.err
    assert ran.status == 0 or name in ran.err
    assert "as .json, .npz or .npy" in run("audit", *pair, "--accept", name).err or name == "c.npz"


def deep_rows(depth: int) -> bytes:
    return b'[{"label": "cat", "predictions": ' + b"[" * depth + b"]" * depth + b"}]"


def rows(count: int, **row: object) -> bytes:
    return json.dumps([row] * count).encode()


def alike() -> bytes:
    return ",".join(["label", *("a" * (i % 50) + str(i) for i in range(3_000))]).encode() + b"\na\n"


SHAPES = {
    "deep_pred.json": lambda: deep_rows(900),
    "ranked_nulls.json": lambda: rows(9, label="cat", predictions=[{"label": None, "score": None}]),
    "ranked_text.json": lambda: json.dumps([[{"label": "cat", "score": "high"}]] * 9).encode(),
    "wide_mapping.json": lambda: rows(20, label="a", probs={f"k{i}": 0.0 for i in range(20_000)}),
    "comments.csv": lambda: b"# a\n" * 400_000,
    "long_comment.csv": lambda: b"#" + b"a," * 5_000_000,
    "blanks.csv": lambda: b" " * 5_000_000 + b"\n1 2\n",
    "alike_columns.csv": alike,
    "joined.csv": lambda: b"label,pred\n" + (b"cat,dog\n" * 300_000 + b"label,pred\n") * 3,
}


@pytest.mark.parametrize("name", SHAPES)
def test_layouts_that_lead_astray_are_refused(refused, here: Path, pair, name: str) -> None:
    (here / name).write_bytes(SHAPES[name]())
    refused("audit", "a.csv", name, "--out", "out", names=name)
