"""Pictures of methods: every method draws one, the same seed the same one, bad files are named."""

import numpy as np
import pytest
import torch
from PIL import Image

from dropmix.msda import METHODS
from dropmix.studies.gallery import local_contrast, show


@pytest.fixture
def pictures(tmp_path):
    """Three plain pictures: red, green, blue, of different sizes."""
    paths = []
    for k, (name, size) in enumerate((("red", (40, 40)), ("green", (60, 30)), ("blue", (30, 50)))):
        colour = [0, 0, 0]
        colour[k] = 255
        path = tmp_path / f"{name}.png"
        Image.new("RGB", size, tuple(colour)).save(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_draws_a_picture(method, pictures, tmp_path):
    out = show(method, pictures, tmp_path / "new" / f"{method}.png")
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in np.eye(3, dtype=int) * 255:
        assert (np.abs(pixels - colour).max(1) < 40).sum() > 1000  # originals and partners are there
    if method == "mixup":
        mixed = ((pixels > 30).sum(1) == 2) & (pixels.max(1) < 240)
        assert mixed.sum() > 1000


def test_the_same_seed_gives_the_same_picture(pictures, tmp_path):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, again, other = (
        show("mixup", pictures, tmp_path / f"{k}.png", seed=seed).read_bytes() for k, seed in enumerate((1, 1, 2))
    )
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), state)


def test_the_samples_are_there_and_options_are_passed(tmp_path):
    plain = show("gridmix", None, tmp_path / "a.png").read_bytes()
    assert plain != show("gridmix", None, tmp_path / "b.png", grid=8).read_bytes()
    given = show("saliencymix", None, tmp_path / "c.png", saliency=lambda x, y: x[:, 0]).read_bytes()
    assert given != show("saliencymix", None, tmp_path / "d.png").read_bytes()


def test_local_contrast_finds_the_odd_spot():
    x = torch.zeros(1, 3, 64, 64)
    x[0, :, 40:44, 10:14] = 1.0
    peak = int(local_contrast(x, torch.zeros(1)).flatten().argmax())
    assert abs(peak // 64 - 41.5) < 8
    assert abs(peak % 64 - 11.5) < 8


def test_bad_input_is_named(pictures, tmp_path):
    out = tmp_path / "x.png"
    with pytest.raises(ValueError, match="expected 2 to 6 images, got 1"):
        show("mixup", pictures[:1], out)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for path in (broken, tmp_path / "missing.png"):
        with pytest.raises(ValueError, match=rf"{path.name}: expected a picture"):
            show("mixup", [*pictures, path], out)
    with pytest.raises(ValueError, match=r"expected options of mixup \(alpha, per\), got beta"):
        show("mixup", pictures, out, beta=1)
    with pytest.raises(ValueError, match="Did you mean 'mixup'"):
        show("mixupp", pictures, out)
    assert not out.exists()
