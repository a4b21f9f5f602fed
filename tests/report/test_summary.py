"""The decision in continuous integration: Markdown for a pull request, and JUnit's XML."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.report.decision import standing
from dropmix.report.junit import to_junit
from dropmix.report.summary import to_summary

NASTY = ["=1+1", "@everyone #1", "$x^2$ [y](http://z)", "<img src=x>", "a\nb\x1b[2J", "fox"]


@pytest.fixture(scope="module")
def many(real_audit):
    return real_audit(200, ("mixup", "mixup r=0.4"), protect=("red owl", "red fox"), seed=2)


def test_a_summary_fits_a_pull_request_and_says_what_the_audit_decided(many):
    text = to_summary(many)
    assert len(text.splitlines()) <= 42
    assert text.startswith("**Keep Vanilla: neither arm should be shipped.")
    for c in many.comparisons:
        s = standing(c)
        assert f"### {s.mark} {s.title.replace('|', '')}: {s.decision}" in text
        assert f"Of 200 classes {len(s.hurt)} hurt, {s.n_safe} safe, {s.n_undecided} undecided" in text
        assert f"{s.low} to {s.high} of 200 classes are hurt" in text or f"at most {s.high} of 200" in text
        for i in s.protected:
            assert f"| {c.classes['class'][i]} | {c.classes['decision'][i]} | " in text
        assert c.classes["class"][s.hurt[0]] in text


def test_one_arm_takes_about_twenty_lines(real_audit):
    assert len(to_summary(real_audit(200, ("mixup",), protect=("red owl", "red fox"))).splitlines()) <= 20


def test_of_many_arms_three_are_described_and_those_not_to_be_shipped_come_first(real_audit):
    audit = real_audit(10, tuple(f"arm{i}" for i in range(6)), seeds=2, per_class=400)
    text = to_summary(audit)
    assert text.count("### ") == 3
    rank = {"✖": 0, "?": 1, "✔": 2}
    marks = [rank[line.split()[1]] for line in text.splitlines() if line.startswith("### ")]
    every = sorted(rank[standing(c).mark] for c in audit.comparisons)
    assert marks == every[:3]


def test_names_are_text_in_both(real_audit):
    audit = real_audit(names=NASTY, arms=("mixup|x",), seeds=2, protect=NASTY)
    text = to_summary(audit)
    for forbidden in ("<img", "@everyone", "[y](", "$x", "\x1b", " #1"):
        assert forbidden not in re.sub(r"\\.", "", text)
    root = ET.fromstring(to_junit(audit))
    names = [case.get("name") for case in root.iter("testcase")]
    shown = [*NASTY[:4], r"a\nb\x1b[2J", "fox"]
    assert names == ["decision", *(f"protected class {name}" for name in shown)]


def test_junit_fails_where_safety_is_not_shown(many):
    root = ET.fromstring(to_junit(many))
    cases = 0
    for suite, c in zip(root.findall("testsuite"), many.comparisons, strict=True):
        decision, *protected = suite.findall("testcase")
        assert (decision.find("failure") is None) == (c.summary["decision"] == "ship")
        for case, i in zip(protected, standing(c).protected, strict=True):
            assert (case.find("failure") is None) == (c.classes["decision"][i] == "safe")
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        cases += len(protected) + 1
    assert int(root.get("tests")) == cases
    assert int(root.get("failures")) == len(root.findall(".//failure"))


def test_junit_shows_protected_slices_and_each_protected_class_within_each_slice():
    rng = np.random.default_rng(0)
    labels, site = np.repeat([0, 1, 2], 400), np.tile(["north", "south"], 600)
    share = np.where((labels == 0) & (site == "south"), 0.5, 0.9)  # class 0 is lost in the south alone
    pred = [np.where(rng.random((3, 1200)) < p, labels, (labels + 1) % 3) for p in (0.9, share)]
    arms = [{"labels": labels, "pred": p, "classes": ["fox", "owl", "elk"], "site": site} for p in pred]
    audit = audit_predictions(*arms, by="site", protect=["fox", "north"], tolerance=0.05, refits=0)
    root = ET.fromstring(to_junit(audit))
    outcome = {case.get("name"): case[0].tag for case in root.iter("testcase")}
    assert list(outcome) == [
        "decision",
        "protected class fox",
        "protected slice north",
        "protected class fox in north",
        "protected class fox in south",
    ]
    assert outcome["decision"] == outcome["protected class fox in south"] == "failure"
    cells = audit.only.slice_classes
    for place, name, word in zip(cells["slice"], cells["class"], cells["decision"]):
        if name == "fox":
            tag = {"safe": "system-out", "hurt": "failure"}.get(word, "skipped")
            assert outcome[f"protected class fox in {place}"] == tag
    tags = list(outcome.values())
    assert (int(root.get("failures")), int(root.get("skipped"))) == (tags.count("failure"), tags.count("skipped"))


def test_a_protected_class_that_is_hurt_stands_once_and_tolerances_are_english():
    labels = [0] * 50 + [1] * 50 + [2] * 50
    worse = [0] * 50 + [1] * 30 + [0] * 20 + [2] * 20 + [0] * 30
    audit = audit_predictions((labels, labels), (labels, worse), protect=["1"])
    below = to_summary(audit).partition("| protected class |")[2]
    assert below.count("hurt | -40.0") == 1
    assert "**Other hurt classes** (change in points, with its interval): 2 -60.0" in below
    assert "tolerated: 1 point." in below
    assert "Tolerated: 1 point." in to_junit(audit)


def test_a_seed_that_is_far_off_stands_in_the_verdict_and_notes_stand_in_the_summary():
    labels, rng = np.repeat(np.arange(4), 60), np.random.default_rng(0)
    arms = [np.where(rng.random((4, 240)) < 0.9, labels, (labels + 1) % 4) for _ in range(3)]
    arms[1][2] = np.where(rng.random(240) < 0.3, labels, (labels + 1) % 4)  # a run that failed
    audit = audit_predictions((labels, arms[0]), {"cutmix": (labels, arms[1]), "mixup": (labels, arms[2])}, refits=0)
    failed, sound = audit.comparisons
    assert "cutmix, seed 2: an accuracy of" in failed.verdict()
    assert "--drop-seed cutmix:2" in failed.verdict()
    assert "far from" not in sound.verdict()
    text = to_summary(audit)
    assert text.count("is far from") == 1  # said by the verdict, and not again among the notes
    assert "- No example ids: rows were matched by position" in text.partition("Notes:")[2]


def test_a_change_of_zero_has_no_sign_anywhere():
    labels = [0] * 60 + [1] * 60
    audit = audit_predictions((labels, labels), (labels, [0] * 60 + [1] * 30 + [0] * 30), protect=["0"], refits=0)
    assert "+0.0" not in to_summary(audit) + to_junit(audit) + audit.verdict()
    assert "| 0 | undecided | 0.0 (" in to_summary(audit)
    assert "Recall changes by 0.0 points;" in to_junit(audit)


def test_a_table_of_arms_that_is_cut_hides_none_that_should_not_ship(real_audit):
    audit = real_audit(4, tuple(f"arm{i}" for i in range(23)), seeds=2, per_class=40)
    decided = [replace(c, summary=c.summary | {"decision": "undecided"}) for c in audit.comparisons[:-1]]
    last = replace(
        audit.comparisons[-1], summary=audit.comparisons[-1].summary | {"decision": "do not ship", "gain": -1e-6}
    )
    text = to_summary(replace(audit, comparisons=[*decided, last]))
    row = next(line for line in text.splitlines() if line.startswith("| arm2"))
    assert row.startswith("| arm22 | ✖ do not ship | ")
    assert "3 more arms: see the report." in text
    assert "-0.00" not in row


def test_one_seed_per_arm_speaks_of_new_examples_only():
    labels = [0] * 50 + [1] * 50
    audit = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 30 + [0] * 20), protect=["1"])
    assert "Decisions and intervals (90 %) are for new examples of the same kind." in to_summary(audit)
    assert "very examples" not in to_junit(audit)
    assert "on new examples of the same kind" in to_junit(audit)


def test_junit_counts_groups_beside_examples():
    labels = np.repeat([0, 1], 60)
    runs = np.where(np.random.default_rng(0).random((2, 3, 120)) < 0.1, 1 - labels, labels)
    arms = [(labels, run) for run in runs]
    audit = audit_predictions(arms[0], arms[1], protect=["1"], group=np.arange(120) // 4, refits=0)
    assert "Test examples: 60 in 15 groups." in to_junit(audit)
