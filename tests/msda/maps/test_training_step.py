"""Methods that read maps or wait for attention, in a training step."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from dropmix import DropMix
from dropmix.grid.arm import make_arm
from dropmix.grid.estimate import saliency_share
from dropmix.msda.maps.attention import class_attention
from dropmix.msda.mix import mix_images, mix_labels
from dropmix.nets import build
from dropmix.train.plan import stream
from dropmix.train.shards import ShardStep
from dropmix.train.step import MAPS, Stepper

from ...train.helpers.toy import make_spec


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(5)), torch.arange(8) % 3


def transformer() -> nn.Module:
    torch.manual_seed(0)
    net = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=3)
    nn.init.normal_(net.heads.head.weight)  # pyright: ignore
    return net


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_step_of_transmix_is_the_loop_of_its_card(smoothing):
    x, y = batch()
    arm = make_arm("transmix", 0.4, unit="sample", per="sample")
    stepper = Stepper(make_spec(arm, lr=0.1, label_smoothing=smoothing), transformer(), 3, (0.3,) * 3, (0.2,) * 3)
    twin = copy.deepcopy(stepper.model).train()
    stepper.train_mode()
    augment = DropMix("transmix", 0.4, num_classes=3, unit="sample", per="sample")
    for step in range(3):
        before = copy.deepcopy(twin.state_dict())
        twin.load_state_dict(stepper.model.state_dict())
        loss = stepper.step(x, y, 0, step)
        mix = augment.draw(x, y, generator=stream(0, "mix", 0, step), drop_generator=stream(0, "drop", 0, step))
        with class_attention(twin) as seen:
            logits = twin(mix_images(x, mix))
        shares = mix_labels(y, mix.with_attention(seen.map, (16, 16)), 3)
        expected = nn.functional.cross_entropy(logits, shares, label_smoothing=smoothing)
        torch.testing.assert_close(loss, expected.detach())
        assert any(not torch.equal(before[k], v) for k, v in stepper.model.state_dict().items())
        by_area = mix_labels(y, mix.with_attention(torch.zeros(8, 1, 1), (16, 16)), 3)
        assert not torch.allclose(shares, by_area)


def test_transmix_is_refused_where_there_is_no_attention_to_wait_for():
    arm = make_arm("transmix")
    with pytest.raises(ValueError, match="expected a vision transformer of timm or torchvision"):
        Stepper(make_spec(arm), build("wrn10-1", 3), 3, (0.3,) * 3, (0.2,) * 3)
    with pytest.raises(ValueError, match=r"train\.micro_batch: expected a method without"):
        Stepper(make_spec(arm, micro_batch=4), transformer(), 3, (0.3,) * 3, (0.2,) * 3)
    stepper = Stepper(make_spec(arm, shards=2), transformer(), 3, (0.3,) * 3, (0.2,) * 3)
    with pytest.raises(ValueError, match=r"train\.shards: expected 1 with transmix"):
        ShardStep(stepper, [])


@pytest.mark.parametrize(
    ("method", "kind"), [("attentivemix", "features"), ("snapmix", "class"), ("tokenmix", "class")]
)
def test_a_step_takes_the_map_of_the_network_in_training(method, kind):
    x, y = batch()
    torch.manual_seed(0)
    stepper = Stepper(make_spec(make_arm(method)), build("wrn10-1", 3), 3, (0.3,) * 3, (0.2,) * 3)
    found = stepper.draw(x, y, 0, 0)
    again = DropMix(method).draw(x, y, saliency=MAPS[kind](stepper.model), generator=stream(0, "mix", 0, 0))
    torch.testing.assert_close(found.lam, again.lam)
    assert torch.equal(mix_images(x, found), mix_images(x, again))
    assert stepper.step(x, y, 0, 0).isfinite()
    assert saliency_share(make_arm(method, 0.3)) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("method", "balance", "named"),
    [("snapmix", "none", "snapmix"), ("tokenmix", "none", "tokenmix"), ("mixup", "weights", "train.balance=weights")],
)
def test_a_binary_loss_is_refused_where_shares_may_be_above_one(method, balance, named):
    spec = make_spec(make_arm(method), loss="bce-of-softmax", balance=balance)
    with pytest.raises(ValueError, match=rf"train\.loss: expected cross-entropy with {named}"):
        Stepper(spec, build("wrn10-1", 3), 3, (0.3,) * 3, (0.2,) * 3)


def test_training_that_diverged_is_told_by_saliency_too():
    x, y = batch()
    stepper = Stepper(make_spec(make_arm("saliencymix"), lr=1e30), build("wrn10-1", 3), 3, (0.3,) * 3, (0.2,) * 3)
    stepper.set_lr(1e30)
    stepper.train_mode()
    losses = (stepper.step(x, y, 0, step) for step in range(5))
    with pytest.raises(ValueError, match=r"expected finite saliency.* lower the learning rate"):
        list(losses)
