"""Steps on shards: against a loop in plain torch, and two processes against one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix.grid.arm import make_arm
from dropmix.msda.methods.cutmix import cutmix
from dropmix.msda.methods.mixup import mixup
from dropmix.msda.mix import apply_mix
from dropmix.train.config import Arm
from dropmix.train.plan import batch_slices, stream
from dropmix.train.shards import ShardStep
from dropmix.train.step import Stepper

from .helpers.pair import in_two
from .helpers.toy import make_spec

STEPS = 20
COUNT, BATCH = 40, 9  # batches of 9, 9, 9, 9 and 4


class Net(nn.Module):
    """Two convolutions with batch statistics; remembers what it was given in training."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6), nn.ReLU()) for c in (1, 6)
        )
        self.classifier = nn.Linear(6, 3)
        self.seen: list[torch.Tensor] = []

    def forward(self, x):
        self.seen += [x.detach().clone()] if self.training else []
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x.mean((2, 3)))


def make(arm: Arm, within: str = "batch", shards: int = 2) -> Stepper:
    """In double precision, so that rounding cannot explain a difference."""
    torch.manual_seed(0)
    spec = make_spec(arm, shards=shards, mix_within=within)
    stepper = Stepper(spec, Net().double().train(), 3, (0.3,), (0.2,))
    stepper.loss = lambda logits, shares: F.cross_entropy(logits, shares.to(logits))
    return stepper


def images() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(COUNT, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return ((x - 0.3) / 0.2).to(memory_format=torch.channels_last), torch.arange(COUNT) % 3


def places(shards: int = 2) -> list[tuple[int, int, slice]]:
    """Epoch, step and batch of every step."""
    batches = batch_slices(COUNT, BATCH, shards)
    return [(i // len(batches), i % len(batches), batches[i % len(batches)]) for i in range(STEPS)]


def train(arm, within, group=None, shards=2) -> tuple[dict[str, torch.Tensor], list[float]]:
    """State after some steps, and the losses."""
    stepper, (x, y) = make(arm, within, shards), images()
    step = ShardStep(stepper, batch_slices(COUNT, BATCH, shards), group)
    losses = []
    for epoch, i, batch in places(shards):
        # A process makes all images, unless it needs only its own or, here with CutMix, cannot afford more.
        own = group is not None and (within == "shard" or arm.method == "cutmix")
        part = step.own_part(batch) if own else batch
        losses.append(float(step(x[part], y[part], epoch, i)))
    return stepper.model.state_dict(), losses


CASES = {
    "vanilla": (make_arm("vanilla"), "batch"),
    "mixup": (make_arm("mixup", 0.4), "batch"),
    "mixup in shards": (make_arm("mixup", 0.4), "shard"),
    "cutmix": (make_arm("cutmix", 0.4, unit="sample", per="sample"), "batch"),
    "cutmix in shards": (make_arm("cutmix", 0.4, unit="count"), "shard"),
    "resizemix": (make_arm("resizemix", 0.4, unit="count"), "batch"),
    "saliencymix": (make_arm("saliencymix", 0.4, unit="sample"), "batch"),
    "puzzlemix": (make_arm("puzzlemix", options={"block_counts": (2, 4)}), "batch"),
    "puzzlemix, few mixed": (make_arm("puzzlemix", 0.7, unit="sample", options={"block_counts": (2,)}), "batch"),
    "puzzlemix in shards": (make_arm("puzzlemix", 0.4, options={"block_counts": (2, 4)}), "shard"),
    "puzzlemix, clean": (make_arm("puzzlemix", options={"block_counts": (2,), "clean": 0.5}), "batch"),
    "puzzlemix, attacked": (
        make_arm("puzzlemix", 0.4, options={"block_counts": (2,), "clean": 0.5, "adversarial": 0.5}),
        "shard",
    ),
    "manifoldmix": (make_arm("manifoldmix", 0.4, options={"layers": 2}), "shard"),
}


@pytest.fixture(scope="module")
def pair() -> list[dict]:
    """Each process's result for every case."""
    found = in_two(lambda group: {name: train(*case, group) for name, case in CASES.items()})
    assert all(isinstance(part, dict) for part in found), found
    return found


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_what_one_gives(pair, name):
    state, losses = train(*CASES[name])
    for process in pair:
        for key, value in process[name][0].items():
            if value.is_floating_point():
                assert (value - state[key]).norm() <= 1e-12 * state[key].norm(), key
    if not CASES[name][0].options.get("clean"):  # two addends have one sum; more may be added in another order
        assert all(torch.equal(pair[0][name][0][key], value) for key, value in state.items())
    parts = [process[name][1] for process in pair]
    assert [a + b for a, b in zip(*parts)] == pytest.approx(losses, rel=1e-12)


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("method", ["vanilla", "mixup"])
def test_one_process_equals_a_loop_in_plain_torch(method, shards):
    state, losses = train(make_arm(method), "batch", shards=shards)
    torch.manual_seed(0)
    net, (x, y) = Net().double(), images()
    weights, buffers = dict(net.named_parameters()), dict(net.named_buffers())
    optimizer = torch.optim.SGD(weights.values(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for i, (epoch, step, batch) in enumerate(places(shards)):
        a, b = x[batch], F.one_hot(y[batch], 3)
        if method == "mixup":
            a, b = apply_mix(a, y[batch], mixup(a, generator=stream(0, "mix", epoch, step)), num_classes=3)
        # Statistics are updated in copies; those of the first shard become the net's.
        copies = [{name: value.clone() for name, value in buffers.items()} for _ in range(shards)]
        logits = [
            torch.func.functional_call(net, (weights, copy), (part,))
            for copy, part in zip(copies, a.tensor_split(shards))
        ]
        buffers = copies[0]
        loss = -(torch.cat(logits).log_softmax(1) * b).sum(1).mean()
        assert losses[i] == pytest.approx(loss.item(), rel=1e-9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, value in (weights | buffers).items():
        torch.testing.assert_close(state[name], value.detach(), rtol=1e-9, atol=1e-12)


def test_a_shard_may_be_mixed_as_a_batch_of_its_own():
    stepper, (x, y) = make(make_arm("cutmix"), "shard"), images()
    ShardStep(stepper, [slice(0, 9)])(x[:9], y[:9], 3, 0)
    first, second = stepper.model.seen
    for k, (seen, part) in enumerate(((first, x[:5]), (second, x[5:9]))):
        assert torch.equal(
            seen, apply_mix(part, y[: len(part)], cutmix(part, generator=stream(0, "mix", 3, k)), num_classes=3)[0]
        )


def test_hidden_states_do_not_leave_their_shard():
    with pytest.raises(ValueError, match="expected shard for manifoldmix"):
        ShardStep(make(make_arm("manifoldmix")), [])
    with pytest.raises(ValueError, match="expected 1 with recursivemix, which mixes with the batch before, got 2"):
        ShardStep(make(make_arm("recursivemix")), [])
    with pytest.raises(ValueError, match="expected 1 with automix, which learns from whole batches, got 2"):
        ShardStep(make(make_arm("automix")), [])
