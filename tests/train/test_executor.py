"""Replayed steps and runs that take turns: the same outcome as a single run without graphs."""

from contextlib import contextmanager

import pytest
import torch

from dropmix.grid.arm import make_arm
from dropmix.msda.mix import Mix
from dropmix.msda.puzzle import graphcut
from dropmix.nets import build
from dropmix.train.config import Arm
from dropmix.train.executor import WARM_UP, GraphStep, Replayed, cuda_graphs, on_stream, take_turns
from dropmix.train.loop import Control, train_run, train_steps
from dropmix.train.step import Stepper, pin

from .helpers.recorder import Recorder
from .helpers.toy import make_spec
from .test_loop import CPU, TINY, assert_same_outcome, train

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
GPU = torch.device("cuda", 0)
ARMS = [
    Arm(),
    make_arm("mixup", 0.4),
    make_arm("cutmix", 0.4, unit="sample", per="sample"),
    make_arm("resizemix"),
    make_arm("manifoldmix", 0.4),
    make_arm("puzzlemix", 0.4),
    make_arm("puzzlemix", options={"adversarial": 0.5, "block_counts": [4]}),
    make_arm("puzzlemix", 0.4, options={"clean": 1.0, "adversarial": 0.5}),
]


@pytest.fixture(scope="module", autouse=True)
def as_on_a_gpu():
    """PuzzleMix reads values if that costs no wait, as on a CPU; a GPU takes all steps that may be needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "dropmix.msda.methods.puzzlemix.solve",
            lambda theta, *weights: graphcut.solve(theta, *weights, steps=graphcut.steps_for(theta.shape[-1])),
        )
        patch.setattr("dropmix.msda.puzzle.transport.reach", lambda distance, share, xi: len(distance))
        yield


@pytest.fixture(scope="module")
def eager(tmp_path_factory):
    """The folder of an arm's run, launched one operation after the other."""
    out, made = tmp_path_factory.mktemp("eager"), {}

    def folder(arm, **settings):
        key = (arm.name, *settings.items())
        if key not in made:
            made[key] = out / str(len(made))
            train(made[key], make_spec(arm, **settings))
        return made[key]

    return folder


# Epochs of 3 full batches and a smaller one; the cosine changes the learning rate at each, and each ends in a look.
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_steps_are_the_same_to_the_bit(eager, tmp_path, arm, precision):
    recorder = Recorder()
    train(tmp_path / "graph", make_spec(arm, precision=precision), Control(capture=recorder))
    assert_same_outcome(eager(arm, precision=precision), tmp_path / "graph")
    never = arm.method == "manifoldmix" or arm.options.get("clean")
    # Four grids are drawn too seldom here for a graph each; where there is one, its mask is replayed.
    masks = sum(len(recording.steps) > 500 for recording in recorder.recordings)
    assert masks == ("block_counts" in arm.options and arm.options["block_counts"] == [4])
    assert recorder.replays == 0 if never else recorder.replays >= 6


def test_a_graph_a_learning_rate(tmp_path):
    for milestones, expected in (((), 1), ((1,), 1), ((2,), 2), ((2, 3), 3)):
        recorder = Recorder()
        schedule = {"kind": "step", "milestones": milestones}
        train(tmp_path / str(milestones), make_spec(epochs=4, schedule=schedule), Control(capture=recorder))
        # The first three steps, all of the first epoch's full ones, are no replays.
        assert (len(recorder.recordings), recorder.replays) == (expected, 9)


@pytest.mark.parametrize("arm", [ARMS[1], ARMS[5]], ids=lambda arm: arm.name)
def test_stopped_in_mid_epoch_and_resumed_is_the_same_to_the_bit(eager, tmp_path, arm):
    for limit in (2, 5, 100):
        left = iter([False] * limit + [True])
        train(tmp_path / "cut", make_spec(arm), Control(lambda left=left: next(left), capture=Recorder()))
    assert_same_outcome(eager(arm), tmp_path / "cut")


def test_a_dropped_batch_skips_the_saliency_pass_and_the_mask():
    arm, steps = make_arm("puzzlemix", 0.5, {"block_counts": [4]}), []
    torch.manual_seed(0)
    stepper = Stepper(make_spec(arm), build("wrn10-1", 3, 1), 3, (0.3,), (0.2,))
    recorder = Recorder()
    step = GraphStep(stepper, 8, recorder)
    x, y = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    for i in range(30):
        before = recorder.replays
        step(x, y, 0, i)
        steps.append((recorder.replays - before, stepper.draw(x, y, 0, i).is_identity))
    late = steps[2 * WARM_UP + 6 :]
    assert {(replays, dropped) for replays, dropped in late} == {
        (1, True),
        (3, False),
    }  # update; saliency, mask, update


def test_results_are_overwritten_and_captures_do_nothing():
    """The stand-in has the traps of a real graph."""
    weight = torch.ones(2)
    recorder = Recorder()
    double = Replayed(lambda x: weight.mul_(2) + x, recorder, warm_up=0)
    first = double(torch.zeros(2))
    assert torch.equal(first, torch.full((2,), 2.0))
    assert torch.equal(double(torch.ones(2)), torch.full((2,), 5.0))
    assert torch.equal(first, torch.full((2,), 5.0))
    recorder(lambda: weight.mul_(3))
    assert torch.equal(weight, torch.full((2,), 4.0))
    with pytest.raises(RuntimeError, match="cannot read values"):
        recorder(lambda: weight * weight.sum().item())


def test_runs_that_take_turns_do_not_touch_each_other(eager, tmp_path):
    arms, runs = {"mixup": ARMS[1], "puzzlemix": ARMS[5], "vanilla": ARMS[0]}, {}
    for name, arm in arms.items():
        (tmp_path / name).mkdir()
        runs[name] = train_steps(make_spec(arm), tmp_path / name, TINY, CPU, Control(capture=Recorder()))
    assert dict(take_turns(runs)) == dict.fromkeys(arms, "done")
    for name, arm in arms.items():
        assert_same_outcome(eager(arm), tmp_path / name)


def test_each_run_works_on_a_stream_of_its_own(monkeypatch):
    now: list[object] = [None]
    freed = []

    @contextmanager
    def use(stream):
        now.append(stream)
        try:
            yield
        finally:
            now.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: object())
    monkeypatch.setattr(torch.cuda, "stream", use)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(now[-1]))
    seen = {"a": [], "b": [], "c": []}

    def steps(name, count, error=None):
        try:
            for _ in range(count):
                seen[name].append(now[-1])
                yield
            if error:
                raise error
            return count
        finally:
            seen[name].append(now[-1])

    runs = {name: on_stream(steps(name, count), GPU) for name, count in (("a", 1), ("b", 3))}
    ends = []
    for end in take_turns(runs):
        assert now == [None]
        ends.append(end)
    assert ends == [("a", 1), ("b", 3)]
    left = on_stream(steps("c", 3), GPU)
    next(left)
    assert now == [None]
    left.close()
    assert now == [None]
    assert [len(streams) for streams in seen.values()] == [2, 4, 2]
    assert all(len(set(streams)) == 1 for streams in seen.values())
    assert freed == [streams[0] for streams in seen.values()]
    assert len({None, *freed}) == 4
    with pytest.raises(ValueError, match="wrong"):
        list(on_stream(steps("a", 1, ValueError("wrong")), GPU))


def test_what_lies_on_the_host_is_pinned(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda part: asked.append(part) or part.clone())
    lam = torch.tensor([0.25]).expand(2)
    mix = Mix(torch.tensor([1, 0]), lam, mask=torch.ones(1, 1, 1, 1), pasted=torch.ones(2, 1, 1, 1, device="meta"))
    pinned = pin(mix)
    assert len(asked) == 3
    assert all(part.is_contiguous() for part in asked)
    assert torch.equal(pinned.lam, lam)
    assert torch.equal(pinned.partner, mix.partner)
    assert pinned.pasted is mix.pasted


@pytest.fixture
def deterministic():
    from dropmix.train.device import make_deterministic

    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


@needs_gpu
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_gpu_graphs_and_packs_are_the_same_to_the_bit(tmp_path, deterministic, arm, precision):
    specs = {f"{seed}": make_spec(arm, seed, precision=precision, epochs=4) for seed in range(2)}
    for name, spec in specs.items():
        (tmp_path / f"eager{name}").mkdir()
        assert train_run(spec, tmp_path / f"eager{name}", TINY, GPU) == "done"
    (tmp_path / "graph").mkdir()
    for limit in (6, 100):  # stopped and resumed
        left = iter([False] * limit + [True])
        control = Control(lambda left=left: next(left), capture=cuda_graphs())
        train_run(specs["0"], tmp_path / "graph", TINY, GPU, control)
    assert_same_outcome(tmp_path / "eager0", tmp_path / "graph")
    packed = {}
    for name, spec in specs.items():
        (tmp_path / name).mkdir()
        packed[name] = train_steps(spec, tmp_path / name, TINY, GPU, Control(capture=cuda_graphs()))
    assert dict(take_turns(packed)) == {"0": "done", "1": "done"}
    for name in specs:
        assert_same_outcome(tmp_path / f"eager{name}", tmp_path / name)


@needs_gpu
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_no_step_waits_for_a_gpu(tmp_path, arm, graph):
    def watch() -> bool:
        # Late, when graphs and the tables of PuzzleMix's grids are made, and not at the end of an epoch.
        calls[0] += 1
        torch.cuda.set_sync_debug_mode("error" if calls[0] % 4 and calls[0] > 32 else "default")
        return False

    calls = [0]
    spec = make_spec(arm, epochs=9, schedule={"kind": "constant"})
    try:
        train_run(spec, tmp_path, TINY, GPU, Control(watch, capture=cuda_graphs() if graph else None))
    finally:
        torch.cuda.set_sync_debug_mode("default")
