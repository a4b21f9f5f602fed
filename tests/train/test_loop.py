import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from dropmix.grid.arm import make_arm
from dropmix.train.config import Arm
from dropmix.train.loop import Control, RunError, train_run

from .helpers.toy import make_dataset, make_spec

CPU = torch.device("cpu")
TINY = make_dataset()


def train(folder: Path, spec, control: Control | None = None) -> str:
    folder.mkdir(exist_ok=True)
    return train_run(spec, folder, TINY, CPU, control)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "weights.pt", weights_only=True)["model"]


def assert_same_outcome(a: Path, b: Path, but_names: bool = False) -> None:
    """Weights, predictions and metrics of two finished runs are equal to the bit."""
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    drop = ["arm"] if but_names else []
    tables = [pq.read_table(f / "predictions.parquet").drop_columns(drop) for f in (a, b)]
    assert tables[0].equals(tables[1])
    assert (a / "metrics.jsonl").read_text() == (b / "metrics.jsonl").read_text()


def test_a_run_leaves_what_it_promises(tmp_path):
    spec = make_spec(make_arm("cutmix", 0.5), seed=4)
    assert train(tmp_path / "a", spec, Control(keep_logits=True)) == "done"
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "done",
        "metrics.jsonl",
        "predictions.parquet",
        "weights.pt",
    ]
    table = pq.read_table(tmp_path / "a" / "predictions.parquet")
    about = json.loads(table.schema.metadata[b"dropmix"])
    assert about["classes"] == ["a", "b", "c"]
    assert about["train_counts"] == np.bincount(TINY.train.labels, minlength=3).tolist()
    assert table["arm"].unique().to_pylist() == ["cutmix r=0.5"]
    assert table["seed"].unique().to_pylist() == [4]
    logits = torch.tensor(table["logits"].to_pylist())
    label = torch.tensor(table["label"].to_pylist())
    assert torch.equal(label, torch.from_numpy(TINY.test.labels))
    assert torch.equal(logits.argmax(1), torch.tensor(table["pred"].to_pylist()))
    p = logits.softmax(1)
    assert np.allclose(p.max(1).values, table["p_max"].to_numpy(), atol=1e-6)
    assert np.allclose(p[torch.arange(15), label], table["p_true"].to_numpy(), atol=1e-6)
    done = json.loads((tmp_path / "a" / "done").read_text())
    accuracy = (logits.argmax(1) == label).double().mean().item()
    assert done["accuracy_last"] == pytest.approx(accuracy)
    rows = [json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert done["accuracy_best"] == max(row["accuracy"] for row in rows)


def test_the_same_spec_twice_is_the_same_to_the_bit_and_another_seed_is_not(tmp_path):
    spec = make_spec(make_arm("mixup", 0.3))
    train(tmp_path / "a", spec)
    train(tmp_path / "b", spec)
    train(tmp_path / "c", make_spec(make_arm("mixup", 0.3), seed=1))
    assert_same_outcome(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_outcome(tmp_path / "a", tmp_path / "c")


def test_the_global_generator_neither_matters_nor_moves(tmp_path):
    torch.manual_seed(1)
    train(tmp_path / "a", make_spec(make_arm("cutmix")))
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    train(tmp_path / "b", make_spec(make_arm("cutmix")))
    assert torch.equal(state, torch.random.get_rng_state())
    assert_same_outcome(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
@pytest.mark.parametrize("method", ["mixup", "cutmix", "saliencymix", "manifoldmix"])
def test_rate_one_is_vanilla_and_rate_zero_the_plain_method(tmp_path, method, unit):
    train(tmp_path / "vanilla", make_spec())
    train(tmp_path / "one", make_spec(make_arm(method, 1.0, unit=unit)))
    assert_same_outcome(tmp_path / "vanilla", tmp_path / "one", but_names=True)
    train(tmp_path / "plain", make_spec(make_arm(method)))
    train(tmp_path / "zero", make_spec(make_arm(method, 0.0, unit=unit)))
    assert_same_outcome(tmp_path / "plain", tmp_path / "zero", but_names=True)
    plain, vanilla = weights(tmp_path / "plain"), weights(tmp_path / "vanilla")
    assert any(not torch.equal(plain[key], vanilla[key]) for key in plain)


@pytest.mark.parametrize(
    "arm",
    [
        Arm(),
        make_arm("cutmix", 0.4),
        make_arm("mixup", 0.4, unit="sample", per="sample"),
        make_arm("manifoldmix", 0.4),
        make_arm("recursivemix", 0.4, unit="sample"),
        make_arm("automix", 0.4),
        make_arm("automix", 0.4, {"lr": 0.1}, unit="sample", per="sample"),
        make_arm("samplepairing", options={"start": 0.33, "end": 0.67}),
        make_arm("puzzlemix", 0.4, {"clean": 1.0, "adversarial": 0.5}),
    ],
    ids=lambda arm: arm.name,
)
def test_stopped_at_every_step_and_resumed_is_the_same_to_the_bit(tmp_path, arm):
    spec = make_spec(arm)
    train(tmp_path / "whole", spec)
    calls = 0

    def every_second_call() -> bool:
        nonlocal calls
        calls += 1
        return calls % 2 == 0

    stops = 0
    while train(tmp_path / "cut", spec, Control(should_stop=every_second_call)) == "stopped":
        stops += 1
        assert not (tmp_path / "cut" / "done").exists()
    assert stops == 11  # 3 epochs of 4 steps, one step a call, and the last ends the run
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_a_damaged_checkpoint_falls_back_and_ends_the_same(tmp_path):
    spec = make_spec(make_arm("mixup"))
    train(tmp_path / "whole", spec)
    for limit in (5, 2):
        left = iter([False] * limit + [True])
        train(tmp_path / "cut", spec, Control(should_stop=lambda left=left: next(left)))
    (tmp_path / "cut" / "checkpoint.pt").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="cannot be used"):
        assert train(tmp_path / "cut", spec) == "done"
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "torch.save"])
@pytest.mark.parametrize("nth", [1, 2, 4, 7])
def test_killed_inside_any_write_ends_the_same(tmp_path, monkeypatch, call, nth):
    spec = make_spec(make_arm("cutmix", 0.4))
    train(tmp_path / "whole", spec)
    child = os.fork()
    if not child:
        signal.alarm(60)
        seen = 0

        def die(*args, **kwargs):
            nonlocal seen
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        real = {"os.fsync": os.fsync, "pathlib.Path.replace": Path.replace, "torch.save": torch.save}[call]
        monkeypatch.setattr(call, die)
        train(tmp_path / "cut", spec, Control(checkpoint_seconds=0))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (-signal.SIGKILL, 0)
    assert train(tmp_path / "cut", spec) == "done"
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == sorted(
        p.name for p in (tmp_path / "whole").iterdir()
    )


@pytest.mark.parametrize("nth", [1, 4, 5])
def test_a_crash_in_mid_epoch_goes_on_from_the_last_checkpoint(tmp_path, nth):
    """An epoch of ImageNet is far longer than a checkpoint's interval."""
    spec = make_spec(make_arm("cutmix", 0.4))
    train(tmp_path / "whole", spec)

    def crash(done: int, total: int, accuracy: float | None) -> None:
        if done == nth:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        train(tmp_path / "cut", spec, Control(on_progress=crash, checkpoint_seconds=0))
    seen = []
    assert train(tmp_path / "cut", spec, Control(on_progress=lambda done, *_: seen.append(done))) == "done"
    assert seen[0] == nth  # the step that crashed was done, its checkpoint was not
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    spec = make_spec(make_arm("mixup"), epochs=4)
    train(tmp_path / "whole", spec)
    left = iter([False] * 6 + [True])
    train(tmp_path / "cut", spec, Control(should_stop=lambda: next(left)))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dropmix.train.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path / "cut", spec, Control(checkpoint_seconds=0))
    assert not list((tmp_path / "cut").glob(".*"))
    train(tmp_path / "cut", spec)
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_divergence_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"expected a finite loss, got nan in epoch \d+\. Lower train\.lr"):
        train(tmp_path / "a", make_spec(lr=1e20, epochs=30))
    assert not (tmp_path / "a" / "done").exists()


def test_it_learns(tmp_path):
    train(tmp_path / "a", make_spec(epochs=30))
    assert json.loads((tmp_path / "a" / "done").read_text())["accuracy_last"] > 0.8


def test_a_run_keeps_the_number_of_threads_that_it_began_with(tmp_path):
    seen, left, before = [], 5, torch.get_num_threads()

    def should_stop() -> bool:
        nonlocal left
        seen.append(torch.get_num_threads())
        left -= 1
        return left == 0

    try:
        torch.set_num_threads(2)
        assert train(tmp_path / "a", make_spec(), Control(should_stop)) == "stopped"
        torch.set_num_threads(1)
        assert train(tmp_path / "a", make_spec(), Control(should_stop)) == "done"
    finally:
        torch.set_num_threads(before)
    assert seen == [2] * len(seen)


ODD = {
    "no place": {"place": None},
    "place of text": {"place": "x"},
    "a place of other fields": {"place": {"epoch": 1, "where": 2}},
    "a negative epoch": {"place": {"epoch": -1}},
    "an epoch beyond the last": {"place": {"epoch": 99}},
    "a step beyond the last": {"place": {"step": 10**6}},
    "an epoch of text": {"place": {"epoch": "1"}},
    "an infinite loss": {"place": {"loss_sum": float("inf")}},
    "rows of text": {"place": {"rows": ["x"]}},
    "no rows": {"place": {"epoch": 1, "rows": []}},
    "no model": {"model": {}},
    "a model of text": {"model": "x"},
    "a model of other shapes": {"model": {"0.weight": torch.zeros(1)}},
    "no optimizer": {"optimizer": None},
    "an optimizer of another network": {"optimizer": {"state": {}, "param_groups": []}},
    "threads of text": {"threads": "x"},
    "no threads": {"threads": 0},
}


@pytest.mark.parametrize("kind", ODD)
def test_a_checkpoint_of_the_right_hash_with_odd_fields_falls_back_and_ends_the_same(tmp_path, kind):
    spec = make_spec(make_arm("mixup"))
    train(tmp_path / "whole", spec)
    for limit in (5, 2):
        left = iter([False] * limit + [True])
        train(tmp_path / "cut", spec, Control(should_stop=lambda left=left: next(left)))
    newest = tmp_path / "cut" / "checkpoint.pt"
    held = torch.load(newest, weights_only=True)
    torch.save(held | ODD[kind], newest)
    with pytest.warns(UserWarning, match=r"checkpoint\.pt cannot be used \(.*; trying the one before"):
        assert train(tmp_path / "cut", spec) == "done"
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")
