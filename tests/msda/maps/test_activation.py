"""Maps of last features: against the formula on networks whose head is known, and where no map is found."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from dropmix.msda.maps.activation import class_activation, feature_map
from dropmix.nets import build, hidden_modules

from ..conftest import images

NETS = ["wrn10-1", "preactresnet18", "resnet18", "resnet50", "efficientnet-lite0"]
SIDE = 64


class Head(nn.Module):
    """Features, a mean over places by a function, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3))
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        return self.fc(self.drop(self.body(x).mean((2, 3))))


def _body(net, x):
    net.eval()
    with torch.no_grad():
        return net.body(x)


def _large(small, x):
    return F.interpolate(small[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def test_class_activation_is_the_weighted_sum_of_the_features():
    net, x, y = Head(), images(6, 14, 18), torch.arange(6) % 4
    found = class_activation(net)(x, y)
    features = _body(net, x)
    expected = torch.einsum("bd,bdhw->bhw", net.fc.weight[y], features) / features[0, 0].numel()
    torch.testing.assert_close(found, _large(expected, x), rtol=1e-4, atol=1e-6)
    shares = 0.25 * torch.eye(4)[y] + 0.75 * torch.eye(4)[(y + 1) % 4]
    other = class_activation(net)(x, (y + 1) % 4)
    torch.testing.assert_close(class_activation(net)(x, shares), 0.25 * found + 0.75 * other, rtol=1e-4, atol=1e-6)


def test_class_activation_sums_up_to_the_logit():
    """Over the places of the map itself, with the bias left out: what CAM is defined by."""
    net, x, y = Head().eval(), images(5, 11, 11), torch.arange(5) % 4
    maps = class_activation(net, net.body)(x, y)
    small = F.adaptive_avg_pool2d(maps[:, None], 1).flatten()
    with torch.no_grad():
        logit = net(x)[torch.arange(5), y] - net.fc.bias[y]
    assert (small * logit > 0).all()  # enlarging weighs places unevenly, so the sign alone is sure


def test_feature_map_is_the_mean_activity():
    net, x = Head(), images(6, 14, 18)
    expected = _body(net, x).relu().mean(1)
    torch.testing.assert_close(feature_map(net)(x, torch.zeros(6)), _large(expected, x))


@pytest.mark.parametrize("kind", [feature_map, class_activation])
@pytest.mark.parametrize("name", NETS)
def test_the_last_map_of_every_network_is_found(name, kind):
    torch.manual_seed(0)
    net, x, y = build(name, 4).eval(), images(3, SIDE, SIDE), torch.arange(3)
    found, stage = kind(net)(x, y), kind(net, hidden_modules(net)[-1])(x, y)
    assert found.shape == (3, SIDE, SIDE)
    assert found.isfinite().all()
    if kind is feature_map and name != "efficientnet-lite0":  # its head has a convolution more
        # A norm may follow the last stage, so that places rank alike only roughly.
        assert torch.corrcoef(torch.stack([found.flatten(), stage.flatten()]))[0, 1] > 0.5


def test_a_map_of_one_place_is_constant():
    torch.manual_seed(0)
    found = feature_map(build("resnet50", 4))(images(2, 32, 32), torch.arange(2))
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found))
    assert found[0, 0, 0] != found[1, 0, 0]


@pytest.mark.parametrize("kind", [feature_map, class_activation])
def test_no_trace_is_left(kind):
    net = Head().train()
    net.drop.eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    saliency = kind(nn.DataParallel(net))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with torch.no_grad():
        saliency(images(4), torch.arange(4))
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    result = saliency(images(4), torch.arange(4))
    assert not result.requires_grad
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in net.modules()] == [m is not net.drop for m in net.modules()]
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())


class Tokens(nn.Module):
    """Patches as tokens, whose last map of four axes lies before everything that matters."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm, self.fc = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.norm(self.patch(x).flatten(2).mT).mean(1))


class Last(nn.Module):
    """Channels come last within, so that the last output of four axes is no map (B, D, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm, self.fc = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.norm(self.patch(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_tokens_named_by_the_user_are_laid_out_as_the_images_are():
    net, x, y = Tokens().eval(), images(4, 8, 24), torch.arange(4)
    with torch.no_grad():
        tokens = net.norm(net.patch(x).flatten(2).mT)
    expected = torch.einsum("bd,bnd->bn", net.fc.weight[y], tokens).view(4, 2, 6) / 12
    found = class_activation(net, net.norm)(x, y)
    torch.testing.assert_close(found, _large(expected, x).detach(), rtol=1e-4, atol=1e-6)
    net.patch = nn.Conv2d(3, 8, 4, 2)  # 3 x 11 tokens, which overlap
    with pytest.raises(ValueError, match=r"expected tokens .* that cover images of 8 x 24, got N = 33"):
        class_activation(net, net.norm)(x, y)


def test_tokens_of_a_torchvision_transformer_are_those_that_its_last_attention_reads():
    torch.manual_seed(0)
    net = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=3, dropout=0.5)
    nn.init.normal_(net.heads.head.weight)
    x, y = images(5, 16, 16), torch.arange(5) % 3
    found = class_activation(net.train())(x, y)
    assert net.training
    net.eval()
    tokens = torch.cat([net.class_token.expand(5, -1, -1), net._process_input(x)], 1) + net.encoder.pos_embedding
    tokens = net.encoder.layers[0](tokens)
    last = net.encoder.layers[1]
    read = last.ln_1(tokens).detach().requires_grad_()
    tokens = tokens + last.self_attention(read, read, read, need_weights=False)[0]
    tokens = net.encoder.ln(tokens + last.mlp(last.ln_2(tokens)))
    torch.testing.assert_close(net.heads(tokens[:, 0]), net(x), rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(net.heads(tokens[:, 0])[torch.arange(5), y].sum(), read)
    expected = (read.detach() * slope)[:, 1:].sum(2).view(5, 4, 4)
    assert expected.std() > 0
    torch.testing.assert_close(found, _large(expected, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 4}, {"img_size": (16, 8)}])
def test_tokens_that_are_no_patches_are_left_out_of_a_timm_transformer(options):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    sides = options.get("img_size", (8, 8))
    shape = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_classes": 3}
    net = timm.models.VisionTransformer(**{**shape, **options})
    nn.init.normal_(net.head.weight)
    x, y = images(3, *sides), torch.arange(3)
    seen = []

    def keep(_, __, output):
        seen.append(output)
        output.retain_grad()

    net.eval()
    handle = net.blocks[-1].norm1.register_forward_hook(keep)
    net(x)[torch.arange(3), y].sum().backward()
    handle.remove()
    expected = (seen[0].detach() * seen[0].grad)[:, net.num_prefix_tokens :].sum(2)
    expected = expected.view(3, sides[0] // 4, sides[1] // 4)
    torch.testing.assert_close(class_activation(net)(x, y), _large(expected, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net", [Tokens(), Last(), nn.Sequential(nn.Flatten(), nn.Linear(768, 4))])
def test_a_network_without_a_last_map_is_refused(net):
    for kind in (feature_map, class_activation):
        with pytest.raises(ValueError, match=r"expected a network with a last map \(B, D, h, w\) before its head"):
            kind(net)(images(3), torch.arange(3))
    assert all(module.training for module in net.modules())


def test_gradients_are_not_to_be_had_from_a_map():
    with pytest.raises(ValueError, match="expected a method that needs a map, got one that needs a gradient"):
        feature_map(Head())(images(2), torch.arange(2), signed=True)
