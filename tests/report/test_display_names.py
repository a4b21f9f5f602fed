from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropmix.report.display_names import (
    all_notes,
    comparison_title,
    file_stems,
    number,
    plain_arms,
    short_names,
    shorten,
)


def test_the_plain_arm_is_of_the_same_group_options_and_baseline(make_audit):
    arms = ("mixup", "mixup alpha=0.2", "mixup alpha=0.2 r=0.4", "mixup r=0.3 unit=sample", "cutmix r=0.1")
    audit = make_audit(3, arms, seeds=1, groups=("a", "b"))
    found = {(c.group, c.arm): plain for c, plain in zip(audit.comparisons, plain_arms(audit))}
    for group in "ab":
        assert found[group, "mixup"] is None
        assert found[group, "cutmix r=0.1"] is None
        for arm, plain in (("mixup alpha=0.2 r=0.4", "mixup alpha=0.2"), ("mixup r=0.3 unit=sample", "mixup")):
            other = found[group, arm]
            assert other is not None
            assert (other.group, other.arm) == (group, plain)


def test_an_arm_against_its_own_plain_method_is_told_from_the_same_arm_against_vanilla(make_audit):
    c = make_audit(3, ("mixup r=0.4",), seeds=1).comparisons[0]
    assert comparison_title(c) == "Mixup + DropMix, r = 0.4"
    assert comparison_title(replace(c, baseline="mixup")) == "Mixup + DropMix, r = 0.4 against Mixup"


def test_a_note_names_its_arm_unless_all_share_it(make_audit):
    audit = make_audit(3, ("mixup", "cutmix"), seeds=1)
    first, second = (replace(c, notes=["shared", own]) for c, own in zip(audit.comparisons, ("one", "two")))
    found = all_notes(replace(audit, comparisons=[first, second], notes=["of all"]))
    assert found == ["of all", "shared", "Mixup: one", "CutMix: two"]


@given(st.text(), st.integers(2, 30))
def test_short_text_keeps_to_its_width(text, width):
    assert len(shorten(text, width)) <= width


@given(st.lists(st.text("ab #12", min_size=1, max_size=40), max_size=20, unique_by=lambda t: " ".join(t.split())))
def test_short_names_are_distinct(names):
    assert len(set(short_names(names, 12))) == len(names)


def test_long_names_with_a_common_beginning_or_end_stay_apart():
    beginning = [f"dermatoscopic image of a lesion on the {part}" for part in ("arm", "leg", "back", "scalp")]
    assert [name[-5:] for name in short_names(beginning, 20)] == ["e arm", "e leg", " back", "scalp"]
    middle = [f"dermatoscopic image, {part}, reviewed by two experts" for part in ("arm", "leg")]
    assert (
        short_names(middle, 20) == ["dermatos…xperts #1", "dermatos…xperts #2"]
        or len(set(short_names(middle, 20))) == 2
    )
    assert shorten("混合混合混合混合混合混合", 9) == "混合…混合"


@given(st.lists(st.text(max_size=80), max_size=20))
def test_file_stems_are_distinct_and_plain(names):
    stems = file_stems(names)
    assert len(set(stems)) == len(names)
    assert all(set(s) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") and s[0] not in "." for s in stems)


@pytest.mark.parametrize("value", [None, float("nan"), "0.3"])
def test_what_is_no_number_is_none(value):
    assert number({"gain": value}, "gain") is None
    assert number({}, "gain") is None
