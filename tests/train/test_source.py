"""Batches of a source against images that are fetched one by one."""

import pytest
import torch

from dropmix.train.config import Data
from dropmix.train.plan import EpochPlan, batch_slices
from dropmix.train.source import evaluation_source, training_source

from ..msda.test_waiting import Watch
from .helpers.toy import make_dataset

CPU = torch.device("cpu")
TINY = make_dataset()
DATA = Data(name="tiny", crop_padding=2, flip=True)


def normalised(images) -> torch.Tensor:
    return ((torch.from_numpy(images).float() / 255 - 0.3) / 0.2).permute(0, 3, 1, 2)


def test_an_epoch_holds_each_image_once_mirrored_and_cropped_as_planned():
    plan = EpochPlan.draw(3, 5, 31, 2, True)
    source = training_source(TINY, DATA, CPU)
    batches = list(source.batches(3, 5, batch_slices(len(source), 8)))
    assert [len(y) for _, y in batches] == [8, 8, 8, 7]
    x, y = (torch.cat(parts) for parts in zip(*batches))
    for row, index in enumerate(plan.index):
        image = torch.from_numpy(TINY.train.images[index])
        image = image.flip(1) if plan.flip[row] else image
        padded = torch.nn.functional.pad(image, (0, 0, 2, 2, 2, 2))
        cut = padded[plan.top[row] :][:8, plan.left[row] :][:, :8]
        assert torch.equal(x[row], normalised(cut[None].numpy())[0])
        assert y[row] == TINY.train.labels[index]


@pytest.mark.parametrize("start", [1, 3, 4])
def test_an_epoch_begun_in_its_middle_goes_on_as_the_whole_one(start):
    source = training_source(TINY, DATA, CPU)
    slices = batch_slices(len(source), 8)
    whole = list(source.batches(0, 1, slices))[start:]
    rest = list(source.batches(0, 1, slices, start))
    assert len(rest) == len(whole) == 4 - start
    assert all(torch.equal(a, b) for one, two in zip(whole, rest) for a, b in zip(one, two))


def test_parts_of_batches_are_the_rows_of_the_whole_ones():
    source = training_source(TINY, DATA, CPU)
    slices = batch_slices(len(source), 8)
    whole = list(source.batches(0, 1, slices))
    halves = list(source.batches(0, 1, [slice(s.start + 4, s.stop) for s in slices]))
    assert all(torch.equal(a[4:], b) for one, two in zip(whole, halves) for a, b in zip(one, two))


def test_plain_batches_are_the_images_in_order(monkeypatch):
    monkeypatch.setattr("dropmix.train.source.RESIDENT_BATCH", 4)
    source = evaluation_source(TINY.test, TINY, CPU)
    places, parts = zip(*source.plain())
    assert [len(x) for x in parts] == [4, 4, 4, 3]
    assert torch.allclose(torch.cat(parts), normalised(TINY.test.images), atol=1e-6)
    assert source.labels.tolist() == TINY.test.labels.tolist()
    assert [list(range(15))[place] for place in places] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14]]


def test_plain_batches_are_shared_out_among_processes(monkeypatch):
    monkeypatch.setattr("dropmix.train.source.RESIDENT_BATCH", 4)
    source = evaluation_source(TINY.test, TINY, CPU)
    whole = list(source.plain())
    for first in range(3):
        own = list(source.plain(first, 3))
        assert [place for place, _ in own] == [place for place, _ in whole[first::3]]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(own, whole[first::3]))


def test_batches_do_not_wait_for_the_device():
    source = training_source(TINY, DATA, torch.device("meta"))
    batches = source.batches(0, 1, batch_slices(len(source), 8))
    next(batches)  # the epoch's plan may take its time
    with Watch("meta") as watch:
        assert len(list(batches)) == 3
    assert watch.waits == []
