"""Rules for continuous integration."""

from types import SimpleNamespace

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions, rule_holds
from dropmix.audit.fail_rule import check_rule


def fake(**numbers):
    return SimpleNamespace(comparisons=[SimpleNamespace(summary=numbers, classes={"class": []}, reasons={})])


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
        ("mean_degraded_change < 0 or n_tied <= 0", True),
        ("n_tied > 0 and mean_degraded_change < 0", False),
        ("(mean_degraded_change < 0 or n_tied > 5) and n_degraded > 5", False),
    ],
)
def test_rules(rule, holds):
    audit = fake(n_degraded=5, gain=-0.02, n_tied=0, mean_degraded_change=None, kind="text")
    assert rule_holds(audit, rule) is holds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rule", ["mean_degraded_change < 0", "mean_degraded_change >= 0 or n_tied > 0", "mean_degraded_change != 3"]
)
def test_a_rule_that_depends_on_a_missing_number_is_refused(rule):
    audit = fake(n_tied=0, mean_degraded_change=None)
    audit.comparisons[0].reasons["mean_degraded_change"] = "no class is degraded"
    with pytest.raises(AuditError, match=r"a value of mean_degraded_change, got null \(no class is degraded\)"):
        rule_holds(audit, rule)  # type: ignore[arg-type]
    audit.comparisons += fake(n_tied=0, mean_degraded_change=-0.5).comparisons
    assert rule_holds(audit, "mean_degraded_change < 0")  # type: ignore[arg-type]


def test_a_missing_number_of_a_class_is_named_with_its_reason():
    labels = np.repeat(np.arange(2), 50)
    wrong = np.where(labels == 1, 0, labels)  # nothing is ever called class 1
    audit = audit_predictions((labels, labels), (labels, wrong), refits=0)
    with pytest.raises(AuditError, match=r"a value of class\[1\]\.precision_change, got null \(the class"):
        rule_holds(audit, "class[1].precision_change < -10")


def test_a_rule_holds_if_any_comparison_breaks_it():
    audit = SimpleNamespace(comparisons=[*fake(n=1).comparisons, *fake(n=9).comparisons])
    assert rule_holds(audit, "n > 5")  # type: ignore[arg-type]


UNREADABLE = ["", "n", "n >", "n > x", "n > 5 5", "n > 5 and", "(n > 5", "n > 5)", "n = 5", "__import__('os')"]
UNREADABLE += ["n > nan", "n < inf", "n < 1e999", "5 > n", "n > n", "(" * 5000 + "n > 5", "kind > 5"]


@pytest.mark.parametrize("rule", UNREADABLE)
def test_unreadable_rules_are_one_line(rule):
    with pytest.raises(AuditError) as caught:
        rule_holds(fake(n=5, kind="text"), rule)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


def test_unknown_name_gets_the_nearest():
    with pytest.raises(AuditError, match="Did you mean 'n_degraded'"):
        rule_holds(fake(n_degraded=5), "n_degarded > 5")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def audit():
    labels = np.repeat(np.arange(3), 100)
    rng = np.random.default_rng(0)
    make = lambda recall: np.where(rng.random((4, 300)) < np.array(recall)[labels], labels, (labels + 1) % 3)  # noqa: E731
    names = ["fox", "a]b.c", "lynx"]
    base, new = ({"labels": labels, "pred": make(r), "classes": names} for r in ((0.9,) * 3, (0.6, 0.9, 0.9)))
    return audit_predictions(base, new, refits=0)


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("decision == do not ship", True),
        ("decision == 'do not ship'", True),
        ("decision != ship and n_hurt_low > 0", True),
        ("class[fox].recall_change_high < -1", True),
        ("class[fox].decision == hurt", True),
        ("class[lynx].decision == hurt", False),
        ("class[a]b.c].recall_change < -20", False),
        ("gain < -1", True),
        ("gain < -50", False),
        ("n_hurt >= 1", True),
        ("class[fox].n == 100", True),
    ],
)
def test_decisions_and_single_classes_in_points(audit, rule, holds):
    assert rule_holds(audit, rule, points=True) is holds


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("class[fix].recall_change < 0", "Did you mean 'fox'"),
        ("class[fox].recall_chance < 0", "Did you mean 'recall_change'"),
        ("decision > ship", "between texts"),
        ("decision == 5", "in place of a text"),
        ("gain == ship", "in place of a number"),
        # Such rules would never hold, and the build would never fail.
        ("decision == dont_ship", "decision to be ship, do not ship or undecided, got 'dont_ship'"),
        ("decision == hurt", "decision to be ship, do not ship or undecided, got 'hurt'"),
        ("decision_population != 'not ship'", "decision_population to be ship"),
        ("class[fox].decision == 'do not ship'", "hurt, safe, undecided or too few examples, got 'do not ship'"),
        ("class[fox].protected == true", "protected to be yes or no"),
    ],
)
def test_what_cannot_be_compared_is_named(audit, rule, words):
    with pytest.raises(AuditError, match=words):
        rule_holds(audit, rule)
    if "fix" not in rule:  # names of classes are not known before
        with pytest.raises(AuditError, match=words):
            check_rule(rule)


@pytest.mark.parametrize("rule", ["accuracy_treated < 0.9", "class[fox].recall_treated < .8 or gain < -1"])
def test_a_fraction_where_percent_are_meant_is_refused(audit, rule):
    rule_holds(audit, rule)  # in Python, rules are in fractions
    with pytest.raises(AuditError, match=r"in percent, got 0?\.\d\. Write \d0\."):
        rule_holds(audit, rule, points=True)
    assert rule_holds(audit, "accuracy_treated < 90 and worst_class_treated > 0", points=True)


def test_a_label_of_several_is_told_its_rows():
    truth = np.array([[1, 0], [1, 1], [0, 0]] * 20)
    base, new = truth[None] * 0.8, 0.9 - truth[None] * 0.8
    audit = audit_predictions(base, new, labels=truth, classes=["ST", "AF"], refits=0)
    with pytest.raises(AuditError, match=r"got 'ST'\. They are ST sensitivity, ST specificity"):
        rule_holds(audit, "class[ST].decision == hurt")


ODD = [
    "tench, Tinca tinca",
    "a].b",
    "(x) and y",
    'say "hi"',
    "do not ship",
    "[UNK]",
    " spaced",
    "it's",
    "é=1",
]


@pytest.mark.parametrize("name", ODD)
def test_classes_may_be_called_anything(name):
    labels = np.repeat(np.arange(2), 100)
    wrong = np.where(np.arange(200) < 60, 1, labels)
    base, new = ({"labels": labels, "pred": p[None], "classes": [name, "other"]} for p in (labels, wrong))
    audit = audit_predictions(base, new, refits=0)
    rule = f"class[{name}].decision == hurt and class[{name}].f1_change<-10 or decision == ship"
    check_rule(rule)
    assert rule_holds(audit, rule, points=True)
    assert not rule_holds(audit, f"class[{name}].decision != hurt or class[{name}].f1_change > 0", points=True)
