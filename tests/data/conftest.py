"""Small data sets on disk in every layout that is read; no cache unless a test asks for one."""

import gzip
import io
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("DROPMIX_CACHE", "off")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def encode(image: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture in memory; (H, W, 1) is written as gray."""
    out = io.BytesIO()
    Image.fromarray(image.squeeze()).save(out, kind)
    return out.getvalue()


@pytest.fixture(name="encode")
def encode_fixture():
    return encode


@pytest.fixture
def write_parquet():
    """Writer of one parquet file as dataset hubs lay it out."""

    def write(file: Path, images, labels, names=None, *, image="img", label="label", group=3, **more) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"bytes": encode(one) if isinstance(one, np.ndarray) else one, "path": None} for one in images]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({image: pa.array(cells, kind), label: pa.array(labels), **more})
        if names is not None:
            features = {column: {"names": list_, "_type": "ClassLabel"} for column, list_ in names.items()}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, file, row_group_size=group)
        return file

    return write


@pytest.fixture
def write_folder():
    """Writer of pictures: {relative path: uint8 array}."""

    def write(root: Path, pictures: dict[str, np.ndarray]) -> Path:
        for name, image in pictures.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(file)
        return root

    return write


@pytest.fixture
def write_fashion():
    """Writer of the four IDX files."""

    def write(root: Path, arrays: dict[str, np.ndarray], *, zipped: bool) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = header + array.tobytes()
            if zipped:
                (root / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (root / name).write_bytes(content)
        return root

    return write


@pytest.fixture
def fashion(rng):
    """Arrays of a small Fashion-MNIST by file name: 40 training and 20 test images."""
    arrays = {}
    for prefix, count in (("train", 40), ("t10k", 20)):
        arrays[f"{prefix}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{prefix}-labels-idx1-ubyte"] = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    return arrays
