"""Streamed batches against torchvision's functions on each picture."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from dropmix.data import DataError, Files
from dropmix.data.picture import BOX_DRAWS, random_box
from dropmix.data.stream import COLOUR_DRAWS, Stream, Wanted, colour_shifts, shift_colours

MEAN, STD = [0.5, 0.4, 0.3], [0.26, 0.25, 0.27]


@pytest.fixture
def files(tmp_path, rng):
    ids = []
    for row in range(14):
        pixels = rng.integers(0, 256, (10 + row, 24 - row, 3), dtype=np.uint8)
        ids.append(f"{row}.{'png' if row % 3 == 0 else 'jpg'}")
        Image.fromarray(pixels).convert("L" if row == 4 else "RGB").save(tmp_path / ids[-1])
    return Files(str(tmp_path), np.arange(14), np.array(ids), 8)


def wanted(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    box = torch.rand(len(rows), BOX_DRAWS, generator=generator, dtype=torch.float64).tolist()
    flip = (torch.rand(len(rows), generator=generator) < 0.5).tolist()
    colour = colour_shifts(torch.rand(len(rows), COLOUR_DRAWS, generator=generator, dtype=torch.float64))
    return Wanted(rows, box, flip, colour)


def by_torchvision(files, batch):
    pictures = []
    for place, row in enumerate(batch.rows):
        picture = F.pil_to_tensor(Image.open(files.path(row)).convert("RGB"))
        box = random_box(*picture.shape[1:], batch.box[place])
        picture = F.resized_crop(picture, *box, [8, 8], antialias=True)
        picture = F.horizontal_flip(picture) if batch.flip[place] else picture
        picture = F.to_dtype(picture, torch.float32, scale=True)
        pictures.append(F.normalize(shift_colours(picture[None], batch.colour[place, None])[0], MEAN, STD))
    return torch.stack(pictures)


def test_batches_are_torchvisions_in_order_whatever_the_threads(files):
    parts = [wanted([3, 1, 4, 1, 5, 9, 2], 1), wanted([13], 2), wanted(list(range(14)), 3), wanted([0, 7], 4)]
    expected = [by_torchvision(files, part) for part in parts]
    for threads in (1, 3):
        got = list(Stream(files, MEAN, STD, "cpu", threads).batches(parts))
        assert len(got) == 4
        assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(got, expected))
        if threads == 1:
            first = got
        assert all(torch.equal(one, two) for one, two in zip(got, first))
        assert got[0].is_contiguous(memory_format=torch.channels_last)


def test_without_draws_the_centres_come(files):
    got = Stream(files, MEAN, STD, "cpu").batch(torch.tensor([6, 2]))
    for place, row in enumerate((6, 2)):
        picture = F.pil_to_tensor(Image.open(files.path(row)).convert("RGB"))
        picture = F.center_crop(F.resize(picture, [9], antialias=True), [8, 8])
        assert torch.allclose(got[place], F.normalize(picture.float() / 255, MEAN, STD), atol=1e-6)


def test_a_damaged_picture_is_named_where_its_batch_comes_and_no_thread_stays(files, tmp_path):
    (tmp_path / files.ids[5]).write_bytes(b"\xff\xd8 no more")
    batches = Stream(files, MEAN, STD, "cpu", 2).batches([wanted([0, 1]), wanted([2, 5]), wanted([3])])
    next(batches)
    with pytest.raises(DataError, match=r"5.jpg: expected a picture that Pillow can read"):
        next(batches)
    assert not pictures_threads()


def test_closing_early_leaves_no_thread(files):
    batches = Stream(files, MEAN, STD, "cpu", 2).batches(wanted([row % 14] * 8) for row in range(1000))
    next(batches)
    assert pictures_threads()
    batches.close()
    assert not pictures_threads()


def test_not_more_is_read_ahead_than_two_batches(files):
    asked = []

    def parts():
        for row in range(10):
            asked.append(row)
            yield wanted([row])

    batches = Stream(files, MEAN, STD, "cpu").batches(parts())
    next(batches)
    assert len(asked) == 3
    next(batches)
    assert len(asked) == 4


def pictures_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_the_cpu_without_a_sync(files):
    parts = [wanted([3, 1, 4, 1], seed) for seed in range(6)]
    expected = list(Stream(files, MEAN, STD, "cpu").batches(parts))
    stream = Stream(files, MEAN, STD, "cuda", 2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = list(stream.batches(parts))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.allclose(one.cpu(), two, atol=1e-5) for one, two in zip(got, expected))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's list of a process's threads")
def test_threads_that_read_start_no_threads_of_torch(tmp_path, rng):
    """If torch copied large pictures, it would share each copy among its threads, which would wait for each other."""
    Image.fromarray(rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)).save(tmp_path / "0.jpg")
    code = f"""
import os, numpy as np, torch
from dropmix.data import Files
from dropmix.data.stream import Stream, Wanted
torch.set_num_threads(4)
stream = Stream(Files({str(tmp_path)!r}, np.zeros(1, np.int64), np.array(["0.jpg"]), 224), [0.5] * 3, [0.2] * 3, "cpu")
part = Wanted([0], [[0.5] * 22], [True])
pool = __import__("concurrent.futures").futures.ThreadPoolExecutor(1)
before = len(os.listdir("/proc/self/task"))
pool.submit(stream.read_chunk, part, torch.empty(1, 224, 224, 3, dtype=torch.uint8), 0).result()
print(len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1
