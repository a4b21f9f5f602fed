"""IDX files against torchvision's reader, and damaged ones."""

import gzip

import numpy as np
import pytest
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from dropmix.data import DataError, load
from dropmix.data.readers.idx import read_idx


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
def test_fashion_mnist(tmp_path, fashion, write_fashion, zipped, place):
    write_fashion(tmp_path / place, fashion, zipped=zipped)
    dataset = load("fashion-mnist", tmp_path)
    for split, prefix in ((dataset.train, "train"), (dataset.test, "t10k")):
        assert (split.images[..., 0] == fashion[f"{prefix}-images-idx3-ubyte"]).all()
        assert (split.labels == fashion[f"{prefix}-labels-idx1-ubyte"]).all()
        assert split.ids.tolist() == list(range(len(split)))
    assert dataset.classes[0] == "T-shirt/top"
    assert dataset.mean == pytest.approx([dataset.train.images.mean() / 255])


def test_equal_to_torchvision(tmp_path, fashion, write_fashion):
    write_fashion(tmp_path, fashion, zipped=False)
    for name, dimensions in (("train-images-idx3-ubyte", 3), ("train-labels-idx1-ubyte", 1)):
        expected = read_sn3_pascalvincent_tensor(str(tmp_path / name)).numpy()
        assert (read_idx(tmp_path / name, dimensions) == expected).all()


def test_dotted_names(tmp_path, fashion, write_fashion):
    dotted = {name.replace("-idx", ".idx"): array for name, array in fashion.items()}
    assert len(load("fashion-mnist", write_fashion(tmp_path, dotted, zipped=False)).train) == 40


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("keep", [0, 3, 0.5, -1])
def test_truncated_file_is_named(tmp_path, fashion, write_fashion, name, zipped, keep):
    write_fashion(tmp_path, fashion, zipped=zipped)
    file = tmp_path / (name + ".gz" * zipped)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=rf"{name}.*expected .*IDX.*Fetch the file again"):
        load("fashion-mnist", tmp_path)


def test_trailing_bytes_foreign_files_and_broken_gzip(tmp_path, fashion, write_fashion):
    write_fashion(tmp_path, fashion, zipped=False)
    file = tmp_path / "train-labels-idx1-ubyte"
    content = file.read_bytes()
    file.write_bytes(content + b"x")
    with pytest.raises(DataError, match="expected 48 bytes of IDX, got 49"):
        load("fashion-mnist", tmp_path)
    file.write_bytes(bytes([0, 0, 13, 1]) + content[4:])  # floats
    with pytest.raises(DataError, match="starts with 00 00 0d 01"):
        load("fashion-mnist", tmp_path)
    file.unlink()
    file.with_suffix(".gz").write_bytes(gzip.compress(content)[:-12] + bytes(12))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz: expected a whole IDX file"):
        load("fashion-mnist", tmp_path)


def test_missing_file_counts_and_labels(tmp_path, fashion, write_fashion):
    short = fashion | {"train-labels-idx1-ubyte": fashion["train-labels-idx1-ubyte"][:39]}
    with pytest.raises(DataError, match="expected 40 labels, one for each image, got 39"):
        load("fashion-mnist", write_fashion(tmp_path / "a", short, zipped=False))
    wrong = fashion | {"t10k-labels-idx1-ubyte": np.full(20, 10, np.uint8)}
    with pytest.raises(DataError, match=r"test split of fashion-mnist in \[0, 9\], got 10 \(20 such"):
        load("fashion-mnist", write_fashion(tmp_path / "b", wrong, zipped=False))
    del fashion["t10k-images-idx3-ubyte"]
    with pytest.raises(DataError, match="a file t10k-images-idx"):
        load("fashion-mnist", write_fashion(tmp_path / "c", fashion, zipped=True))
