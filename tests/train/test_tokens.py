"""Runs on texts: they resume to the bit, and rates 0 and 1 are the plain method and vanilla."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from dropmix.data import Dataset
from dropmix.data.records import Texts
from dropmix.grid.arm import make_arm
from dropmix.train.config import Data, RunSpec, Train
from dropmix.train.loop import Control, train_run
from dropmix.train.tokens import TokenSource

torch.set_num_threads(1)


def make_texts(count: int, seed: int) -> Texts:
    rng = np.random.default_rng(seed)
    labels, tokens = np.arange(count) % 3, np.zeros((count, 9), np.int32)
    for row, label in zip(tokens, labels, strict=True):
        length = rng.integers(1, 10)
        row[:length] = rng.integers(5, 20, length)
        row[rng.integers(length)] = 2 + label  # the word that tells the class
    return Texts(tokens, labels.astype(np.int64), np.arange(count), ["<padding>", "<unknown>", *"abcdefghijklmnopqr"])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset("text", make_texts(31, 0), make_texts(15, 1), ["a", "b", "c"], (), (), "f")


def spec(method: str = "vanilla", rate: float = 0.0, network: str = "textcnn", unit="batch", **train) -> RunSpec:
    settings = {"epochs": 3, "batch": 8, "lr": 0.01, "optimizer": "adamw"} | train
    data = Data(name="text", fingerprint="f")
    return RunSpec(arm=make_arm(method, rate, unit=unit), network=network, data=data, train=Train(**settings))


def predictions(folder):
    return pq.read_table(folder / "predictions.parquet").drop_columns(["arm"]).to_pylist()


def run(spec, folder, dataset, control=None):
    folder.mkdir(exist_ok=True)
    return train_run(spec, folder, dataset, torch.device("cpu"), control)


@pytest.mark.parametrize("network", ["textcnn", "transformer"])
@pytest.mark.parametrize("method", ["vanilla", "wordmixup", "senmixup", "spancutmix", "ssmix"])
def test_a_run_cut_at_any_step_ends_as_one_never_cut(tmp_path, dataset, method, network):
    one = spec(method, 0.3 if method != "vanilla" else 0.0, network)
    run(one, tmp_path / "whole", dataset)
    for _ in range(20):
        left = iter([False, False, True])
        torch.rand(3)  # the global generator is in another state each time
        if run(one, tmp_path / "cut", dataset, Control(should_stop=lambda left=left: next(left))) == "done":
            break
    assert predictions(tmp_path / "whole") == predictions(tmp_path / "cut")
    assert json.loads((tmp_path / "cut" / "vocabulary.json").read_text())[2] == "a"


@pytest.mark.parametrize("method", ["wordmixup", "senmixup", "spancutmix", "ssmix"])
def test_rate_one_is_vanilla_to_the_bit(tmp_path, dataset, method):
    run(spec(), tmp_path / "vanilla", dataset)
    run(spec(method, 1.0), tmp_path / "dropped", dataset)
    run(spec(method), tmp_path / "mixed", dataset)
    assert predictions(tmp_path / "vanilla") == predictions(tmp_path / "dropped")
    assert predictions(tmp_path / "vanilla") != predictions(tmp_path / "mixed")


def test_a_network_learns_the_word_that_tells_the_class(tmp_path, dataset):
    run(spec(epochs=40), tmp_path / "run", dataset)
    assert json.loads((tmp_path / "run" / "done").read_text())["accuracy_last"] > 0.9


def test_batches_hold_each_text_once_and_no_column_of_padding(dataset):
    source = TokenSource(dataset.train, torch.device("cpu"))
    slices = [slice(0, 16), slice(16, 31)]
    seen = []
    for x, y in source.batches(0, 1, slices):
        assert (x[..., -1] != 0).any()
        seen += [(tuple(t for t in row if t), int(label)) for row, label in zip(x[:, 0, 0].tolist(), y)]
    rows = [tuple(t for t in row if t) for row in dataset.train.tokens.tolist()]
    assert sorted(seen) == sorted(zip(rows, dataset.train.labels.tolist()))


@pytest.mark.parametrize("method", ["wordmixup", "senmixup"])
def test_hidden_states_of_parts_of_a_batch_are_not_mixed(tmp_path, dataset, method):
    """Labels would be mixed, and texts would not."""
    with pytest.raises(ValueError, match=rf"train\.micro_batch: expected a method without .* got {method}"):
        run(spec(method, micro_batch=4), tmp_path, dataset)


@pytest.mark.parametrize(("balance", "expected"), [("sampler", 1 / 3), ("sampler-sqrt", 1 / (1 + 3**0.5 + 10**0.5))])
def test_texts_of_a_rare_class_are_drawn_as_often_as_asked(balance, expected):
    texts = make_texts(140, 0)
    texts.labels[:] = [0] * 10 + [1] * 30 + [2] * 100
    source = TokenSource(texts, torch.device("cpu"), balance)
    drawn = torch.cat([y for epoch in range(60) for _, y in source.batches(0, epoch, [slice(0, 140)])])
    assert float((drawn == 0).double().mean()) == pytest.approx(expected, abs=0.02)


def test_a_sampler_reaches_a_run_on_texts(tmp_path, dataset):
    run(spec(), tmp_path / "all", dataset)
    run(spec(balance="sampler"), tmp_path / "drawn", dataset)
    assert predictions(tmp_path / "all") != predictions(tmp_path / "drawn")
