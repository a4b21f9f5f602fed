"""Runs whose images stay in their files: resumed in mid-epoch to the bit, with any reader."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from dropmix.data import DataError, load
from dropmix.data.stream import Stream
from dropmix.grid.arm import make_arm
from dropmix.train.config import Data, RunSpec, Train
from dropmix.train.loop import Control, train_run
from dropmix.train.plan import batch_slices, epoch_order
from dropmix.train.source import evaluation_source, training_source

from .helpers.pair import in_two
from .test_loop import assert_same_outcome, weights

CPU = torch.device("cpu")
DATA = Data(name="folder", size=8, resized_crop=True, colour_jitter=True, flip=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """31 training and 9 test JPEGs of two classes, of many sizes."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    for split, count in (("train", 31), ("val", 9)):
        for row in range(count):
            label = row % 2
            pixels = rng.integers(0, 200, (12 + row % 5, 16 - row % 3, 3), dtype=np.uint8)
            pixels[..., label] //= 2
            folder = root / split / "ab"[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{row}.jpg", quality=90)
    return root


def make_spec(method="cutmix", rate=0.4, **data):
    return RunSpec(
        arm=make_arm(method, rate),
        network="wrn10-1",
        data=DATA.model_copy(update=data),
        train=Train(epochs=2, batch=8, lr=0.05),
    )


def loaded(tree, **data):
    return load("folder", tree, size=8, resized_crop=True, **data)


def train(folder, spec, dataset, **control):
    folder.mkdir(exist_ok=True)
    return train_run(spec, folder, dataset, CPU, Control(**control))


def test_stopped_in_mid_epoch_and_resumed_with_other_loaders_is_the_same_to_the_bit(tmp_path, tree):
    spec, dataset = make_spec(), loaded(tree)
    assert train(tmp_path / "whole", spec, dataset) == "done"
    stops = 0
    while True:
        stop = iter([False] * (1 + stops % 2) + [True]).__next__
        if train(tmp_path / "cut", spec, dataset, should_stop=stop, loaders=1 + stops % 3) == "done":
            break
        stops += 1
    assert stops == 5  # 2 epochs of 4 steps, one or two steps a call, and the last ends the run
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("within", ["batch", "shard"])
def test_two_processes_that_read_half_of_the_pictures_each_give_what_one_gives(tmp_path, tree, within):
    spec, dataset, reads = make_spec(), loaded(tree), [0]
    settings = spec.train.model_dump() | {"shards": 2, "mix_within": within}
    spec = spec.model_copy(update={"train": Train.model_validate(settings)})
    train(tmp_path / "one", spec, dataset)

    def work(group):
        read = Stream.read_chunk

        def counted(self, wanted, pixels, start):
            reads[0] += len(wanted.rows) if start == 0 else 0
            read(self, wanted, pixels, start)

        Stream.read_chunk = counted
        train(tmp_path / "two", spec, dataset, group=group)
        return reads[0]

    assert in_two(work) == [16 * 2 + 9 * 2, 15 * 2]  # two epochs; one process reads the one batch of test pictures
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_damaged_picture_ends_the_run_and_it_goes_on_when_it_is_replaced(tmp_path, tree):
    spec, dataset = make_spec(), loaded(tree)
    train(tmp_path / "whole", spec, dataset)
    root = shutil.copytree(tree, tmp_path / "copy")
    here = loaded(root)
    assert here.fingerprint == dataset.fingerprint
    # Read in the last batch of the second epoch, long after it was damaged.
    picture = root / here.train.ids[int(epoch_order(spec.seed, 1, 31)[-1])]
    left = iter([False] * 4)

    def damage() -> bool:
        if next(left, None) is None:  # the second epoch has begun
            picture.write_bytes(b"\xff\xd8 cut off")
        return False

    with pytest.raises(DataError, match=rf"{picture.name}: expected a picture"):
        train(tmp_path / "cut", spec, here, should_stop=damage, checkpoint_seconds=0)
    shutil.copy(tree / picture.relative_to(root), picture)
    assert train(tmp_path / "cut", spec, here) == "done"
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_batches_do_not_depend_on_how_the_epoch_is_cut(tree):
    source = training_source(loaded(tree), DATA, CPU, 2)
    whole = list(source.batches(0, 1, batch_slices(len(source), 8)))
    assert sorted(torch.cat([y for _, y in whole]).tolist()) == sorted(source.labels.tolist())
    rest = list(source.batches(0, 1, batch_slices(len(source), 8), start=2))
    assert all(torch.equal(a, b) for one, two in zip(whole[2:], rest, strict=True) for a, b in zip(one, two))
    halves = list(source.batches(0, 1, [slice(s.start + 4, s.stop) for s in batch_slices(len(source), 8)]))
    for (x, y), (half_x, half_y) in zip(whole, halves, strict=True):
        assert torch.equal(y[4:], half_y)
        assert torch.allclose(x[4:], half_x, atol=1e-6)  # the mean gray of a batch may be summed in another order
    other = next(source.batches(0, 2, [slice(0, 8)]))
    assert not torch.equal(other[0], whole[0][0])


@pytest.mark.parametrize("options", [{}, {"adversarial": 1.0}])
def test_colour_jitter_leaves_the_unit_range_and_puzzlemix_takes_it(tmp_path, options):
    for split, label in ((split, label) for split in ("train", "val") for label in (0, 1)):
        (tmp_path / f"photos/{split}/{label}").mkdir(parents=True)
        for row in range(8):
            pixels = np.full((12, 12, 3), (255 if row % 2 else 0, 255 * label, 255), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"photos/{split}/{label}/{row}.png")
    spec = make_spec("puzzlemix", 0.0)
    spec = spec.model_copy(update={"arm": spec.arm.model_copy(update={"options": {**spec.arm.options, **options}})})
    dataset = loaded(tmp_path / "photos")
    x, _ = next(training_source(dataset, DATA, CPU).batches(0, 0, [slice(0, 16)]))
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (dataset.mean, dataset.std))
    assert (x * std + mean).max() > 1.1
    assert train(tmp_path / "run", spec, dataset) == "done"


@pytest.mark.parametrize("setting", ["flip", "colour_jitter"])
def test_one_setting_does_not_shift_anothers_draws(tree, setting):
    dataset = loaded(tree)
    with_, without = (
        next(training_source(dataset, DATA.model_copy(update={setting: on}), CPU).batches(0, 0, [slice(0, 31)]))
        for on in (True, False)
    )
    assert torch.equal(with_[1], without[1])
    assert not torch.equal(with_[0], without[0])
    if setting == "flip":
        same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(with_[0], without[0])]
        mirrored = [torch.allclose(a.flip(2), b, atol=1e-5) for a, b in zip(with_[0], without[0])]
        assert all(a != b for a, b in zip(same, mirrored))
        assert 5 < sum(mirrored) < 26


def test_validation_images_are_predicted_and_not_trained_on(tmp_path, tree):
    dataset = loaded(tree, validation=0.2, train_per_class=8)
    assert dataset.validation is not None
    assert len(dataset.train) == 16
    assert not {*dataset.train.ids} & {*dataset.validation.ids}
    spec = make_spec("mixup", validation=0.2, train_per_class=8)
    assert train(tmp_path / "run", spec, dataset) == "done"
    source = evaluation_source(dataset.validation, dataset, CPU)
    assert torch.cat([x for _, x in source.plain()]).shape == (len(dataset.validation), 3, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": None}, "resized_crop needs the size of the crops"),
        ({"crop_padding": 2}, "resized_crop takes the place of crop_padding"),
        ({"resized_crop": False}, "colour_jitter needs resized_crop"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Data(**(DATA.model_dump() | change))


def test_folders_from_before_keep_their_hashes():
    plain = RunSpec(network="wrn10-1", data=Data(name="folder", size=8), train=Train(epochs=1, lr=0.1))
    assert "resized" not in plain.to_json()
    assert make_spec().hash != make_spec(colour_jitter=False).hash != make_spec(resized=256).hash
