"""`load` as a whole: named sets, subsets, fingerprints, statistics, and what it refuses."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from dropmix.data import DATASETS, DataError, load
from dropmix.data.catalog import describe
from dropmix.data.records import Split, fingerprint, statistics
from dropmix.data.stratify import alike_across


def test_digits_are_those_of_scikit_learn():
    digits = load("digits", None)
    bunch = load_digits()
    assert sorted([*digits.train.ids, *digits.test.ids]) == list(range(1797))
    for split in (digits.train, digits.test):
        assert split.images.dtype == np.uint8
        assert split.images.flags.c_contiguous
        assert split.labels.dtype == np.int64
        assert (split.labels == bunch.target[split.ids]).all()
        assert np.abs(split.images[..., 0] / 255 * 16 - bunch.images[split.ids]).max() < 0.04
    shares = [np.bincount(split.labels) / len(split) for split in (digits.train, digits.test)]
    assert np.abs(shares[0] - shares[1]).max() < 0.002
    assert digits.mean == pytest.approx([digits.train.images.mean() / 255])
    assert digits.std == pytest.approx([digits.train.images.std() / 255])


@pytest.mark.parametrize("name", [name for name, known in DATASETS.items() if not known.needs_path])
def test_descriptions_of_embedded_sets_are_true(name):
    known, dataset = DATASETS[name], load(name, None)
    assert (known.train, known.test, known.classes) == (len(dataset.train), len(dataset.test), len(dataset.classes))
    assert dataset.train.images.shape[1:] == known.shape


def test_loading_is_repeatable_and_the_seed_chooses():
    first, again = (load("digits", None, train_per_class=4, validation=0.1, seed=5) for _ in range(2))
    other = load("digits", None, train_per_class=4, validation=0.1, seed=6)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.train.ids.tolist() == again.train.ids.tolist() != other.train.ids.tolist()
    assert np.bincount(first.train.labels).tolist() == [4] * 10
    assert first.test.ids.tolist() == other.test.ids.tolist()
    assert first.validation is not None
    assert not set(first.validation.ids) & set(first.train.ids)
    assert load("digits", None).validation is None


def test_the_run_time_path_does_not_enter_the_fingerprint(tmp_path, rng, write_folder):
    pictures = {f"{split}/{c}/{n}.png": rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                for split in ("train", "test") for c in "ab" for n in range(2)}  # fmt: skip
    one, two = (load("folder", write_folder(tmp_path / name, pictures)) for name in ("x", "y"))
    assert one.fingerprint == two.fingerprint
    pictures["test/a/0.png"] = pictures["test/a/0.png"] ^ 1
    assert load("folder", write_folder(tmp_path / "x", pictures)).fingerprint != one.fingerprint


def test_fingerprint_sees_every_part():
    def split(**change):
        base = {"images": np.zeros((2, 2, 2, 1), np.uint8), "labels": np.arange(2), "ids": np.arange(2)}
        return Split(**(base | change))

    variants = [
        ("n", ["a", "b"], {"train": split()}),
        ("m", ["a", "b"], {"train": split()}),
        ("n", ["a", "c"], {"train": split()}),
        ("n", ["a", "b"], {"test": split()}),
        ("n", ["a", "b"], {"train": split(), "test": split()}),
        ("n", ["a", "b"], {"train": split(labels=np.array([1, 0]))}),
        ("n", ["a", "b"], {"train": split(ids=np.array([0, 2]))}),
        ("n", ["a", "b"], {"train": split(ids=np.array(["0", "1"]))}),
        ("n", ["a", "b"], {"train": split(ids=np.array(["01", ""]))}),
        ("n", ["a", "b"], {"train": split(images=np.ones((2, 2, 2, 1), np.uint8))}),
        ("n", ["a", "b"], {"train": split(images=np.zeros((2, 4, 1, 1), np.uint8))}),
    ]
    assert len({fingerprint(*variant) for variant in variants}) == len(variants)


def test_statistics_equal_numpy_and_are_bounded(rng):
    images = rng.integers(0, 256, (50, 5, 4, 3), dtype=np.uint8)
    images[..., 2] = 17
    mean, std = statistics(images)
    scaled = images.astype(np.float64) / 255
    assert mean == pytest.approx(scaled.mean((0, 1, 2)))
    assert std[:2] == pytest.approx(scaled.std((0, 1, 2))[:2])
    assert std[2] == 1e-3


@pytest.mark.parametrize(
    ("name", "nearest"), [("cifar-100", "cifar100"), ("fashionmnist", "fashion-mnist"), ("Digits", "digits")]
)
def test_unknown_names_get_the_nearest(name, nearest):
    with pytest.raises(DataError, match=rf"got '{name}'\. Did you mean '{nearest}'\?"):
        load(name, None)


def test_unknown_name_far_from_all_lists_them():
    with pytest.raises(DataError, match=r"digits, fashion-mnist, .*'folder' with a path"):
        describe("zzzz")


def test_paths(tmp_path, monkeypatch, fashion, write_fashion):
    monkeypatch.delenv("DROPMIX_DATA", raising=False)
    with pytest.raises(DataError, match=r"expected a folder with fashion-mnist, got none.*DROPMIX_DATA"):
        load("fashion-mnist", None)
    with pytest.raises(DataError, match="missing: expected the folder of fashion-mnist, got nothing there"):
        load("fashion-mnist", tmp_path / "missing")
    write_fashion(tmp_path / "fashion-mnist", fashion, zipped=False)
    for path, variable in [
        (tmp_path, ""),
        (tmp_path / "fashion-mnist", ""),
        (None, tmp_path),
        (None, tmp_path / "fashion-mnist"),
    ]:
        monkeypatch.setenv("DROPMIX_DATA", str(variable))
        assert len(load("fashion-mnist", path).train) == 40
    assert len(load("digits", tmp_path / "missing").classes) == 10


def test_arrays_are_resized_as_pictures_are_and_once(tmp_path, monkeypatch):
    plain, large = load("digits", None), load("digits", None, size=20)
    assert large.train.images.shape == (1258, 20, 20, 1)
    v2 = pytest.importorskip("torchvision.transforms.v2.functional")
    picture = Image.fromarray(plain.test.images[7, :, :, 0])
    expected = np.asarray(v2.resize(picture, [20, 20], antialias=True))
    assert (large.test.images[7, :, :, 0] == expected).all()
    assert (large.test.labels == plain.test.labels).all()
    assert load("digits", None, size=8).fingerprint == plain.fingerprint != large.fingerprint
    monkeypatch.setenv("DROPMIX_CACHE", "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("dropmix.data.cache.WORTH", 0)
    assert load("digits", None, size=20).fingerprint == large.fingerprint
    monkeypatch.setattr(sys.modules["dropmix.data.load"], "resize_all", None)
    assert load("digits", None, size=20).fingerprint == large.fingerprint
    with pytest.raises(DataError, match=r"size.* got 0"):
        load("digits", None, size=0)


def test_a_folder_may_hold_parquet_files(tmp_path, rng, write_parquet):
    for split in ("train", "test"):
        images = list(rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))
        write_parquet(tmp_path / f"{split}.parquet", images, [0, 1, 2, 0, 1, 2])
    (tmp_path / "notes").mkdir()
    found = load("folder", tmp_path, size=12, split="hash", exif=True)
    assert found.train.images.shape == (6, 12, 12, 3)
    assert found.test.ids.tolist() == [*range(6)]


def test_a_folder_of_pictures_beside_a_table_is_a_folder(tmp_path, rng, write_folder, write_parquet):
    pictures = {f"{c}/{n}.png": rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) for c in "ab" for n in range(5)}
    write_parquet(write_folder(tmp_path, pictures) / "train.parquet", [pictures["a/0.png"]], [0])
    assert load("folder", tmp_path).classes == ["a", "b"]


def test_loading_imports_no_torch():
    code = "import sys; from dropmix.data import load; load('digits', None); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_download_only_where_there_is_something_to_fetch(tmp_path, name):
    if name == "digits":
        assert load(name, tmp_path, download=True).name == "digits"  # nothing to fetch, nothing refused
    else:
        with pytest.raises(DataError, match="expected download only with cifar10, cifar100, fashion-mnist"):
            load(name, tmp_path, download=True)


def test_download_asks_torchvision_and_reads_what_it_left(tmp_path, monkeypatch, fashion, write_fashion):
    import torchvision.datasets

    asked = []

    def fetch(root, download):
        asked.append((root, download))
        write_fashion(tmp_path / "new/FashionMNIST/raw", fashion, zipped=True)

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", fetch)
    assert len(load("fashion-mnist", tmp_path / "new", download=True).test) == 20
    assert asked == [(str(tmp_path / "new"), True)]


def test_download_without_network_is_one_line(tmp_path, monkeypatch):
    import torchvision.datasets

    def fetch(root, download):
        raise RuntimeError("Error downloading")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", fetch)
    with pytest.raises(DataError, match=r"fetch cifar10 into .*got Error downloading\. Check the network"):
        load("cifar10", tmp_path, download=True)


def test_cifar100(real_data):
    dataset = load("cifar100", real_data("cifar100"), train_per_class=2, validation=0.004)
    assert dataset.train.images.shape == (200, 32, 32, 3)
    assert dataset.test.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(dataset.test.labels).tolist() == [100] * 100
    assert np.bincount(dataset.train.labels).tolist() == [2] * 100
    assert dataset.validation is not None
    assert np.bincount(dataset.validation.labels).tolist() == [2] * 100
    assert dataset.classes[:2] == ["apple", "aquarium_fish"]
    assert dataset.superclasses is not None
    assert dataset.superclasses[0] == "fruit_and_vegetables"
    assert len(set(dataset.superclasses)) == 20
    assert dataset.mean == pytest.approx([0.50706, 0.48667, 0.44078], abs=1e-5)
    mean, std = statistics(dataset.test.images)
    assert mean == pytest.approx(dataset.mean, abs=0.005)
    assert std == pytest.approx(dataset.std, abs=0.005)


def smooth(rng):
    """A picture like a photograph: large soft shapes."""
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize((48, 48), Image.Resampling.BICUBIC)


@pytest.fixture
def photographs(tmp_path, rng):
    for split, count in (("train", 8), ("test", 6)):
        for c in ("cat", "dog"):
            (tmp_path / "set" / split / c).mkdir(parents=True)
            for n in range(count):
                smooth(rng).save(tmp_path / f"set/{split}/{c}/{n}.png")
    return tmp_path / "set"


def test_pictures_compressed_anew_are_found_and_no_others(photographs):
    def found():
        dataset = load("folder", photographs)
        assert isinstance(dataset.train, Split)
        assert isinstance(dataset.test, Split)
        return alike_across(dataset.train, dataset.test)

    assert found() == []
    with Image.open(photographs / "train/cat/2.png") as picture:
        picture.save(photographs / "test/cat/again.jpg", quality=90)
    assert found() == [("test/cat/again.jpg", "train/cat/2.png")]
