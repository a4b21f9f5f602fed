"""Write 200 malformed prediction files and audit each; run by test_fuzz.py in a process of its own.

Prints one JSON object: outcomes by case, and the peak memory in MB before and after. A process of its own, so that a
crash of a parser fails the test instead of ending it.
"""

import io
import json
import resource
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dropmix.audit import AuditError, audit_predictions

N = 60
Columns = dict[str, object]


def columns() -> dict:
    """A sound table of two seeds as plain arrays."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(N) % 6, 2).astype(np.int32)
    return {
        "seed": np.repeat([0, 1], N),
        "example_id": np.tile(np.arange(N), 2),
        "label": labels,
        "pred": np.where(rng.random(2 * N) < 0.7, labels, rng.integers(0, 6, 2 * N)).astype(np.int32),
        "p_true": rng.random(2 * N).astype(np.float32),
    }


def parquet(table: dict | pa.Table) -> bytes:
    """Bytes of a parquet file with page checksums, as our own runs write it."""
    out = io.BytesIO()
    made = table if isinstance(table, pa.Table) else pa.table(table)
    pq.write_table(made, out, write_page_checksum=True)
    return out.getvalue()


def csv_text(table: dict) -> str:
    """A table as CSV."""
    rows = [",".join(table), *(",".join(str(v) for v in row) for row in zip(*(c.tolist() for c in table.values())))]
    return "\n".join(rows) + "\n"


def npz(**arrays: np.ndarray) -> bytes:
    """Bytes of an npz file."""
    out = io.BytesIO()
    np.savez(out, **arrays)  # pyright: ignore[reportArgumentType]
    return out.getvalue()


def dense() -> dict[str, np.ndarray]:
    """A sound npz's arrays."""
    c = columns()
    return {
        "labels": c["label"][:N],
        "pred": c["pred"].reshape(2, N),
        "p_true": c["p_true"].reshape(2, N),
        "example_id": c["example_id"][:N],
    }


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes with a few bits flipped."""
    changed = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 9)):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def damaged_files(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Truncated and bit-flipped files of every kind."""
    whole = {"parquet": parquet(columns()), "npz": npz(**dense()), "csv": csv_text(columns()).encode()}
    for kind, count in (("parquet", 25), ("npz", 12)):
        for _ in range(count):
            yield f"truncated.{kind}", whole[kind][: int(rng.integers(1, len(whole[kind])))]
    for kind, count in (("parquet", 30), ("npz", 12)):
        for _ in range(count):
            yield f"flipped.{kind}", flipped(whole[kind], rng)
    for kind in whole:
        yield f"empty.{kind}", b""
        yield f"noise.{kind}", rng.bytes(500)
        yield f"wrong_kind.{kind}", whole["npz" if kind != "npz" else "parquet"]


def wrong_values(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Tables with forbidden values, as parquet, and as CSV if text can express them."""
    bad: dict[str, list] = {
        "label": [-1, 2**31, 2**62, 100_000, 0.5, np.nan, "x", None, b"\xff", [1, 2]],
        "pred": [-1, 2**31, 2**40, 0.5, np.inf, "x", None],
        "seed": [0.5, "a", None, 2**64],
        "example_id": [0.5, None, 1, 2**64, -(2**62), [3]],
        "p_true": [-0.1, 1.5, np.nan, np.inf, -np.inf, None, "high"],
    }
    for name, values in bad.items():
        for value in values:
            table = {k: list(v.tolist()) for k, v in columns().items()}
            table[name][int(rng.integers(0, N))] = value
            if isinstance(value, str | bytes | list):
                table[name] = [value] * (2 * N)
            made = arrow(table)
            yield f"value_{name}_{value}.parquet".replace("/", "_"), parquet(made)
            if not isinstance(value, list | bytes):
                rows = [",".join("" if v is None else str(v) for v in row) for row in zip(*table.values())]
                yield f"value_{name}_{value}.csv", "\n".join([",".join(table), *rows]).encode()


def arrow(table: dict[str, list]) -> pa.Table:
    """A table of any Python values; values that Arrow refuses become text."""
    made = {}
    for name, values in table.items():
        try:
            made[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            made[name] = pa.array([str(v) for v in values])
    return pa.table(made)


def wrong_tables(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Missing, doubled and surplus rows and columns."""
    for gone in ("label", "pred"):
        yield f"without_{gone}.parquet", parquet({k: v for k, v in columns().items() if k != gone})
        yield f"without_{gone}.csv", csv_text({k: v for k, v in columns().items() if k != gone}).encode()
    table = pa.table(columns())
    for _ in range(8):
        row = int(rng.integers(0, 2 * N))
        yield "doubled.parquet", parquet(pa.concat_tables([table, table.slice(row, int(rng.integers(1, 9)))]))
        yield "missing.parquet", parquet(pa.concat_tables([table.slice(0, row), table.slice(row + 1)]))
    yield "no_rows.parquet", parquet(table.slice(0, 0))
    yield "no_rows.csv", b"seed,example_id,label,pred\n"
    yield "two_arms.parquet", parquet(table.append_column("arm", [["a", "b"] * N]))
    for meta in (b"{", b"[1]", b'{"format": 9}', b'{"format": 1, "classes": [1]}', b'{"format": 1, "classes": ["a"]}'):
        yield "metadata.parquet", parquet(table.replace_schema_metadata({b"dropmix": meta}))


def wrong_texts(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """CSV in other encodings, with huge, empty and unbalanced fields."""
    text = csv_text(columns())
    for encoding in ("utf-16", "utf-32", "utf-16-le", "utf-16-be"):
        yield f"{encoding}.csv", text.encode(encoding)
    lines = text.splitlines()
    for junk in (
        "\x00" * 5,
        "\u00e9".encode("latin-1").decode("latin-1"),
        '"',
        '""a"',
        "9" * 5_000_000,
        "," * 10_000,
        "1e999",
    ):
        for _ in range(2):
            changed = list(lines)
            at = int(rng.integers(1, len(lines)))
            fields = changed[at].split(",")
            fields[3] = junk
            changed[at] = ",".join(fields)
            yield "junk.csv", "\n".join(changed).encode("latin-1")
    for _ in range(4):
        changed = list(lines)
        changed[int(rng.integers(1, len(lines)))] = "1,2"
        yield "short_row.csv", "\n".join(changed).encode()
    yield "header_twice.csv", ("seed,seed,label,pred\n" + "1,1,0,0\n" * 9).encode()
    yield "wide.csv", (",".join(f"c{i}" for i in range(5000)) + "\n" + "1," * 4999 + "1\n").encode()


def wrong_arrays(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Npz files with wrong shapes, types and headers."""
    good = dense()
    changes: list[Callable[[], dict[str, np.ndarray]]] = [
        lambda: {"pred": good["pred"][:, :9]},
        lambda: {"pred": good["pred"][None]},
        lambda: {"labels": good["labels"].astype(float)},
        lambda: {"labels": np.array([{}] * N, dtype=object)},
        lambda: {"p_true": np.full((2, N), np.nan)},
        lambda: {"p_true": good["p_true"][0]},
        lambda: {"example_id": np.zeros(N, int)},
        lambda: {"example_id": np.full(N, 2**63, np.uint64) + np.arange(N, dtype=np.uint64)},
        lambda: {"example_id": np.linspace(0, 1, N)},
        lambda: {"probs": rng.normal(size=(2, N, 6))},
        lambda: {"probs": np.ones((2, N, 1))},
        lambda: {"topk": np.zeros((2, N), int), "pred": good["pred"] * 9},
        lambda: {"classes": np.array(["a", "b"])},
        lambda: {"seeds": np.array([1, 1])},
        lambda: {"labels": np.array(0)},
        lambda: {"labels": np.zeros(0, int), "pred": np.zeros((2, 0), int), "p_true": np.zeros((2, 0))},
        lambda: {"surprise": np.zeros(3)},
        lambda: {"labels": np.array(["1970-01-01"] * N, dtype="datetime64[D]")},
    ]
    for change in changes:
        yield "arrays.npz", npz(**{**good, **change()})
    yield "only_labels.npz", npz(labels=good["labels"])
    yield "promise.npz", promise((10**12,))
    yield "promise.npz", promise((2**40, 2**40))


def promise(shape: tuple[int, ...]) -> bytes:
    """An npz whose header promises an array of this shape and holds nothing."""
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("labels.npy", "pred.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64)
    return out.getvalue()


def outcome(path: Path, base: Path, clean: dict) -> str:
    """ "refused", "harmless" (same result as the undamaged file), or what went wrong."""
    try:
        audit = audit_predictions(base, path, refits=0)
    except AuditError as error:
        text = str(error)
        return "refused" if "\n" not in text and 20 < len(text) < 600 else f"unclear: {text[:200]}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "harmless" if audit.only.to_dict()["summary"] == clean else "accepted"


def main(folder: Path) -> None:
    """Write and audit every case."""
    rng = np.random.default_rng(0)
    base = folder / "base.parquet"
    base.write_bytes(parquet(columns()))
    clean = audit_predictions(base, base, refits=0).only.to_dict()["summary"]
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # noqa: E731
    before = peak()
    results = []
    for make in (damaged_files, wrong_values, wrong_tables, wrong_texts, wrong_arrays):
        for name, data in make(rng):
            path = folder / f"case.{name.rsplit('.', 1)[1]}"
            path.write_bytes(data)
            results.append((name, outcome(path, base, clean)))
            path.unlink()
    left = sorted(p.name for p in folder.iterdir())
    print(json.dumps({"results": results, "before": before, "after": peak(), "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
