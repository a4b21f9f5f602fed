"""Names of networks: what is known, what is not, and that torch stays out."""

import subprocess
import sys

import pytest
import torch

from dropmix.nets import NETWORKS, build, check_name
from dropmix.nets.names import find


@pytest.mark.parametrize("pattern", NETWORKS)
def test_every_listed_name_builds(pattern: str) -> None:
    name = pattern.format(depth=10, width=3)
    check_name(name)
    with torch.device("meta"):
        assert isinstance(build(name, num_classes=5), torch.nn.Module)


def test_numbers_come_from_the_name() -> None:
    network, numbers = find("wrn40-4-released")
    assert numbers == {"depth": 40, "width": 4}
    assert network.options == {"released": True}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("wrn-28-2", "wrn28-2"),
        ("wrn28_10", "wrn28-10"),
        ("WRN16-8", "wrn16-8"),
        ("wrn28-2-release", "wrn28-2-released"),
        ("preact-resnet-34", "preactresnet34"),
        ("PreActResNet18", "preactresnet18"),
        ("resnet-50", "resnet50"),
        ("resnet19", "resnet18"),
    ],
)
def test_unknown_name_lists_the_known_ones_and_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match="network: expected name with") as caught:
        build(name, num_classes=10)
    message = str(caught.value)
    assert all(known in message for known in NETWORKS)
    assert f"got {name!r}. Did you mean {nearest!r}?" in message
    with pytest.raises(ValueError) as checked:
        check_name(name)
    assert str(checked.value) == message


@pytest.mark.parametrize("name", ["", "vit", "wrn028-2", "wrn28-02", "wrn28-2 ", "wrn28-2\n", "wrn28-٢"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected name with"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("wrn11-2", "got 11. Use depth 10 or 16."),
        ("wrn27-2-released", "got 27. Use depth 22 or 28."),
        ("wrn4-2", "got 4. Use depth 10."),
        ("wrn0-1", "got 0. Use depth 10."),
    ],
)
def test_impossible_depth_names_the_possible_ones(name: str, advice: str) -> None:
    for refuse in (check_name, lambda name: build(name, num_classes=10)):
        with pytest.raises(ValueError, match="expected depth with the form 6n") as caught:
            refuse(name)
        assert str(caught.value).endswith(advice)


def test_width_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="expected width with a value of at least 1, got 0"):
        check_name("wrn28-0")
    with pytest.raises(ValueError, match="expected width with a value of at least 1, got 0"):
        build("wrn28-0", num_classes=10)


@pytest.mark.parametrize("name", ["wrn10-1", "preactresnet18", "resnet18"])
@pytest.mark.parametrize(("num_classes", "in_channels"), [(0, 3), (10, 0)])
def test_numbers_below_one_are_refused(name: str, num_classes: int, in_channels: int) -> None:
    with pytest.raises(ValueError, match=r"with a value of at least 1, got 0"):
        build(name, num_classes, in_channels)


def test_names_need_no_torch() -> None:
    code = (
        "import sys, dropmix.nets as nets; nets.check_name('wrn28-2'); list(nets.NETWORKS); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
