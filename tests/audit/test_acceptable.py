"""Both readings of labels stand side by side: in the result, in the verdict, and class by class."""

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions, verdict
from dropmix.audit.measures.accept import COLUMNS

NAMES = ["fox", "lynx", "owl", "bowl"]
GROUPS = ["animal", "animal", "animal", "thing"]


@pytest.fixture
def arms(rng):
    """The arm calls half of the foxes lynx; on most of these pictures there is a lynx as well."""
    labels = np.repeat(np.arange(4), 100)
    accept = [[int(label)] for label in labels]
    for i in range(60):
        accept[i] = [0, 1]
    base = np.tile(labels, (3, 1))
    base[:, ::17] = (base[:, ::17] + 1) % 4
    new = base.copy()
    new[:, :50], new[:, 70:76], new[:, 80:84] = 1, 2, 3
    common = {"labels": labels, "classes": NAMES, "superclasses": GROUPS}
    flips = [rng.permutation(400)[:8] for _ in range(6)]
    for i, pred in enumerate((*base, *new)):
        pred[flips[i]] = (labels[flips[i]] + 1) % 4
    return common | {"pred": base, "accept": accept}, {"mixup": common | {"pred": new, "accept": accept}}


def test_the_two_readings_are_those_of_two_audits(arms):
    both = audit_predictions(*arms, refits=0)
    base, treated = arms
    alone = audit_predictions(
        {k: v for k, v in base.items() if k != "accept"},
        {"mixup": {k: v for k, v in treated["mixup"].items() if k != "accept"}},
        refits=0,
    )
    for key in ("decision", "n_hurt", "n_safe", "accuracy_baseline", "accuracy_treated", "gain"):
        assert both.summary[f"{key}_as_labelled"] == alone.summary[key]
    assert both.classes["decision_as_labelled"] == alone.classes["decision"]
    np.testing.assert_array_equal(both.classes["recall_change_as_labelled"], alone.classes["recall_change"])
    assert "decision_as_labelled" not in alone.classes
    assert both.by_class["fox"]["decision_as_labelled"] == "hurt"
    assert both.by_class["fox"]["recall_change"] > both.by_class["fox"]["recall_change_as_labelled"]


def test_the_verdict_tells_both_numbers(arms):
    c = audit_predictions(*arms, refits=0).only
    text, s = verdict(c), c.summary
    assert f"as labelled: {s['n_hurt_as_labelled']}, with accuracy" in text


def test_what_a_class_lost_is_told_by_kind(arms):
    base, treated = arms
    labels, before, after = base["labels"], base["pred"], treated["mixup"]["pred"]
    row = audit_predictions(*arms, refits=0).by_class["fox"]
    fox = labels == 0
    taken = lambda pred, i, where: (pred[:, fox & where] == i).sum() / 3 / fox.sum()  # noqa: E731
    both = np.array([len(a) == 2 for a in base["accept"]])
    kinds = {
        "lost_to_acceptable": [(1, both)],
        "lost_to_superclass": [(1, ~both), (2, np.ones(400, bool))],
        "lost_to_shared": [],
        "lost_to_unrelated": [(3, np.ones(400, bool))],
    }
    for key, parts in kinds.items():
        expected = sum(taken(after, *part) - taken(before, *part) for part in parts)
        assert row[key] == pytest.approx(expected), key
    assert sum(row[key] for key in kinds) == pytest.approx(-row["recall_change_as_labelled"])


def test_a_class_without_examples_of_its_own_label(arms):
    base, treated = arms
    labels = base["labels"].copy()
    gone = labels == 3
    accept = [[3] if gone[i] else a for i, a in enumerate(base["accept"])]
    labels[gone] = 2
    base = base | {"labels": labels, "accept": accept}
    treated = {"mixup": treated["mixup"] | {"labels": labels, "accept": accept}}
    row = audit_predictions(base, treated, refits=0, protect=["bowl"], tolerance={"bowl": 0.02}).by_class["bowl"]
    assert (row["n"], row["decision_as_labelled"], row["recall_change_as_labelled"]) == (100, "", None)
    with pytest.raises(AuditError, match=r"protect: expected classes with examples, got wolf\. They are "):
        audit_predictions(base, treated, refits=0, protect=["wolf"])


def test_the_page_shows_both_readings_and_the_four_kinds(arms, tmp_path):
    audit = audit_predictions(*arms, refits=0)
    row = audit.by_class["fox"]
    text = audit.report(tmp_path).read_text(encoding="utf-8")
    table = text[text.index("Both readings") :].partition("</table>")[0]
    line = next(line for line in table.splitlines() if "<bdi>fox</bdi>" in line)
    points = [f"{100 * row[key]:.2f}".replace("-", "\u2212") for key in COLUMNS]
    assert [cell.partition("</td>")[0] for cell in line.split("<td>")[-4:]] == points
    assert sum(row[key] for key in COLUMNS) == pytest.approx(-row["recall_change_as_labelled"])
    alone = audit_predictions(*({k: v for k, v in a.items() if k != "accept"} for a in (arms[0], arms[1]["mixup"])))
    assert "Both readings" not in alone.report(tmp_path).read_text(encoding="utf-8")
