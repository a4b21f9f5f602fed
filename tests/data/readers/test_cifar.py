"""CIFAR's pickle files against torchvision's reader; hostile and damaged ones."""

import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest
from torchvision import datasets

from dropmix.data import DataError, load


class Python2Pickler(pickle._Pickler):
    """Writes all strings as Python 2 wrote `str`, as in the real files."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_python2_string(self, text):
        content = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch[bytes] = save_python2_string
    dispatch[str] = save_python2_string


def dump(file, content, pickler=None):
    file.parent.mkdir(exist_ok=True, parents=True)
    with file.open("wb") as out:
        if pickler is None:
            pickle.dump(content, out, protocol=2)
        else:
            pickler(out, protocol=2).dump(content)


def write_cifar10(root, rng, pickler=None, batch=10):
    folder = root / "cifar-10-batches-py"
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        data = rng.integers(0, 256, (batch, 3072), dtype=np.uint8)
        labels = [(row + number) % 10 for row in range(batch)]
        dump(folder / name, {"data": data, "labels": labels, "filenames": ["x"] * batch}, pickler)
    dump(folder / "batches.meta", {"label_names": [f"class{k}" for k in range(10)], "num_vis": 3072}, pickler)
    return folder


def write_cifar100(root, rng):
    folder = root / "cifar-100-python"
    for name, count in (("train", 200), ("test", 100)):
        fine = [row % 100 for row in range(count)]
        data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        dump(folder / name, {"data": data, "fine_labels": fine, "coarse_labels": [label // 5 for label in fine]})
    names = {"fine_label_names": [f"f{k}" for k in range(100)], "coarse_label_names": [f"c{k}" for k in range(20)]}
    dump(folder / "meta", names)
    return folder


def unchecked(kind):
    """torchvision's data set without its checksums of the true files."""
    return type("Unchecked", (kind,), {"_check_integrity": lambda self: True, "meta": kind.meta | {"md5": None}})


@pytest.mark.parametrize("pickler", [None, Python2Pickler])
def test_cifar10_equals_torchvision(tmp_path, rng, pickler):
    write_cifar10(tmp_path, rng, pickler)
    dataset = load("cifar10", tmp_path)
    for split, train in ((dataset.train, True), (dataset.test, False)):
        expected = unchecked(datasets.CIFAR10)(str(tmp_path), train=train)
        assert (split.images == expected.data).all()
        assert split.labels.tolist() == expected.targets
        assert dataset.classes == expected.classes
    assert dataset.train.ids.tolist() == list(range(50))
    assert dataset.mean == pytest.approx([0.50706, 0.48667, 0.44078], abs=1e-5)


def test_cifar100_equals_torchvision(tmp_path, rng):
    folder = write_cifar100(tmp_path, rng)
    dataset = load("cifar100", folder)  # the inner folder is fine as well
    for split, train in ((dataset.train, True), (dataset.test, False)):
        expected = unchecked(datasets.CIFAR100)(str(tmp_path), train=train)
        assert (split.images == expected.data).all()
        assert split.labels.tolist() == expected.targets
    assert dataset.superclasses == [f"c{k // 5}" for k in range(100)]


def test_someones_folder_may_hold_cifar(tmp_path, rng):
    write_cifar100(tmp_path, rng)
    named, found = load("cifar100", tmp_path, size=48), load("folder", tmp_path, size=48, split="hash")
    assert found.train.images.shape == (200, 48, 48, 3)
    assert (found.train.images == named.train.images).all()
    assert found.classes == named.classes


def test_subset_keeps_row_numbers(tmp_path, rng):
    write_cifar100(tmp_path, rng)
    whole, chosen = load("cifar100", tmp_path), load("cifar100", tmp_path, train_per_class=1)
    assert len(chosen.train) == 100
    assert (chosen.train.images == whole.train.images[chosen.train.ids]).all()


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("where", ["data_batch_3", "batches.meta"])
def test_hostile_pickle_runs_nothing(tmp_path, rng, where):
    folder = write_cifar10(tmp_path, rng)
    witness = tmp_path / "witness"
    dump(folder / where, {"data": Hostile(open, str(witness), "w"), "labels": []})
    with pytest.raises(DataError, match=rf"{where}: expected a CIFAR file .*names .*\.open"):
        load("cifar10", tmp_path)
    assert not witness.exists()


@pytest.mark.parametrize("module", [b"os\nsystem", b"builtins\neval", b"numpy\nload", b"numpy.core.multiarray\nscalar"])
def test_only_arrays_may_be_named(tmp_path, rng, module):
    folder = write_cifar10(tmp_path, rng)
    (folder / "test_batch").write_bytes(b"c" + module + b"\n(S'x'\ntR.")
    with pytest.raises(DataError, match=r"test_batch: expected .* a pickle that names"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_truncated_file_is_named(tmp_path, rng, keep):
    file = write_cifar10(tmp_path, rng) / "data_batch_2"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=r"data_batch_2: expected a CIFAR file.*Fetch the file again"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": np.zeros((3, 3072), np.uint8), "labels": [0, 1]}, r"got uint8 \(3, 3072\) and int64 \(2,\)"),
        ({"data": np.zeros((2, 3072), np.float32), "labels": [0, 1]}, "got float32"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": ["a", "b"]}, r"and <U1 \(2,\)"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "test_batch: expected a CIFAR file with data, labels"),
        ([1, 2], "test_batch: expected a CIFAR file with data, labels"),
    ],
)
def test_wrong_content(tmp_path, rng, content, message):
    dump(write_cifar10(tmp_path, rng) / "test_batch", content)
    with pytest.raises(DataError, match=message):
        load("cifar10", tmp_path)


def test_missing_files_are_named(tmp_path, rng):
    (write_cifar10(tmp_path, rng) / "data_batch_4").unlink()
    with pytest.raises(DataError, match=r"cifar-10-batches-py with data_batch_4, got none.*--download"):
        load("cifar10", tmp_path)


def test_labels_out_of_range(tmp_path, rng):
    dump(write_cifar10(tmp_path, rng) / "test_batch", {"data": np.zeros((1, 3072), np.uint8), "labels": [10]})
    with pytest.raises(DataError, match=r"in \[0, 9\], got 10"):
        load("cifar10", tmp_path)
