import copy
import math

import pytest
import torch
from torch import nn

from dropmix import DropMix, apply_mix, input_gradient
from dropmix.grid.arm import make_arm
from dropmix.msda.methods.manifoldmix import manifoldmix
from dropmix.msda.mix import mix_images, mix_labels
from dropmix.nets import build
from dropmix.train.plan import stream
from dropmix.train.step import LOSSES, Stepper, bce_of_softmax, soft_cross_entropy

from .helpers.toy import make_spec


class Probe(nn.Module):
    """Linear; remembers what it was given."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(64, classes)
        self.seen: list[torch.Tensor] = []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return self.layer(x.flatten(1))


def batch(count: int = 8):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, 1, 8, 8, generator=generator), torch.arange(count) % 3


def make(arm=None, **train) -> Stepper:
    torch.manual_seed(0)
    return Stepper(make_spec(arm, **train), Probe(), 3, (0.3,), (0.2,))


def test_losses_equal_their_definitions():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    shares = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    shares /= shares.sum(1, keepdim=True)
    p = (logits.exp() / logits.exp().sum(1, keepdim=True)).tolist()
    t = shares.tolist()
    cross = -sum(t[i][k] * math.log(p[i][k]) for i in range(4) for k in range(5)) / 4
    pairs = [(t[i][k], p[i][k]) for i in range(4) for k in range(5)]
    binary = -sum(a * math.log(b) + (1 - a) * math.log(1 - b) for a, b in pairs) / 20
    assert soft_cross_entropy(logits.float(), shares.float()).item() == pytest.approx(cross, rel=1e-5)
    assert bce_of_softmax(logits.float(), shares.float()).item() == pytest.approx(binary, rel=1e-5)


def test_cross_entropy_gradient_dwarfs_the_released_codes():
    # The design's measured fact at K = 100: 50 to 99 times as long, and in the same direction.
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(100, 100, generator=generator).requires_grad_()
    shares = nn.functional.one_hot(torch.arange(100), 100).float()
    (one,) = torch.autograd.grad(soft_cross_entropy(logits, shares), logits)
    (two,) = torch.autograd.grad(bce_of_softmax(logits, shares), logits)
    assert 50 < float(one.norm() / two.norm()) < 100
    assert nn.functional.cosine_similarity(one.flatten(), two.flatten(), 0) > 0.99


def test_a_vanilla_step_equals_plain_sgd_written_out():
    stepper, (x, y) = make(), batch()
    torch.manual_seed(0)
    plain = Probe()
    optimizer = torch.optim.SGD(
        plain.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=False, fused=False
    )
    for i in range(3):
        stepper.step(x, y, 0, i)
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(x), y).backward()
        optimizer.step()
    for ours, theirs in zip(stepper.model.parameters(), plain.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_label_smoothing_equals_torchs():
    stepper, (x, y) = make(label_smoothing=0.1), batch()
    expected = nn.functional.cross_entropy(stepper.model(x), y, label_smoothing=0.1)
    assert stepper.step(x, y, 0, 0).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_model_sees_what_the_streams_say():
    stepper, (x, y) = make(make_arm("mixup")), batch()
    stepper.step(x, y, 2, 5)
    from dropmix.msda.methods.mixup import mixup

    expected = mix_images(x, mixup(x, generator=stream(0, "mix", 2, 5)))
    assert torch.equal(stepper.model.seen[-1], expected)


def test_a_dropped_batch_does_not_shift_later_draws():
    x, y = batch()
    plain, dropped = make(make_arm("mixup")), make(make_arm("mixup", 0.5))
    kept = 0
    for step in range(20):
        plain.step(x, y, 0, step)
        dropped.step(x, y, 0, step)
        one, two = plain.model.seen[-1], dropped.model.seen[-1]
        assert torch.equal(two, x) or torch.equal(two, one)
        kept += torch.equal(two, x)
    assert 0 < kept < 20


def test_saliency_is_taken_in_eval_mode_and_leaves_no_gradient():
    stepper, (x, y) = make(make_arm("saliencymix")), batch()
    stepper.model.train()
    loss = stepper.step(x, y, 0, 0)
    assert loss.isfinite()
    assert stepper.model.training
    assert len(stepper.model.seen) == 2


@pytest.mark.parametrize("loss", ["cross-entropy", "bce-of-softmax"])
def test_a_clean_loss_joins_the_mixed_one(loss):
    arm = make_arm("puzzlemix", options={"clean": 0.5})
    stepper, (x, y) = make(arm, loss=loss, momentum=0.0, nesterov=False, weight_decay=0.0), batch()
    stepper.step(x, y, 0, 0)
    clean, mixed = stepper.model.seen
    assert torch.equal(clean, x)
    torch.manual_seed(0)
    plain = Probe()
    shares = apply_mix(x, y, redraw(arm, x, y, copy.deepcopy(plain)), num_classes=3)[1]
    value = LOSSES[loss](plain(mixed), shares)
    weight = 0.5 if loss == "cross-entropy" else 0.5 * 2 / 3
    (value + weight * nn.functional.cross_entropy(plain(x), y)).backward()
    for ours, theirs in zip(stepper.model.parameters(), plain.parameters()):
        torch.testing.assert_close(ours.data, theirs.data - 0.05 * theirs.grad)


def test_a_drawn_layer_is_mixed_inside_the_network():
    arm, (x, y), seen = make_arm("manifoldmix"), batch(), set()
    torch.manual_seed(0)
    net = build("wrn10-1", 3, 1)
    start = {name: value.clone() for name, value in net.state_dict().items()}
    for step in range(12):
        net.load_state_dict(start)
        loss = Stepper(make_spec(arm), net, 3, (0.3,), (0.2,)).step(x, y, 0, step)
        mix = manifoldmix(x, generator=stream(0, "mix", 0, step))
        net.load_state_dict(start)
        with torch.no_grad():
            hidden = net.stem(mix_images(x, mix) if mix.layer == 0 else x)
            for k, stage in enumerate(net.stages):
                hidden = stage(mix_images(hidden, mix) if mix.layer == k and k else hidden)
            logits = net.classifier(net.bn(hidden).relu().mean((2, 3)))
        assert loss.item() == pytest.approx(soft_cross_entropy(logits, mix_labels(y, mix, 3)).item(), rel=1e-5)
        seen.add(mix.layer)
    assert seen == {0, 1, 2}


def test_too_few_layers_are_named():
    stepper, (x, y) = make(make_arm("manifoldmix", options={"layers": 50})), batch()
    with pytest.raises(ValueError, match=r"expected modules for layer \d+, got 1"):
        stepper.step(x, y, 0, 0)


def test_pairing_alternates_by_epochs():
    arm = make_arm("samplepairing", options={"start": 0.2, "end": 0.8, "on": 2, "off": 1})
    stepper, (x, y) = make(arm, epochs=10), batch()
    paired = []
    for epoch in range(10):
        stepper.step(x, y, epoch, 0)
        paired.append(not torch.equal(stepper.model.seen[-1], x))
    assert paired == [False, False, True, True, False, True, True, False, False, False]
    assert arm.name == "samplepairing off=1 on=2 start=0.2"
    assert arm.options == {"start": 0.2, "end": 0.8, "on": 2, "off": 1}


def redraw(arm, x, y, model):
    """The record that a first step draws, drawn again."""
    augment = DropMix(arm.method, arm.rate, mean=(0.3,), std=(0.2,), **arm.options)
    return augment.draw(x, y, saliency=input_gradient(model), generator=stream(0, "mix", 0, 0))


def test_lr_is_set_for_all_parameters():
    stepper = make()
    stepper.set_lr(0.123)
    assert {group["lr"] for group in stepper.optimizer.param_groups} == {0.123}


def test_adamw_takes_torchs_own_step():
    stepper = make(optimizer="adamw", lr=0.01, weight_decay=0.1)
    twin = Probe()
    twin.load_state_dict(stepper.model.state_dict())
    other = torch.optim.AdamW(twin.parameters(), lr=0.01, weight_decay=0.1)
    x, y = batch()
    for step in range(3):
        stepper.step(x, y, 0, step)
        other.zero_grad()
        nn.functional.cross_entropy(twin(x), y).backward()
        other.step()
    torch.testing.assert_close(stepper.model.layer.weight, twin.layer.weight)
