"""Files that lie, swallow or explode: one clear line each, within bounded memory and time."""

import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.sources import read

ROWS = 400_001  # more than one block of the reader


def lines(rows, ids):
    return [f"{f'i{i},' if ids else ''}{i % 7},{i % 5}" for i in range(rows)]


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("at", [0, 137_859, 399_000, ROWS - 1])
@pytest.mark.parametrize("field", [0, 1])
def test_a_quote_that_never_closes_is_an_error_with_its_line(tmp_path, ids, at, field):
    text = lines(ROWS, ids)
    parts = text[at].split(",")
    parts[field] = '"' + parts[field]
    text[at] = ",".join(parts)
    (tmp_path / "a.csv").write_text("\n".join(["id,label,pred" if ids else "label,pred", *text]) + "\n")
    with pytest.raises(AuditError, match=rf"a\.csv: .*quote that opens in line {at + 2} and does not close"):
        read(tmp_path / "a.csv", "x")


def test_two_stray_quotes_swallow_nothing(tmp_path):
    text = lines(5000, True)
    text[1000] = '"' + text[1000]
    text[3000] += '"'
    (tmp_path / "a.csv").write_text("\n".join(["id,label,pred", *text]) + "\n")
    with pytest.raises(AuditError, match="quote that opens in line 1002"):
        read(tmp_path / "a.csv", "x")


def test_quotes_that_are_in_order_are_read(tmp_path):
    """Marks and doubled quotes in fields, inches, and a line break in a column that nobody needs."""
    rows = ['"a, b",0,0,plain', '"say ""x""",1,0,plain']
    for more, ids in (['5" pipe,1,1,plain'], ['5" pipe']), (['c,1,1,"two\nlines"'], ["c"]):
        (tmp_path / "a.csv").write_text("\n".join(["id,label,pred,caption", *rows, *more]) + "\n")
        (arm,) = read(tmp_path / "a.csv", "x")
        assert arm.example_id is not None
        assert arm.example_id.tolist() == sorted(["a, b", 'say "x"', *ids])
        assert arm.pred.shape == (1, 3)


def bomb(path, shapes, kind="<i8"):
    """An npz of zeros, deflated about a thousand times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, shape in shapes.items():
            head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
            head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
                left = int(np.prod(shape)) * np.dtype(kind).itemsize
                block = bytes(2**24)
                while left > 0:
                    left -= member.write(block[: min(left, len(block))])


@pytest.mark.parametrize("names", [("labels", "pred"), ("labels", "else"), ("labels", "probs")])
def test_npz_bombs_end_in_a_line_and_below_a_gigabyte(tmp_path, names):
    bomb(tmp_path / "a.npz", {names[0]: (100,), names[1]: (1, 100, 2**20) if names[1] == "probs" else (1, 100_000_000)},
         kind="<f8" if names[1] == "probs" else "<i8")  # fmt: skip
    code = (
        "import resource, sys\nfrom dropmix.audit import AuditError\nfrom dropmix.audit.inputs.sources import read\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read(sys.argv[1], 'x')\nexcept AuditError as error:\n    print(error)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000\n"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a.npz"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "a.npz: expected" in run.stdout
    assert run.stdout.count("\n") == 1


class Boom:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_pickles_are_never_run(tmp_path, name):
    array = np.array([Boom(tmp_path / "ran")], dtype=object)
    np.savez(tmp_path / "a.npz", labels=array, pred=array)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    (tmp_path / "b.csv").write_bytes(pickle.dumps(Boom(tmp_path / "ran")))
    for path in (name, "b.csv"):
        with pytest.raises(AuditError):
            read(tmp_path / path, "x")
    assert not (tmp_path / "ran").exists()


def test_loops_pipes_and_names_that_are_no_utf8(tmp_path):
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name, message in (("loop.csv", "a loop of links"), ("pipe.csv", "another kind of file")):
        with pytest.raises(AuditError, match=message):
            read(tmp_path / name, "x")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.csv")
    with pytest.raises(AuditError, match="got nothing there") as caught:
        read(path, "x")
    assert str(caught.value).isascii()
    with open(path, "w") as file:
        file.write("label,pred\n0,0\n1,0\n")
    found = audit_predictions(path, path, refits=0)
    found.dumps().encode()


def test_damage_of_types_is_a_line(tmp_path):
    strange = {
        "lists": pa.table({"label": [[1], [2, 3]], "pred": [[1], [2, 3]]}),
        "binary": pa.table({"label": pa.array([b"\xff", b"b"]), "pred": pa.array([b"\xfe", b"b"])}),
        "null": pa.table({"label": pa.nulls(2), "pred": pa.nulls(2)}),
    }
    for name, table in strange.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(AuditError, match=rf"{name}\.parquet: expected"):
            read(tmp_path / f"{name}.parquet", "x")


@pytest.mark.parametrize("index", [pa.uint8(), pa.uint32(), pa.int64()])
@pytest.mark.parametrize("value", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_kind_of_categories(index, value):
    """A column as polars' Enum and Categorical hand it over."""
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 2, 0], index), pa.array(["a", "unused", "b"]).cast(value))
    (arm,) = read(pa.table({"label": coded, "pred": coded}), "x")
    assert arm.class_names == ("a", "b")
    assert arm.labels.tolist() == [0, 1, 0]
