"""Resident against torchvision's transforms on Pillow images, forced to the same draws."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from dropmix.data.records import Split
from dropmix.data.resident import Resident


class ForcedCrop(transforms.RandomCrop):
    """RandomCrop that takes its corner from `corner`."""

    corner = (0, 0)

    def get_params(self, img, output_size):
        return *self.corner, *output_size


def pipeline(image, mean, std, padding, corner, flip):
    """The picture through torchvision, with the draws given."""
    height, width, channels = image.shape
    crop = ForcedCrop((height, width), padding=padding)
    crop.corner = corner
    steps = [
        transforms.RandomHorizontalFlip(p=1.0 if flip else 0.0),
        crop,
        transforms.ToTensor(),
        transforms.Normalize(mean, std),
    ]
    return transforms.Compose(steps)(Image.fromarray(image.squeeze(2) if channels == 1 else image))


def make_split(rng, count=6, height=9, width=7, channels=3):
    images = rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    return Split(images, np.arange(count) % 3, np.arange(count))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    channels=st.sampled_from([1, 3]),
    padding=st.integers(0, 4),
    size=st.integers(1, 9),
    channels_last=st.booleans(),
)
def test_bit_equal_to_torchvision(seed, height, width, channels, padding, size, channels_last):
    rng = np.random.default_rng(seed)
    split = make_split(rng, 5, height, width, channels)
    mean, std = rng.uniform(0, 1, channels).tolist(), rng.uniform(0.01, 1, channels).tolist()
    index, flip = rng.integers(0, 5, size), rng.random(size) < 0.5
    top, left = rng.integers(0, 2 * padding + 1, (2, size))
    resident = Resident(split, mean, std, padding=padding, flip=True, channels_last=channels_last)
    x = resident.batch(*(torch.from_numpy(drawn) for drawn in (index, top, left, flip)))
    for row, i in enumerate(index):
        corner = (int(top[row]), int(left[row]))
        expected = pipeline(split.images[i], mean, std, padding, corner, bool(flip[row]))
        assert torch.equal(x[row], expected)


def test_every_byte_value_is_bit_equal_at_published_statistics():
    mean, std = [v / 255 for v in (129.3, 124.1, 112.4)], [v / 255 for v in (68.2, 65.4, 70.4)]
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    resident = Resident(Split(image[None], np.zeros(1, np.int64), np.arange(1)), mean, std)
    expected = transforms.Normalize(mean, std)(transforms.ToTensor()(Image.fromarray(image)))
    assert torch.equal(resident.batch(torch.tensor([0]))[0], expected)


@pytest.mark.parametrize(("padding", "flip"), list(itertools.product([0, 2], [False, True])))
def test_without_draws_gives_the_plain_pictures(rng, padding, flip):
    split = make_split(rng)
    plain = Resident(split, [0.5] * 3, [0.2] * 3)
    augmented = Resident(split, [0.5] * 3, [0.2] * 3, padding=padding, flip=flip)
    index = torch.tensor([5, 0, 0, 3])
    expected = ((torch.from_numpy(split.images)[index].float() / 255 - 0.5) / 0.2).permute(0, 3, 1, 2)
    assert torch.allclose(plain.batch(index), expected, atol=1e-6)
    assert torch.equal(augmented.batch(index), plain.batch(index))


def test_memory_format_dtype_and_labels(rng):
    split = make_split(rng)
    last = Resident(split, [0.5] * 3, [0.2] * 3, padding=1)
    first = Resident(split, [0.5] * 3, [0.2] * 3, padding=1, channels_last=False)
    index = torch.arange(4)
    assert last.batch(index).is_contiguous(memory_format=torch.channels_last)
    assert first.batch(index).is_contiguous()
    assert last.batch(index).dtype == torch.float32
    assert torch.equal(last.batch(index), first.batch(index))
    assert last.labels.tolist() == split.labels.tolist()
    assert len(last) == 6
    assert last.nbytes == 6 * 11 * 9 * 3
    assert last.batch(index[:0]).shape == (0, 3, 9, 7)


def test_batches_do_not_share_memory_with_the_store(rng):
    split = make_split(rng)
    resident = Resident(split, [0.5] * 3, [0.2] * 3)
    before = split.images.copy()
    resident.batch(torch.arange(6)).zero_()
    assert (split.images == before).all()


@pytest.mark.parametrize(
    ("draws", "what"),
    [
        ({"index": [-1]}, "index"),
        ({"index": [6]}, "index"),
        ({"index": [0], "top": [3], "left": [0]}, "top"),
        ({"index": [0], "top": [0], "left": [-1]}, "left"),
    ],
)
def test_draws_out_of_range_are_refused(rng, draws, what):
    resident = Resident(make_split(rng), [0.5] * 3, [0.2] * 3, padding=1)
    with pytest.raises(ValueError, match=rf"expected {what} in \[0, "):
        resident.batch(**{key: torch.tensor(value) for key, value in draws.items()})


def test_what_was_not_prepared_is_refused(rng):
    split = make_split(rng)
    with pytest.raises(ValueError, match="flip=True"):
        Resident(split, [0.5] * 3, [0.2] * 3).batch(torch.tensor([0]), flip=torch.tensor([True]))
    with pytest.raises(ValueError, match="3 channels, got 1"):
        Resident(split, [0.5], [0.2])
    with pytest.raises(ValueError, match="padding of at least 0"):
        Resident(split, [0.5] * 3, [0.2] * 3, padding=-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_bit_equal_to_the_cpu_without_a_sync(rng):
    split = make_split(rng, 64, 32, 32)
    stores = [Resident(split, [0.5, 0.4, 0.3], [0.26, 0.25, 0.27], device, 4, True) for device in ("cpu", "cuda")]
    draws = [torch.from_numpy(rng.integers(0, high, 50)) for high in (64, 9, 9)]
    draws.append(torch.from_numpy(rng.random(50) < 0.5))
    on_device = [drawn.cuda() for drawn in draws]
    torch.cuda.set_sync_debug_mode("error")
    try:
        x = stores[1].batch(*on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(x.cpu(), stores[0].batch(*draws))
