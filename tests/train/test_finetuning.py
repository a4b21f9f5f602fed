"""Trained weights, optimisers, averaged weights, policies and samplers: resumed to the bit, and reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dropmix.data import Dataset
from dropmix.nets import build
from dropmix.train.config import Arm, Schedule
from dropmix.train.loop import Control, train_run
from dropmix.train.optimizer import Average, class_weights, learning_rate, make_optimizer
from dropmix.train.plan import balanced_order
from dropmix.train.step import Stepper, build_for

from .helpers.toy import make_dataset, make_spec

EVERYTHING = {
    "optimizer": "adamw",
    "lr": 1e-3,
    "schedule": Schedule(kind="one-cycle"),
    "ema": 0.9,
    "clip": 0.01,
    "balance": "sampler",
    "head_lr_factor": 10.0,
    "label_smoothing": 0.1,
    "micro_batch": 4,
    "freeze_statistics": True,
}
CPU = torch.device("cpu")


def spec_of(**train):
    spec = make_spec(Arm(name="mixup", method="mixup", rate=0.4, options={"alpha": 1.0}), **(EVERYTHING | train))
    data = spec.data.model_copy(update={"augment": ("randaugment(2,9)", "random_erasing(0.5)"), "normalize": "network"})
    return spec.model_copy(update={"network": "efficientnet-lite0", "data": data})


def run(spec, folder: Path, dataset: Dataset, stop_after: int | None = None) -> dict[str, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    steps = 0

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        return stop_after is not None and steps > stop_after

    while train_run(spec, folder, dataset, CPU, Control(should_stop=should_stop)) == "stopped":
        steps, stop_after = 0, None
    return torch.load(folder / "weights.pt", weights_only=True)["model"]


def test_everything_at_once_resumes_to_the_bit(tmp_path: Path) -> None:
    spec, dataset = spec_of(), make_dataset()
    whole = run(spec, tmp_path / "whole", dataset)
    state = torch.get_rng_state()
    for stop in (1, 5):
        parts = run(spec, tmp_path / f"parts{stop}", dataset, stop_after=stop)
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert torch.equal(torch.get_rng_state(), state)


class Scales:
    """The states of every scaler that a run makes, noted after each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[float] = []
        update = torch.amp.GradScaler.update

        def noted(scaler: torch.amp.GradScaler) -> None:
            update(scaler)
            self.seen.append(scaler.get_scale())

        monkeypatch.setattr(torch.amp.GradScaler, "update", noted)


@pytest.mark.parametrize("settings", [EVERYTHING, {"ema": 0.9}, {"optimizer": "adamw"}], ids=["all", "sgd", "adamw"])
def test_fp16_skips_overflows_and_resumes_to_the_bit(tmp_path, monkeypatch, settings) -> None:
    # A scale at which gradients overflow at first: resumed without its state, the scaler would skip again.
    init = torch.amp.GradScaler.__init__
    monkeypatch.setattr(torch.amp.GradScaler, "__init__", lambda *a, **k: init(*a, **k, init_scale=2.0**40))
    scales = Scales(monkeypatch)
    arm = Arm(name="mixup", method="mixup", rate=0.4, options={"alpha": 1.0})
    spec, dataset = make_spec(arm, precision="fp16", **(settings | {"epochs": 8})), make_dataset()
    whole = run(spec, tmp_path / "whole", dataset)
    assert all(bool(value.isfinite().all()) for value in whole.values())
    seen = scales.seen.copy()
    assert seen[0] < 2.0**40  # skipped at first,
    assert seen[-1] == seen[-2]  # and no longer in the end
    scales.seen.clear()
    parts = run(spec, tmp_path / "parts", dataset, stop_after=9)
    assert scales.seen == seen
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_fp16_keeps_weights_and_average_where_the_gradient_overflows() -> None:
    spec, dataset = make_spec(precision="fp16", ema=0.9), make_dataset()
    stepper = Stepper(spec, build_for(spec, dataset), 3, dataset.mean, dataset.std)
    stepper.scaler.load_state_dict(stepper.scaler.state_dict() | {"scale": 2.0**100})
    x, y = torch.randn(8, 1, 8, 8), torch.arange(8) % 3
    assert stepper.average is not None
    before = [p.detach().clone() for p in stepper.model.parameters()]
    stepper.step(x, y, 0, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, stepper.model.parameters()))
    assert stepper.average.steps == 0
    assert stepper.scaler.get_scale() == 2.0**99


def test_fp16_scales_the_clean_loss_of_puzzlemix_and_keeps_small_gradients() -> None:
    dataset = make_dataset()
    arm = Arm(name="puzzlemix", method="puzzlemix", options={"clean": 1.0})
    x, y = torch.randn(8, 1, 8, 8), torch.arange(8) % 3
    gradients = []
    for precision in ("fp32", "fp16"):
        spec = make_spec(arm, precision=precision)
        torch.manual_seed(0)
        stepper = Stepper(spec, build_for(spec, dataset), 3, dataset.mean, dataset.std)
        signed = stepper.saliency(x * 1e-3, y, signed=True, clean=1.0)
        weights = [p.grad for p in stepper.model.parameters() if p.grad is not None]
        gradients.append((signed, [grad / stepper.scaler.get_scale() for grad in weights]))
    (signed, weights), (half_signed, half_weights) = gradients
    torch.testing.assert_close(signed, half_signed)
    assert len(weights) == len(half_weights) > 0
    for grad, half in zip(weights, half_weights):
        torch.testing.assert_close(grad, half)


@pytest.mark.parametrize("left_out", ["ema", "clip", "balance", "freeze_statistics"])
def test_each_setting_changes_the_outcome(tmp_path: Path, left_out: str) -> None:
    dataset = make_dataset()
    whole = run(spec_of(), tmp_path / "whole", dataset)
    spec = spec_of()
    default = type(spec.train).model_fields[left_out].default
    other = run(spec_of(**{left_out: default}), tmp_path / "other", dataset)
    assert any(not torch.equal(whole[name], other[name]) for name in whole)


def test_micro_batches_add_up_to_the_gradient_of_the_batch(tmp_path: Path) -> None:
    # Without batch statistics or draws of the network, parts of a batch are the batch.
    dataset, found = make_dataset(), []
    for micro in (None, 4, 3):
        spec = make_spec(epochs=1, freeze_statistics=True, micro_batch=micro)
        found.append(run(spec, tmp_path / str(micro), dataset))
    for other in found[1:]:
        for name, value in found[0].items():
            assert torch.allclose(value.double(), other[name].double(), rtol=1e-4, atol=1e-5), name


def test_the_average_is_the_sum_written_out() -> None:
    model = torch.nn.Linear(2, 1)
    average = Average(model, 0.5)
    expected = model.weight.detach().clone()
    for n in range(1, 6):
        with torch.no_grad():
            model.weight.add_(n)
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    assert torch.allclose(average.model.weight, expected)


def test_frozen_weights_stay(tmp_path: Path) -> None:
    model = build("efficientnet-lite0", 3, 1)
    make_optimizer(model, make_spec(freeze="backbone").train)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"_fc.weight", "_fc.bias"}
    dataset = make_dataset()
    spec = make_spec(freeze="conv1.*, stages.0.*", epochs=1)
    with pytest.raises(ValueError, match=r"train.freeze: expected names of weights such as"):
        run(spec.model_copy(update={"train": spec.train.model_copy(update={"freeze": "nothing*"})}), tmp_path, dataset)
    with pytest.raises(ValueError, match="left to train"):
        make_optimizer(build("wrn10-1", 3, 1), make_spec(freeze="*").train)


def test_layers_and_head_have_rates_of_their_own() -> None:
    pytest.importorskip("timm")
    model = build("timm:resnet18", 3)
    optimizer = make_optimizer(model, make_spec(layer_decay=0.5, head_lr_factor=4.0, optimizer="adamw").train)
    scales = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert scales[id(model.fc.weight)] == 4.0
    assert scales[id(model.conv1.weight)] < scales[id(model.layer4[1].conv2.weight)] < 1


@pytest.mark.parametrize("network", ["efficientnet-lite0", "wrn10-1", "torchvision:resnet18"])
def test_a_layer_decay_that_would_do_nothing_is_refused(network: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"train.layer_decay: expected a network of timm .* Leave layer_decay out"):
        make_optimizer(build(network, 3), make_spec(layer_decay=0.5).train)


def test_an_optimiser_of_timm_and_a_wrong_name() -> None:
    pytest.importorskip("timm")
    model = build("wrn10-1", 3, 1)
    options = {"optimizer": "lamb", "optimizer_options": {"betas": (0.8, 0.9)}}
    assert type(make_optimizer(model, make_spec(**options).train)).__name__ == "Lamb"
    with pytest.raises(ValueError, match="Did you mean 'adamw'"):
        make_optimizer(model, make_spec(optimizer="adamww").train)
    with pytest.raises(ValueError, match="optimizer_options"):
        make_optimizer(model, make_spec(optimizer="adamw", optimizer_options={"nonsense": 1}).train)


def test_a_balanced_sampler_draws_classes_alike() -> None:
    labels = torch.from_numpy(np.repeat([0, 1, 2], [900, 90, 10]))
    drawn = torch.cat([labels[balanced_order(0, epoch, labels, 1.0)] for epoch in range(20)])
    assert torch.allclose(drawn.bincount() / len(drawn), torch.full((3,), 1 / 3), atol=0.02)
    half = torch.cat([labels[balanced_order(0, epoch, labels, 0.5)] for epoch in range(20)])
    expected = torch.tensor([30.0, 90**0.5, 10**0.5])
    assert torch.allclose(half.bincount() / len(half), expected / expected.sum(), atol=0.02)
    assert torch.equal(balanced_order(0, 3, labels, 1.0), balanced_order(0, 3, labels, 1.0))


def test_class_weights_have_mean_one_over_images() -> None:
    counts = torch.tensor([920, 50, 7])
    assert float((class_weights(counts) * counts).sum() / counts.sum()) == pytest.approx(1.0)


def test_one_cycle_is_torchs() -> None:
    train = make_spec(epochs=10, lr=0.01, schedule=Schedule(kind="one-cycle")).train
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.01, total_steps=1001, cycle_momentum=False, final_div_factor=1e12
    )
    for step in range(1000):
        ours = learning_rate(train, step // 100, step=step % 100 / 100)
        assert ours == pytest.approx(theirs.get_last_lr()[0], abs=3e-5)
        optimizer.step()
        theirs.step()


def test_a_warm_up_rises_with_every_step_and_leaves_the_rest() -> None:
    train = make_spec(epochs=10, lr=1.0, schedule=Schedule(kind="constant", warmup=0.5)).train
    assert [learning_rate(train, 0, step=s) for s in (0, 0.25, 0.5)] == [0, 0.5, 1.0]


def test_local_weights_are_loaded_and_checked(tmp_path: Path) -> None:
    dataset = replace(make_dataset())
    torch.save(build("wrn10-1", 7, 1).state_dict(), tmp_path / "w.pt")
    from dropmix.nets.trained import digests

    spec = make_spec(epochs=1).model_copy(update={"weights": str(tmp_path / "w.pt")})
    spec = spec.model_copy(update=digests(spec.network, spec.weights))
    first = run(spec, tmp_path / "a", dataset)
    moved = spec.model_copy(update={"weights": str(tmp_path / "moved.pt")})
    (tmp_path / "w.pt").rename(tmp_path / "moved.pt")
    assert moved.hash == spec.hash
    again = run(moved, tmp_path / "b", dataset)
    assert all(torch.equal(first[name], again[name]) for name in first)
    torch.save(build("wrn10-1", 8, 1).state_dict(), tmp_path / "moved.pt")
    with pytest.raises(ValueError, match="changed since the run was planned"):
        run(moved, tmp_path / "c", dataset)
