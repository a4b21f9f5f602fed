"""Pictures against Pillow, crops against torchvision's transforms."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from dropmix.data import DataError, load
from dropmix.data.picture import BOX_DRAWS, centre_crop, random_box, read_picture, resized_crop, shorter_side


def photograph(rng, height=40, width=60):
    """Smooth colours with some noise, so that JPEG keeps them."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows * 5, columns * 4, rows + columns], axis=2) % 256
    return Image.fromarray((smooth * 0.8 + rng.integers(0, 50, smooth.shape)).astype(np.uint8))


def saved(path, picture, **options):
    picture.save(path, **options)
    return str(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_of_every_kind_are_pillows_with_or_without_torchvisions_decoder(
    tmp_path, rng, monkeypatch, mode, progressive
):
    file = saved(tmp_path / "a.jpg", photograph(rng).convert(mode), progressive=progressive)
    expected = np.asarray(Image.open(file).convert("RGB"))
    assert (read_picture(file) == expected).all()
    monkeypatch.setattr("dropmix.data.picture.torch_decoder", lambda: None)
    assert (read_picture(file) == expected).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_other_formats_are_told_by_their_content(tmp_path, rng, mode):
    file = saved(tmp_path / "a.JPEG", photograph(rng).convert(mode), format="PNG")
    expected = np.asarray(Image.open(file).convert("RGB"))
    assert (read_picture(file) == expected).all()


def test_what_is_no_picture_is_named_in_one_line(tmp_path, rng):
    whole = io.BytesIO()
    photograph(rng).save(whole, "JPEG")
    file = tmp_path / "n01_7.JPEG"
    for content in (b"", b"text", *(whole.getvalue()[:length] for length in (2, 30, 400, len(whole.getvalue()) - 1))):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"n01_7.JPEG: expected a picture that Pillow can read, got") as caught:
            read_picture(str(file))
        assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(DataError, match=r"n01_7.JPEG: expected a picture, got No such file"):
        read_picture(str(file))


@pytest.mark.parametrize("box", [(0, 0, 40, 60), (3, 5, 30, 20), (39, 59, 1, 1), (10, 0, 24, 24), (0, 7, 9, 50)])
@pytest.mark.parametrize("size", [8, 24, 75])
def test_crops_are_torchvisions_to_the_bit_and_pillows_to_a_level(rng, box, size):
    picture = photograph(rng)
    pixels = F.pil_to_tensor(picture)
    got = torch.from_numpy(resized_crop(np.array(picture), box, size)).permute(2, 0, 1)
    assert torch.equal(got, F.resized_crop(pixels, *box, [size, size], antialias=True))
    by_pillow = F.pil_to_tensor(F.resized_crop(picture, *box, [size, size]))
    assert (got.int() - by_pillow.int()).abs().max() <= 1


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 37), (32, 32), (20, 50), (33, 34)])
@pytest.mark.parametrize("size", [28, 14, 35])
def test_centres_are_torchvisions_to_the_bit(rng, height, width, size):
    picture = photograph(rng, height, width)
    pixels, array = F.pil_to_tensor(picture), np.array(picture)
    expected = v2.Compose([v2.Resize(size * 8 // 7, antialias=True), v2.CenterCrop(size)])(pixels)
    assert (centre_crop(array, size) == expected.permute(1, 2, 0).numpy()).all()
    smaller = F.resize(pixels, [size], antialias=True).permute(1, 2, 0).numpy()
    assert (shorter_side(array, size) == smaller).all()


def test_the_centre_of_224_is_cut_from_256():
    pixels = np.arange(256 * 256 * 3).reshape(256, 256, 3).astype(np.uint8)
    assert (centre_crop(pixels, 224) == pixels[16:240, 16:240]).all()


@pytest.mark.parametrize(("height", "width"), [(40, 60), (375, 500), (12, 300), (300, 12)])
def test_boxes_are_distributed_as_torchvisions(height, width):
    generator = torch.Generator().manual_seed(1)
    draws = torch.rand(4000, BOX_DRAWS, generator=generator, dtype=torch.float64).tolist()
    ours = np.array([random_box(height, width, row) for row in draws])
    assert (ours >= [0, 0, 1, 1]).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()
    transform, image = v2.RandomResizedCrop(8), torch.zeros(3, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        drawn = [transform.make_params([image]) for _ in range(4000)]
    theirs = np.array([[row["top"], row["left"], row["height"], row["width"]] for row in drawn])
    features = [lambda b: b[:, 0], lambda b: b[:, 1], lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 3] / b[:, 2]]
    for feature in features:
        assert ks_2samp(feature(ours), feature(theirs)).pvalue > 1e-3


def test_every_number_of_a_tries_draw_counts():
    """Extreme draws reach the ends of the ranges, and a first try that does not fit gives way to the second."""
    middle = [0.5, 0.5] * 10
    assert random_box(100, 100, [0.999999, 0.5, *middle[2:], 0, 0])[2:] == (100, 100)
    assert random_box(100, 100, [0.0, 0.5, *middle[2:], 0, 0])[2:] == (28, 28)  # sqrt(0.08)
    first_too_wide = random_box(100, 100, [0.999, 0.999, 0.0, 0.5, *middle[4:], 0.999, 0.0])
    assert first_too_wide == (72, 0, 28, 28)
    assert random_box(10, 100, [0.9, 0.5] * 10 + [0.0, 0.0]) == (0, 43, 10, 13)  # none fits: the centre


@pytest.mark.parametrize("ending", [".png", ".jpg", ".parquet"])
def test_a_pointer_of_git_lfs_is_told(tmp_path, ending):
    for folder in ("train/cat", "train/dog", "test/cat", "test/dog"):
        name = f"{folder}/0{ending}" if ending != ".parquet" else f"{folder[:-4]}.parquet"
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(DataError, match=r"got the pointer of Git LFS.*\. Run git lfs pull"):
        load("parquet" if ending == ".parquet" else "folder", tmp_path, size=8)
    if ending != ".parquet":  # pictures that stay in their files
        with pytest.raises(DataError, match=r"got the pointer of Git LFS.*\. Run git lfs pull"):
            read_picture(str(tmp_path / f"train/cat/0{ending}"))
