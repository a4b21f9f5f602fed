"""Arm names: one spelling everywhere, and fit for XML."""

import unicodedata
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropmix.audit.arm_names import ArmName, arm_of_spec, arm_title, clean, method_title, parse_arm
from dropmix.grid.arm import make_arm
from dropmix.msda import METHODS, TEXT_METHODS
from dropmix.train.config import Arm


@pytest.mark.parametrize(
    ("name", "method", "rate"),
    [
        ("mixup", "mixup", 0.0),
        ("mixup r=0.4", "mixup", 0.4),
        ("cutmix alpha=0.2 r=1", "cutmix alpha=0.2", 1.0),
        ("cutmix alpha=0.2 r=.5 unit=sample", "cutmix alpha=0.2 unit=sample", 0.5),
        ("blur=0.4", "blur=0.4", 0.0),
        ("r=7 of nine", "r=7 of nine", 0.0),
        ("mixup  r=0.4r", "mixup r=0.4r", 0.0),
    ],
)
def test_an_arm_is_a_method_and_a_rate(name, method, rate):
    assert parse_arm(name) == ArmName(method, rate)


@pytest.mark.parametrize(
    ("arm", "method", "rate"),
    [
        ({"name": "vanilla", "method": "vanilla", "rate": 0.0}, "vanilla", 0.0),
        (
            {"name": "mixup per=sample r=0.4 unit=count", "method": "mixup", "rate": 0.4},
            "mixup per=sample unit=count",
            0.4,
        ),
        ({"name": "mixup r=0.333333", "method": "mixup", "rate": 1 / 3}, "mixup", 1 / 3),
        ({"name": "strong", "method": "mixup", "rate": 0.4, "options": {"alpha": 4.0}}, "mixup alpha=4.0", 0.4),
        ({"name": "r=0.9 of all", "method": "cutmix", "rate": 0, "unit": "sample"}, "cutmix unit=sample", 0.0),
        ({"name": "from elsewhere r=0.2"}, "from elsewhere", 0.2),
        (
            {
                "name": "mixup r=0.35 unit=sample rates=mine",
                "method": "mixup",
                "rate": 0.35,
                "rates": {"a": 0.7, "b": 0},
            },
            "mixup unit=sample rates=mine",
            0.35,
        ),
        (
            {"name": "mine", "method": "mixup", "rate": 0.35, "unit": "sample", "rates": {"a": 0.7, "b": 0}},
            "mixup rates=f693f8 unit=sample",
            0.35,
        ),
    ],
)
def test_an_arm_of_our_own_is_what_its_spec_says(arm, method, rate):
    assert arm_of_spec(arm) == ArmName(method, rate)


def test_names_that_we_make_lose_their_rate_only():
    for arm in (make_arm("mixup", 1 / 3, {"alpha": 0.2}, unit="sample"), make_arm("cutmix", per="sample"), Arm()):
        assert arm_of_spec(arm.model_dump()) == ArmName(parse_arm(arm.name).method, arm.rate)


def test_an_arm_with_rates_is_never_the_plain_method_nor_one_rate():
    name = ArmName("mixup alpha=0.2 unit=sample rates=mine", 0.4)
    assert name.plain == "mixup alpha=0.2"
    assert name.method not in ("mixup alpha=0.2", "mixup alpha=0.2 unit=sample")


def test_titles():
    assert arm_title("puzzlemix beta=2 r=0.20") == "PuzzleMix beta=2 + DropMix, r = 0.2"
    assert arm_title("randaugment") == "randaugment"
    assert arm_title("cutmix r=0.4") == "CutMix + DropMix, r = 0.4"


def test_every_method_has_a_title_of_its_own():
    titles = {name: arm_title(name) for name in METHODS}
    assert len(set(titles.values())) == len(METHODS)
    assert not [name for name, title in titles.items() if title == name]


@given(st.text())
def test_clean_text_is_one_line_that_xml_can_hold(text):
    line = clean(text)
    assert ET.fromstring(f"<a>{line.replace('&', '&amp;').replace('<', '&lt;')}</a>").text in (line or None, line)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert clean(line) == line


@pytest.mark.parametrize("method", [*METHODS, *TEXT_METHODS])
def test_every_method_is_named_as_papers_print_it(method: str) -> None:
    assert method_title(method) != method
