import random

import numpy as np
import pytest
import torch

from dropmix.train.augment import POLICIES, Augment, image_seeds

TEXTS = [
    "randaugment(2,9)",
    "randaugment",
    "trivialaugment",
    "autoaugment",
    "augmix(3)",
    "vertical_flip",
    "rotation(15)",
    "colour_jitter(0.4,0.4,0.4)",
    "random_erasing(0.9)",
]


def images(channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, channels, 16, 16), dtype=torch.uint8, generator=generator)


def changed(text: str, seeds: list[int], channels: int = 3, which: slice = slice(None)) -> torch.Tensor:
    augment, x = Augment((text,)), images(channels)[which]
    return augment.normalised(augment.pixels(x, seeds[which]).float(), seeds[which])


def test_every_policy_is_tried() -> None:
    assert {text.partition("(")[0] for text in TEXTS} == {*POLICIES}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", TEXTS)
def test_an_image_depends_on_its_seed_alone(text: str, channels: int) -> None:
    seeds = image_seeds(3, 1, 6)
    whole = changed(text, seeds, channels)
    torch.rand(5), random.random(), np.random.rand()  # noqa: NPY002
    assert torch.equal(changed(text, seeds, channels, slice(2, 5)), whole[2:5])
    assert not torch.equal(whole, images(channels).float())
    assert whole.shape == images(channels).shape


@pytest.mark.parametrize("text", ["rand-m9-mstd0.5-inc1", "augmix-m3-w3"])
def test_a_policy_of_timm(text: str) -> None:
    pytest.importorskip("timm")
    seeds = image_seeds(3, 1, 6)
    assert torch.equal(changed(text, seeds, 3, slice(2, 5)), changed(text, seeds)[2:5])
    assert changed(text, seeds, 1).shape == (6, 1, 16, 16)


def test_global_generators_stay_as_they_were() -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(1), random.random(), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    changed("randaugment", image_seeds(0, 0, 6))
    assert (torch.rand(1), random.random(), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("randagument(2,9)", "Did you mean 'randaugment'"),
        ("randaugment(2,9,1)", "expected 0 to 2 numbers"),
        ("randaugment(two)", "expected numbers"),
        ("random_erasing(7)", "expected numbers that random_erasing takes"),
        ("rand-x", "timm"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=message):
        Augment((text,))
