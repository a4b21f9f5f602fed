"""Pictures of the test split that look almost like training pictures are found."""

import numpy as np
import pytest
from PIL import Image

from dropmix.data import Split, load
from dropmix.data.load import alike_across


def smooth(rng):
    """A picture like a photograph: large soft shapes."""
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize((48, 48), Image.Resampling.BICUBIC)


@pytest.fixture
def tree(tmp_path, rng):
    for split, count in (("train", 8), ("test", 6)):
        for c in ("cat", "dog"):
            (tmp_path / "set" / split / c).mkdir(parents=True)
            for n in range(count):
                smooth(rng).save(tmp_path / f"set/{split}/{c}/{n}.png")
    return tmp_path / "set"


def test_pictures_compressed_anew_are_found_and_no_others(tree):
    def found():
        dataset = load("folder", tree)
        assert isinstance(dataset.train, Split)
        assert isinstance(dataset.test, Split)
        return alike_across(dataset.train, dataset.test)

    assert found() == []
    with Image.open(tree / "train/cat/2.png") as picture:
        picture.save(tree / "test/cat/again.jpg", quality=90)
    assert found() == [("test/cat/again.jpg", "train/cat/2.png")]
