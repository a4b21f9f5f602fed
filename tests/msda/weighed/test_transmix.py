"""TransMix: label shares by a loop over patches, attention against the networks' own, a trained transformer."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from dropmix import DropMix, apply_mix, mix_labels
from dropmix.msda.maps.attention import class_attention
from dropmix.msda.mix import Mix, mix_images
from dropmix.msda.weighed.transmix import transmix

from ..conftest import images, seeded


def _torchvision() -> nn.Module:
    torch.manual_seed(0)
    net = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=3)
    nn.init.normal_(net.class_token, std=1.0)
    return net


def _timm(**options) -> nn.Module:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    shape = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_classes": 3}
    return timm.models.VisionTransformer(**shape, **options)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("weight", [0.5, 0.2, 1.0])
def test_shares_are_a_loops_over_patches(per, weight):
    x, attention = images(6, 16, 24), torch.rand(6, 4, 3, generator=seeded(2))
    mix = transmix(x, generator=seeded(1), per=per, weight=weight)
    found = mix.with_attention(attention, x.shape[2:])
    assert found.attended is None
    assert mix.box is not None
    _, shares = apply_mix(x, torch.eye(6), found)
    for i in range(6):
        y0, y1, x0, x1 = mix.box[i if per == "sample" else 0].tolist()
        area = (y1 - y0) * (x1 - x0) / (16 * 24)
        inside = 0.0
        for row in range(4):
            for column in range(3):
                if y0 <= row * 4 < y1 and x0 <= column * 8 < x1:
                    inside += float(attention[i, row, column])
        theirs = (1 - weight) * area + weight * inside / float(attention[i].sum())
        j = int(mix.partner[i])
        expected = (1 - theirs) * torch.eye(6)[i] + theirs * torch.eye(6)[j]
        torch.testing.assert_close(shares[i], expected, rtol=1e-5, atol=1e-6)
    nothing = mix.with_attention(torch.zeros(6, 4, 3), x.shape[2:])
    torch.testing.assert_close(nothing.lam, mix.lam)


def test_a_record_that_waits_gives_no_labels():
    x, y = images(4), torch.arange(4)
    mix = transmix(x, generator=seeded(1))
    for give in (
        lambda: apply_mix(x, y, mix, num_classes=4),
        lambda: mix.loss(nn.CrossEntropyLoss(), torch.zeros(4, 4), y),
        lambda: DropMix("transmix", num_classes=4)(x, y),
    ):
        with pytest.raises(ValueError, match="got one that waits for the network's attention"):
            give()
    with pytest.raises(ValueError, match=r"expected attention \(B, h, w\) of the mix's 4 samples, got \(3, 2, 2\)"):
        mix.with_attention(torch.ones(3, 2, 2), (16, 16))
    with pytest.raises(ValueError, match=r"expected weight in \(0, 1\], got 0"):
        transmix(x, weight=0)


@pytest.mark.parametrize("unit", ["sample", "count"])
def test_dropped_samples_keep_their_label_whatever_the_attention(unit):
    x, y = images(8), torch.arange(8)
    augment = DropMix("transmix", 0.5, num_classes=8, unit=unit, per="sample", seed=0)
    for _ in range(4):
        mix = augment.draw(x, y)
        kept = (mix_images(x, mix) == x).flatten(1).all(1)
        assert 0 < kept.sum() < 8
        shares = mix_labels(y, mix.with_attention(torch.rand(8, 4, 4), (16, 16)), 8)
        torch.testing.assert_close(shares[kept], torch.eye(8)[kept])


def test_attention_is_that_of_torchvisions_block():
    net, x = _torchvision(), images(3)
    with torch.no_grad(), class_attention(nn.DataParallel(net)) as seen:
        net(x)
        tokens = net._process_input(x)
        tokens = torch.cat([net.class_token.expand(3, -1, -1), tokens], 1) + net.encoder.pos_embedding
        tokens = net.encoder.layers[0](tokens)
        last = net.encoder.layers[1]
        normed = last.ln_1(tokens)
        _, weights = last.self_attention(normed, normed, normed, need_weights=True)
    torch.testing.assert_close(seen.map, weights[:, 0, 1:].view(3, 4, 4))


@pytest.mark.parametrize("options", [{}, {"qk_norm": True}, {"reg_tokens": 2}], ids=str)
def test_attention_is_that_of_timms_block(options):
    net, x = _timm(**options), images(3)
    attention, kept = net.blocks[-1].attn, []  # pyright: ignore
    attention.fused_attn = False
    attention.attn_drop.register_forward_hook(lambda _, __, output: kept.append(output))
    with class_attention(net) as seen:
        net(x)
    prefix = net.num_prefix_tokens
    expected = kept[0].mean(1)[:, 0, prefix:].view(3, 4, 4)  # pyright: ignore
    torch.testing.assert_close(seen.map, expected)
    assert not seen.map.requires_grad
    assert not attention.qkv._forward_hooks


def test_other_networks_and_no_pass_are_refused():
    other = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="of timm or torchvision with a class token"), class_attention(other):
        pass
    pooled = _timm(class_token=False, global_pool="avg")
    with pytest.raises(ValueError, match="expected a vision transformer"), class_attention(pooled):
        pass
    with class_attention(_torchvision()) as seen:
        pass
    with pytest.raises(RuntimeError, match="expected a pass of the network within the context, got none"):
        _ = seen.map


def test_the_loop_of_the_card_trains():
    net, augment = _torchvision(), DropMix("transmix", 0.2, num_classes=3, seed=0)
    x, y = images(12), torch.arange(12) % 3
    optimizer, losses = torch.optim.Adam(net.parameters(), 1e-2), []
    for _ in range(30):
        mix = augment.draw(x, y)
        with class_attention(net) as seen:
            logits = net(mix_images(x, mix))
        shares = mix_labels(y, mix.with_attention(seen.map, x.shape[2:]), 3)
        loss = F.cross_entropy(logits, shares)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < sum(losses[:5])


def test_the_identity_waits_for_nothing():
    assert Mix.identity(2).with_attention(torch.ones(2, 1, 1), (4, 4)).is_identity
