"""What a terminal shows of the classes of an arm."""

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from dropmix.audit import audit_predictions
from dropmix.report.tables.classes import class_legend, class_rows, class_table

NAMES = [f"class {i}" for i in range(40)]


def shown(table, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_protected_classes_come_first_then_hurt_ones_then_by_loss(real_audit):
    (arm,) = real_audit(40, ("mixup",), names=NAMES, per_class=80, protect=("class 7", "class 30")).comparisons
    rows = class_rows(arm, most=10)
    assert {row["name"] for row in rows[:2]} == {"class 7", "class 30"}
    assert all(row["protected"] for row in rows[:2])
    assert len(rows) == 12
    words = [row["decision"] for row in rows[2:]]
    assert "hurt" in words
    assert words == sorted(words, key=lambda word: word != "hurt")
    losses = [row["change"] for row in rows[2:] if row["decision"] != "hurt"]
    assert losses == sorted(losses)


def test_every_number_is_that_of_its_class(real_audit):
    (arm,) = real_audit(8, ("mixup",), names=NAMES[:8], per_class=60, protect=("class 3",)).comparisons
    rows = {row["name"]: row for row in class_rows(arm)}
    assert len(rows) == 8
    for i, name in enumerate(arm.classes["class"]):
        row = rows[name]
        assert (row["n"], row["decision"]) == (str(arm.classes["n"][i]), arm.classes["decision"][i])
        assert row["new"] == arm.classes["decision_population"][i]
        assert np.isclose(row["after"] - row["before"], row["change"])
        assert row["low"] <= row["change"] <= row["high"]


@pytest.mark.parametrize("width", [30, 59, 60, 95, 96, 140])
def test_it_fits_the_terminal_and_says_what_is_left_out(real_audit, width):
    (arm,) = real_audit(40, ("mixup",), names=NAMES, per_class=30, protect=("class 3",)).comparisons
    lines = shown(class_table(arm, width), width).splitlines()
    text = " ".join(" ".join(lines).split())
    assert "*: protected" in class_legend([arm], 0.9)
    assert max(map(len, lines)) <= width
    assert "13 of 40 classes" in text
    assert width == 30 or "* class 3" in text  # below, names are folded
    assert (" new " in lines[2] + lines[3]) == (width >= 60)


def test_names_and_markup_are_shown_as_they_are(real_audit):
    names = ["[red]fox", "a\x1b[31mb", "wolf", "lynx"]
    (arm,) = real_audit(4, ("mixup",), names=names, per_class=40).comparisons
    text = shown(class_table(arm, 120), 120)
    assert "[red]fox" in text
    assert "\x1b" not in text


def test_a_comparison_without_decisions_has_no_rows(real_audit):
    (arm,) = real_audit(4, ("mixup",), per_class=40).comparisons
    classes = {key: value for key, value in arm.classes.items() if key != "decision"}
    assert class_rows(dataclasses.replace(arm, classes=classes)) == []


def test_one_seed_per_arm_has_one_decision_per_class():
    labels = [0] * 50 + [1] * 50
    c = audit_predictions((labels, labels), (labels, [0] * 50 + [1] * 30 + [0] * 20)).only
    assert [str(column.header) for column in class_table(c, 80).columns][-1] == "decision"
    assert "for new examples of the same kind; what other seeds would do" in class_legend([c], 0.9)
