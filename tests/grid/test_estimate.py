import pytest
import torch

from dropmix.grid import estimate, limits
from dropmix.grid.arm import make_arm
from dropmix.grid.estimate import (
    Sizes,
    Speed,
    Stopwatch,
    estimate_run,
    forward_flops,
    images_of,
    step_seconds,
    timed_spec,
)
from dropmix.recipes import get_recipe
from dropmix.train.config import Data, RunSpec, Train

CPU = torch.device("cpu")
SIZES = Sizes(100, 20, 3, (8, 8, 1))


def spec_of(method: str = "vanilla", rate: float = 0.0, network: str = "wrn10-1", **train) -> RunSpec:
    settings = {"epochs": 4, "batch": 10, "lr": 0.1, "evaluate_every": 2, "evaluate_last": 1} | train
    return RunSpec(arm=make_arm(method, rate), network=network, data=Data(name="digits"), train=Train(**settings))


def test_a_dropped_batch_is_counted_as_vanilla(monkeypatch):
    speeds = {"vanilla": Speed(2.0, 1.0), "puzzlemix": Speed(6.0, 1.0)}
    monkeypatch.setattr(estimate, "speed", lambda spec, *_: speeds[spec.arm.method])
    trained, looked = images_of(spec_of(), SIZES)
    assert (trained, looked) == (400, 40)
    assert estimate_run(spec_of(), SIZES, CPU).seconds == 2 * 400 + 40
    assert estimate_run(spec_of("cutmix"), SIZES, CPU).seconds == 2 * 400 + 40
    assert estimate_run(spec_of("puzzlemix"), SIZES, CPU).seconds == 6 * 400 + 40
    assert estimate_run(spec_of("puzzlemix", 0.75), SIZES, CPU).seconds == 3 * 400 + 40
    assert estimate_run(spec_of("puzzlemix", 0.75), SIZES, None).seconds is None


def test_one_measurement_serves_all_seeds_and_lengths(monkeypatch):
    measured = []
    monkeypatch.setattr(estimate, "step_seconds", lambda specs, *_: measured.append(specs) or [1.0])
    monkeypatch.setattr(estimate, "look_seconds", lambda *_: 1.0)
    sizes = SIZES._replace(shape=(9, 9, 1))  # which no other test measures
    for seed in range(3):
        for epochs in (1, 5):
            estimate_run(spec_of(epochs=epochs).model_copy(update={"seed": seed}), sizes, CPU)
    estimate_run(spec_of(batch=20), sizes, CPU)
    assert len(measured) == 2


def test_large_networks_are_timed_on_small_batches_of_a_cpu():
    sizes = Sizes.known(Data(name="cifar100"))
    for recipe in ("cifar100-wrn28-2", "cifar100-preactresnet50"):
        base = get_recipe(recipe).base
        batch = timed_spec(base, sizes, CPU).train.batch
        assert 4 <= batch < base.train.batch
        assert batch == 4 or batch * 3 * forward_flops(base.network, sizes) <= estimate.CPU_FLOPS
        assert timed_spec(base, sizes, torch.device("cuda")).train.batch == base.train.batch
    assert timed_spec(spec_of(), SIZES, CPU).train.batch == 10
    assert timed_spec(spec_of(batch=500), SIZES, CPU).train.batch == 100


def test_timed_steps_do_not_diverge():
    spec = timed_spec(spec_of("puzzlemix", lr=50.0, batch=4), SIZES, CPU)
    assert step_seconds([spec], SIZES, CPU, steps=8)[0] > 0  # PuzzleMix refuses a saliency that is not finite


def test_steps_are_real_and_in_turns(monkeypatch):
    taken = []

    def clocked(work, device):
        taken.append(work())
        return float(len(taken))

    monkeypatch.setattr(estimate, "clocked", clocked)
    specs = [timed_spec(spec_of(method, batch=4), SIZES, CPU) for method in ("vanilla", "mixup")]
    assert step_seconds(specs, SIZES, CPU, steps=3) == [5.0, 6.0]  # calls 1 and 2 warm up
    assert len(taken) == 8


def test_traffic_is_counted_by_operation():
    a, b, c = (torch.empty(size, device="meta") for size in ((4, 6), (4, 6), (6, 5)))
    for work, eager, fused in (
        (lambda: torch.relu(a), 48, 0),
        (lambda: a.relu_(), 48, 0),
        (lambda: a + b, 72, 24),
        (lambda: a @ c, 24 + 30 + 20, 24 + 30 + 20),
        (lambda: a.view(6, 4), 0, 0),
    ):
        with limits._Counter() as counter:
            work()
        assert (counter.eager, counter.fused) == (eager, fused)


def test_bf16_moves_half_of_what_fp32_moves():
    full, half = (limits.traffic("wrn10-1", SIZES, 10, precision) for precision in ("fp32", "bf16"))
    assert half.eager == full.eager / 2
    assert half.fused == full.fused / 2


def test_limits_are_work_over_time(monkeypatch):
    monkeypatch.setattr(limits, "clocked", lambda work, device: 0.5)
    found = limits.measure_limits(CPU, torch.float32)
    assert found.flops == max(2 * 512**3, 2 * 8 * 16 * 16 * 64 * 64 * 9) / 0.5
    assert found.bytes == 2 * 2**22 / 0.5


@pytest.mark.parametrize(("name", "shape"), [("cifar10", (32, 32, 3)), ("digits", (8, 8, 1))])
def test_known_sizes_are_those_of_the_set(name, shape):
    assert Sizes.known(Data(name=name)).shape == shape
    assert Sizes.known(Data(name="folder", size=64)).shape == (64, 64, 3)


def test_sizes_of_a_set_at_hand_are_of_what_is_predicted():
    from dropmix.grid.data import load_data

    spec = get_recipe("digits").with_settings({"data.validation": 0.2}).base
    dataset = load_data(spec, None)
    assert Sizes.of(dataset) == (len(dataset.train.labels), len(dataset.validation.labels), 10, (8, 8, 1))


def test_a_busy_machine_is_told_by_its_own_clock(monkeypatch):
    """A second of processor time that took four of the clock's."""
    now = {"clock": 10.0, "processor": 3.0}
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now["clock"])
    monkeypatch.setattr(estimate.time, "process_time", lambda: now["processor"])
    watch = Stopwatch()
    assert watch.start == 3
    now.update(clock=14.0, processor=4.0)
    assert watch.slowdown() == 4
    now.update(clock=10.5, processor=4.0)  # several threads
    assert watch.slowdown() == 1


def test_policies_of_single_images_are_timed_too(monkeypatch):
    """They can take longer than the network."""
    calls = []
    spec = spec_of().model_copy(update={"data": Data(name="digits", augment=("trivialaugment",))})
    monkeypatch.setattr("dropmix.train.augment.Augment.pixels", lambda self, x, seeds: calls.append(len(x)) or x)
    step_seconds([timed_spec(spec, SIZES, CPU)], SIZES, CPU, steps=2)
    assert calls == [10, 10, 10]
