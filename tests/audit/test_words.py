"""The verdict, and rules for continuous integration."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions, fail_if, verdict
from dropmix.audit.arm_names import arm_title
from dropmix.studies.simulate import World, simulate


def audit_of(change, m=60, seeds=(5, 5), **more):
    s = simulate(World(classes=m, per_class=60, seeds=seeds), change, np.random.default_rng(0))
    labels = np.repeat(np.arange(m), 60)
    made = [np.where(c.reshape(len(c), -1), labels, (labels + 1) % m) for c in (s.correct0, s.correct1)]
    base, treated = ({"labels": labels, "pred": p, "classes": [f"class {i}" for i in range(m)]} for p in made)
    return audit_predictions(base, {"mixup": treated}, refits=40, **more)


def test_verdict_has_the_numbers():
    change = np.where(np.arange(60) < 8, -0.1, 0.03)
    audit = audit_of(change)
    text = verdict(audit.only)
    s = audit.summary
    assert text.startswith(("Mixup gains ", "Mixup loses "))
    assert f"{abs(100 * s['gain']):.1f} points" in text
    assert f"{s['n_degraded']} of 60 classes look worse" in text
    assert f"about {s['floor_n_degraded']:.0f} [" in text
    assert "would if all changed alike" in text
    estimated = re.search(r"An estimated (\d+) \[(\d+), (\d+)\] truly are worse by more than 0.5 points", text)
    assert estimated is not None
    assert int(estimated[2]) <= int(estimated[1]) <= int(estimated[3])
    named = {int(number) for number in re.findall(r"class (\d+)", text)}
    assert named
    assert named <= set(range(8))
    assert "No evidence" not in text


def test_a_common_loss_reads_as_well_as_a_gain():
    text = verdict(audit_of(np.asarray(-0.08)).only)
    assert text.count("Mixup loses ") == 1
    assert "would if all changed alike" in text
    assert "chance" not in text
    assert "gained" not in text


@pytest.mark.parametrize("arm", ["cutmix", "cutmix r=0.4", "in-house"])
def test_arms_are_spelt_as_in_the_report(arm):
    labels = [0] * 50 + [1] * 50
    audit = audit_predictions((labels, labels), {arm: (labels, labels[::-1])}, refits=0)
    assert f" {arm_title(arm)} loses " in f" {verdict(audit.only)}"


def test_verdict_says_first_that_there_is_no_evidence():
    text = verdict(audit_of(np.asarray(0.0)).only)
    assert text.startswith("No evidence of class dependency")
    assert "No single class can be named" in text


@pytest.mark.parametrize(("m", "seeds"), [(5, (5, 5)), (5, (1, 1)), (60, (1, 1)), (60, (2, 3)), (1, (2, 2))])
def test_verdict_reads_for_every_size(m, seeds):
    text = verdict(audit_of(np.asarray(0.0), m, seeds).only)
    assert "nan" not in text.lower()
    assert "None" not in text
    assert ("One seed only" in text) == (min(seeds) == 1)


def fake(**numbers):
    return SimpleNamespace(comparisons=[SimpleNamespace(summary=numbers)])


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("n_degraded > 5", False),
        ("n_degraded >= 5", True),
        ("gain<-0.01", True),
        ("gain < -1e-2 and n_degraded == 5", True),
        ("n_degraded > 5 or gain < 0", True),
        ("n_degraded > 5 or gain < 0 and n_tied > 0", False),
        ("(n_degraded > 5 or gain < 0) AND n_tied != 1", True),
        ("mean_degraded_change < 0", False),
        ("mean_degraded_change < 0 or n_tied <= 0", True),
    ],
)
def test_rules(rule, holds):
    audit = fake(n_degraded=5, gain=-0.02, n_tied=0, mean_degraded_change=None, kind="text")
    assert fail_if(audit, rule) is holds  # type: ignore[arg-type]


def test_a_rule_holds_if_any_comparison_breaks_it():
    audit = SimpleNamespace(comparisons=[SimpleNamespace(summary={"n": 1}), SimpleNamespace(summary={"n": 9})])
    assert fail_if(audit, "n > 5")  # type: ignore[arg-type]


UNREADABLE = ["", "n", "n >", "n > x", "n > 5 5", "n > 5 and", "(n > 5", "n > 5)", "n = 5", "__import__('os')"]
UNREADABLE += ["5 > n", "n > n", "(" * 5000 + "n > 5", "kind > 5"]


@pytest.mark.parametrize("rule", UNREADABLE)
def test_unreadable_rules_are_one_line(rule):
    with pytest.raises(AuditError) as caught:
        fail_if(fake(n=5, kind="text"), rule)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


def test_unknown_name_gets_the_nearest():
    with pytest.raises(AuditError, match="Did you mean n_degraded"):
        fail_if(fake(n_degraded=5), "n_degarded > 5")  # type: ignore[arg-type]


def test_no_class_is_named_that_looks_better():
    audit = audit_of(np.asarray(-0.08), seeds=(2, 2))
    call, change = np.array(audit.classes["call"]), audit.classes["recall_change"]
    assert (change[audit.classes["p_degraded"] > 0.9] >= 0).any()  # so that the rule matters here
    assert (change[call == "degraded"] < 0).all()
    assert (call == "degraded").sum() > 20


def test_many_names_are_not_called_sure():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 50)

    def five(recall):
        return np.where(rng.random((5, len(labels))) < recall[labels], labels, (labels + 1) % 40)

    base = {"labels": labels, "pred": five(np.full(40, 0.8))}
    new = {"labels": labels, "pred": five(np.where(np.arange(40) < 12, 0.5, 0.8))}
    text = verdict(audit_predictions(base, new, refits=0).only)
    assert "can be named" in text
    assert "surely" not in text
    assert re.search(r"and \d+ more\.", text)
