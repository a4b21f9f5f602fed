"""The decision in words: names that could be read as several, and sentences that could deny each other."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import dropmix.cli  # noqa: F401  (registers the commands)
from dropmix.audit import audit_predictions
from dropmix.audit.fail_rule import rule_holds
from dropmix.cli.app import app
from dropmix.report.summary import to_summary
from dropmix.studies.simulate import World, simulate


def audit_of(change, per_class=60, seeds=(3, 3), names=None, **more):
    m = len(change)
    s = simulate(World(classes=m, per_class=per_class, seeds=seeds), np.asarray(change), np.random.default_rng(1))
    labels = np.repeat(np.arange(m), per_class)
    made = [np.where(c.reshape(len(c), -1), labels, (labels + 1) % m) for c in (s.correct0, s.correct1)]
    names = names or [f"class {i}" for i in range(m)]
    base, treated = ({"labels": labels, "pred": p, "classes": names} for p in made)
    return audit_predictions(base, {"mixup": treated}, refits=0, **more)


def test_a_name_that_could_be_read_as_several_is_quoted_wherever_it_stands():
    names = ["fox, red", "salt and pepper", "tench, Tinca tinca", "wolf"]
    camera = ["river, east", "hill"] * 120
    c = audit_of([-0.4, -0.3, 0.0, 0.0], names=names, protect=["tench, Tinca tinca"], by=camera).only
    text = c.verdict()
    assert '"fox, red" (-' in text
    assert '"salt and pepper" (-' in text
    assert 'Of the protected classes, "tench, Tinca tinca" is not shown to be safe.' in text
    assert 'decide "tench, Tinca tinca"' in text
    assert '"river, east" (-' in text
    assert '"river, east": "fox, red" (-' in text


def test_more_hurt_than_can_be_named_is_not_denied():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(60), 40)
        ease = rng.normal(size=len(labels))
        made = [np.where(ease + rng.normal(size=(4, len(labels))) < x, labels, 0) for x in (1.2, 0.95)]
        c = audit_predictions({"labels": labels, "pred": made[0]}, (labels, made[1]), refits=0, protect=["0"]).only
        if c.summary["n_hurt"] == 0 < c.summary["n_hurt_low"]:
            break
    text = c.verdict()
    assert c.summary["decision"] == "ship"  # class 0 takes all that is lost
    assert "no other class can be named that lost more." in text
    assert f"{c.summary['n_hurt_low']} to 60 of 60 classes are hurt, more than can be named." in text
    assert "shows nothing" not in text
    open_ = audit_predictions({"labels": labels, "pred": made[0]}, (labels, made[1]), refits=0).only
    assert "no class can be named that lost more than 1 point" in open_.verdict()
    assert "is shown to lose" not in text + open_.verdict()


@pytest.mark.parametrize("seeds", [1, 3])
def test_two_perfect_arms_changed_nothing(seeds):
    labels = np.repeat(np.arange(2), 50)
    c = audit_predictions((labels, np.stack([labels] * seeds)), (labels, np.stack([labels] * seeds)), refits=0).only
    assert "nothing changed, both arms predict the same." in c.verdict()
    assert "lost" not in c.verdict()
    assert c.summary["n_hurt"] == 0


def test_accuracy_may_rise_while_a_protected_class_is_hurt():
    change = np.full(10, 0.12)
    change[3] = -0.25
    audit = audit_of(change, per_class=100, seeds=(5, 5), protect=["class 3"])
    assert audit.summary["gain"] > 0
    assert audit.verdict().startswith("Do not ship: 1 class lost more than 1 point: class 3 (-")
    assert rule_holds(audit, "decision == do not ship and gain > 0")


def test_a_count_above_what_equal_changes_give_is_silent_beside_a_test_that_finds_nothing():
    c = audit_of(np.zeros(10)).only
    numbers = {"n_degraded": 7, "floor_n_degraded_low": 2, "floor_n_degraded_high": 6, "n_hurt": 0, "n_hurt_low": 0}
    uneven, even = (replace(c, summary=c.summary | numbers | {"heterogeneity_p": p}).verdict() for p in (0.01, 0.6))
    assert "7 of 10 classes have a lower mean recall, more than the 2 to 6 that would if every" in uneven
    assert "All classes may have changed equally (p = 0.6)." in even
    assert "lower mean recall" not in even


def test_where_noise_is_the_cause_seeds_are_named_beside_images():
    labels, rng = np.repeat(np.arange(5), 40), np.random.default_rng(0)
    made = [np.where(rng.random((n, 200)) < 0.6, labels, (labels + 1) % 5) for n in (2, 1)]
    c = audit_predictions((labels, made[0]), (labels, made[1]), refits=0).only
    assert c.summary["n_too_few"] == 5
    assert c.verdict().startswith("Undecided: every class has too few examples to be judged in this much noise.")
    assert any("Train more seeds, collect more test examples of them" in note for note in c.notes)
    few = np.repeat(np.arange(5), 4)
    made = [np.where(rng.random((n, 20)) < 0.9, few, (few + 1) % 5) for n in (2, 1)]
    c = audit_predictions((few, made[0]), (few, made[1]), refits=0).only
    assert c.verdict().startswith("Undecided: every class has too few examples to be judged. ")
    assert any(": 0, 1, 2, 3, 4. Collect more test examples of them" in note for note in c.notes)


def test_measures_of_labels_are_not_called_classes(tmp_path):
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < 0.3).astype(int)
    old, new = (0.5 + 0.3 * (2 * truth - 1) + 0.1 * rng.standard_normal((3, 400, 2)) for _ in range(2))
    audit = audit_predictions(
        *(scores.clip(0, 1) for scores in (old, new)),
        labels=truth,
        classes=["AF", "ST"],
        protect=["AF"],
        tolerance=0.1,
        refits=0,
    )
    shown = "all 3 protected measures lost no more than 10 points, and no other measure is shown to lose more."
    assert audit.verdict().startswith(f"Ship: {shown}")
    assert ", mean of sensitivities and specificities " in audit.verdict()
    assert "of 6 measures 0 hurt" in repr(audit)
    assert "| protected measure | decision |" in to_summary(audit)
    assert "Of 6 measures 0 hurt, 6 safe" in to_summary(audit)
    assert "class" not in audit.verdict()
    audit.to_json(tmp_path / "audit.json")
    run = CliRunner().invoke(app, ["plan", str(tmp_path), "--protect", "AF"])
    assert run.stdout.endswith("3 of 3 measures are decided.\n")  # a label stands for its rows, as in the audit


@pytest.mark.parametrize(("seeds", "classes", "said"), [((2, 2), 100, True), ((3, 3), 100, False), ((2, 2), 12, False)])
def test_of_very_many_classes_and_two_seeds_one_that_looks_hurt_may_be_swung_by_a_seed(seeds, classes, said):
    change = np.where(np.arange(classes) == 4, -0.5, 0.0)
    c = audit_of(change, seeds=seeds).only
    assert c.summary["n_hurt"] > 0
    assert ("train a third seed before you act on a single class" in c.verdict()) == said
