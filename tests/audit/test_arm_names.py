"""Arm names: one spelling everywhere, and fit for XML."""

import unicodedata
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropmix.audit.arm_names import ArmName, arm_title, clean, parse_arm
from dropmix.msda import METHODS


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
